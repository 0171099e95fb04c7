// A store that does not answer: whoever asks is told after one deadline, however much he needs and
// however many ask with him.
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "engine/repo/native_database.h"
#include "engine/repo/opened_index.h"
#include "engine/source/decompressed_objects.h"
#include "engine/storage/local_storage.h"
#include "tests/repo/repository_fixture.h"
#include "tests/support/faulty_storage.h"

namespace epochfs::engine {
namespace {

using std::chrono::milliseconds;

constexpr int kReaders = 8;
const Fault kSilent = {.lasting = true, .error = {Code::kUnreachable, "no answer", 0}};

// Work that waits until all who will ask for it have come.
class Crowd {
 public:
  // `ask()` of all of them gives a Result.
  template <class Ask>
  int failures_of(const Ask& ask) {
    std::atomic<int> failures = 0;
    {
      std::vector<std::jthread> readers;
      readers.reserve(kReaders);
      for (int i = 0; i < kReaders; ++i)
        readers.emplace_back([&] {
          ++here_;
          const auto got = ask();
          if (!got && got.error().code == Code::kUnreachable) ++failures;
        });
    }
    return failures;
  }
  void await() const {
    while (here_ < kReaders) std::this_thread::sleep_for(milliseconds(1));
    std::this_thread::sleep_for(milliseconds(200));
  }

 private:
  std::atomic<int> here_ = 0;
};

class UnreachableTest : public RepositoryTest {
 protected:
  // A database of `epochs` epochs, each in a segment of its own.
  std::shared_ptr<NativeDatabase> database_of(int epochs) {
    FileHistory history(path("app.txt"), 7);
    for (int i = 0; i < epochs; ++i) {
      if (i > 0) history.change();
      back_up(path("app.txt"));
    }
    storage_ = std::make_shared<FaultyStorage>(open_local_storage(location()));
    storage_->be_remote();
    const auto index =
        open_index({location(), directory_ / "cache"}, "test", PageIndex::Kind::kKept);
    const NativeParts parts{storage_,
                            index->index,
                            std::make_shared<BlockCache>(std::uint64_t{4} << 20U),
                            std::make_shared<OpenSegments>(),
                            std::make_shared<ReadAhead>(2U),
                            AheadPlan(),
                            nullptr};
    const std::string name = open()->databases()->front();
    auto cursor = load_cursor(*storage_, name);
    auto manifest = load_manifest(*storage_, name);
    EXPECT_TRUE(cursor && manifest);
    auto database = NativeDatabase::open(parts, name, *cursor, *std::move(manifest));
    EXPECT_TRUE(database) << database.error().text;
    return *database;
  }

  std::shared_ptr<FaultyStorage> storage_;
};

TEST_F(UnreachableTest, EndsAReadOfManySegmentsWithTheFirst) {
  const auto database = database_of(8);
  storage_->reset_counts();
  storage_->fail(kSilent);
  const auto read = read_epoch(*database, Epoch(8));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::kUnreachable);
  EXPECT_EQ(storage_->count(), 1U);
}

TEST_F(UnreachableTest, EndsALookWithTheFirstRequest) {
  const auto database = database_of(1);
  std::this_thread::sleep_for(look_interval(*storage_));
  storage_->reset_counts();
  storage_->fail(kSilent);
  EXPECT_TRUE(database->timeline()) << "what was known stays in force";
  EXPECT_NE(database->last_failure(), "");
  EXPECT_EQ(storage_->count(), 1U);
  EXPECT_FALSE(load_cursor(*storage_, database->name()));
}

TEST_F(UnreachableTest, TellsAllWhoWaitedForOneObject) {
  storage_ = std::make_shared<FaultyStorage>(open_local_storage(path("objects")));
  DecompressedObjects objects(storage_, path("cache"));
  Crowd crowd;
  storage_->fail(kSilent);
  storage_->meanwhile(Operation::kOpen, [&] { crowd.await(); });
  EXPECT_EQ(crowd.failures_of([&] { return objects.open({"wal", "1", 10}); }), kReaders);
  EXPECT_LT(storage_->count(), kReaders / 2U);
  const auto before = storage_->count();
  EXPECT_FALSE(objects.open({"wal", "1", 10}));
  EXPECT_EQ(storage_->count(), before + 1) << "who comes later tries himself";
}

TEST_F(UnreachableTest, TellsAllWhoWaitedForAFirstOpening) {
  NamedObjects<int> objects;
  Crowd crowd;
  std::atomic<int> attempts = 0;
  const auto open = [&]() -> Result<std::shared_ptr<int>> {
    if (++attempts == 1) crowd.await();
    return Error::unreachable("no answer");
  };
  EXPECT_EQ(crowd.failures_of([&] { return objects.get("app", open); }), kReaders);
  EXPECT_LT(attempts, kReaders / 2);
  const auto opened =
      objects.get("app", []() -> Result<std::shared_ptr<int>> { return std::make_shared<int>(1); });
  EXPECT_TRUE(opened) << "who comes later tries himself";
}

TEST(RefreshedTest, LooksNoSoonerAfterAFailureThanThatTook) {
  int looks = 0;
  Refreshed<int> refreshed(milliseconds(0), [&](const auto&) -> Result<std::shared_ptr<const int>> {
    ++looks;
    std::this_thread::sleep_for(milliseconds(500));
    return Error::unreachable("no answer");
  });
  refreshed.begin_with(std::make_shared<const int>(1));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(*refreshed.current(), 1);
  EXPECT_EQ(looks, 1);
}

TEST(RecentTest, AsksNoSoonerAfterAFailureThanThatTook) {
  int asked = 0;
  Recent<int> recent(milliseconds(0));
  const auto ask = [&]() -> Result<int> {
    ++asked;
    std::this_thread::sleep_for(milliseconds(500));
    return Error::unreachable("no answer");
  };
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(recent.get(ask));
  EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace epochfs::engine
