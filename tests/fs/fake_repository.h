// A repository in memory whose bytes are computed: any number of epochs, no storage.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/core/time.h"
#include "engine/repo/repository.h"

namespace epochfs::testing {

inline constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

inline engine::UtcTime utc(std::string_view text) {
  return *engine::parse_moment(text, engine::UtcTime(0));
}

// The byte at `offset` of every file of `epoch`.
inline std::byte fake_byte(std::uint64_t epoch, std::uint64_t offset) {
  const std::uint64_t mixed = (offset / 8 + epoch * 0x9e3779b97f4a7c15ULL) * 0xff51afd7ed558ccdULL;
  return static_cast<std::byte>(mixed >> (8 * (offset % 8)));
}

inline std::string fake_bytes(std::uint64_t epoch, std::uint64_t offset, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(fake_byte(epoch, offset + i));
  return bytes;
}

inline engine::native::EpochFacts fake_facts(std::uint64_t epoch, engine::UtcTime committed,
                                             std::uint64_t size_bytes = 300'000) {
  engine::native::EpochFacts facts;
  facts.epoch = engine::Epoch(epoch);
  facts.committed = committed;
  facts.captured = committed;
  facts.size_bytes = size_bytes;
  facts.state = engine::StateHash(epoch, ~epoch);
  facts.pages_changed = static_cast<std::uint32_t>(epoch % 7 + 1);
  return facts;
}

// `count` epochs from number 1 on, `step` apart in time.
inline std::vector<engine::native::EpochFacts> fake_history(std::uint64_t count,
                                                            engine::UtcTime first,
                                                            std::int64_t step_ns) {
  std::vector<engine::native::EpochFacts> epochs;
  epochs.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i)
    epochs.push_back(
        fake_facts(i + 1, engine::UtcTime(first.get() + static_cast<std::int64_t>(i) * step_ns)));
  return epochs;
}

class FakeTimeline final : public engine::Timeline {
 public:
  using Facts = engine::native::EpochFacts;

  explicit FakeTimeline(std::vector<Facts> epochs, std::uint64_t history = 1)
      : epochs_(std::move(epochs)), history_(history) {}

  std::uint64_t history() const noexcept override { return history_; }
  std::uint64_t epoch_count() const noexcept override { return epochs_.size(); }
  std::optional<engine::Epoch> oldest() const noexcept override {
    return epochs_.empty() ? std::nullopt : std::optional(epochs_.front().epoch);
  }
  std::optional<engine::Epoch> newest() const noexcept override {
    return epochs_.empty() ? std::nullopt : std::optional(epochs_.back().epoch);
  }
  std::uint64_t stored_bytes() const noexcept override { return epochs_.size() * 10'000; }
  std::optional<engine::UtcTime> covered_until() const noexcept override {
    return epochs_.empty() ? std::nullopt : std::optional(epochs_.back().captured);
  }
  engine::Result<std::optional<Facts>> find(engine::Epoch epoch) const override {
    ++lookups;
    const auto found = at_or_after(epoch);
    if (found == epochs_.end() || found->epoch != epoch) return std::optional<Facts>();
    return std::optional(*found);
  }
  engine::Result<std::optional<Facts>> newest_below(engine::Epoch epoch) const override {
    ++lookups;
    const auto found = at_or_after(epoch);
    if (found == epochs_.begin()) return std::optional<Facts>();
    return std::optional(*(found - 1));
  }
  engine::Result<std::optional<Facts>> newest_at(engine::UtcTime moment) const override {
    ++lookups;
    const auto after = std::upper_bound(
        epochs_.begin(), epochs_.end(), moment,
        [](engine::UtcTime wanted, const Facts& facts) { return wanted < facts.committed; });
    if (after == epochs_.begin()) return std::optional<Facts>();
    return std::optional(*(after - 1));
  }
  engine::Result<std::optional<Facts>> oldest_from(engine::UtcTime moment) const override {
    ++lookups;
    const auto found = std::lower_bound(
        epochs_.begin(), epochs_.end(), moment,
        [](const Facts& facts, engine::UtcTime wanted) { return facts.committed < wanted; });
    if (found == epochs_.end()) return std::optional<Facts>();
    return std::optional(*found);
  }
  engine::Result<std::vector<Facts>> list(engine::Epoch first,
                                          std::size_t count_max) const override {
    const auto begin = at_or_after(first);
    const auto left = static_cast<std::size_t>(epochs_.end() - begin);
    listed += std::min(left, count_max);
    return std::vector<Facts>(begin,
                              begin + static_cast<std::ptrdiff_t>(std::min(left, count_max)));
  }
  engine::Result<std::vector<Facts>> newest_epochs(std::size_t count_max) const override {
    const auto count = static_cast<std::ptrdiff_t>(std::min(epochs_.size(), count_max));
    return std::vector<Facts>(epochs_.end() - count, epochs_.end());
  }

  [[nodiscard]] const std::vector<Facts>& epochs() const { return epochs_; }

  mutable std::atomic<std::size_t> lookups = 0;  // how often an epoch was searched
  mutable std::atomic<std::size_t> listed = 0;   // how many epochs were listed

 private:
  std::vector<Facts>::const_iterator at_or_after(engine::Epoch epoch) const {
    return std::lower_bound(
        epochs_.begin(), epochs_.end(), epoch,
        [](const Facts& facts, engine::Epoch wanted) { return facts.epoch < wanted; });
  }

  const std::vector<Facts> epochs_;
  const std::uint64_t history_;
};

// What a test can make go wrong while the mount runs.
class FakeDamage {
 public:
  static constexpr std::uint64_t kPageBytes = 4096;

  // In every file of every epoch, counted from 0.
  void set_bad_pages(std::set<std::uint64_t> pages) {
    const std::scoped_lock lock(mutex_);
    bad_pages_ = std::move(pages);
  }
  std::optional<std::uint64_t> bad_page_in(engine::ByteRange range) {
    const std::scoped_lock lock(mutex_);
    const auto bad = bad_pages_.lower_bound(range.begin / kPageBytes);
    if (bad == bad_pages_.end() || *bad * kPageBytes >= range.begin + range.size)
      return std::nullopt;
    return *bad;
  }

  std::atomic<bool> views_missing = false;  // the storage says that it lost what a view needs

 private:
  std::mutex mutex_;
  std::set<std::uint64_t> bad_pages_;
};

class FakeFile final : public engine::File {
 public:
  FakeFile(std::uint64_t epoch, std::uint64_t size_bytes, std::size_t piece_bytes,
           std::shared_ptr<FakeDamage> damage)
      : epoch_(epoch), size_bytes_(size_bytes), piece_bytes_(piece_bytes), damage_(damage) {}

  std::uint64_t size_bytes() const noexcept override { return size_bytes_; }
  void prefetch(engine::ByteRange /*range*/) const override {}
  engine::Result<engine::Pieces> read(engine::ByteRange range) const override {
    if (const auto bad = damage_->bad_page_in(range))
      return engine::Error::corrupt(
          fmt::format("hash differs: segment incr-1-2.seg: page {}", *bad + 1));
    engine::Pieces pieces;
    for (std::uint64_t at = range.begin; at < range.begin + range.size; at += piece_bytes_) {
      const std::size_t size = std::min<std::uint64_t>(piece_bytes_, range.begin + range.size - at);
      const auto bytes = std::make_shared<const std::string>(fake_bytes(epoch_, at, size));
      pieces.push_back({bytes, engine::as_bytes(*bytes)});
    }
    return pieces;
  }

 private:
  const std::uint64_t epoch_;
  const std::uint64_t size_bytes_;
  const std::size_t piece_bytes_;
  const std::shared_ptr<FakeDamage> damage_;
};

// app.db, the two empty side files or a directory with two logs, and epoch.json, which gets longer
// when an epoch follows.
class FakeView final : public engine::View {
 public:
  FakeView(const engine::native::EpochFacts& facts, bool is_newest, bool has_logs,
           std::size_t piece_bytes, std::shared_ptr<FakeDamage> damage)
      : piece_bytes_(piece_bytes), damage_(std::move(damage)) {
    info_.facts = facts;
    files_ = {{"app.db", facts.size_bytes}};
    if (has_logs) {
      files_.push_back({"1.log", 5000, false, "app.db.logs"});
      files_.push_back({"2.log", 0, false, "app.db.logs"});
    } else {
      files_.push_back({"app.db-wal", 0});
      files_.push_back({"app.db-shm", 0});
    }
    files_.push_back({"epoch.json", is_newest ? 100U : 150U, true});
  }

  const engine::EpochInfo& info() const noexcept override { return info_; }
  const std::vector<engine::FileEntry>& files() const noexcept override { return files_; }
  engine::Result<std::shared_ptr<const engine::File>> open(std::size_t index) const override {
    return std::make_shared<FakeFile>(info_.facts.epoch.get(), files_.at(index).size_bytes,
                                      piece_bytes_, damage_);
  }

 private:
  engine::EpochInfo info_;
  std::vector<engine::FileEntry> files_;
  const std::size_t piece_bytes_;
  const std::shared_ptr<FakeDamage> damage_;
};

class FakeDatabase final : public engine::Database {
 public:
  FakeDatabase(std::string name, std::vector<engine::native::EpochFacts> epochs)
      : name_(std::move(name)), timeline_(std::make_shared<FakeTimeline>(std::move(epochs))) {}

  const std::string& name() const noexcept override { return name_; }
  engine::native::Engine engine() const noexcept override {
    return engine::native::Engine::kSqlite;
  }
  const std::string& file_name() const noexcept override { return file_name_; }
  engine::Result<std::shared_ptr<const engine::Timeline>> timeline() override {
    return fake_timeline();
  }
  engine::Result<std::shared_ptr<const engine::View>> view(engine::Epoch epoch) override {
    ++views;
    if (damage->views_missing) return engine::Error::not_found("full-1.db.zst: no such object");
    TRY_ASSIGN(const auto facts, fake_timeline()->find(epoch));
    if (!facts) return engine::Error::no_such_epoch(fmt::format("no epoch {}", epoch.get()));
    return std::make_shared<FakeView>(*facts, fake_timeline()->newest() == epoch, has_logs.load(),
                                      piece_bytes.load(), damage);
  }
  engine::Result<std::shared_ptr<const engine::EpochImage>> image(engine::Epoch) override {
    return engine::Error::unsupported("a mount does not ask for that");
  }
  engine::Result<engine::DatabaseSummary> summary() override {
    return engine::Error::unsupported("a mount does not ask for that");
  }
  std::string last_failure() override { return ""; }

  std::shared_ptr<const FakeTimeline> fake_timeline() const {
    const std::scoped_lock lock(mutex_);
    return timeline_;
  }
  void append(const engine::native::EpochFacts& facts) {
    const auto before = fake_timeline();
    auto epochs = before->epochs();
    epochs.push_back(facts);
    set(std::make_shared<FakeTimeline>(std::move(epochs), before->history()));
  }
  // Another history takes the place of this one.
  void replace(std::vector<engine::native::EpochFacts> epochs) {
    set(std::make_shared<FakeTimeline>(std::move(epochs), fake_timeline()->history() + 1));
  }

  std::atomic<std::size_t> views = 0;
  std::atomic<std::size_t> piece_bytes = 4096;
  std::atomic<bool> has_logs = false;
  const std::shared_ptr<FakeDamage> damage = std::make_shared<FakeDamage>();

 private:
  void set(std::shared_ptr<FakeTimeline> timeline) {
    const std::scoped_lock lock(mutex_);
    timeline_ = std::move(timeline);
  }

  const std::string name_;
  const std::string file_name_ = "app.db";
  mutable std::mutex mutex_;
  std::shared_ptr<FakeTimeline> timeline_;
};

class FakeRepository final : public engine::Repository {
 public:
  std::shared_ptr<FakeDatabase> add(const std::string& name,
                                    std::vector<engine::native::EpochFacts> epochs) {
    const std::scoped_lock lock(mutex_);
    return databases_[name] = std::make_shared<FakeDatabase>(name, std::move(epochs));
  }

  std::string location() const override { return location_text; }
  const std::string& id() const noexcept override { return id_; }
  const std::string& cache_directory() const noexcept override { return cache_directory_text; }
  engine::Result<std::vector<std::string>> databases() override {
    const std::scoped_lock lock(mutex_);
    std::vector<std::string> names;
    for (const auto& entry : databases_) names.push_back(entry.first);
    return names;
  }
  engine::Result<std::shared_ptr<engine::Database>> database(const std::string& name) override {
    ++opened;
    while (is_stuck) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const std::scoped_lock lock(mutex_);
    const auto found = databases_.find(name);
    if (found == databases_.end()) return engine::Error::not_found("no database " + name);
    return found->second;
  }
  engine::CacheCounters cache_counters() const override { return {7, 3, 4096, 8192, 999}; }

  std::atomic<std::size_t> opened = 0;  // how often a database was asked for
  std::atomic<bool> is_stuck = false;   // the storage does not answer whoever asks for one
  std::string location_text = "/nonexistent/epochfs-fake-repository";
  std::string cache_directory_text = "/nonexistent/epochfs-fake-cache";

 private:
  std::mutex mutex_;
  const std::string id_ = "0123456789abcdef0123456789abcdef";
  std::map<std::string, std::shared_ptr<FakeDatabase>> databases_;
};

}  // namespace epochfs::testing
