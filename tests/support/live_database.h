// A real SQLite connection for tests, and what a read transaction sees through it.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>

#include "engine/core/handle.h"

namespace epochfs::test {

class LiveDatabase {
 public:
  explicit LiveDatabase(const std::string& path) : path_(path) {
    sqlite3* handle = nullptr;
    const int code = sqlite3_open(path.c_str(), &handle);
    handle_.reset(handle);
    if (code != SQLITE_OK) throw std::runtime_error(sqlite3_errmsg(handle));
    sqlite3_busy_timeout(handle, 5000);
  }

  void run(const std::string& sql) {
    if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
      throw std::runtime_error(sql + ": " + sqlite3_errmsg(handle_.get()));
  }
  // SQLITE_OK, or what it says.
  int attempt(const std::string& sql) {
    return sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  }
  std::string ask(const std::string& sql) {
    std::string answer;
    const auto keep = [](void* out, int, char** values, char**) {
      *static_cast<std::string*>(out) = values[0] != nullptr ? values[0] : "";
      return 0;
    };
    if (sqlite3_exec(handle_.get(), sql.c_str(), keep, &answer, nullptr) != SQLITE_OK)
      throw std::runtime_error(sql + ": " + sqlite3_errmsg(handle_.get()));
    return answer;
  }
  // Every byte that a read transaction sees now, page by page through SQLite.
  std::string image() {
    sqlite3_int64 size = 0;
    const std::unique_ptr<unsigned char, engine::ClosedBy<sqlite3_free>> bytes(
        sqlite3_serialize(handle_.get(), "main", &size, 0));
    if (!bytes) return {};
    return {bytes.get(), bytes.get() + size};
  }
  // As if the process was killed: the log stays, its locks go.
  void close_like_a_crash() {
    sqlite3_db_config(handle_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    handle_.reset();
  }
  void close() { handle_.reset(); }
  sqlite3* handle() noexcept { return handle_.get(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
  std::unique_ptr<sqlite3, engine::ClosedBy<sqlite3_close>> handle_;
};

inline std::string file_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}
inline void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

}  // namespace epochfs::test
