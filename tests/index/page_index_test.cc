#include "engine/index/page_index.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <tuple>

namespace epochfs::engine {
namespace {

class PageIndexTest : public testing::Test {
 protected:
  PageIndexTest() {
    std::string path = testing::TempDir() + "page-index-XXXXXX";
    directory_ = ::mkdtemp(path.data());
  }
  ~PageIndexTest() override { std::filesystem::remove_all(directory_); }

  std::shared_ptr<PageIndex> open() {
    auto index = PageIndex::open(directory_ + "/a/b");
    EXPECT_TRUE(index) << (index ? "" : index.error().text);
    return index ? *index : nullptr;
  }
  [[nodiscard]] std::string file() const { return directory_ + "/a/b/index.lmdb"; }

  std::string directory_;
};

native::EpochFacts facts_of(std::uint64_t epoch) {
  native::EpochFacts facts;
  facts.epoch = Epoch(epoch);
  facts.committed = UtcTime(static_cast<std::int64_t>(epoch) * 1000);
  facts.captured = UtcTime(-5);
  facts.size_bytes = epoch * 4096;
  facts.state = StateHash(epoch, ~epoch);
  facts.position = {1, 0xffffffff, 3, 4};
  facts.pages_changed = 7;
  facts.commits_folded = 0xffffffff;
  facts.how = native::Captured::kPageDiff;
  facts.flags = native::kEpochWalMode;
  facts.log_bytes = epoch * 100;
  return facts;
}

native::RecordRow record_of(std::uint32_t page, std::vector<std::uint64_t> epochs) {
  native::RecordRow row;
  row.page = PageNo(page);
  row.stored_bytes = 100 + page;
  for (const std::uint64_t epoch : epochs) row.epochs.emplace_back(epoch);
  return row;
}

// The epoch after, some of its fields changed by little or much.
void vary(EpochRow& row, std::mt19937_64& random) {
  native::EpochFacts& facts = row.facts;
  const auto now_and_then = [&] { return random() % 4 == 0; };
  const auto any = [&] { return random() >> random() % 64; };
  const auto any_u32 = [&] { return static_cast<std::uint32_t>(random() >> (32 + random() % 32)); };
  facts.epoch = Epoch(facts.epoch.get() + 1 + (now_and_then() ? random() % 100 : 0));
  if (now_and_then()) facts.committed = UtcTime(static_cast<std::int64_t>(any()));
  if (now_and_then()) facts.captured = UtcTime(-static_cast<std::int64_t>(any() >> 1U));
  if (now_and_then()) facts.size_bytes = any();
  if (now_and_then()) facts.state = StateHash(random(), random());
  if (now_and_then()) facts.position = {any_u32(), any_u32(), any_u32(), facts.position.frame};
  if (now_and_then()) facts.position.frame = any_u32();
  if (now_and_then()) facts.pages_changed = any_u32();
  if (now_and_then()) facts.commits_folded = any_u32();
  if (now_and_then()) facts.how = static_cast<native::Captured>(random() % 4);
  if (now_and_then()) facts.flags = static_cast<std::uint8_t>(random());
  if (now_and_then()) facts.log_bytes = any();
  if (now_and_then()) facts.basis = static_cast<native::Basis>(random() % 4);
  if (now_and_then()) row.segment = SegmentNo(any_u32());
  if (now_and_then()) row.base = SegmentNo(any_u32());
  row.log_bytes = now_and_then() ? any() : row.log_bytes + facts.log_bytes;
  if (now_and_then())
    row.layers.assign(random() % 5, LogLayer{SegmentNo(any_u32()), any_u32(), any_u32()});
}

TEST_F(PageIndexTest, KeepsWhatWasCommittedAndForgetsTheRest) {
  DatabaseRow row;
  {
    const auto index = open();
    auto writer = index->write();
    ASSERT_TRUE(writer);
    row.number = *writer->begin_database("app");
    row.segments_hash = 42;
    row.segment_count = 3;
    row.epoch_count = 2;
    row.oldest = Epoch(1);
    row.newest = Epoch(9);
    row.chain_open = true;
    row.base = SegmentNo(2);
    row.chain_end = Epoch(9);
    row.log = {grafeo::Generation::kV2, 1000, 900, grafeo::Lsn(5), grafeo::Lsn(900), {}, 1, 2};
    row.log.database_id.fill(std::byte{7});
    row.problems = {{"incr-3-4.seg", "missing", Epoch(3), Epoch(4), "version"}};
    ASSERT_TRUE(writer->put_database("app", row));
    ASSERT_TRUE(writer->put_epoch(row.number, {facts_of(9), SegmentNo(2), SegmentNo(1), 77}));
    ASSERT_TRUE(std::move(*writer).commit());

    auto dropped = index->write();
    ASSERT_TRUE(dropped);
    ASSERT_TRUE(dropped->put_epoch(row.number, {facts_of(10), SegmentNo(3)}));
  }
  const auto index = open();
  const auto reader = index->read();
  ASSERT_TRUE(reader);
  EXPECT_EQ(*reader->database("app"), row);
  EXPECT_EQ(*reader->database("other"), std::nullopt);
  const auto epoch = reader->epoch(row.number, Epoch(9));
  ASSERT_TRUE(epoch && *epoch);
  EXPECT_EQ(**epoch, (EpochRow{facts_of(9), SegmentNo(2), SegmentNo(1), 77}));
  EXPECT_EQ(*reader->epoch(row.number, Epoch(10)), std::nullopt);
}

TEST_F(PageIndexTest, FindsThePiecesOfALogThatHoldSomeOfARange) {
  const auto index = open();
  auto writer = index->write();
  const DatabaseNo number = *writer->begin_database("app");
  const LogExtent first{0, SegmentNo(1), {32, 100}, grafeo::Lsn(7)};
  const LogExtent second{100, SegmentNo(2), {160, 50}, grafeo::Lsn(107)};
  const LogExtent third{150, SegmentNo(2), {300, 1}, grafeo::Lsn(157)};
  const LogExtent foreign{0, SegmentNo(9), {32, 1000}, grafeo::Lsn(0)};
  for (const LogExtent& extent : {first, second, third})
    ASSERT_TRUE(writer->put_log_extent(number, SegmentNo(0), extent));
  ASSERT_TRUE(writer->put_log_extent(number, SegmentNo(8), foreign));
  ASSERT_TRUE(std::move(*writer).commit());
  const auto reader = index->read();
  using Extents = std::vector<LogExtent>;
  const auto find = [&](std::uint64_t base, ByteRange bytes, std::size_t count_max = 10) {
    return *reader->log_extents(number, SegmentNo(static_cast<std::uint32_t>(base)), bytes,
                                count_max);
  };
  EXPECT_EQ(find(0, {0, 151}), (Extents{first, second, third}));
  EXPECT_EQ(find(0, {0, 100}), Extents{first});
  EXPECT_EQ(find(0, {99, 2}), (Extents{first, second}));
  EXPECT_EQ(find(0, {100, 50}), Extents{second});
  EXPECT_EQ(find(0, {0, 151}, 2), (Extents{first, second}));
  EXPECT_EQ(find(0, {151, 10}), Extents{});
  EXPECT_EQ(find(7, {0, 100}), Extents{});
  EXPECT_EQ(find(8, {500, 1}), Extents{foreign});
}

TEST_F(PageIndexTest, FindsTheNewestVersionNotAfterAnEpoch) {
  const auto index = open();
  auto writer = index->write();
  const DatabaseNo number = *writer->begin_database("app");
  ASSERT_TRUE(writer->put_record(number, SegmentNo(1), 16, record_of(7, {2, 3, 5})));
  ASSERT_TRUE(writer->put_record(number, SegmentNo(2), 99, record_of(7, {8})));
  ASSERT_TRUE(std::move(*writer).commit());
  const auto reader = index->read();
  struct Case {
    std::uint64_t after, epoch, want;  // 0: none
  };
  for (const Case& c : {Case{0, 1, 0}, Case{0, 2, 2}, Case{0, 4, 3}, Case{0, 5, 5}, Case{0, 7, 5},
                        Case{0, 8, 8}, Case{0, 100, 8}, Case{5, 7, 0}, Case{8, 100, 0}}) {
    const auto found =
        reader->records(number, {PageNo(7), PageNo(7)}, 0, Epoch(c.after), Epoch(c.epoch));
    ASSERT_TRUE(found);
    ASSERT_EQ(found->size(), c.want == 0 ? 0U : 1U) << c.after << " " << c.epoch;
    if (c.want == 0) continue;
    EXPECT_EQ(found->front().epoch, Epoch(c.want));
    EXPECT_EQ(found->front().offset, c.want == 8 ? 99U : 16U);
    EXPECT_EQ(found->front().stored_bytes, 107U);
  }
}

TEST_F(PageIndexTest, AgreesWithAPlainMapOnRandomHistories) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  const auto index = open();
  for (int round = 0; round < 20; ++round) {
    auto writer = index->write();
    const DatabaseNo number = *writer->begin_database("app");
    const DatabaseNo other = *writer->begin_database("neighbour");
    std::map<std::uint32_t, std::set<std::uint64_t>> versions;
    std::uint64_t epoch = 1;
    for (std::uint32_t segment = 0; segment < 10; ++segment) {
      const std::uint64_t last = epoch + random() % 10;
      std::map<std::uint32_t, std::vector<std::uint64_t>> records;
      for (; epoch <= last; ++epoch) {
        for (int i = 0; i < 5; ++i) {
          auto& list = records[1 + static_cast<std::uint32_t>(random() % 40)];
          if (list.empty() || list.back() != epoch) list.push_back(epoch);
        }
      }
      for (const auto& [page, epochs] : records) {
        ASSERT_TRUE(writer->put_record(number, SegmentNo(segment), page, record_of(page, epochs)));
        ASSERT_TRUE(writer->put_record(other, SegmentNo(segment), page,
                                       record_of(page, {epoch + segment})));
        versions[page].insert(epochs.begin(), epochs.end());
      }
    }
    ASSERT_TRUE(std::move(*writer).commit());
    const auto reader = index->read();
    for (int i = 0; i < 200; ++i) {
      const std::uint64_t at = random() % (epoch + 2);
      const std::uint64_t after = at == 0 ? 0 : random() % at;
      const auto first = static_cast<std::uint32_t>(1 + random() % 45);
      const auto last = static_cast<std::uint32_t>(first + random() % 10);
      std::map<std::uint32_t, std::uint64_t> want;
      for (std::uint32_t page = first; page <= last; ++page) {
        const auto& set = versions[page];
        auto behind = set.upper_bound(at);
        if (behind != set.begin() && *--behind > after) want[page] = *behind;
      }
      std::map<std::uint32_t, std::uint64_t> got;
      const auto places =
          reader->records(number, {PageNo(first), PageNo(last)}, 0, Epoch(after), Epoch(at));
      ASSERT_TRUE(places);
      for (const RecordPlace& place : *places) got[place.page.get()] = place.epoch.get();
      EXPECT_EQ(got, want) << "pages " << first << " to " << last << " in (" << after << ", " << at
                           << "]";
    }
  }
}

// What is told of pages, as (page, epoch, offset).
using Places = std::vector<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>>;

Places places_of(const PageIndex::Reader& reader, DatabaseNo number, std::uint32_t first,
                 std::uint32_t last, std::uint64_t epoch) {
  Places places;
  const auto found =
      reader.records(number, {PageNo(first), PageNo(last)}, 0, Epoch(0), Epoch(epoch));
  EXPECT_TRUE(found);
  if (!found) return places;
  for (const RecordPlace& place : *found)
    places.emplace_back(place.page.get(), place.epoch.get(), place.offset);
  return places;
}

// Page 3 changes in every epoch, its neighbours once in a while, the pages far behind never; the
// history comes in many transactions.
TEST_F(PageIndexTest, FindsAPageWhoseNeighbourChangesAllTheTime) {
  constexpr std::uint32_t kSegments = 60;
  constexpr std::uint64_t kEpochsEach = 50;
  const auto index = open();
  DatabaseNo number;
  for (std::uint32_t segment = 0; segment < kSegments; ++segment) {
    auto writer = index->write();
    if (segment == 0) number = *writer->begin_database("app");
    const std::uint64_t first = segment * kEpochsEach + 1;
    if (segment % 20 == 0) {
      ASSERT_TRUE(writer->put_record(number, SegmentNo(segment), 7, record_of(1, {first + 3})));
    }
    for (std::uint64_t epoch = first; epoch < first + kEpochsEach; epoch += 5)
      ASSERT_TRUE(
          writer->put_record(number, SegmentNo(segment), epoch,
                             record_of(3, {epoch, epoch + 1, epoch + 2, epoch + 3, epoch + 4})));
    if (segment == 30) {
      ASSERT_TRUE(writer->put_record(number, SegmentNo(segment), 9, record_of(1000, {first})));
    }
    ASSERT_TRUE(std::move(*writer).commit());
  }
  const auto reader = index->read();
  for (std::uint64_t epoch = 1; epoch <= kSegments * kEpochsEach; ++epoch) {
    Places want;
    const std::uint64_t since = (epoch - 1) % 1000;
    if (epoch > 3) want.emplace_back(1, since < 3 ? epoch - since - 997 : epoch - since + 3, 7);
    want.emplace_back(3, epoch, (epoch - 1) / 5 * 5 + 1);
    if (epoch > 1500) want.emplace_back(1000, 1501, 9);
    ASSERT_EQ(places_of(*reader, number, 1, 2000, epoch), want) << epoch;
  }
  const auto next = [&](std::uint32_t page, std::uint64_t after) {
    const auto found = reader->next_record(number, PageNo(page), Epoch(after));
    return found && *found ? (*found)->get() : 0;
  };
  EXPECT_EQ(next(1, 0), 4U);
  EXPECT_EQ(next(1, 4), 1004U);
  EXPECT_EQ(next(1, 2004), 0U);
  EXPECT_EQ(next(3, 17), 21U);
  EXPECT_EQ(next(2, 0), 0U);
  EXPECT_EQ(next(1000, 0), 1501U);
}

TEST_F(PageIndexTest, FindsVersionsOfARecordThatGoesOnAfterItsNeighboursBegan) {
  const auto index = open();
  auto writer = index->write();
  const DatabaseNo number = *writer->begin_database("app");
  std::vector<std::uint64_t> long_one;
  for (std::uint64_t epoch = 1; epoch <= 900; epoch += 3) long_one.push_back(epoch);
  ASSERT_TRUE(writer->put_record(number, SegmentNo(1), 5, record_of(2, long_one)));
  for (std::uint64_t epoch = 2; epoch <= 900; ++epoch)
    ASSERT_TRUE(writer->put_record(number, SegmentNo(1), epoch, record_of(1, {epoch})));
  ASSERT_TRUE(std::move(*writer).commit());
  const auto reader = index->read();
  for (std::uint64_t epoch = 2; epoch <= 900; ++epoch)
    ASSERT_EQ(places_of(*reader, number, 1, 16, epoch),
              (Places{{1, epoch, epoch}, {2, (epoch - 1) / 3 * 3 + 1, 5}}));
}

TEST_F(PageIndexTest, RefusesRecordsThatBeginBeforeThoseThatAreThere) {
  const auto index = open();
  auto writer = index->write();
  const DatabaseNo number = *writer->begin_database("app");
  ASSERT_TRUE(writer->put_record(number, SegmentNo(1), 5, record_of(2, {9})));
  ASSERT_TRUE(std::move(*writer).commit());
  auto late = index->write();
  ASSERT_TRUE(late->put_record(number, SegmentNo(2), 5, record_of(2, {8})));
  EXPECT_FALSE(std::move(*late).commit());
}

// Epochs with gaps, of which every field changes now and then, in transactions of any size.
TEST_F(PageIndexTest, GivesEveryEpochBackAsItWasPut) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  const auto index = open();
  std::map<std::uint64_t, EpochRow> rows;
  DatabaseNo number;
  EpochRow row{facts_of(1 + random() % 5), SegmentNo(0)};
  for (int transaction = 0; transaction < 40; ++transaction) {
    auto writer = index->write();
    if (transaction == 0) number = *writer->begin_database("app");
    if (transaction == 25) {  // what a history that is derived anew does
      const auto from =
          std::next(rows.begin(), static_cast<std::ptrdiff_t>(random() % rows.size()));
      row.facts.epoch = Epoch(from->first);
      rows.erase(from, rows.end());
    }
    for (std::uint64_t count = random() % 200 + 1; count > 0; --count) {
      ASSERT_TRUE(writer->put_epoch(number, row));
      rows[row.facts.epoch.get()] = row;
      vary(row, random);
    }
    ASSERT_TRUE(writer->end_epochs());
    EXPECT_EQ(*writer->reader().epoch(number, Epoch(rows.rbegin()->first)), rows.rbegin()->second);
    ASSERT_TRUE(std::move(*writer).commit());
  }
  const auto reader = index->read();
  const auto all = reader->epochs(number, Epoch(0), Epoch(UINT64_MAX), 1'000'000);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), rows.size());
  std::size_t place = 0;
  for (const auto& [epoch, want] : rows) {
    ASSERT_EQ((*all)[place++], want);
    ASSERT_EQ(*reader->epoch(number, Epoch(epoch)), want);
    if (!rows.contains(epoch + 1)) {
      ASSERT_EQ(*reader->epoch(number, Epoch(epoch + 1)), std::nullopt);
      ASSERT_EQ(*reader->last_epoch_not_after(number, Epoch(epoch + 1)), want);
    }
    const auto behind = rows.upper_bound(epoch);
    const auto next = reader->first_epoch_from(number, Epoch(epoch + 1));
    ASSERT_EQ(*next, behind == rows.end() ? std::nullopt : std::optional(behind->second));
  }
}

TEST_F(PageIndexTest, RefusesEpochsThatDoNotAscend) {
  const auto index = open();
  auto writer = index->write();
  const DatabaseNo number = *writer->begin_database("app");
  ASSERT_TRUE(writer->put_epoch(number, {facts_of(5), SegmentNo(0)}));
  EXPECT_FALSE(writer->put_epoch(number, {facts_of(5), SegmentNo(0)}));
  EXPECT_FALSE(writer->put_epoch(number, {facts_of(4), SegmentNo(0)}));
}

TEST_F(PageIndexTest, GivesBlocksBackFromAnyPlaceOn) {
  constexpr std::uint32_t kPagesPerBlock = 4;
  constexpr std::uint64_t kPages = 4 * 50 - 1;  // the last block is short
  const auto index = open();
  auto writer = index->write();
  const DatabaseNo number = *writer->begin_database("app");
  std::vector<native::BlockRow> rows;
  std::vector<std::uint64_t> offsets;
  std::uint64_t offset = 16;
  for (std::uint32_t i = 0; i < 50; ++i) {
    native::BlockRow row{100 + i, {}};
    for (std::uint32_t page = 0; page < kPagesPerBlock && i * kPagesPerBlock + page < kPages;
         ++page)
      row.page_hashes.push_back(std::uint64_t{i} << 32U | page);
    ASSERT_TRUE(writer->put_block(number, SegmentNo(5), offset, row));
    offsets.push_back(offset);
    offset += row.stored_bytes;
    rows.push_back(row);
  }
  ASSERT_TRUE(writer->end_blocks(number, SegmentNo(5)));
  ASSERT_TRUE(std::move(*writer).commit());
  const auto reader = index->read();
  for (std::size_t first = 0; first < 50; ++first) {
    for (std::size_t count : {std::size_t{1}, std::size_t{3}, 50 - first}) {
      if (first + count > 50) continue;
      const auto blocks =
          reader->blocks(number, SegmentNo(5), kPagesPerBlock, kPages, first, count);
      ASSERT_TRUE(blocks) << blocks.error().text;
      ASSERT_EQ(blocks->size(), count);
      for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ((*blocks)[i].offset, offsets[first + i]);
        EXPECT_EQ((*blocks)[i].stored_bytes, rows[first + i].stored_bytes);
        EXPECT_EQ((*blocks)[i].page_hashes, rows[first + i].page_hashes);
      }
    }
  }
  EXPECT_FALSE(reader->blocks(number, SegmentNo(5), kPagesPerBlock, kPages, 49, 2));
  EXPECT_FALSE(reader->blocks(number, SegmentNo(6), kPagesPerBlock, kPages, 0, 1));
}

TEST_F(PageIndexTest, WalksEpochsAndBases) {
  const auto index = open();
  auto writer = index->write();
  const DatabaseNo before = *writer->begin_database("aaa");
  const DatabaseNo number = *writer->begin_database("app");
  const DatabaseNo behind = *writer->begin_database("zzz");
  for (const DatabaseNo database : {before, behind})
    ASSERT_TRUE(writer->put_epoch(database, {facts_of(6), SegmentNo(0)}));
  for (const std::uint64_t epoch : {3, 4, 7, 9})
    ASSERT_TRUE(writer->put_epoch(number, {facts_of(epoch), SegmentNo(0)}));
  ASSERT_TRUE(writer->put_base(number, Epoch(3), SegmentNo(0), 0));
  ASSERT_TRUE(writer->put_base(number, Epoch(7), SegmentNo(4), 0));
  ASSERT_TRUE(std::move(*writer).commit());
  const auto reader = index->read();
  const auto number_of = [](const Result<std::optional<EpochRow>>& row) {
    return row && *row ? (*row)->facts.epoch.get() : 0;
  };
  EXPECT_EQ(number_of(reader->last_epoch_not_after(number, Epoch(2))), 0U);
  EXPECT_EQ(number_of(reader->last_epoch_not_after(number, Epoch(6))), 4U);
  EXPECT_EQ(number_of(reader->last_epoch_not_after(number, Epoch(100))), 9U);
  EXPECT_EQ(number_of(reader->first_epoch_from(number, Epoch(1))), 3U);
  EXPECT_EQ(number_of(reader->first_epoch_from(number, Epoch(5))), 7U);
  EXPECT_EQ(number_of(reader->first_epoch_from(number, Epoch(10))), 0U);
  EXPECT_EQ(reader->epochs(number, Epoch(4), Epoch(8), 10)->size(), 2U);
  EXPECT_EQ(reader->epochs(number, Epoch(1), Epoch(100), 3)->size(), 3U);
  EXPECT_EQ(*reader->base_of(number, Epoch(2)), std::nullopt);
  EXPECT_EQ(*reader->base_of(number, Epoch(6)), SegmentNo(0));
  EXPECT_EQ(*reader->base_of(number, Epoch(7)), SegmentNo(4));
  EXPECT_EQ(*reader->next_base(number, Epoch(3)), Epoch(7));
  EXPECT_EQ(*reader->next_base(number, Epoch(7)), std::nullopt);
}

TEST_F(PageIndexTest, GivesARebuiltDatabaseAFreshNumberAndDropsTheOldRows) {
  const auto index = open();
  DatabaseRow row;
  {
    auto writer = index->write();
    row.number = *writer->begin_database("app");
    ASSERT_TRUE(writer->put_database("app", row));
    ASSERT_TRUE(writer->put_epoch(row.number, {facts_of(1), SegmentNo(0)}));
    ASSERT_TRUE(writer->put_record(row.number, SegmentNo(0), 16, record_of(1, {1})));
    ASSERT_TRUE(std::move(*writer).commit());
  }
  auto writer = index->write();
  const DatabaseNo fresh = *writer->begin_database("app");
  ASSERT_TRUE(std::move(*writer).commit());
  EXPECT_NE(fresh, row.number);
  const auto reader = index->read();
  EXPECT_EQ(*reader->epoch(row.number, Epoch(1)), std::nullopt);
  EXPECT_TRUE(reader->records(row.number, {PageNo(1), PageNo(9)}, 0, Epoch(0), Epoch(9))->empty());
}

TEST_F(PageIndexTest, IsPrivateToItsUser) {
  open();
  struct stat status {};
  ASSERT_EQ(::stat((directory_ + "/a/b").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
  ASSERT_EQ(::stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(PageIndexTest, RefusesADirectoryThatIsALink) {
  std::filesystem::create_directories(directory_ + "/elsewhere");
  std::filesystem::create_directories(directory_ + "/a");
  std::filesystem::create_directory_symlink(directory_ + "/elsewhere", directory_ + "/a/b");
  EXPECT_FALSE(PageIndex::open(directory_ + "/a/b"));
  EXPECT_TRUE(std::filesystem::is_empty(directory_ + "/elsewhere"));
}

TEST_F(PageIndexTest, ThrowsADamagedFileAwayAndStartsAfresh) {
  for (const std::string& garbage : {std::string(), std::string("not an index at all"),
                                     std::string(100'000, '\xff'), std::string(8192, '\0')}) {
    std::filesystem::create_directories(directory_ + "/a/b");
    std::filesystem::permissions(directory_ + "/a/b", std::filesystem::perms::owner_all);
    std::ofstream(file(), std::ios::trunc) << garbage;
    const auto index = open();
    ASSERT_NE(index, nullptr);
    auto writer = index->write();
    ASSERT_TRUE(writer);
    EXPECT_TRUE(writer->begin_database("app"));
  }
}

TEST_F(PageIndexTest, ThrowsAFileAwayThatWasCutShort) {
  {
    const auto index = open();
    auto writer = index->write();
    const DatabaseNo number = *writer->begin_database("app");
    for (std::uint64_t epoch = 1; epoch < 5000; ++epoch)
      ASSERT_TRUE(writer->put_epoch(number, {facts_of(epoch), SegmentNo(0)}));
    DatabaseRow row;
    row.number = number;
    ASSERT_TRUE(writer->put_database("app", row));
    ASSERT_TRUE(std::move(*writer).commit());
  }
  std::filesystem::resize_file(file(), std::filesystem::file_size(file()) / 2);
  const auto index = open();
  ASSERT_NE(index, nullptr);
  EXPECT_EQ(*index->read()->database("app"), std::nullopt);
}

TEST_F(PageIndexTest, ThrowsNothingAwayThatItOnlyCannotOpenNow) {
  {
    const auto index = open();
    auto writer = index->write();
    DatabaseRow row;
    row.number = *writer->begin_database("app");
    ASSERT_TRUE(writer->put_database("app", row));
    ASSERT_TRUE(std::move(*writer).commit());
  }
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{3, limit.rlim_max};  // no more than are open already
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto refused = PageIndex::open(directory_ + "/a/b");
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_FALSE(refused);
  EXPECT_NE(*open()->read()->database("app"), std::nullopt);
}

TEST_F(PageIndexTest, KeepsTheLastCommitWhenAWriterIsKilled) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto index = PageIndex::open(directory_ + "/a/b");
    if (!index) ::_exit(1);
    for (std::uint64_t round = 1;; ++round) {
      auto writer = (*index)->write();
      if (!writer) ::_exit(1);
      DatabaseRow row;
      row.number = *writer->begin_database("app");
      row.epoch_count = round;
      for (std::uint64_t epoch = 1; epoch <= 100; ++epoch)
        if (!writer->put_epoch(row.number, {facts_of(epoch), SegmentNo(0)})) ::_exit(1);
      if (!writer->put_database("app", row) || !std::move(*writer).commit()) ::_exit(1);
      if (round == 20) ::kill(::getpid(), SIGSTOP);
    }
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status));
  ::kill(child, SIGCONT);
  ::usleep(3000);
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  const auto index = open();
  ASSERT_NE(index, nullptr);
  const auto reader = index->read();
  const auto row = reader->database("app");
  ASSERT_TRUE(row && *row);
  EXPECT_GE((*row)->epoch_count, 20U);
  EXPECT_EQ(reader->epochs((*row)->number, Epoch(1), Epoch(1000), 1000)->size(), 100U);
}

TEST_F(PageIndexTest, IsOpenedWhileAnotherProcessWrites) {
  ASSERT_NE(open(), nullptr);
  std::array<int, 2> writing{};
  ASSERT_EQ(::pipe(writing.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);
    const auto index = open();
    auto writer = index->write();
    if (::write(writing[1], "w", 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char said = 0;
  ASSERT_EQ(::read(writing[0], &said, 1), 1);
  EXPECT_NE(open(), nullptr);
  EXPECT_EQ(::waitpid(child, nullptr, WNOHANG), 0) << "it had to end first";
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(writing[0]);
  ::close(writing[1]);
}

TEST_F(PageIndexTest, IsOneObjectForTwoWhoOpenIt) { EXPECT_EQ(open(), open()); }

}  // namespace
}  // namespace epochfs::engine
