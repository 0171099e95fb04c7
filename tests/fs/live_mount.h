// A repository mounted for real, served by threads of the test's own process.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/core/handle.h"
#include "fs/mount.h"
#include "fs/mount_table.h"
#include "fs/session.h"
#include "tests/fs/fake_repository.h"
#include "tests/fs/temp_directory.h"

namespace epochfs::testing {

class LiveMount {
 public:
  // `database` as in SessionOptions. Fails the test when the kernel does not mount.
  explicit LiveMount(std::shared_ptr<engine::Repository> repository, std::string database = "",
                     bool allow_other = false)
      : signals_(fs::StopSignals::block(true).value()) {
    auto session =
        fs::Session::mount(std::move(repository),
                           {"/the/source, with a comma", std::move(database),
                            std::filesystem::canonical(directory_.path()).string(), allow_other});
    if (!session) throw std::runtime_error("FUSE does not work here: " + session.error().text);
    session_ = std::move(*session);
    server_ = std::thread([this] { EXPECT_TRUE(session_->serve(signals_)); });
  }
  LiveMount(const LiveMount&) = delete;
  LiveMount& operator=(const LiveMount&) = delete;
  ~LiveMount() {
    const auto unmounted = fs::unmount(directory_.path().string(), true);
    EXPECT_TRUE(unmounted) << unmounted.error().text;
    server_.join();
  }

  [[nodiscard]] std::string path(const std::string& below = "") const {
    return (directory_.path() / below).string();
  }

 private:
  const TempDirectory directory_;
  const fs::StopSignals signals_;
  std::unique_ptr<fs::Session> session_;
  std::thread server_;
};

inline engine::UniqueFd open_to_read(const std::string& path) {
  engine::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(file) << path << ": " << std::generic_category().message(errno);
  return file;
}

// What pread gives; nullopt: it fails, and errno says why.
inline std::optional<std::string> pread_some(int file, std::size_t size, std::uint64_t offset) {
  std::string bytes(size, '\0');
  const ssize_t count = ::pread(file, bytes.data(), size, static_cast<off_t>(offset));
  if (count < 0) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(count));
  return bytes;
}

inline std::string read_whole(const std::string& path) {
  const engine::UniqueFd file = open_to_read(path);
  std::string whole;
  for (;;) {
    const auto bytes = pread_some(file.get(), 100'000, whole.size());
    EXPECT_TRUE(bytes) << path << ": " << std::generic_category().message(errno);
    if (!bytes || bytes->empty()) return whole;
    whole += *bytes;
  }
}

inline std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    names.push_back(entry.path().filename().string());
  return names;
}

}  // namespace epochfs::testing
