// Writes a repository with a long history, without any database behind it: for measuring what its
// index costs.
//
//   make_history REPOSITORY PAGES SEGMENTS EPOCHS_PER_SEGMENT CHANGES_PER_EPOCH
//
// A full of PAGES pages of 4 KiB, then SEGMENTS incrementals. Of the pages that an epoch changes,
// the later ones of the file are the likelier ones, as in a database that grows. What is in the
// pages is nearly nothing, so that the segments are small; everything in them is right. Prints how
// many page versions there are.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "engine/core/hash.h"
#include "engine/repo/native_writer.h"
#include "engine/repo/operations.h"
#include "engine/segment/segment_writer.h"
#include "engine/storage/open_storage.h"

namespace epochfs::engine {
namespace {

constexpr std::uint64_t kFirstCommit = 1'795'000'000'000'000'000;
constexpr std::uint64_t kBetweenCommits = 40'000'000;

struct Plan {
  std::string repository;
  std::uint32_t pages = 0;
  std::uint64_t segments = 0;
  std::uint64_t epochs_per_segment = 0;
  std::uint64_t changes_per_epoch = 0;
};

class History {
 public:
  explicit History(const Plan& plan) : plan_(plan), dice_(20261121), hashes_(plan.pages) {}

  Result<std::uint64_t> write() {
    TRY(init_repository(plan_.repository));
    NativeParts parts;
    TRY_ASSIGN(parts.storage, open_storage(plan_.repository));
    TRY_ASSIGN(NativeWriter writer, NativeWriter::open(parts, "bench", false));
    writer.describe(native::Engine::kFile, "bench.db");
    TRY(write_full(writer));
    for (std::uint64_t i = 0; i < plan_.segments; ++i) TRY(write_incremental(writer));
    return versions_;
  }

 private:
  // What a page holds at an epoch: both numbers.
  ByteView page_at(std::uint32_t page, std::uint64_t epoch, Bytes& room) const {
    room.assign(page_size_.bytes(), std::byte{});
    store_le(MutableByteView(room), page);
    store_le(MutableByteView(room).subspan(sizeof(page)), epoch);
    return room;
  }

  native::EpochFacts facts(std::uint64_t epoch) const {
    native::EpochFacts facts;
    facts.epoch = Epoch(epoch);
    facts.committed = facts.captured =
        UtcTime(static_cast<std::int64_t>(kFirstCommit + epoch * kBetweenCommits));
    facts.size_bytes = std::uint64_t{plan_.pages} * page_size_.bytes();
    facts.state = state_;
    facts.how = native::Captured::kPageDiff;
    return facts;
  }

  Result<void> write_full(NativeWriter& writer) {
    TRY_ASSIGN(auto segment, writer.begin_full(Epoch(1)));
    FullWriter full(*segment.upload, page_size_, options_);
    Bytes room;
    for (std::uint32_t page = 1; page <= plan_.pages; ++page) {
      const ByteView bytes = page_at(page, 1, room);
      hashes_[page - 1] = page_hash(bytes);
      TRY(full.append(bytes));
    }
    TRY_ASSIGN(const SegmentSummary summary, full.finish(facts(1)));
    state_ = summary.state;
    return writer.commit(std::move(segment), summary);
  }

  Result<void> write_incremental(NativeWriter& writer) {
    const std::uint64_t first = newest_ + 1;
    newest_ += plan_.epochs_per_segment;
    TRY_ASSIGN(auto segment, writer.begin_incremental(Epoch(first), Epoch(newest_)));
    const BaseImage base{Epoch(1), std::uint64_t{plan_.pages} * page_size_.bytes()};
    IncrementalWriter incremental(*segment.upload, page_size_, base, Epoch(first), Epoch(newest_),
                                  options_);
    const auto changes = draw_changes(first);
    Bytes room;
    Bytes before;
    std::vector<StateHash> added(plan_.epochs_per_segment);
    std::vector<std::uint32_t> counts(plan_.epochs_per_segment);
    for (const auto& [page, epochs] : changes) {
      for (const std::uint64_t epoch : epochs) {
        const ByteView bytes = page_at(page, epoch, room);
        const std::uint64_t hash = page_hash(bytes);
        added[epoch - first].remove(PageNo(page), std::exchange(hashes_[page - 1], hash));
        added[epoch - first].add(PageNo(page), hash);
        ++counts[epoch - first];
        ++versions_;
        TRY(incremental.append(PageNo(page), Epoch(epoch), hash, bytes, page_at(page, 1, before)));
      }
    }
    std::vector<native::EpochFacts> epochs;
    for (std::uint64_t epoch = first; epoch <= newest_; ++epoch) {
      state_ += added[epoch - first];
      epochs.push_back(facts(epoch));
      epochs.back().pages_changed = counts[epoch - first];
    }
    TRY_ASSIGN(const SegmentSummary summary, incremental.finish(epochs));
    return writer.commit(std::move(segment), summary);
  }

  // For each page that changes in the segment that begins with `first`, in which epochs.
  std::map<std::uint32_t, std::vector<std::uint64_t>> draw_changes(std::uint64_t first) {
    std::map<std::uint32_t, std::vector<std::uint64_t>> changes;
    std::uniform_real_distribution<double> uniform(0, 1);
    for (std::uint64_t epoch = first; epoch <= newest_; ++epoch) {
      for (std::uint64_t i = 0; i < plan_.changes_per_epoch; ++i) {
        const double place = std::sqrt(uniform(dice_)) * plan_.pages;
        auto& epochs = changes[std::min(static_cast<std::uint32_t>(place), plan_.pages - 1) + 1];
        if (epochs.empty() || epochs.back() != epoch) epochs.push_back(epoch);
      }
    }
    return changes;
  }

  const Plan plan_;
  const PageSize page_size_;
  const SegmentWriterOptions options_{1, 0, 32 * 1024};
  std::mt19937_64 dice_;
  std::vector<std::uint64_t> hashes_;  // of each page, now
  StateHash state_;
  std::uint64_t newest_ = 1;
  std::uint64_t versions_ = 0;
};

template <class Number>
bool parse(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number > 0;
}

}  // namespace
}  // namespace epochfs::engine

int main(int count, char** words) {
  using namespace epochfs::engine;
  Plan plan;
  if (count != 6 || !parse(words[2], plan.pages) || !parse(words[3], plan.segments) ||
      !parse(words[4], plan.epochs_per_segment) || !parse(words[5], plan.changes_per_epoch)) {
    fmt::print(stderr,
               "make_history REPOSITORY PAGES SEGMENTS EPOCHS_PER_SEGMENT CHANGES_PER_EPOCH\n");
    return 2;
  }
  plan.repository = words[1];
  const auto versions = History(plan).write();
  if (!versions) {
    fmt::print(stderr, "make_history: {}\n", versions.error().text);
    return 1;
  }
  fmt::print("{}\n", *versions);
  return 0;
}
