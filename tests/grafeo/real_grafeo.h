// Grafeo's own engine, run by Node: makes backup directories with an oracle, and answers queries.
//
// Where it is not installed the tests are skipped, and say so; .ci/run does not let that pass.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/random_history.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {

// Of a test with one of the words of make.mjs.
inline std::string name_of_kind(const testing::TestParamInfo<const char*>& kind) {
  std::string name = kind.param;
  std::ranges::replace(name, '-', '_');
  return name;
}

class RealGrafeoTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(script("node_modules/@grafeo-db/js")))
      GTEST_SKIP() << "SKIPPED: Grafeo's engine is not installed; scripts/setup.sh installs it";
    std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
    std::filesystem::permissions(leftovers_.path(), std::filesystem::perms(0777));
  }

  [[nodiscard]] std::string path(std::string_view name) const { return directory_ / name; }
  [[nodiscard]] static std::string script(std::string_view name) {
    return std::string(EPOCHFS_SOURCE_DIR "/tests/grafeo/") + std::string(name);
  }
  // The engine leaves directories in TMPDIR.
  [[nodiscard]] ProcessOptions of_the_engine() const {
    return {.environment = {{"EPOCHFS_COMMAND", EPOCHFS_COMMAND}, {"TMPDIR", leftovers_.path()}}};
  }
  [[nodiscard]] ProcessResult node(std::vector<std::string> words) const {
    words.front() = script(words.front());
    words.insert(words.begin(), "node");
    return run(words, of_the_engine());
  }
  [[nodiscard]] ProcessResult epochfs(std::vector<std::string> words) const {
    words.insert(words.begin(), EPOCHFS_COMMAND);
    return run(words, {.environment = {{"EPOCHFS_CACHE_DIR", path("cache")}}});
  }
  void must(const std::vector<std::string>& words) const {
    const ProcessResult result = epochfs(words);
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  }

  // `what`: see make.mjs. The result is in path(what): repo, live, oracle.json.
  void make(const std::string& what) {
    const std::string seed = std::to_string(test_seed() % 1'000'000'000);
    RecordProperty("seed", seed);
    const ProcessResult made = node({"make.mjs", what, path(what), seed});
    ASSERT_EQ(made.exit_code, 0) << "EPOCHFS_TEST_SEED=" << seed << "\n" << made.out << made.err;
    std::cout << what << ": EPOCHFS_TEST_SEED=" << seed << ", " << made.out;
  }
  [[nodiscard]] nlohmann::json oracle(const std::string& what) const {
    std::ifstream in(path(what) + "/oracle.json");
    return nlohmann::json::parse(in);
  }
  // See check.mjs.
  void expect_answers(const std::string& what, std::vector<std::string> words) const {
    words.insert(words.begin(), {"check.mjs", path(what) + "/oracle.json"});
    const ProcessResult checked = node(words);
    EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
  }
  // Every epoch, restored by the engine itself.
  void expect_restorable(const std::string& what, const std::string& repository) const {
    const TemporaryDirectory work;
    expect_answers(what, {"--restore", repository, work.path()});
  }

  TemporaryDirectory directory_;

 private:
  const TemporaryDirectory leftovers_;
};

}  // namespace epochfs::test
