// A socket in a file, however long the path of its directory: an address has room for 107 bytes.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <filesystem>
#include <string>

#include "engine/core/handle.h"

namespace epochfs::test {

// Makes it, and leaves it there with nobody who listens; false: see errno.
inline bool make_socket_file(const std::filesystem::path& path) {
  const engine::UniqueFd directory(
      ::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const engine::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const std::string reached =
      "/proc/self/fd/" + std::to_string(directory.get()) + "/" + path.filename().string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (reached.size() >= sizeof(address.sun_path)) return false;
  reached.copy(address.sun_path, reached.size());
  const auto* const plain = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  return ::bind(socket.get(), plain, sizeof(address)) == 0;
}

}  // namespace epochfs::test
