// Damage to any file of a repository: verify says so, and no reader ever gets a wrong byte.

#include <filesystem>
#include <set>

#include "engine/storage/storage.h"
#include "tests/repo/repository_fixture.h"
#include "tests/support/sqlite_history.h"

namespace epochfs::engine {
namespace {

struct Outcome {
  std::uint64_t right = 0;
  std::uint64_t refused = 0;
};

class DamageTest : public RepositoryTest {
 protected:
  void SetUp() override {
    test::SqliteHistory history(path("app.db"), 60, {.page_size = 1024, .seed = 7});
    back_up(path("app.db"));
    history.commit(3);
    back_up(path("app.db"));
    history.commit(2);
    back_up(path("app.db"));
    back_up(path("app.db"), true);
    history.commit(2);
    back_up(path("app.db"));
    for (const auto& moment : history.moments()) images_[moment.step] = moment.image;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(location()))
      if (entry.is_regular_file() && entry.path().filename() != ".lock")
        files_.push_back(entry.path().string());
    ASSERT_GE(files_.size(), 7U);
  }

  // Reads every epoch with an index of its own: right, refused, or the test fails.
  Outcome read_all(const std::string& what) {
    Outcome outcome;
    std::filesystem::remove_all(path("fresh"));
    const auto repository = Repository::open(RepositoryOptions{location(), path("fresh"), 1 << 20});
    auto database = repository ? (*repository)->database("app")
                               : Result<std::shared_ptr<Database>>(Error::io("unopened"));
    for (const auto& [number, image] : images_) {
      const auto bytes = database ? read_epoch(**database, Epoch(number))
                                  : Result<std::string>(Error::io("unopened"));
      if (!bytes) {
        ++outcome.refused;
        continue;
      }
      EXPECT_TRUE(*bytes == image) << what << ": epoch " << number << " has wrong bytes";
      ++outcome.right;
    }
    return outcome;
  }

  bool verify_notices() {
    const auto report = verify(location(), "", false, {});
    return !report || !report->damage.empty() || report->databases != 1;
  }

  // The cursor is a hint for the next backup and the lock has no content: damage there costs
  // nothing that is stored.
  static bool matters(const std::string& file) { return !file.ends_with("/cursor.json"); }

  std::map<std::uint64_t, std::string> images_;
  std::vector<std::string> files_;
};

TEST_F(DamageTest, IsNeverServedAndAlwaysFoundWhenAByteFlips) {
  for (const std::string& file : files_) {
    const std::string good = read_file(file);
    const std::size_t step = good.size() < 4096 ? 16 : 64;
    for (std::size_t at = step / 2; at < good.size(); at += step) {
      const std::string what = file + " byte " + std::to_string(at);
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 0x40);
      write_file(file, bad);
      read_all(what);
      if (matters(file)) {
        EXPECT_TRUE(verify_notices()) << what;
      }
    }
    write_file(file, good);
  }
  EXPECT_EQ(read_all("all mended").right, images_.size());
}

TEST_F(DamageTest, IsNeverServedAndAlwaysFoundWhenAFileIsCut) {
  for (const std::string& file : files_) {
    const std::string good = read_file(file);
    for (std::size_t size = 0; size < good.size(); size += 64) {
      const std::string what = file + " cut to " + std::to_string(size);
      write_file(file, good.substr(0, size));
      read_all(what);
      if (matters(file)) {
        EXPECT_TRUE(verify_notices()) << what;
      }
    }
    std::filesystem::remove(file);
    read_all(file + " removed");
    if (matters(file)) {
      EXPECT_TRUE(verify_notices()) << file << " removed";
    }
    write_file(file, good);
  }
  EXPECT_EQ(read_all("all mended").right, images_.size());
}

TEST_F(DamageTest, CostsOnlyWhatDependsOnIt) {
  // Epochs 5 to 6 lie in the middle; what comes before them and what has the second full below it
  // stays.
  const std::string file = location() + "/app/incr-5-6.seg";
  std::string bad = read_file(file);
  ASSERT_FALSE(bad.empty());
  std::filesystem::remove(file);
  const auto report = verify(location(), "", false, {});
  ASSERT_TRUE(report);
  ASSERT_EQ(report->damage.size(), 1U);
  EXPECT_EQ(report->damage[0].object, "incr-5-6.seg");
  EXPECT_EQ(report->damage[0].first_lost, Epoch(5));
  EXPECT_EQ(report->damage[0].last_lost, Epoch(5)) << "the full holds epoch 6";
  const auto repository = Repository::open(RepositoryOptions{location(), path("fresh"), 1 << 20});
  ASSERT_TRUE(repository);
  const auto database = *(*repository)->database("app");
  for (const auto& [number, image] : images_) {
    const auto bytes = read_epoch(*database, Epoch(number));
    if (number == 5) {
      EXPECT_FALSE(bytes);
      continue;
    }
    ASSERT_TRUE(bytes) << number << ": " << bytes.error().text;
    EXPECT_TRUE(*bytes == image) << number;
  }
}

}  // namespace
}  // namespace epochfs::engine
