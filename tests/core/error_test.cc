#include "engine/core/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

namespace epochfs::engine {
namespace {

Result<int> number_or_failure(bool succeed) {
  if (!succeed) return Error::corrupt("no number");
  return 7;
}

TEST(TryTest, GoesOnAfterSuccess) {
  int evaluated = 0;
  const auto run = [&]() -> Result<std::string> {
    TRY((++evaluated, number_or_failure(true)));
    TRY(Result<void>());
    TRY_ASSIGN(const int number, number_or_failure(true));
    TRY_ASSIGN(int copy, number_or_failure(true));
    ++copy;
    return std::to_string(number) + std::to_string(copy);
  };
  EXPECT_EQ(run(), "78");
  EXPECT_EQ(evaluated, 1);
}

TEST(TryTest, ReturnsTheFailureAsItIs) {
  const auto tried = [](bool reached) -> Result<void> {
    TRY(number_or_failure(false));
    reached = true;
    EXPECT_FALSE(reached) << "went on after a failure";
    return {};
  };
  const auto assigned = []() -> Result<std::string> {
    TRY_ASSIGN(const int number, number_or_failure(false));
    return std::to_string(number);
  };
  EXPECT_EQ(tried(false).error().text, "no number");
  EXPECT_EQ(assigned().error().code, Code::kCorrupt);
}

TEST(TryTest, MovesTheValueOut) {
  const auto run = []() -> Result<int> {
    TRY_ASSIGN(const auto box, Result<std::unique_ptr<int>>(std::make_unique<int>(5)));
    return *box;
  };
  EXPECT_EQ(run(), 5);
}

TEST(WithContextTest, SaysWhereOnFailureOnly) {
  int asked = 0;
  const auto where = [&] {
    ++asked;
    return std::string("page 3");
  };
  EXPECT_EQ(with_context(number_or_failure(true), where), 7);
  EXPECT_EQ(asked, 0);
  const auto failed = with_context(number_or_failure(false), where);
  EXPECT_EQ(failed.error().text, "page 3: no number");
  EXPECT_EQ(failed.error().code, Code::kCorrupt);
}

TEST(ErrorTest, MapsErrno) {
  const auto code = [](int number) { return Error::from_errno(number, "x").value().code; };
  EXPECT_EQ(code(ENOENT), Code::kNotFound);
  EXPECT_EQ(code(ENOTDIR), Code::kNotFound);
  EXPECT_EQ(code(ENOSPC), Code::kNoSpace);
  EXPECT_EQ(code(EDQUOT), Code::kNoSpace);
  EXPECT_EQ(code(EEXIST), Code::kExists);
  EXPECT_EQ(code(EIO), Code::kIo);
  EXPECT_EQ(code(EACCES), Code::kIo);
  const Failure failure = Error::from_errno(ENOENT, "repo/app");
  EXPECT_EQ(failure.value().text, "repo/app: No such file or directory");
  EXPECT_EQ(failure.value().system_errno, ENOENT);
}

TEST(ErrorTest, HasAMakerForEveryCode) {
  EXPECT_EQ(Error::not_found("t").value().code, Code::kNotFound);
  EXPECT_EQ(Error::no_repository("t").value().code, Code::kNoRepository);
  EXPECT_EQ(Error::no_such_epoch("t").value().code, Code::kNoSuchEpoch);
  EXPECT_EQ(Error::exists("t").value().code, Code::kExists);
  EXPECT_EQ(Error::invalid("t").value().code, Code::kInvalid);
  EXPECT_EQ(Error::corrupt("t").value().code, Code::kCorrupt);
  EXPECT_EQ(Error::unsupported("t").value().code, Code::kUnsupported);
  EXPECT_EQ(Error::io("t").value().code, Code::kIo);
  EXPECT_EQ(Error::no_space("t").value().code, Code::kNoSpace);
  EXPECT_EQ(Error::busy("t").value().code, Code::kBusy);
  EXPECT_EQ(Error::locked("t").value().code, Code::kLocked);
  EXPECT_EQ(Error::unreachable("t").value().code, Code::kUnreachable);
  EXPECT_EQ(Error::mount("t").value().code, Code::kMount);
  EXPECT_EQ(Error::busy("t").value().text, "t");
  EXPECT_EQ(Error::busy("t").value().system_errno, 0);
}

}  // namespace
}  // namespace epochfs::engine
