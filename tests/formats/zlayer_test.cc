#include <gtest/gtest.h>

#include "engine/core/time.h"
#include "engine/formats/zlayer/epoch_name.h"
#include "engine/formats/zlayer/facts.h"
#include "engine/formats/zlayer/object_names.h"

namespace epochfs::engine::zlayer {
namespace {

TEST(ZlayerObjectNames, TellWhenASnapshotWasTaken) {
  const auto taken = snapshot_time("20260110_000512.sqlite.zst");
  ASSERT_TRUE(taken);
  EXPECT_EQ(format_utc_millis(*taken), "2026-01-10T00:05:12.000Z");
  for (const char* stranger :
       {"20260110_000512.sqlite", "20261310_000512.sqlite.zst", "20260230_000512.sqlite.zst",
        "20260110_240000.sqlite.zst", "20260110-000512.sqlite.zst", "2026011_0000512.sqlite.zst",
        "20260110_000512.sqlite.zst.1", "latest.sqlite.zst", "22620411_235959.sqlite.zst",
        "16770921_000000.sqlite.zst", ".sqlite.zst", ""})
    EXPECT_FALSE(snapshot_time(stranger)) << stranger;
}

TEST(ZlayerObjectNames, TellTheNumberOfACopy) {
  EXPECT_EQ(wal_sequence("00000000000000000012.wal.zst"), 12U);
  EXPECT_EQ(wal_sequence("7.wal.zst"), 7U);
  EXPECT_EQ(wal_sequence("18446744073709551615.wal.zst"), UINT64_MAX);
  for (const char* stranger : {"18446744073709551616.wal.zst", "abc.wal.zst", ".wal.zst",
                               "-1.wal.zst", "1.wal", "1.wal.zst.tmp", ""})
    EXPECT_FALSE(wal_sequence(stranger)) << stranger;
}

TEST(ZlayerEpochName, StaysWhateverTheNumberIs) {
  native::EpochFacts facts;
  facts.epoch = Epoch(4);
  facts.position = {0x1f3a9c06, 77, 4, 17};
  EXPECT_EQ(epoch_name(facts), "1f3a9c02-4-17");
  facts.position = {};
  facts.captured = *snapshot_time("20260110_000512.sqlite.zst");
  EXPECT_EQ(epoch_name(facts), "s20260110_000512");
  EXPECT_TRUE(is_epoch_name("1f3a9c02-4-17"));
  EXPECT_TRUE(is_epoch_name("s20260110_000512"));
  for (const char* other : {"412", "latest", "2026-01-10", "2026-01-10T00:05", "2h-ago"})
    EXPECT_FALSE(is_epoch_name(other)) << other;
}

Bytes log_facts() {
  sqlite::WalHeader header;
  header.sequence = 4;
  header.salts = {6, 7};
  const WalContent content{{{PageNo(2), 20}, {PageNo(1), 10}, {PageNo(2), 21}, {PageNo(5), 50}},
                           {{2, 2, {1, 2}}, {4, 5, {3, 4}}},
                           9};
  return encode_wal_facts(header, 1000, content);
}

TEST(ZlayerFacts, FindTheNewestFrameOfAPage) {
  const Bytes bytes = log_facts();
  const auto facts = parse_facts(bytes);
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->plain_bytes, 1000U);
  const auto& log = std::get<WalFacts>(facts->of);
  EXPECT_EQ(log.salts().first, 6U);
  EXPECT_EQ(log.sequence(), 4U);
  EXPECT_EQ(log.change_counter(), 9U);
  ASSERT_EQ(log.commit_count(), 2U);
  EXPECT_EQ(log.commit(1), (WalCommit{4, 5, {3, 4}}));
  EXPECT_EQ(log.newest(PageNo(2), 1), 1U);
  EXPECT_EQ(log.newest(PageNo(2), 2), 1U);
  EXPECT_EQ(log.newest(PageNo(2), 4), 3U);
  EXPECT_EQ(log.newest(PageNo(1), 1), std::nullopt);
  EXPECT_EQ(log.newest(PageNo(1), 2), 2U);
  EXPECT_EQ(log.newest(PageNo(5), 3), std::nullopt);
  EXPECT_EQ(log.newest(PageNo(3), 4), std::nullopt);
  EXPECT_EQ(log.newest(PageNo(6), 4), std::nullopt);
  EXPECT_EQ(log.frame(3).hash, 21U);
}

TEST(ZlayerFacts, HaveTheHashesOfASnapshot) {
  sqlite::DatabaseHeader header;
  header.wal_mode = true;
  header.change_counter = 8;
  header.page_count = 3;
  const Bytes bytes = encode_snapshot_facts(header, {11, 12});
  const auto facts = parse_facts(bytes);
  ASSERT_TRUE(facts);
  const auto& snapshot = std::get<SnapshotFacts>(facts->of);
  EXPECT_TRUE(snapshot.wal_mode());
  EXPECT_TRUE(snapshot.size_disagrees());
  EXPECT_EQ(snapshot.change_counter(), 8U);
  EXPECT_EQ(snapshot.hash(PageNo(0)), std::nullopt);
  EXPECT_EQ(snapshot.hash(PageNo(2)), 12U);
  EXPECT_EQ(snapshot.hash(PageNo(3)), std::nullopt);
}

TEST(ZlayerFacts, AreRefusedWhenTheyAreCutOrGoOn) {
  for (Bytes bytes : {log_facts(), encode_snapshot_facts(sqlite::DatabaseHeader{}, {1, 2})}) {
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_FALSE(parse_facts(ByteView(bytes).first(size))) << size;
    bytes.push_back(std::byte{0});
    EXPECT_FALSE(parse_facts(bytes));
  }
  const auto useless = parse_facts(encode_useless_facts({true, "why"}, 5));
  ASSERT_TRUE(useless);
  EXPECT_TRUE(std::get<UselessFacts>(useless->of).is_damage);
  EXPECT_EQ(std::get<UselessFacts>(useless->of).reason, "why");
}

}  // namespace
}  // namespace epochfs::engine::zlayer
