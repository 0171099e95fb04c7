#include "tests/support/faulty_storage.h"

#include <gtest/gtest.h>

#include "engine/storage/memory_storage.h"

namespace epochfs::engine {
namespace {

class FaultyStorageTest : public testing::Test {
 protected:
  FaultyStorageTest() { static_cast<void>(storage_.replace("data", as_bytes("0123456789"), {})); }

  std::string read(std::uint64_t offset, std::size_t size) const {
    const auto blob = storage_.open("data");
    Bytes bytes(size);
    if (!blob || !(*blob)->read(offset, bytes)) return "failed";
    return std::string(as_text(bytes));
  }

  FaultyStorage storage_{make_memory_storage()};
};

TEST_F(FaultyStorageTest, FailsTheNthOfTheChosenOperations) {
  storage_.fail({.operations = {Operation::kRead}, .nth = 2});
  EXPECT_EQ(read(0, 2), "01");
  EXPECT_TRUE(storage_.stat("data"));
  EXPECT_EQ(read(0, 2), "failed");
  EXPECT_EQ(read(0, 2), "01");
}

TEST_F(FaultyStorageTest, FailsWithTheChosenError) {
  storage_.fail({.error = {Code::kNoSpace, "full", 28}});
  const auto failed = storage_.replace("other", {}, std::nullopt);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kNoSpace);
  EXPECT_EQ(failed.error().text, "full");
  EXPECT_FALSE(storage_.stat("other")) << "what fails is not done";
}

TEST_F(FaultyStorageTest, LetsSomebodyElseActRightBeforeAnOperationOnce) {
  storage_.meanwhile(Operation::kRead, [&] { EXPECT_TRUE(storage_.remove("data")); });
  EXPECT_TRUE(storage_.stat("data"));
  EXPECT_EQ(read(0, 2), "01") << "it was open";
  EXPECT_FALSE(storage_.stat("data"));
}

TEST_F(FaultyStorageTest, KeepsNobodyOutWithoutLocks) {
  EXPECT_TRUE(storage_.has_locks());
  storage_.keep_no_locks();
  EXPECT_FALSE(storage_.has_locks());
  const auto one = storage_.lock_writer("", false);
  EXPECT_TRUE(one && storage_.lock_writer("", false));
}

TEST_F(FaultyStorageTest, FailsForGoodUntilItIsHealed) {
  storage_.fail({.nth = 2, .lasting = true});
  EXPECT_TRUE(storage_.list(""));
  EXPECT_FALSE(storage_.list(""));
  EXPECT_FALSE(storage_.create("other"));
  EXPECT_FALSE(storage_.remove("data"));
  EXPECT_FALSE(storage_.lock_writer("", false));
  storage_.heal();
  EXPECT_TRUE(storage_.stat("data"));
}

TEST_F(FaultyStorageTest, LosesOnlyTheAnswerWhenToldSo) {
  storage_.fail({.operations = {Operation::kReplace}, .after_effect = true});
  EXPECT_FALSE(storage_.replace("other", as_bytes("x"), std::nullopt));
  EXPECT_TRUE(storage_.stat("other"));
}

TEST_F(FaultyStorageTest, FailsUploadsAtEachStep) {
  for (const Operation step : {Operation::kCreate, Operation::kAppend, Operation::kFinish}) {
    storage_.fail({.operations = {step}});
    const auto run = [&]() -> Result<void> {
      TRY_ASSIGN(const auto upload, storage_.create("new"));
      TRY(upload->append(as_bytes("x")));
      return upload->finish();
    };
    EXPECT_FALSE(run());
    EXPECT_FALSE(storage_.stat("new"));
  }
}

TEST_F(FaultyStorageTest, NeverFinishesAnUploadThatMissedBytes) {
  const auto upload = storage_.create("new");
  ASSERT_TRUE(upload);
  storage_.fail({.operations = {Operation::kAppend}});
  EXPECT_FALSE((*upload)->append(as_bytes("x")));
  EXPECT_FALSE((*upload)->finish());
}

TEST_F(FaultyStorageTest, DamagesTheChosenBytesOnly) {
  storage_.damage("data", {3, 2}, std::byte{1});
  EXPECT_EQ(read(0, 10), "0122556789");
  EXPECT_EQ(read(4, 2), "55");
  EXPECT_EQ(read(5, 5), "56789");
  ASSERT_TRUE(storage_.replace("other", as_bytes("0123456789"), std::nullopt));
  EXPECT_EQ(as_text(storage_.get("other", 10)->bytes), "0123456789");
  storage_.heal();
  EXPECT_EQ(read(0, 10), "0123456789");
}

TEST_F(FaultyStorageTest, Counts) {
  storage_.reset_counts();
  EXPECT_EQ(read(0, 4), "0123");
  EXPECT_EQ(read(2, 3), "234");
  EXPECT_EQ(storage_.bytes_read(), 7U);
  EXPECT_EQ(storage_.count({Operation::kOpen}), 2U);
  EXPECT_EQ(storage_.count({Operation::kRead, Operation::kStat}), 2U);
  EXPECT_EQ(storage_.count(), 4U);
  const auto upload = storage_.create("new");
  ASSERT_TRUE((*upload)->append(as_bytes("abc")));
  EXPECT_EQ(storage_.bytes_appended(), 3U);
}

}  // namespace
}  // namespace epochfs::engine
