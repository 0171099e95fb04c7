// Frames that chain, whatever numbers they carry: SQLite's own checksums keep nobody from any.
#include "engine/capture/commit_scan.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/capture/commit_batch.h"

namespace epochfs::engine {
namespace {

constexpr std::uint32_t kForgedPageBytes = 512;

// A log of one transaction, in memory.
class ForgedLog final : public ByteSource {
 public:
  ForgedLog(const std::vector<std::uint32_t>& pages, std::uint32_t database_pages) {
    sqlite::WalHeader header;
    header.page_size = page_size();
    header.salts = start_.salts = {1, 2};
    const auto raw = sqlite::encode_wal_header(header);
    start_.checksum = sqlite::parse_wal_header(raw)->checksum;
    bytes_.put(raw);
    sqlite::WalChecksum checksum = start_.checksum;
    for (const std::uint32_t page : pages) {
      const Bytes content(kForgedPageBytes, std::byte{7});
      const bool is_last =
          bytes_.view().size() ==
          sqlite::wal_frame_offset(static_cast<std::uint32_t>(pages.size()), page_size());
      const auto frame = sqlite::encode_wal_frame_header(
          {PageNo(page), is_last ? database_pages : 0, header.salts, {}}, checksum, header.order,
          content);
      checksum = sqlite::parse_wal_frame_header(frame).checksum;
      bytes_.put(frame);
      bytes_.put(content);
    }
  }

  static PageSize page_size() { return *PageSize::from(kForgedPageBytes); }
  [[nodiscard]] const RunStart& start() const noexcept { return start_; }
  Result<std::uint64_t> size() override { return bytes_.view().size(); }

 private:
  Result<void> do_read_at(std::uint64_t offset, MutableByteView out) override {
    const ByteView all = bytes_.view();
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = offset + i < all.size() ? all[offset + i] : std::byte{0};
    return {};
  }

  ByteWriter bytes_;
  RunStart start_;
};

long peak_kib() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST(CommitScanTest, TakesNoRoomForPagesThatAFrameOnlyTalksOf) {
  for (const std::uint32_t database_pages : {1U, 0xfffffffeU}) {
    ForgedLog bytes({0xfffffffe, 1}, database_pages);
    const long before = peak_kib();
    const auto run = scan_commits(WalLog(bytes, ForgedLog::page_size()), bytes.start(), 2, 1000);
    ASSERT_TRUE(run) << run.error().text;
    EXPECT_LT(peak_kib() - before, 64 * 1024);
    EXPECT_EQ(run->last_frame, 2U);
    EXPECT_EQ(run->pages_after, database_pages);
    EXPECT_EQ(run->too_many_orphans, database_pages != 1);
  }
}

TEST(CommitScanTest, ListsThePagesThatGrewUnwrittenUpToTheLastThatMayBe) {
  // Three frames, and three orphans at the most: page 6 is the last that one more may be behind.
  for (const std::uint32_t last : {6U, 7U}) {
    ForgedLog bytes({last, 2, 1}, last);
    const auto run = scan_commits(WalLog(bytes, ForgedLog::page_size()), bytes.start(), 3, 3);
    ASSERT_TRUE(run) << run.error().text;
    EXPECT_EQ(run->too_many_orphans, last == 7);
    std::vector<std::uint32_t> orphans;
    for (const Orphan& orphan : run->orphans) orphans.push_back(orphan.page.get());
    EXPECT_EQ(orphans, (std::vector<std::uint32_t>{3, 4, 5}));
  }
}

// In ranges of pages whose size is no power of two, the last does not end at 2^32.
TEST(CommitBatchTest, ReachesTheLastPageInPasses) {
  constexpr std::uint32_t kLastPage = 0xfffffffe;
  constexpr std::size_t kWeightMax = 112;  // ranges of 7 pages
  std::vector<std::uint32_t> pages;
  for (std::uint32_t page = 1; page <= 300; ++page) pages.push_back(page);
  for (std::uint32_t i = 0; i < 10; ++i) pages.push_back(kLastPage - i);
  ForgedLog bytes(pages, kLastPage);
  CommitSource source{WalLog(bytes, ForgedLog::page_size()), nullptr, {}, {}};
  const auto count = static_cast<std::uint32_t>(pages.size());
  const auto batch = make_commit_batch(source, CommitCut{1, count, count}, kWeightMax);
  ASSERT_TRUE(batch) << batch.error().text;
  std::vector<std::uint32_t> visited;
  const auto done = (*batch)->visit([&](PageNo page, std::uint32_t, ByteView) -> Result<void> {
    visited.push_back(page.get());
    return {};
  });
  ASSERT_TRUE(done) << done.error().text;
  std::ranges::sort(pages);
  EXPECT_EQ(visited, pages);
}

}  // namespace
}  // namespace epochfs::engine
