// Pages that a transaction adds without writing them.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "engine/capture/orphan_pages.h"
#include "engine/formats/sqlite/database_header.h"
#include "tests/capture/replay.h"
#include "tests/support/live_database.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

// A log in memory: no salts, no checksums, for who has proven it by other means.
class MemoryBytes final : public engine::ByteSource {
 public:
  explicit MemoryBytes(engine::Bytes bytes) : bytes_(std::move(bytes)) {}
  Result<std::uint64_t> size() override { return bytes_.size(); }

 private:
  Result<void> do_read_at(std::uint64_t offset, engine::MutableByteView out) override {
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = offset + i < bytes_.size() ? bytes_[offset + i] : std::byte{0};
    return {};
  }
  engine::Bytes bytes_;
};

struct Frame {
  std::uint32_t page;
  std::uint32_t commit_pages;  // 0: the transaction goes on
};

constexpr std::uint32_t kPageBytes = 512;

engine::Bytes log_of(const std::vector<Frame>& frames) {
  engine::ByteWriter log;
  log.put(engine::Bytes(engine::sqlite::kWalHeaderSize));
  for (const Frame& frame : frames) {
    log.put_be<std::uint32_t>(frame.page);
    log.put_be<std::uint32_t>(frame.commit_pages);
    log.put(engine::Bytes(16 + kPageBytes));
  }
  return std::move(log).take();
}

// Page 5 is the one that grew into view, by the transaction that ends with frame `commit`, without
// a frame. The database file holds `file_pages` pages without a zero.
struct OrphanCase {
  std::string name;
  std::vector<Frame> frames;
  std::uint32_t commit;
  std::uint32_t backfilled;
  std::uint32_t file_pages;
  std::optional<std::uint32_t> wanted;  // nullopt: undecidable
};

const std::vector<OrphanCase>& orphan_cases() {
  static const std::vector<OrphanCase> cases = {
      {"NeverAnywhere", {{1, 5}}, 1, 0, 4, engine::kZeros},
      {"InTheFile", {{1, 4}, {1, 5}}, 2, 0, 6, engine::kFromDatabase},
      {"InAnOlderFrame", {{5, 5}, {1, 4}, {1, 5}}, 3, 0, 6, 1},
      {"InTheNewestOfTwoOlderFrames", {{5, 5}, {5, 5}, {1, 4}, {1, 5}}, 4, 0, 6, 2},
      {"InAnOlderFrameThatWasCopied", {{5, 5}, {1, 4}, {1, 5}}, 3, 1, 6, std::nullopt},
      {"WrittenLaterOnlyInTheLog", {{1, 5}, {5, 5}}, 1, 0, 4, engine::kZeros},
      {"WrittenLaterAndCopied", {{1, 5}, {5, 5}}, 1, 2, 5, std::nullopt},
      {"InTheFileButMayBeOverwritten", {{1, 4}, {1, 5}, {5, 5}}, 2, 0, 6, std::nullopt},
      {"InTheFileButMayBeCutOff", {{1, 4}, {1, 5}, {1, 4}}, 2, 0, 6, std::nullopt},
      {"CutOffAlready", {{1, 4}, {1, 5}, {1, 4}}, 2, 3, 4, std::nullopt},
      {"AnEarlierCutDoesNotMatter", {{1, 4}, {1, 5}, {1, 6}}, 2, 3, 6, engine::kFromDatabase},
  };
  return cases;
}

class OrphanPages : public ::testing::TestWithParam<std::size_t> {};

TEST_P(OrphanPages, AreFoundWhereAReaderFoundThem) {
  const OrphanCase& row = orphan_cases()[GetParam()];
  const engine::PageSize page_size = *engine::PageSize::from(kPageBytes);
  MemoryBytes log(log_of(row.frames));
  MemoryBytes file(engine::Bytes(row.file_pages * kPageBytes, std::byte{0xaa}));
  engine::FilePages pages(file, page_size);
  engine::WalIndexState state;
  state.header.last_frame = static_cast<std::uint32_t>(row.frames.size());
  state.backfilled = row.backfilled;
  const std::vector<engine::Orphan> orphans = {{PageNo(5), row.commit}};
  const auto found = find_orphans(orphans, engine::WalLog(log, page_size), state, pages);
  ASSERT_WORKS(found);
  ASSERT_EQ(found->has_value(), row.wanted.has_value());
  if (!row.wanted) return;
  ASSERT_EQ((*found)->size(), 1U);
  EXPECT_EQ((*found)->front().frame, *row.wanted);
  EXPECT_EQ((*found)->front().page, PageNo(5));
  EXPECT_EQ((*found)->front().commit_frame, row.commit);
}

INSTANTIATE_TEST_SUITE_P(Rows, OrphanPages, ::testing::Range(std::size_t{0}, orphan_cases().size()),
                         [](const auto& row) { return orphan_cases()[row.param].name; });

TEST(Growth, TreatsThePageOfTheLocksAsZeros) {
  const TemporaryDirectory directory;
  constexpr std::uint32_t kLargePageBytes = 65536;
  const engine::PageNo lock_page =
      engine::sqlite::lock_byte_page(*engine::PageSize::from(kLargePageBytes));
  const std::string path = directory / "large.db";
  {
    LiveDatabase maker(path);
    maker.run("PRAGMA page_size = 65536; CREATE TABLE t (body)");
  }
  // Grown by hand to the last page before the lock's, as a sparse file: nobody uses those pages.
  std::string header = file_bytes(path).substr(0, 100);
  const std::uint32_t pages = lock_page.get() - 1;
  for (std::size_t i = 0; i < 4; ++i) header[28 + i] = static_cast<char>(pages >> (24 - 8 * i));
  {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file << header;
  }
  std::filesystem::resize_file(path, std::uint64_t{pages} * kLargePageBytes);
  LiveDatabase writer(path);
  writer.run("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
  writer.run("INSERT INTO t VALUES (1)");

  engine::SnapshotOptions options;
  options.path = path;
  engine::KnownState known;
  {
    const auto first = engine::open_snapshot(options);
    ASSERT_WORKS(first);
    ASSERT_WORKS((*first)->confirm());
    known.cursor = (*first)->cursor();
    known.page_size = (*first)->info().page_size;
    known.newest.size_bytes = (*first)->info().size_bytes;
    ASSERT_EQ(known.newest.size_bytes, std::uint64_t{pages} * kLargePageBytes);
  }
  writer.run("INSERT INTO t VALUES (randomblob(400000))");
  const auto snapshot = engine::open_snapshot(options);
  ASSERT_WORKS(snapshot);
  const auto changes = (*snapshot)->changes_since(known);
  ASSERT_WORKS(changes);
  EXPECT_EQ((*changes)->page_diff_reason(), "");
  const auto batch = (*changes)->next();
  ASSERT_WORKS(batch);
  ASSERT_NE(*batch, nullptr);
  std::set<std::uint32_t> given;
  bool lock_page_is_zero = false;
  ASSERT_WORKS((*batch)->visit([&](PageNo page, std::uint32_t, ByteView bytes) -> Result<void> {
    given.insert(page.get());
    if (page == lock_page)
      lock_page_is_zero = std::all_of(bytes.begin(), bytes.end(),
                                      [](std::byte byte) { return byte == std::byte{0}; });
    return {};
  }));
  EXPECT_TRUE(lock_page_is_zero);
  EXPECT_TRUE(given.contains(lock_page.get() + 1));
}

}  // namespace
}  // namespace epochfs::test
