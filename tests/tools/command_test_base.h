// The real command, run in a directory of its own with a cache of its own.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {

using Json = nlohmann::json;

class CommandTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string path(std::string_view name) const { return directory_ / name; }

  [[nodiscard]] ProcessOptions with_own_cache(ProcessOptions options) const {
    options.environment.emplace("EPOCHFS_CACHE_DIR", path("cache"));
    return options;
  }
  [[nodiscard]] static std::vector<std::string> command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), EPOCHFS_COMMAND);
    return arguments;
  }
  [[nodiscard]] ProcessResult epochfs(const std::vector<std::string>& arguments,
                                      const ProcessOptions& options = {}) const {
    return run(command(arguments), with_own_cache(options));
  }
  // For steps that the test is not about.
  void must(const std::vector<std::string>& arguments) const {
    const ProcessResult result = epochfs(arguments);
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  }
  // A shell script that knows the command as $epochfs.
  [[nodiscard]] ProcessResult shell(const std::string& script) const {
    ProcessOptions options = with_own_cache({});
    options.environment.emplace("epochfs", EPOCHFS_COMMAND);
    options.working_directory = directory_.path();
    return run({"sh", "-c", script}, options);
  }

  static std::string content_of(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    EXPECT_TRUE(in.is_open()) << file;
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  static void write_file(const std::string& file, std::string_view content) {
    std::ofstream(file, std::ios::binary) << content;
  }
  static std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }

 private:
  TemporaryDirectory directory_;
};

}  // namespace epochfs::test
