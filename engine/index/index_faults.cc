#include "engine/index/index_faults.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <charconv>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

namespace epochfs::engine {
namespace {

using Path = std::array<char, PATH_MAX>;

struct AddressRange {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
};

// All that a signal handler may look at is here, and stays where it is.
struct WatchedIndex {
  std::atomic<bool> in_use = false;
  AddressRange map;
  Path file{};
};

constexpr std::array kFaults = {SIGSEGV, SIGBUS};
constexpr std::string_view kLockEnding = "-lock";

// More at once are not watched.
std::array<WatchedIndex, 16> watched;
std::array<struct sigaction, kFaults.size()> before;
std::mutex watching;
thread_local const char* in_call = nullptr;

void say(std::string_view text) {
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
}

constexpr std::string_view kWhatNext =
    " is damaged and was removed: once more, and it is built anew (a mount: after `epochfs "
    "umount`)";

[[noreturn]] void end_with(const char* file) {
  remove_index(file);
  say("epochfs: the index ");
  say(file);
  say(kWhatNext);
  say("\n");
  ::_exit(1);
}

const char* file_of(MDB_env* env) {
  const char* file = nullptr;
  return ::mdb_env_get_path(env, &file) == 0 ? file : nullptr;
}

// LMDB's own doubts; it aborts when this returns.
void on_failed_assertion(MDB_env* env, const char* /*what*/) {
  if (const char* const file = file_of(env)) end_with(file);
}

void on_fault(int signal, siginfo_t* info, void* /*context*/) {
  const auto address = std::bit_cast<std::uintptr_t>(info->si_addr);
  for (const WatchedIndex& index : watched) {
    if (index.in_use.load(std::memory_order_acquire) && address >= index.map.begin &&
        address < index.map.end)
      end_with(index.file.data());
  }
  if (in_call != nullptr) end_with(in_call);
  // It happens again when this returns, to whom it would have happened.
  ::sigaction(signal, &before.at(signal == kFaults[0] ? 0 : 1), nullptr);
}

// Where the process has a file mapped.
std::optional<AddressRange> map_of(const std::string& file) {
  std::error_code error;
  const std::string wanted = std::filesystem::canonical(file, error).string();
  std::ifstream maps("/proc/self/maps");
  for (std::string line; !error && std::getline(maps, line);) {
    if (!line.ends_with(" " + wanted)) continue;
    AddressRange range;
    const char* const end = line.data() + line.size();
    const auto begins = std::from_chars(line.data(), end, range.begin, 16);
    if (begins.ec != std::errc() || *begins.ptr != '-') return std::nullopt;
    const auto ends = std::from_chars(begins.ptr + 1, end, range.end, 16);
    if (ends.ec != std::errc()) return std::nullopt;
    return range;
  }
  return std::nullopt;
}

bool put(const std::string& text, Path& path) {
  if (text.size() >= path.size()) return false;
  std::memcpy(path.data(), text.c_str(), text.size() + 1);
  return true;
}

void handle_faults() {
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  ::sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < kFaults.size(); ++i)
    ::sigaction(kFaults.at(i), &action, &before.at(i));
}

}  // namespace

void remove_index(const char* file) {
  Path lock_file{};
  const std::size_t size = std::strlen(file);
  ::unlink(file);
  if (size + kLockEnding.size() < lock_file.size()) {
    std::memcpy(lock_file.data(), file, size);
    std::memcpy(lock_file.data() + size, kLockEnding.data(), kLockEnding.size());
    ::unlink(lock_file.data());
  }
}

void watch_index(MDB_env* env, const std::string& file) {
  mdb_env_set_assert(env, on_failed_assertion);
  const std::lock_guard lock(watching);
  for (WatchedIndex& index : watched) {
    if (index.in_use.load(std::memory_order_relaxed)) continue;
    const auto map = map_of(file);
    if (!map || !put(file, index.file)) return;
    index.map = *map;
    index.in_use.store(true, std::memory_order_release);
    return;
  }
}

void forget_index(const std::string& file) {
  const std::lock_guard lock(watching);
  for (WatchedIndex& index : watched) {
    if (index.in_use.load(std::memory_order_relaxed) && file == index.file.data())
      index.in_use.store(false, std::memory_order_release);
  }
}

Failure damaged_index(MDB_txn* txn) {
  const char* const file = file_of(mdb_txn_env(txn));
  if (file == nullptr) return Error::io("the index is damaged");
  remove_index(file);
  return Error::io(fmt::format("the index {}{}", file, kWhatNext));
}

LmdbCall::LmdbCall(const char* file) noexcept : outer_(std::exchange(in_call, file)) {
  static const bool handled = (handle_faults(), true);
  static_cast<void>(handled);
}
LmdbCall::LmdbCall(MDB_txn* txn) noexcept : LmdbCall(file_of(mdb_txn_env(txn))) {}
LmdbCall::~LmdbCall() { in_call = outer_; }

}  // namespace epochfs::engine
