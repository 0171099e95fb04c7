#include "engine/formats/zlayer/facts.h"

#include <algorithm>

namespace epochfs::engine::zlayer {

namespace {

enum class Kind : std::uint8_t { kSnapshot = 1, kWal = 2, kUseless = 3 };

// A commit: frame, pages, checksum; a frame: page, hash; a place in the order of pages: frame,
// page, so that the number they make together has the page in its upper half.
constexpr std::size_t kHashBytes = 8;
constexpr std::size_t kCommitBytes = 16;
constexpr std::size_t kFrameBytes = 12;
constexpr std::size_t kPlaceBytes = 8;

constexpr std::uint64_t place_of(PageNo page, std::uint32_t frame) noexcept {
  return (std::uint64_t{page.get()} << 32U) | frame;
}

Result<PageSize> take_page_size(ByteCursor& in) {
  TRY_ASSIGN(const auto bytes, in.take_le<std::uint32_t>());
  return PageSize::from(bytes);
}

}  // namespace

std::optional<std::uint64_t> SnapshotFacts::hash(PageNo page) const noexcept {
  if (page.get() == 0 || page.get() > page_count_) return std::nullopt;
  return load_le<std::uint64_t>(
      hashes_.subspan((std::size_t{page.get()} - 1) * kHashBytes, kHashBytes));
}

bool SnapshotFacts::is_equal(const SnapshotFacts& other) const noexcept {
  return page_size_ == other.page_size_ && std::ranges::equal(hashes_, other.hashes_);
}

WalCommit WalFacts::commit(std::uint32_t index) const noexcept {
  const ByteView at = commits_.subspan(std::size_t{index} * kCommitBytes, kCommitBytes);
  return {load_le<std::uint32_t>(at),
          load_le<std::uint32_t>(at.subspan(4)),
          {load_le<std::uint32_t>(at.subspan(8)), load_le<std::uint32_t>(at.subspan(12))}};
}

WalFrame WalFacts::frame(std::uint32_t frame) const noexcept {
  const ByteView at = frames_.subspan((std::size_t{frame} - 1) * kFrameBytes, kFrameBytes);
  return {PageNo(load_le<std::uint32_t>(at)), load_le<std::uint64_t>(at.subspan(4))};
}

std::uint64_t WalFacts::sorted(std::uint32_t place) const noexcept {
  return load_le<std::uint64_t>(by_page_.subspan(std::size_t{place} * kPlaceBytes, kPlaceBytes));
}

std::optional<std::uint32_t> WalFacts::newest(PageNo page, std::uint32_t frame) const noexcept {
  std::uint32_t begin = 0;
  std::uint32_t end = frame_count_;
  const std::uint64_t wanted = place_of(page, frame);
  while (begin < end) {  // the first place behind the wanted one
    const std::uint32_t middle = begin + (end - begin) / 2;
    if (sorted(middle) <= wanted)
      begin = middle + 1;
    else
      end = middle;
  }
  if (begin == 0) return std::nullopt;
  const std::uint64_t found = sorted(begin - 1);
  const auto newest_frame = static_cast<std::uint32_t>(found);
  if (found >> 32U != page.get() || newest_frame == 0 || newest_frame > frame_count_)
    return std::nullopt;
  return newest_frame;
}

Result<SnapshotFacts> parse_snapshot_facts(ByteView bytes) {
  ByteCursor in(bytes);
  SnapshotFacts facts;
  TRY_ASSIGN(facts.page_size_, take_page_size(in));
  TRY_ASSIGN(const auto wal_mode, in.take_le<std::uint8_t>());
  TRY_ASSIGN(const auto size_disagrees, in.take_le<std::uint8_t>());
  TRY_ASSIGN(facts.change_counter_, in.take_le<std::uint32_t>());
  TRY_ASSIGN(facts.page_count_, in.take_le<std::uint32_t>());
  TRY_ASSIGN(const auto has_generation, in.take_le<std::uint8_t>());
  GenerationName generation;
  TRY_ASSIGN(generation.salts.first, in.take_le<std::uint32_t>());
  TRY_ASSIGN(generation.salts.second, in.take_le<std::uint32_t>());
  TRY_ASSIGN(generation.sequence, in.take_le<std::uint32_t>());
  if (has_generation != 0) facts.begins_ = generation;
  TRY_ASSIGN(facts.hashes_, in.take(std::size_t{facts.page_count_} * kHashBytes));
  TRY(in.expect_end());
  facts.wal_mode_ = wal_mode != 0;
  facts.size_disagrees_ = size_disagrees != 0;
  return facts;
}

Result<WalFacts> parse_wal_facts(ByteView bytes) {
  ByteCursor in(bytes);
  WalFacts facts;
  TRY_ASSIGN(facts.page_size_, take_page_size(in));
  TRY_ASSIGN(facts.salts_.first, in.take_le<std::uint32_t>());
  TRY_ASSIGN(facts.salts_.second, in.take_le<std::uint32_t>());
  TRY_ASSIGN(facts.sequence_, in.take_le<std::uint32_t>());
  TRY_ASSIGN(const auto has_counter, in.take_le<std::uint8_t>());
  TRY_ASSIGN(const auto counter, in.take_le<std::uint32_t>());
  if (has_counter != 0) facts.change_counter_ = counter;
  TRY_ASSIGN(const auto has_base, in.take_le<std::uint8_t>());
  TRY_ASSIGN(const auto base_high, in.take_le<std::uint64_t>());
  TRY_ASSIGN(const auto base_low, in.take_le<std::uint64_t>());
  if (has_base != 0) facts.base_ = StateHash(base_high, base_low);
  TRY_ASSIGN(facts.commit_count_, in.take_le<std::uint32_t>());
  TRY_ASSIGN(facts.frame_count_, in.take_le<std::uint32_t>());
  TRY_ASSIGN(facts.commits_, in.take(std::size_t{facts.commit_count_} * kCommitBytes));
  TRY_ASSIGN(facts.frames_, in.take(std::size_t{facts.frame_count_} * kFrameBytes));
  TRY_ASSIGN(facts.by_page_, in.take(std::size_t{facts.frame_count_} * kPlaceBytes));
  TRY(in.expect_end());
  for (std::uint32_t i = 0; i < facts.commit_count_; ++i) {
    const std::uint32_t frame = facts.commit(i).frame;
    if (frame == 0 || frame > facts.frame_count_ || (i > 0 && frame <= facts.commit(i - 1).frame))
      return Error::corrupt("index: a commit at an impossible frame");
  }
  const std::uint32_t end =
      facts.commit_count_ == 0 ? 0 : facts.commit(facts.commit_count_ - 1).frame;
  if (facts.frame_count_ != end) return Error::corrupt("index: frames behind the last commit");
  return facts;
}

Result<Facts> parse_facts(ByteView bytes) {
  ByteCursor in(bytes);
  TRY_ASSIGN(const auto kind, in.take_le<std::uint8_t>());
  Facts facts;
  TRY_ASSIGN(facts.plain_bytes, in.take_le<std::uint64_t>());
  TRY_ASSIGN(const ByteView rest, in.take(in.left()));
  switch (static_cast<Kind>(kind)) {
    case Kind::kSnapshot: {
      TRY_ASSIGN(facts.of, parse_snapshot_facts(rest));
      return facts;
    }
    case Kind::kWal: {
      TRY_ASSIGN(facts.of, parse_wal_facts(rest));
      return facts;
    }
    case Kind::kUseless: {
      if (rest.empty()) return Error::corrupt("index: facts of an object");
      facts.of = UselessFacts{rest.front() != std::byte{0}, std::string(as_text(rest.subspan(1)))};
      return facts;
    }
  }
  return Error::corrupt("index: facts of an unknown kind");
}

Bytes encode_snapshot_facts(const sqlite::DatabaseHeader& header,
                            const std::vector<std::uint64_t>& hashes,
                            const std::optional<GenerationName>& begins) {
  const auto page_count = static_cast<std::uint32_t>(hashes.size());
  const bool size_disagrees = header.page_count && *header.page_count != page_count;
  ByteWriter out;
  out.put_le(static_cast<std::uint8_t>(Kind::kSnapshot));
  out.put_le(std::uint64_t{page_count} * header.page_size.bytes());
  out.put_le(header.page_size.bytes());
  out.put_le(static_cast<std::uint8_t>(header.wal_mode ? 1 : 0));
  out.put_le(static_cast<std::uint8_t>(size_disagrees ? 1 : 0));
  out.put_le(header.change_counter);
  out.put_le(page_count);
  const GenerationName generation = begins.value_or(GenerationName());
  out.put_le(static_cast<std::uint8_t>(begins ? 1 : 0));
  out.put_le(generation.salts.first);
  out.put_le(generation.salts.second);
  out.put_le(generation.sequence);
  for (const std::uint64_t hash : hashes) out.put_le(hash);
  return std::move(out).take();
}

Bytes encode_wal_facts(const sqlite::WalHeader& header, std::uint64_t plain_bytes,
                       const WalContent& content) {
  const auto& [frames, commits, change_counter, base] = content;
  std::vector<std::uint64_t> by_page;
  by_page.reserve(frames.size());
  for (std::uint32_t i = 0; i < frames.size(); ++i)
    by_page.push_back(place_of(frames[i].page, i + 1));
  std::ranges::sort(by_page);
  ByteWriter out;
  out.put_le(static_cast<std::uint8_t>(Kind::kWal));
  out.put_le(plain_bytes);
  out.put_le(header.page_size.bytes());
  out.put_le(header.salts.first);
  out.put_le(header.salts.second);
  out.put_le(header.sequence);
  out.put_le(static_cast<std::uint8_t>(change_counter ? 1 : 0));
  out.put_le(change_counter.value_or(0));
  out.put_le(static_cast<std::uint8_t>(base ? 1 : 0));
  out.put_le(base.value_or(StateHash()).high());
  out.put_le(base.value_or(StateHash()).low());
  out.put_le(static_cast<std::uint32_t>(commits.size()));
  out.put_le(static_cast<std::uint32_t>(frames.size()));
  for (const WalCommit& commit : commits) {
    out.put_le(commit.frame);
    out.put_le(commit.pages);
    out.put_le(commit.checksum.first);
    out.put_le(commit.checksum.second);
  }
  for (const WalFrame& frame : frames) {
    out.put_le(frame.page.get());
    out.put_le(frame.hash);
  }
  for (const std::uint64_t place : by_page) out.put_le(place);
  return std::move(out).take();
}

Bytes encode_useless_facts(const UselessFacts& facts, std::uint64_t plain_bytes) {
  ByteWriter out;
  out.put_le(static_cast<std::uint8_t>(Kind::kUseless));
  out.put_le(plain_bytes);
  out.put_le(static_cast<std::uint8_t>(facts.is_damage ? 1 : 0));
  out.put(as_bytes(facts.reason));
  return std::move(out).take();
}

}  // namespace epochfs::engine::zlayer
