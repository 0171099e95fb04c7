// What is known of one of the replicator's objects once it was read: enough to tell which epochs it
// proves, and where each of their pages lies in it. Kept in the index, by the object's version.
//
// Source    our own; made by the functions below, from the bytes that the object holds decompressed
// Trust     sizes and counts are checked, so that nothing outside the bytes is read; the hashes are
//           what pages are checked with when they are served
// Lifetime  what parse_facts() gives points into the bytes it was given
// Order     little-endian
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/core/bytes.h"
#include "engine/core/hash.h"
#include "engine/core/units.h"
#include "engine/formats/sqlite/database_header.h"
#include "engine/formats/sqlite/wal.h"

namespace epochfs::engine::zlayer {

// A generation of a log, before there is a copy of it.
struct GenerationName {
  sqlite::WalSalts salts;
  std::uint32_t sequence = 0;
  friend bool operator==(const GenerationName&, const GenerationName&) = default;
};

// A whole database file.
class SnapshotFacts {
 public:
  [[nodiscard]] PageSize page_size() const noexcept { return page_size_; }
  [[nodiscard]] bool wal_mode() const noexcept { return wal_mode_; }
  [[nodiscard]] std::uint32_t page_count() const noexcept { return page_count_; }
  // Its header has another number of pages than it: no state that was ever committed.
  [[nodiscard]] bool size_disagrees() const noexcept { return size_disagrees_; }
  // Of its first page: how often that was written since the database was made, as far as the
  // connections knew.
  [[nodiscard]] std::uint32_t change_counter() const noexcept { return change_counter_; }
  // XXH3-64 of a page; nullopt: the file has no such page.
  [[nodiscard]] std::optional<std::uint64_t> hash(PageNo page) const noexcept;
  // Of a snapshot of our own: the generation that it was made for.
  [[nodiscard]] const std::optional<GenerationName>& begins() const noexcept { return begins_; }
  // The same pages.
  [[nodiscard]] bool is_equal(const SnapshotFacts& other) const noexcept;

 private:
  friend Result<SnapshotFacts> parse_snapshot_facts(ByteView bytes);
  PageSize page_size_;
  bool wal_mode_ = false;
  bool size_disagrees_ = false;
  std::uint32_t change_counter_ = 0;
  std::uint32_t page_count_ = 0;
  std::optional<GenerationName> begins_;
  ByteView hashes_;
};

struct WalCommit {
  std::uint32_t frame = 0;  // the last of the transaction
  std::uint32_t pages = 0;  // size of the database after it
  sqlite::WalChecksum checksum;
  friend bool operator==(const WalCommit&, const WalCommit&) = default;
};

struct WalFrame {
  PageNo page;
  std::uint64_t hash = 0;  // XXH3-64 of the page
};

// What is valid of a write-ahead log, up to its last commit. Frames count from 1.
class WalFacts {
 public:
  [[nodiscard]] PageSize page_size() const noexcept { return page_size_; }
  [[nodiscard]] sqlite::WalSalts salts() const noexcept { return salts_; }
  [[nodiscard]] std::uint32_t sequence() const noexcept { return sequence_; }  // of checkpoints
  [[nodiscard]] std::uint32_t commit_count() const noexcept { return commit_count_; }
  [[nodiscard]] WalCommit commit(std::uint32_t index) const noexcept;
  // The last one is the last commit's.
  [[nodiscard]] std::uint32_t frame_count() const noexcept { return frame_count_; }
  [[nodiscard]] WalFrame frame(std::uint32_t frame) const noexcept;
  // In the first frame of the database's first page; nullopt: there is none.
  [[nodiscard]] std::optional<std::uint32_t> change_counter() const noexcept {
    return change_counter_;
  }
  // Of a copy of our own: the state that the generation rests on.
  [[nodiscard]] const std::optional<StateHash>& base() const noexcept { return base_; }
  // The newest frame of the page that is not after `frame`.
  [[nodiscard]] std::optional<std::uint32_t> newest(PageNo page,
                                                    std::uint32_t frame) const noexcept;

 private:
  friend Result<WalFacts> parse_wal_facts(ByteView bytes);
  [[nodiscard]] std::uint64_t sorted(std::uint32_t place) const noexcept;

  PageSize page_size_;
  sqlite::WalSalts salts_;
  std::uint32_t sequence_ = 0;
  std::optional<std::uint32_t> change_counter_;
  std::optional<StateHash> base_;
  std::uint32_t commit_count_ = 0;
  std::uint32_t frame_count_ = 0;
  ByteView commits_;
  ByteView frames_;
  ByteView by_page_;  // (page, frame), ascending
};

// It proves nothing: damaged, or merely empty.
struct UselessFacts {
  bool is_damage = false;
  std::string reason;
};

struct Facts {
  std::uint64_t plain_bytes = 0;  // of the object, decompressed
  std::variant<SnapshotFacts, WalFacts, UselessFacts> of;
};
Result<Facts> parse_facts(ByteView bytes);  // kCorrupt

// `hashes`: of every page, in order.
Bytes encode_snapshot_facts(const sqlite::DatabaseHeader& header,
                            const std::vector<std::uint64_t>& hashes,
                            const std::optional<GenerationName>& begins = std::nullopt);
struct WalContent {
  std::vector<WalFrame> frames;  // up to the last commit
  std::vector<WalCommit> commits;
  std::optional<std::uint32_t> change_counter;
  std::optional<StateHash> base = {};
};
Bytes encode_wal_facts(const sqlite::WalHeader& header, std::uint64_t plain_bytes,
                       const WalContent& content);
Bytes encode_useless_facts(const UselessFacts& facts, std::uint64_t plain_bytes);

}  // namespace epochfs::engine::zlayer
