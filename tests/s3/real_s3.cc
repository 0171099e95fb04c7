#include "tests/s3/real_s3.h"

#include <fmt/format.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <optional>

#include "tests/support/process.h"

namespace epochfs::test {
namespace {

constexpr const char* kAccessKey = "AKTEST";
constexpr const char* kSecretKey = "SKTEST";

std::optional<Process> real_server;
int real_server_port = 0;

class ServerEnvironment final : public testing::Environment {
 public:
  void SetUp() override {
    if (!RealS3::is_installed()) return;
    real_server.emplace(
        std::vector<std::string>{EPOCHFS_SOURCE_DIR "/tests/s3/server.sh", kAccessKey, kSecretKey},
        ProcessOptions{.timeout = std::chrono::hours(1)});
    if (real_server->wait_for("ready ")) real_server_port = port_of(real_server->out());
    ASSERT_NE(real_server_port, 0) << real_server->wait().err;
    const engine::S3Client client(RealS3::settings(""));
    const auto made = client.send_expecting_success({.method = "PUT"}, RealS3::kBucket);
    ASSERT_TRUE(made) << made.error().text;
  }
  void TearDown() override {
    if (!real_server) return;
    real_server->signal(SIGTERM);
    real_server->wait();
    real_server.reset();
  }

 private:
  static int port_of(const std::string& said) {
    constexpr std::string_view kReady = "ready ";
    return said.starts_with(kReady) ? std::stoi(said.substr(kReady.size())) : 0;
  }
};

// NOLINTNEXTLINE(cppcoreguidelines-owning-memory): GoogleTest owns it
testing::Environment* const environment = testing::AddGlobalTestEnvironment(new ServerEnvironment);

}  // namespace

bool RealS3::is_installed() {
  for (const char* program : {"radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd"}) {
    if (!std::filesystem::exists(std::string("/usr/bin/") + program)) return false;
  }
  return true;
}

void RealS3::require() {
  if (!is_installed())
    GTEST_SKIP() << "SKIPPED: Ceph's object gateway is not installed; scripts/setup.sh does it";
  ASSERT_NE(port(), 0) << "the S3 server did not start";
}

int RealS3::port() { return real_server_port; }

engine::S3Settings RealS3::settings(std::string_view prefix, int by_port) {
  engine::S3Settings settings;
  settings.location = {kBucket, std::string(prefix)};
  settings.endpoint.value =
      fmt::format("http://127.0.0.1:{}", by_port != 0 ? by_port : real_server_port);
  settings.path_style.value = true;
  settings.region.value = "us-east-1";
  settings.credentials.value = engine::S3Credentials{kAccessKey, kSecretKey, ""};
  return settings;
}

std::map<std::string, std::string> RealS3::environment(int by_port) {
  return {{"AWS_ENDPOINT_URL_S3", settings("", by_port).endpoint.value},
          {"AWS_ACCESS_KEY_ID", kAccessKey},
          {"AWS_SECRET_ACCESS_KEY", kSecretKey},
          {"AWS_SESSION_TOKEN", ""},
          {"AWS_PROFILE", ""},
          {"AWS_REGION", "us-east-1"},
          {"EPOCHFS_S3_ANONYMOUS", ""}};
}

std::string RealS3::unused_prefix() {
  static std::atomic<int> next = 0;
  return fmt::format("test-{}", ++next);
}

}  // namespace epochfs::test
