#include "engine/storage/s3_settings.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <map>

#include "engine/storage/ini_file.h"

namespace epochfs::engine {
namespace {

using Texts = std::map<std::string, std::string>;

// Settings of s3://backups/shop in surroundings of a test's own.
class S3SettingsTest : public testing::Test {
 protected:
  Result<S3Settings> resolve(const std::string& location = "s3://backups/shop") const {
    const auto find = [](const Texts& texts, const std::string& name) {
      const auto found = texts.find(name);
      return found == texts.end() ? std::nullopt : std::optional(found->second);
    };
    return resolve_s3_settings(
        location, {[this, find](const std::string& name) { return find(variables_, name); },
                   [this, find](const std::string& path) -> Result<std::optional<std::string>> {
                     if (path == unreadable_) return Error::from_errno(unreadable_errno_, path);
                     return find(files_, path);
                   },
                   endpoint_});
  }
  std::string failure(const std::string& location = "s3://backups/shop") const {
    const auto settings = resolve(location);
    return settings ? "none" : settings.error().text;
  }

  Texts variables_ = {
      {"HOME", "/home/me"}, {"AWS_ACCESS_KEY_ID", "id"}, {"AWS_SECRET_ACCESS_KEY", "secret"}};
  Texts files_;
  std::string unreadable_;
  int unreadable_errno_ = EIO;
  std::optional<Sourced<std::string>> endpoint_;
};

TEST_F(S3SettingsTest, AreAmazonsByDefault) {
  const auto settings = resolve();
  ASSERT_TRUE(settings) << settings.error().text;
  EXPECT_EQ(settings->location.text(), "s3://backups/shop");
  EXPECT_EQ(settings->endpoint.value, "https://s3.us-east-1.amazonaws.com");
  EXPECT_EQ(settings->endpoint.source, "default");
  EXPECT_FALSE(settings->path_style.value);
  EXPECT_EQ(settings->region.value, "us-east-1");
  EXPECT_EQ(settings->ca_bundle.value, "");
}

TEST_F(S3SettingsTest, TakeTheEndpointThatWasChosenBeforeAllOthers) {
  variables_["AWS_ENDPOINT_URL_S3"] = "https://other.example";
  endpoint_ = {"https://store.example/", "--endpoint-url"};
  const auto settings = resolve();
  ASSERT_TRUE(settings) << settings.error().text;
  EXPECT_EQ(settings->endpoint.value, "https://store.example");
  EXPECT_EQ(settings->endpoint.source, "--endpoint-url");
  EXPECT_TRUE(settings->path_style.value);
  endpoint_ = {"store.example", "--endpoint-url"};
  EXPECT_NE(failure().find("--endpoint-url"), std::string::npos) << failure();
}

TEST_F(S3SettingsTest, TakeKeysFromTheEnvironmentFirst) {
  variables_["AWS_SESSION_TOKEN"] = "token";
  files_["/home/me/.aws/credentials"] =
      "[default]\naws_access_key_id=other\naws_secret_access_key=other\n";
  const auto settings = resolve();
  ASSERT_TRUE(settings && settings->credentials.value);
  EXPECT_EQ(settings->credentials.value->access_key_id, "id");
  EXPECT_EQ(settings->credentials.value->secret_access_key, "secret");
  EXPECT_EQ(settings->credentials.value->session_token, "token");
  EXPECT_EQ(settings->credentials.source, "AWS_ACCESS_KEY_ID");
}

TEST_F(S3SettingsTest, TakeKeysFromTheProfile) {
  variables_ = {{"HOME", "/home/me"}, {"AWS_PROFILE", "work"}};
  files_["/home/me/.aws/credentials"] =
      "[default]\naws_access_key_id=no\naws_secret_access_key=no\n"
      "[work]\naws_access_key_id = id\naws_secret_access_key = a=b/c+d\naws_session_token = t\n";
  files_["/home/me/.aws/config"] = "[profile work]\nregion = eu-west-1\nca_bundle = /ca.pem\n";
  const auto settings = resolve();
  ASSERT_TRUE(settings) << settings.error().text;
  EXPECT_EQ(settings->credentials.value->secret_access_key, "a=b/c+d");
  EXPECT_EQ(settings->credentials.value->session_token, "t");
  EXPECT_EQ(settings->credentials.source, "profile work in /home/me/.aws/credentials");
  EXPECT_EQ(settings->region.value, "eu-west-1");
  EXPECT_EQ(settings->region.source, "profile work in /home/me/.aws/config");
  EXPECT_EQ(settings->ca_bundle.value, "/ca.pem");
  EXPECT_EQ(settings->endpoint.value, "https://s3.eu-west-1.amazonaws.com");
}

TEST_F(S3SettingsTest, TakeKeysFromTheConfigToo) {
  variables_ = {{"HOME", "/home/me"}};
  files_["/home/me/.aws/config"] =
      "[default]\naws_access_key_id = id\naws_secret_access_key = secret\n";
  const auto settings = resolve();
  ASSERT_TRUE(settings && settings->credentials.value);
  EXPECT_EQ(settings->credentials.value->access_key_id, "id");
}

TEST_F(S3SettingsTest, TakeTheFilesThatTheEnvironmentNames) {
  variables_ = {{"AWS_SHARED_CREDENTIALS_FILE", "/a"}, {"AWS_CONFIG_FILE", "/b"}};
  files_["/a"] = "[default]\naws_access_key_id = id\naws_secret_access_key = secret\n";
  files_["/b"] = "[default]\nregion = eu-west-1\n";
  const auto settings = resolve();
  ASSERT_TRUE(settings) << settings.error().text;
  EXPECT_EQ(settings->region.source, "profile default in /b");
}

TEST_F(S3SettingsTest, TakeTheNearestRegion) {
  files_["/home/me/.aws/config"] = "[default]\nregion = three\n";
  EXPECT_EQ(resolve()->region.value, "three");
  variables_["AWS_DEFAULT_REGION"] = "two";
  EXPECT_EQ(resolve()->region.value, "two");
  variables_["AWS_REGION"] = "one";
  EXPECT_EQ(resolve()->region.value, "one");
  EXPECT_EQ(resolve()->region.source, "AWS_REGION");
}

TEST_F(S3SettingsTest, TakeTheNearestEndpoint) {
  files_["/home/me/.aws/config"] = "[default]\nendpoint_url = http://four:9000/\n";
  EXPECT_EQ(resolve()->endpoint.value, "http://four:9000");
  files_["/home/me/.aws/config"] +=
      "services = local\n[services local]\ns3 =\n  endpoint_url = http://three\nsts =\n"
      "  endpoint_url = http://wrong\n";
  EXPECT_EQ(resolve()->endpoint.value, "http://three");
  variables_["AWS_ENDPOINT_URL"] = "http://two";
  EXPECT_EQ(resolve()->endpoint.value, "http://two");
  variables_["AWS_ENDPOINT_URL_S3"] = "http://one";
  EXPECT_EQ(resolve()->endpoint.value, "http://one");
  EXPECT_EQ(resolve()->endpoint.source, "AWS_ENDPOINT_URL_S3");
  variables_["AWS_ENDPOINT_URL_S3"] = "";
  EXPECT_EQ(resolve()->endpoint.value, "http://two") << "empty counts as none";
}

TEST_F(S3SettingsTest, PutTheBucketWhereItCanBe) {
  EXPECT_FALSE(resolve("s3://plain-bucket-1")->path_style.value);
  EXPECT_TRUE(resolve("s3://with.dots")->path_style.value);
  EXPECT_TRUE(resolve("s3://Capitals")->path_style.value);
  variables_["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9000";
  EXPECT_TRUE(resolve("s3://plain-bucket-1")->path_style.value);
}

TEST_F(S3SettingsTest, AreAnonymousOnRequestOnly) {
  variables_["EPOCHFS_S3_ANONYMOUS"] = "1";
  const auto settings = resolve();
  ASSERT_TRUE(settings);
  EXPECT_FALSE(settings->credentials.value);
  EXPECT_EQ(settings->credentials.source, "EPOCHFS_S3_ANONYMOUS");
  variables_["EPOCHFS_S3_ANONYMOUS"] = "0";
  EXPECT_TRUE(resolve()->credentials.value);
  variables_ = {{"HOME", "/home/me"}};
  EXPECT_EQ(resolve().error().code, Code::kIo);
  EXPECT_NE(failure().find("AWS_ACCESS_KEY_ID"), std::string::npos);
}

TEST_F(S3SettingsTest, RefuseWhatMakesNoSense) {
  EXPECT_EQ(resolve("s3://").error().code, Code::kInvalid);
  variables_["AWS_PROFILE"] = "nobody";
  EXPECT_EQ(resolve().error().code, Code::kInvalid);
  EXPECT_NE(failure().find("'nobody'"), std::string::npos);
  variables_.erase("AWS_PROFILE");
  variables_["AWS_REGION"] = "a.b/c";
  EXPECT_NE(failure().find("AWS_REGION"), std::string::npos);
  variables_.erase("AWS_REGION");
  variables_.erase("AWS_SECRET_ACCESS_KEY");
  EXPECT_NE(failure().find("AWS_SECRET_ACCESS_KEY is not"), std::string::npos);
}

TEST_F(S3SettingsTest, RefuseEndpointsThatAreNone) {
  for (const char* url : {"127.0.0.1:9000", "ftp://a", "http://", "http:///a", "http://a?b",
                          "http://user:password@host", "http://a b", "http://a\nb"}) {
    variables_["AWS_ENDPOINT_URL"] = url;
    EXPECT_EQ(resolve().error().code, Code::kInvalid) << url;
    EXPECT_NE(failure().find("AWS_ENDPOINT_URL"), std::string::npos);
    EXPECT_EQ(failure().find("password"), std::string::npos);
  }
}

TEST_F(S3SettingsTest, SayWhenAFileCannotBeRead) {
  unreadable_ = "/home/me/.aws/config";
  EXPECT_EQ(resolve().error().code, Code::kIo);
}

TEST_F(S3SettingsTest, PassOverWhatMayNotBeReadUnlessItWasNamed) {
  unreadable_ = "/home/me/.aws/config";
  unreadable_errno_ = EACCES;
  EXPECT_TRUE(resolve()) << failure();
  variables_["AWS_CONFIG_FILE"] = unreadable_;
  EXPECT_EQ(resolve().error().code, Code::kIo);
  variables_ = {{"HOME", "/home/me"}};
  EXPECT_NE(failure().find("/home/me/.aws/config may not be read"), std::string::npos);
}

TEST_F(S3SettingsTest, TakeTheAuthoritiesFromWhereTheyAreNow) {
  variables_["AWS_CA_BUNDLE"] = "ca.pem";
  EXPECT_EQ(resolve()->ca_bundle.value, std::filesystem::current_path() / "ca.pem");
  variables_.erase("AWS_CA_BUNDLE");
  files_["/home/me/.aws/config"] = "[default]\nca_bundle = ca.pem\n";
  EXPECT_EQ(resolve()->ca_bundle.value, std::filesystem::current_path() / "ca.pem");
}

TEST_F(S3SettingsTest, TakeProfilesAsOthersSpellThem) {
  files_["/home/me/.aws/config"] =
      "[default]\nregion = no\n[profile default]\nREGION = eu-west-1\n"
      "[profile \"my prof\"]\nregion = eu-west-2\n";
  EXPECT_EQ(resolve()->region.value, "eu-west-1");
  variables_["AWS_PROFILE"] = "my prof";
  ASSERT_TRUE(resolve()) << failure();
  EXPECT_EQ(resolve()->region.value, "eu-west-2");
}

TEST_F(S3SettingsTest, RefuseKeysThatAreNoHeaders) {
  for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}) {
    const Texts before = variables_;
    variables_[name] = "value\r\nX-Other: 1";
    EXPECT_EQ(resolve().error().code, Code::kInvalid) << name;
    EXPECT_NE(failure().find(name), std::string::npos) << failure();
    EXPECT_EQ(failure().find("X-Other"), std::string::npos) << failure();
    variables_ = before;
  }
}

TEST_F(S3SettingsTest, TakeTheNumberOfAttempts) {
  EXPECT_FALSE(resolve()->attempts_max.value);
  files_["/home/me/.aws/config"] = "[default]\nmax_attempts = 3\n";
  EXPECT_EQ(resolve()->attempts_max.value, 3);
  variables_["AWS_MAX_ATTEMPTS"] = "1";
  EXPECT_EQ(resolve()->attempts_max.value, 1);
  for (const char* none : {"0", "-1", "many", "3x", "99999999999999999999"}) {
    variables_["AWS_MAX_ATTEMPTS"] = none;
    EXPECT_EQ(resolve().error().code, Code::kInvalid) << none;
    EXPECT_NE(failure().find("AWS_MAX_ATTEMPTS"), std::string::npos) << failure();
  }
}

TEST(IniFileTest, TakesSectionsKeysAndNesting) {
  const IniFile file = parse_ini(
      "stray = 1\n"
      "# comment\n; comment\n\n"
      "[ one ]\r\n"
      "a = 1 # behind\r\n"
      "b=x#y\n"
      "no equals sign\n"
      "a = 2\n"
      "[profile  two]\n"
      "s3 =\n"
      "  c = 3\n"
      "\td=4\n"
      "e = 5\n"
      "  f = 6\n"
      "[broken\n"
      "g = 7");
  const IniFile want = {
      {"one", {{"a", "2"}, {"b", "x#y"}}},
      {"profile two", {{"s3", ""}, {"s3.c", "3"}, {"s3.d", "4"}, {"e", "5"}, {"f", "6"}}},
      {"broken", {{"g", "7"}}}};
  EXPECT_EQ(file, want);
}

}  // namespace
}  // namespace epochfs::engine
