#include "fs/error_number.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace epochfs::fs {
namespace {

using engine::Code;

TEST(ErrorNumberTest, SaysWhatAReaderCanDoAboutIt) {
  EXPECT_EQ(error_number(Code::kNotFound), ENOENT);
  EXPECT_EQ(error_number(Code::kNoSuchEpoch), ENOENT);
  EXPECT_EQ(error_number(Code::kNoRepository), EIO);
  EXPECT_EQ(error_number(Code::kExists), EEXIST);
  EXPECT_EQ(error_number(Code::kInvalid), EINVAL);
  EXPECT_EQ(error_number(Code::kCorrupt), EIO);
  EXPECT_EQ(error_number(Code::kUnsupported), EOPNOTSUPP);
  EXPECT_EQ(error_number(Code::kIo), EIO);
  EXPECT_EQ(error_number(Code::kUnreachable), EIO);
  EXPECT_EQ(error_number(Code::kNoSpace), ENOSPC);
  EXPECT_EQ(error_number(Code::kBusy), EBUSY);
  EXPECT_EQ(error_number(Code::kLocked), EBUSY);
  EXPECT_EQ(error_number(Code::kMount), EIO);
}

}  // namespace
}  // namespace epochfs::fs
