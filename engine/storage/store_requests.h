// What this process has asked of object stores so far, and what that moved: each costs time and
// money.
//
// Threads   any
#pragma once

#include <cstdint>

namespace epochfs::engine {

struct StoreRequests {
  // Attempts, whatever became of them.
  std::uint64_t gets = 0;
  std::uint64_t heads = 0;
  std::uint64_t puts = 0;  // with those that begin and complete an upload in parts
  std::uint64_t lists = 0;
  std::uint64_t deletes = 0;

  std::uint64_t retries = 0;         // how many of these repeat one that failed
  std::uint64_t bytes_received = 0;  // of bodies
  std::uint64_t bytes_sent = 0;

  [[nodiscard]] std::uint64_t total() const noexcept {
    return gets + heads + puts + lists + deletes;
  }
};
StoreRequests store_requests() noexcept;

}  // namespace epochfs::engine
