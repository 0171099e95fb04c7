#include "engine/capture/live_wal_index.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

namespace epochfs::engine {
namespace {

constexpr int kTries = 100;
constexpr auto kIndexPause = std::chrono::milliseconds(1);

using HeaderBytes = std::array<std::byte, sqlite::kWalIndexCopySize>;

HeaderBytes copy_header(const volatile std::uint32_t* from) noexcept {
  HeaderBytes bytes;
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint32_t)) {
    const std::uint32_t word = *from++;
    std::memcpy(&bytes[at], &word, sizeof word);
  }
  return bytes;
}

}  // namespace

Result<const volatile std::uint32_t*> LiveWalIndex::region(std::uint32_t number) {
  if (number < regions_.size() && regions_[number] != nullptr) return regions_[number];
  volatile void* mapped = nullptr;
  const int code = database_->pMethods->xShmMap(database_, static_cast<int>(number),
                                                sqlite::kWalIndexRegionSize, 0, &mapped);
  // SQLITE_READONLY: mapped, but we may not write to it, which we do not want anyway.
  if ((code != SQLITE_OK && code != SQLITE_READONLY) || mapped == nullptr)
    return Error::unsupported(fmt::format("wal-index region {}: {}", number, sqlite3_errstr(code)));
  if (number >= regions_.size()) regions_.resize(number + 1);
  regions_[number] = static_cast<const volatile std::uint32_t*>(mapped);
  return regions_[number];
}

Result<WalIndexState> LiveWalIndex::read_once() {
  TRY_ASSIGN(const auto* const start, region(0));
  constexpr std::size_t kCopyWords = sqlite::kWalIndexCopySize / sizeof(std::uint32_t);
  // A writer fills the second copy first.
  const HeaderBytes first = copy_header(start);
  database_->pMethods->xShmBarrier(database_);
  const HeaderBytes second = copy_header(start + kCopyWords);
  WalIndexState state;
  TRY_ASSIGN(state.header, sqlite::parse_wal_index_header(first, second));
  database_->pMethods->xShmBarrier(database_);
  state.backfilled = start[sqlite::kWalIndexBackfillAt / sizeof(std::uint32_t)];
  state.attempted = start[sqlite::kWalIndexAttemptAt / sizeof(std::uint32_t)];
  database_->pMethods->xShmBarrier(database_);
  // A restart of the log writes the header before it clears the count: an unchanged header means
  // that the two belong together.
  if (copy_header(start) != first) return Error::corrupt("the wal-index header changed");
  if (state.backfilled > state.header.last_frame)
    return Error::corrupt("the wal-index says that more frames were copied than exist");
  return state;
}

Result<WalIndexState> LiveWalIndex::read() {
  for (int tries = 1;; ++tries) {
    auto state = read_once();
    if (state || state.error().code != Code::kCorrupt) return state;
    if (tries == kTries) return Error::busy(std::move(state).error().text);
    std::this_thread::sleep_for(kIndexPause);
  }
}

Result<PageNo> LiveWalIndex::page_in(std::uint32_t frame) {
  const sqlite::WalIndexPlace place = sqlite::wal_index_place(frame);
  TRY_ASSIGN(const auto* const start, region(place.region));
  const std::uint32_t page = start[place.offset / sizeof(std::uint32_t)];
  if (page == 0)
    return Error::corrupt(fmt::format("the wal-index has no page for frame {}", frame));
  return PageNo(page);
}

}  // namespace epochfs::engine
