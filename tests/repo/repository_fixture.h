// A repository and the images that its epochs must give back.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <random>
#include <string>

#include "engine/repo/operations.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::engine {

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

// All bytes of the epoch's database file through its view, as the mount reads it.
inline Result<std::string> read_epoch(Database& database, Epoch epoch) {
  TRY_ASSIGN(const auto view, database.view(epoch));
  TRY_ASSIGN(const auto file, view->open(0));
  TRY_ASSIGN(const Pieces pieces, file->read({0, file->size_bytes()}));
  std::string bytes;
  for (const Piece& piece : pieces) bytes += as_text(piece.bytes);
  return bytes;
}

class RepositoryTest : public testing::Test {
 protected:
  // Backs the file up; a failure fails the test.
  BackupReport back_up(const std::string& path, bool full = false) {
    BackupOptions options;
    options.database_path = path;
    options.location = location();
    options.cache_directory = directory_ / "cache";
    options.full = full;
    auto report = backup(options);
    EXPECT_TRUE(report) << (report ? "" : report.error().text);
    return report ? *report : BackupReport{};
  }

  std::shared_ptr<Repository> open(const std::string& cache = "cache") {
    auto repository = Repository::open(RepositoryOptions{location(), directory_ / cache, 4 << 20});
    EXPECT_TRUE(repository) << (repository ? "" : repository.error().text);
    return repository ? *repository : nullptr;
  }

  std::shared_ptr<Database> open_database(const std::string& cache = "cache") {
    const auto repository = open(cache);
    auto database = select_database(*repository, Source{});
    EXPECT_TRUE(database) << (database ? "" : database.error().text);
    return database ? *database : nullptr;
  }

  [[nodiscard]] std::string location() const { return directory_ / "repo"; }
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ / name; }

  TemporaryDirectory directory_;
};

// A plain file that changes at random: engine `file`.
class FileHistory {
 public:
  FileHistory(std::string path, std::uint64_t seed, std::size_t bytes_max = 200'000)
      : path_(std::move(path)), random_(seed), bytes_max_(bytes_max) {
    content_ = noise(bytes_max_ / 2);
    write_file(path_, content_);
  }

  // Overwrites, grows or shrinks; the content differs from before.
  void change() {
    const std::string before = content_;
    while (content_ == before) {
      if (random_() % 3 == 0) content_.resize(random_() % bytes_max_);
      for (std::size_t i = 0; i < 1 + random_() % 4 && !content_.empty(); ++i) {
        const std::string piece = noise(1 + random_() % 3000);
        const std::size_t at = random_() % content_.size();
        content_.replace(at, piece.size(), piece);
      }
    }
    write_file(path_, content_);
  }
  [[nodiscard]] const std::string& content() const { return content_; }

 private:
  std::string noise(std::size_t size) {
    std::string text(size, '\0');
    // Half of it repeats, so that compression has something to find.
    for (std::size_t i = 0; i < size; ++i)
      text[i] = static_cast<char>(i % 64 < 32 ? random_() : i % 251);
    return text;
  }

  std::string path_;
  std::mt19937_64 random_;
  std::size_t bytes_max_;
  std::string content_;
};

}  // namespace epochfs::engine
