#include <gtest/gtest.h>

#include "engine/core/time.h"
#include "engine/formats/zlayer/metadata.h"
#include "engine/formats/zlayer/object_names.h"
#include "engine/formats/zlayer/tail.h"

namespace epochfs::engine::zlayer {
namespace {

Claim some_claim() {
  Claim claim;
  claim.kind = Claim::Kind::kCopy;
  claim.is_closed = true;
  claim.page_size = *PageSize::from(512);
  claim.salts = {0xfffffffe, 7};
  claim.sequence = 3;
  claim.base = StateHash(1, 2);
  claim.state = StateHash(3, 4);
  claim.pages = 9;
  claim.frame = 12;
  claim.checksum = {5, 6};
  claim.cursor = "{\"a\": 1}";
  return claim;
}

const std::vector<StoredFrame> kFrames = {{10, 100}, {20, 200}};

TEST(ZlayerTail, SaysWhatWasSaid) {
  const Bytes tail = encode_tail(some_claim(), kFrames);
  EXPECT_EQ(tail_bytes(ByteView(tail).last<kTailEndBytes>()), tail.size());
  const auto parsed = parse_tail(tail, tail.size() + 30);
  ASSERT_TRUE(parsed && *parsed);
  EXPECT_EQ((*parsed)->claim, some_claim());
  ASSERT_EQ((*parsed)->frames.size(), 2U);
  EXPECT_EQ((*parsed)->frames[1].plain_bytes, 200U);
  EXPECT_EQ((*parsed)->stored_bytes(), 30U);
}

TEST(ZlayerTail, NeverSaysAnythingElse) {
  const Bytes good = encode_tail(some_claim(), kFrames);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    const auto size = tail_bytes(ByteView(bad).last<kTailEndBytes>());
    if (!size || *size > bad.size()) continue;
    const auto parsed =
        parse_tail(ByteView(bad).last(static_cast<std::size_t>(*size)), good.size() + 30);
    if (parsed && *parsed) {
      EXPECT_EQ((*parsed)->claim, some_claim()) << "bit " << bit;
    }
  }
}

TEST(ZlayerTail, IsNotFoundWhereItIsCutOff) {
  const Bytes good = encode_tail(some_claim(), kFrames);
  for (std::size_t size = kTailEndBytes; size < good.size(); ++size) {
    const auto parsed = parse_tail(ByteView(good).last(size), size + 30);
    EXPECT_FALSE(parsed && *parsed) << size;
  }
}

TEST(ZlayerTail, LeavesSomebodyElsesTableAlone) {
  Bytes other = encode_tail(some_claim(), kFrames);
  other[0] = std::byte{0x50};  // another skippable frame
  const auto parsed = parse_tail(other, other.size() + 30);
  ASSERT_TRUE(parsed);
  EXPECT_FALSE(*parsed);
}

TEST(ZlayerMetadata, ComesBackAsItWas) {
  Metadata metadata;
  metadata.snapshot = "a/snapshots/20260110_000512.sqlite.zst";
  metadata.wal_sequence = 18'446'744'073'709'551'615U;
  metadata.snapshot_count = 3;
  metadata.modified = UtcTime(1'767'225'600'123'456'789);
  const std::string json = encode_metadata(metadata);
  const auto parsed = parse_metadata(as_bytes(json));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->snapshot, metadata.snapshot);
  EXPECT_EQ(parsed->wal_sequence, metadata.wal_sequence);
  for (const char* member : {"latest_snapshot_time", "snapshot_count", "db_identifier",
                             "last_modified", "2026-01-01T00:00:00.123456789Z"})
    EXPECT_NE(json.find(member), std::string::npos) << json;
}

TEST(ZlayerMetadata, TakesWhatIsMissingForNothing) {
  for (const char* json : {"{}", R"({"latest_snapshot": null, "latest_wal_sequence": null})",
                           R"({"other": {"deep": [1, 2]}})"}) {
    const auto parsed = parse_metadata(as_bytes(json));
    ASSERT_TRUE(parsed) << json;
    EXPECT_FALSE(parsed->snapshot || parsed->wal_sequence);
  }
  for (const char* json :
       {"", "[]", "{", R"({"latest_snapshot": 3})", R"({"latest_wal_sequence": -1})"})
    EXPECT_FALSE(parse_metadata(as_bytes(json))) << json;
}

TEST(ZlayerObjectNames, AreMadeAsTheyAreRead) {
  const UtcTime taken(1'768'003'512'999'999'999);
  const std::string snapshot = snapshot_object(taken);
  EXPECT_EQ(snapshot, "snapshots/20260110_000512.sqlite.zst");
  EXPECT_EQ(snapshot_time(snapshot.substr(10)), UtcTime(1'768'003'512'000'000'000));
  EXPECT_EQ(wal_object(12), "wal/00000000000000000012.wal.zst");
  EXPECT_EQ(wal_sequence(wal_object(UINT64_MAX).substr(4)), UINT64_MAX);
}

}  // namespace
}  // namespace epochfs::engine::zlayer
