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
  // For the constructor or SetUp() of a test: skips it, or fails, when there is no server.
  static void require();
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
  void SetUp() override { RealS3::require(); }

  const std::string prefix_ = RealS3::unused_prefix();
};

}  // namespace epochfs::test
