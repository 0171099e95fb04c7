// A repository with a SQLite history of eight epochs in it, made by the command itself.
#pragma once

#include <fcntl.h>
#include <sys/file.h>

#include "engine/core/handle.h"
#include "tests/support/sqlite_history.h"
#include "tests/tools/command_test_base.h"

namespace epochfs::test {

class RepositoryTest : public CommandTest {
 protected:
  static constexpr std::size_t kEpochs = 8;

  RepositoryTest()
      : repository_(path("repository")), database_(path("app.db")), history_(database_, 300) {
    must({"backup", database_, repository_});
    history_.commit(4);
    must({"backup", database_, repository_});
    history_.commit(3);
    must({"backup", database_, repository_});
  }

  [[nodiscard]] std::string at(std::string_view selector) const {
    return repository_ + "@" + std::string(selector);
  }
  // What a reader of the live database saw as that epoch.
  [[nodiscard]] const std::string& image(std::size_t epoch) const {
    return history_.moments().at(epoch - 1).image;
  }
  [[nodiscard]] Json json_of(const std::vector<std::string>& arguments) const {
    const ProcessResult result = epochfs(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return Json::parse(result.out);
  }
  // As another writer would.
  [[nodiscard]] engine::UniqueFd lock_as_writer() const {
    engine::UniqueFd lock(::open((repository_ + "/app/.lock").c_str(), O_RDWR | O_CLOEXEC));
    EXPECT_EQ(::flock(lock.get(), LOCK_EX | LOCK_NB), 0);
    return lock;
  }

  const std::string repository_;
  const std::string database_;
  SqliteHistory history_;
};

}  // namespace epochfs::test
