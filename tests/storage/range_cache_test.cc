#include "engine/storage/range_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "engine/storage/memory_storage.h"
#include "engine/storage/temporary_directory.h"
#include "tests/support/faulty_storage.h"

namespace epochfs::engine {
namespace {

namespace files = std::filesystem;

constexpr std::uint64_t kPiece = RangeCache::kPieceBytes;

class RangeCacheTest : public testing::Test {
 protected:
  void SetUp() override {
    std::mt19937 random(7);
    content_.resize(5 * kPiece + 100);
    for (std::byte& byte : content_) byte = static_cast<std::byte>(random());
    ASSERT_TRUE(inner_->replace("object", content_, std::nullopt));
  }
  // As a mount opens it.
  std::shared_ptr<const Blob> open(std::uint64_t bytes_max = 64 << 20) {
    cache_ = *RangeCache::open(path_, bytes_max);
    return *make_cached_storage(inner_, cache_)->open("object");
  }
  void expect_right(const Blob& blob, std::uint64_t offset, std::size_t size) {
    Bytes out(size);
    const auto read = blob.read(offset, out);
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_TRUE(
        std::equal(out.begin(), out.end(), content_.begin() + static_cast<std::ptrdiff_t>(offset)));
  }
  std::uint64_t reads() const { return inner_->count({Operation::kRead}); }
  std::vector<std::string> kept() const {
    std::vector<std::string> paths;
    for (const auto& entry : files::directory_iterator(path_)) paths.push_back(entry.path());
    return paths;
  }

  const TemporaryDirectory directory_ = *TemporaryDirectory::create(temporary_parent());
  const std::string path_ = directory_.file("ranges");
  const std::shared_ptr<FaultyStorage> inner_ =
      std::make_shared<FaultyStorage>(make_memory_storage("memory"));
  std::shared_ptr<RangeCache> cache_;
  Bytes content_;
};

TEST_F(RangeCacheTest, AsksForNothingTwiceAlsoNotAfterARestart) {
  for (int run = 0; run < 2; ++run) {
    const auto blob = open();
    expect_right(*blob, 0, content_.size());
    expect_right(*blob, kPiece - 1, 2);
    expect_right(*blob, content_.size() - 1, 1);
    expect_right(*blob, content_.size(), 0);
    EXPECT_EQ(reads(), 1U);
  }
  EXPECT_EQ(cache_->counters().misses, 0U);
  EXPECT_EQ(cache_->counters().hits, 9U);
}

TEST_F(RangeCacheTest, FetchesWhatIsMissingBetweenWhatIsThere) {
  const auto blob = open();
  expect_right(*blob, 2 * kPiece, 1);
  EXPECT_EQ(reads(), 1U);
  expect_right(*blob, 0, content_.size());
  EXPECT_EQ(reads(), 3U);
  EXPECT_EQ(inner_->bytes_read(), content_.size());
}

TEST_F(RangeCacheTest, FindsDamageAndFetchesAnew) {
  expect_right(*open(), 0, content_.size());
  for (const std::string& path : kept()) {
    for (const std::uint64_t at : {0, 7, 8, 99}) {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(static_cast<std::streamoff>(at));
      const char flipped = static_cast<char>(file.get() ^ 1);
      file.seekp(static_cast<std::streamoff>(at));
      file.put(flipped);
      file.close();
      const std::uint64_t before = reads();
      expect_right(*open(), 0, content_.size());
      EXPECT_EQ(reads(), before + 1) << path << " byte " << at;
    }
    for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{50}, 2 * kPiece}) {
      files::resize_file(path, size);
      const std::uint64_t before = reads();
      expect_right(*open(), 0, content_.size());
      EXPECT_EQ(reads(), before + 1) << path << " of " << size;
    }
  }
}

TEST_F(RangeCacheTest, LetsGoOfWhatTurnedOutToBeWrong) {
  const auto blob = open();
  expect_right(*blob, 0, content_.size());
  const std::size_t pieces = kept().size();
  blob->forget({kPiece - 1, 2});
  EXPECT_EQ(kept().size(), pieces - 2);
  blob->forget({5 * kPiece, 2 * kPiece});  // beyond its end
  EXPECT_EQ(kept().size(), pieces - 3);
  blob->forget({3 * kPiece, 0});
  EXPECT_EQ(kept().size(), pieces - 3);
  expect_right(*blob, 0, content_.size());
}

// Two pieces of one size that have changed places are not what was kept under their names.
TEST_F(RangeCacheTest, TellsOnePieceFromAnother) {
  expect_right(*open(), 0, 2 * kPiece);
  const auto paths = kept();
  ASSERT_EQ(paths.size(), 2U);
  files::rename(paths[0], directory_.file("other"));
  files::rename(paths[1], paths[0]);
  files::rename(directory_.file("other"), paths[1]);
  expect_right(*open(), 0, 2 * kPiece);
}

TEST_F(RangeCacheTest, KnowsAnotherVersionFromTheOneThatItHas) {
  expect_right(*open(), 0, content_.size());
  const auto info = inner_->stat("object");
  std::ranges::reverse(content_);
  ASSERT_TRUE(inner_->replace("object", content_, info->version));
  expect_right(*open(), 0, content_.size());
}

TEST_F(RangeCacheTest, StaysWithinItsBytes) {
  constexpr std::uint64_t kMax = 32 * kPiece;
  auto cache = *RangeCache::open(path_, kMax);
  const Bytes piece(kPiece);
  for (int number = 0; number < 100; ++number) {
    cache->put(std::to_string(number), piece);
    EXPECT_TRUE(cache->get("0", kPiece)) << "was used just now";
    std::uint64_t bytes = 0;
    for (const std::string& path : kept()) bytes += files::file_size(path);
    EXPECT_LE(bytes, kMax);
    std::this_thread::sleep_for(std::chrono::milliseconds(12));  // the clock of the filesystem
  }
  EXPECT_FALSE(cache->get("1", kPiece));
  EXPECT_TRUE(cache->get("99", kPiece));
  cache = *RangeCache::open(path_, kPiece / 2);
  EXPECT_TRUE(kept().empty());
}

TEST_F(RangeCacheTest, IsForItsOwnerAlone) {
  expect_right(*open(), 0, 1);
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
  ASSERT_EQ(::stat(kept().front().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(RangeCacheTest, ServesWhenThereIsNoRoomOrNoDirectory) {
  expect_right(*open(0), 0, content_.size());
  const auto blob = open();
  files::remove_all(path_);
  expect_right(*blob, 0, content_.size());
  EXPECT_FALSE(kept().empty());
  files::remove_all(path_);
  std::ofstream(path_) << "no directory";
  expect_right(*blob, 0, content_.size());
  EXPECT_FALSE(RangeCache::open(path_, 1 << 20));
}

TEST_F(RangeCacheTest, IsSharedByManyWhileSomebodyRemovesThings) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::vector<std::thread> mounts;
  for (unsigned mount = 0; mount < 4; ++mount) {
    mounts.emplace_back([&, mount] {
      std::mt19937_64 random(seed + mount);
      const auto cache = *RangeCache::open(path_, 4 * kPiece);
      const auto blob = *make_cached_storage(inner_, cache)->open("object");
      for (int i = 0; i < 100; ++i) {
        const std::uint64_t offset = random() % content_.size();
        expect_right(*blob, offset, random() % (content_.size() - offset));
        std::error_code ignored;
        if (i % 20 == 0) files::remove_all(path_, ignored);
      }
    });
  }
  for (std::thread& mount : mounts) mount.join();
}

TEST_F(RangeCacheTest, IsEmptyWhenItsDirectoryGoesWhileItIsListed) {
  files::remove_all(path_);
  files::create_directory_symlink(path_ + "-gone", path_);  // there for mkdir(), not for opendir()
  expect_right(*open(), 0, 100);
}

}  // namespace
}  // namespace epochfs::engine
