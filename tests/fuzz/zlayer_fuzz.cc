// What lies in ZLayer's layout: tails of objects, metadata.json, names, and what the index keeps of
// objects. The first byte says which; the hash of a tail's claim and the sum of its sizes are made
// to fit.
#include <algorithm>
#include <optional>
#include <string>
#include <variant>

#include "engine/core/hash.h"
#include "engine/formats/zlayer/epoch_name.h"
#include "engine/formats/zlayer/facts.h"
#include "engine/formats/zlayer/metadata.h"
#include "engine/formats/zlayer/object_names.h"
#include "engine/formats/zlayer/tail.h"
#include "tests/fuzz/fuzz_target.h"

namespace epochfs::fuzz {
namespace {

using engine::Bytes;
using engine::ByteView;
namespace zlayer = engine::zlayer;

// The claim is the first frame; its hash lies at its end.
void seal_claim(Bytes& tail) {
  constexpr std::size_t kHeaderBytes = 8;
  constexpr std::size_t kHashBytes = 8;
  const std::size_t claim =
      engine::load_le<std::uint32_t>(ByteView(tail).last(zlayer::kTailEndBytes));
  if (claim > tail.size() || claim < kHeaderBytes + kHashBytes) return;
  const auto hash =
      engine::page_hash(ByteView(tail).subspan(kHeaderBytes, claim - kHeaderBytes - kHashBytes));
  engine::store_le(engine::MutableByteView(tail).subspan(claim - kHashBytes), hash);
}

// What the table between the claim and the end of the tail says of the frames before.
std::uint64_t stored_bytes(ByteView tail) {
  constexpr std::size_t kEntryBytes = 8;
  const ByteView end = tail.last(zlayer::kTailEndBytes);
  ByteView table = tail.first(tail.size() - zlayer::kTailEndBytes);
  table = table.subspan(
      std::min(table.size(), std::size_t{engine::load_le<std::uint32_t>(end)} + kEntryBytes));
  std::uint64_t sum = 0;
  for (; table.size() >= kEntryBytes; table = table.subspan(kEntryBytes))
    sum += engine::load_le<std::uint32_t>(table);
  return sum;
}

void fuzz_tail(ByteView rest) {
  if (rest.size() < zlayer::kTailEndBytes) return;
  const auto size = zlayer::tail_bytes(rest.last<zlayer::kTailEndBytes>());
  if (!size || *size > rest.size()) return;
  rest = rest.last(static_cast<std::size_t>(*size));
  Bytes bytes(rest.begin(), rest.end());
  seal_claim(bytes);
  const auto tail = zlayer::parse_tail(bytes, bytes.size() + stored_bytes(bytes));
  if (!tail || !*tail) return;
  must(zlayer::encode_tail((*tail)->claim, (*tail)->frames) == bytes,
       "a tail comes back as it went");
  static_cast<void>(zlayer::generation_header((*tail)->claim));
}

void fuzz_metadata(ByteView json) {
  const auto metadata = zlayer::parse_metadata(json);
  if (!metadata) return;
  const auto again = zlayer::parse_metadata(engine::as_bytes(zlayer::encode_metadata(*metadata)));
  must(again && again->snapshot == metadata->snapshot &&
           again->wal_sequence == metadata->wal_sequence,
       "metadata comes back as it went");
}

void fuzz_facts(const zlayer::SnapshotFacts& facts) {
  const std::uint32_t count = facts.page_count();
  must(!facts.hash(engine::PageNo(0)), "there is no page 0");
  for (std::uint32_t page = 1; page <= count; ++page)
    must(facts.hash(engine::PageNo(page)).has_value(), "each page has a hash");
  must(facts.is_equal(facts), "a snapshot is itself");
}

void fuzz_facts(const zlayer::WalFacts& facts) {
  zlayer::WalContent content{{}, {}, facts.change_counter(), facts.base()};
  for (std::uint32_t i = 0; i < facts.commit_count(); ++i)
    content.commits.push_back(facts.commit(i));
  for (std::uint32_t i = 1; i <= facts.frame_count(); ++i) {
    content.frames.push_back(facts.frame(i));
    const auto newest = facts.newest(facts.frame(i).page, i);
    must(!newest || (*newest > 0 && *newest <= i), "no frame is newer than the wanted one");
  }
  engine::sqlite::WalHeader header;
  header.page_size = facts.page_size();
  header.salts = facts.salts();
  header.sequence = facts.sequence();
  const Bytes bytes = zlayer::encode_wal_facts(header, 0, content);
  const auto again = zlayer::parse_facts(bytes);
  must(again.has_value(), "facts of a log that were accepted are accepted again");
  const auto& log = std::get<zlayer::WalFacts>(again->of);
  for (std::uint32_t i = 1; i <= facts.frame_count(); ++i)
    must(log.newest(facts.frame(i).page, i) == i, "a frame is the newest of its page up to itself");
}

void fuzz_facts(const zlayer::UselessFacts& facts) {
  const Bytes bytes = zlayer::encode_useless_facts(facts, 0);
  const auto again = zlayer::parse_facts(bytes);
  must(again && std::get<zlayer::UselessFacts>(again->of).reason == facts.reason,
       "a reason comes back as it went");
}

void fuzz_names(ByteView rest) {
  const std::string_view name = engine::as_text(rest);
  if (const auto taken = zlayer::snapshot_time(name))
    must(zlayer::snapshot_object(*taken) ==
             std::string(zlayer::kSnapshotDirectory) + '/' + std::string(name),
         "the name of a snapshot comes back as it went");
  const auto sequence = zlayer::wal_sequence(name);
  if (sequence)
    must(zlayer::wal_sequence(
             zlayer::wal_object(*sequence).substr(zlayer::kWalDirectory.size() + 1)) == sequence,
         "the number of a copy comes back as it went");
  static_cast<void>(zlayer::is_epoch_name(name));
}

void fuzz_epoch_name(ByteView rest) {
  engine::native::EpochFacts facts;
  facts.position.salt1 = take_word<std::uint32_t>(rest);
  facts.position.checkpoint_sequence = take_word<std::uint32_t>(rest);
  facts.position.frame = take_word<std::uint32_t>(rest);
  facts.captured = engine::UtcTime(take_word<std::int64_t>(rest));
  must(zlayer::is_epoch_name(zlayer::epoch_name(facts)), "an epoch's name is known as one");
}

}  // namespace
}  // namespace epochfs::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace epochfs::fuzz;
  auto rest = input(data, size);
  switch (take_word<std::uint8_t>(rest) % 5U) {
    case 0:
      fuzz_tail(rest);
      break;
    case 1:
      fuzz_metadata(rest);
      break;
    case 2:
      if (const auto facts = epochfs::engine::zlayer::parse_facts(rest))
        std::visit([](const auto& of) { fuzz_facts(of); }, facts->of);
      break;
    case 3:
      fuzz_names(rest);
      break;
    default:
      fuzz_epoch_name(rest);
  }
  return 0;
}
