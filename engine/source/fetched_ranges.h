// Stored bytes that are fetched together, because they lie together and each request costs time.
//
// Threads   any; no lock is held while bytes are fetched
// Memory    what the Holds keep: a run has kRunBytesMax bytes at most, but for a longer unit
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "engine/core/pieces.h"
#include "engine/core/units.h"

namespace epochfs::engine {

class FetchedRanges {
 public:
  static constexpr std::uint64_t kRunBytesMax = 2 * 1024 * 1024;
  // What lies between two units may be fetched with them, if it is not more: at 100 MB/s that takes
  // less than a millisecond.
  static constexpr std::uint64_t kGapBytesMax = 64 * 1024;

  struct Unit {
    std::uint64_t object = 0;
    ByteRange range;
  };

 private:
  // The bytes from `begin` on, or a failure; null: nobody will fetch them.
  using Outcome = std::shared_ptr<const Result<Buffer>>;
  struct Flight {
    ByteRange range;
    std::shared_future<Outcome> outcome;
  };
  using Flights = std::map<std::pair<std::uint64_t, std::uint64_t>, Flight>;  // object, begin

 public:
  // A run of units. Its bytes are there for everybody as long as this lives.
  class Hold {
   public:
    Hold(Hold&& other) noexcept;
    Hold& operator=(Hold&&) = delete;
    ~Hold();

    [[nodiscard]] std::uint64_t object() const noexcept { return object_; }
    [[nodiscard]] ByteRange range() const noexcept { return range_; }
    // Once. Whoever waits for some of these bytes gets them now, or the failure.
    void land(Result<Buffer> bytes);

   private:
    friend class FetchedRanges;
    Hold(FetchedRanges& ranges, std::uint64_t object, ByteRange range);

    FetchedRanges* ranges_;  // null: moved away
    std::uint64_t object_;
    ByteRange range_;
    std::promise<Outcome> promise_;
    bool landed_ = false;
  };

  // The runs that the caller has to fetch and land, to have all of `units` but those that somebody
  // else is fetching.
  std::vector<Hold> plan(std::vector<Unit> units);

  // The bytes of a range in the run that it lies in, once that has landed; nullopt: it lies in
  // none. A run that failed for a reason of its own leaves the caller to his own attempt, but not
  // when the storage could not be reached.
  std::optional<Result<Piece>> find(const Unit& unit);

 private:
  const Flight* covering(const Unit& unit) const;  // under the mutex

  std::mutex mutex_;
  Flights flights_;
};

}  // namespace epochfs::engine
