// `epochfs doctor` of a bucket: settings and where they come from, and what the store does.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "tests/s3/real_s3.h"
#include "tests/support/faulty_proxy.h"
#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

class S3DoctorTest : public RealS3Test {
 protected:
  [[nodiscard]] ProcessResult doctor(std::vector<std::string> words = {}, int by_port = 0,
                                     const std::map<std::string, std::string>& more = {}) const {
    words.insert(words.begin(), {EPOCHFS_COMMAND, "doctor", place_});
    ProcessOptions options{.environment = RealS3::environment(by_port)};
    options.environment["EPOCHFS_CACHE_DIR"] = directory_ / "cache";
    for (const auto& [name, value] : more) options.environment[name] = value;
    return run(words, options);
  }
  static bool holds(const ProcessResult& result, const std::string& text) {
    return result.out.find(text) != std::string::npos;
  }

  const TemporaryDirectory directory_;
  const std::string place_ = fmt::format("s3://{}/{}", RealS3::kBucket, prefix_);
};

TEST_F(S3DoctorTest, FindsEverythingInOrderAndLeavesNothing) {
  const ProcessResult said = doctor();
  EXPECT_EQ(said.exit_code, 0) << said.out << said.err;
  for (const char* line :
       {"(AWS_ENDPOINT_URL_S3)", "(AWS_REGION)", "(AWS_ACCESS_KEY_ID)", "key AKTEST",
        "list              passed", "repository        passed: none yet",
        "write             passed", "read              passed", "conditional write passed",
        "remove            passed"})
    EXPECT_TRUE(holds(said, line)) << line << "\n" << said.out;
  EXPECT_FALSE(holds(said, "SKTEST"));
  EXPECT_EQ(said.err.find("SKTEST"), std::string::npos);
  const auto listing = engine::make_s3_storage(RealS3::settings(prefix_))->list("");
  ASSERT_FALSE(listing);
  EXPECT_EQ(listing.error().code, engine::Code::kNotFound);
}

TEST_F(S3DoctorTest, SaysWhichFileAndWhichOptionASettingCameFrom) {
  std::ofstream(directory_ / "credentials")
      << "[default]\naws_access_key_id = AKTEST\naws_secret_access_key = SKTEST\n";
  const std::string url = RealS3::settings("").endpoint.value;
  const ProcessResult said = doctor({"--endpoint-url", url, "--json"}, 0,
                                    {{"AWS_ACCESS_KEY_ID", ""},
                                     {"AWS_SECRET_ACCESS_KEY", ""},
                                     {"AWS_ENDPOINT_URL_S3", ""},
                                     {"AWS_SHARED_CREDENTIALS_FILE", directory_ / "credentials"}});
  EXPECT_EQ(said.exit_code, 0) << said.out << said.err;
  EXPECT_TRUE(holds(said, "profile default in " + (directory_ / "credentials"))) << said.out;
  EXPECT_TRUE(holds(said, R"("source": "--endpoint-url")")) << said.out;
  EXPECT_FALSE(holds(said, "SKTEST"));
}

TEST_F(S3DoctorTest, ChangesNothingWhenItMayOnlyRead) {
  FaultyProxy proxy(RealS3::port());
  const ProcessResult said = doctor({"--read-only"}, proxy.port());
  EXPECT_EQ(said.exit_code, 0) << said.out;
  for (const char* method : {"PUT ", "POST ", "DELETE "})
    EXPECT_EQ(proxy.heads().find(method), std::string::npos) << proxy.heads();
}

TEST_F(S3DoctorTest, EndsWith14WhenTheStoreRefuses) {
  const ProcessResult wrong = doctor({}, 0, {{"AWS_SECRET_ACCESS_KEY", "another"}});
  EXPECT_EQ(wrong.exit_code, 14) << wrong.out;
  EXPECT_TRUE(holds(wrong, "list              failed")) << wrong.out;
  EXPECT_TRUE(holds(wrong, "SignatureDoesNotMatch")) << wrong.out;
  FaultyProxy proxy(RealS3::port());
  proxy.fail({.fault = ProxyFault::kAnswer,
              .method = "PUT",
              .times = 1'000,
              .answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"});
  const ProcessResult read_only = doctor({}, proxy.port());
  EXPECT_EQ(read_only.exit_code, 14) << read_only.out;
  EXPECT_TRUE(holds(read_only, "list              passed")) << read_only.out;
  EXPECT_TRUE(holds(read_only, "write             failed")) << read_only.out;
}

}  // namespace
}  // namespace epochfs::test
