// A real S3 server, started once for the whole program and gone with it: see server.sh.
//
// Where Ceph is not installed the tests are skipped, and say so; .ci/run does not let that pass.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>

#include "engine/storage/s3_storage.h"

namespace epochfs::test {

class RealS3 {
 public:
  static constexpr const char* kBucket = "epochfs-tests";

  [[nodiscard]] static bool is_installed();
  [[nodiscard]] static int port();  // on 127.0.0.1; 0: there is no server

  // Of a place in the bucket, by way of another port (a proxy's) if given.
  [[nodiscard]] static engine::S3Settings settings(std::string_view prefix, int by_port = 0);
  // The same for the command.
  [[nodiscard]] static std::map<std::string, std::string> environment(int by_port = 0);
  // A prefix that no other test uses.
  [[nodiscard]] static std::string unused_prefix();
};

// A test that needs the server.
class RealS3Test : public testing::Test {
 protected:
  void SetUp() override {
    if (!RealS3::is_installed())
      GTEST_SKIP() << "SKIPPED: Ceph's object gateway is not installed; scripts/setup.sh does it";
    ASSERT_NE(RealS3::port(), 0) << "the S3 server did not start";
  }

  const std::string prefix_ = RealS3::unused_prefix();
};

}  // namespace epochfs::test
