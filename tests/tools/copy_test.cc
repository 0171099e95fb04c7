// `epochfs copy` between directories. With buckets: tests/s3; killed: tests/crash.
#include <filesystem>
#include <map>

#include "tests/tools/command_test_base.h"

namespace epochfs::test {
namespace {

namespace files = std::filesystem;

class CopyTest : public CommandTest {
 protected:
  // Another state of a file, and its backup.
  void change(const std::string& name, const std::string& content,
              const std::string& repository = "repo") {
    write_file(path(name), content);
    must({"backup", path(name), path(repository)});
  }
  ProcessResult copy(const std::string& from, const std::string& to) {
    return epochfs({"copy", path(from), path(to), "--json"});
  }
  static Json said(const ProcessResult& result) {
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.exit_code == 0 ? Json::parse(result.out) : Json();
  }
  // All objects of a database but the cursor, which is about a live database's last backup.
  [[nodiscard]] std::map<std::string, std::string> objects(const std::string& directory) const {
    std::map<std::string, std::string> found;
    for (const auto& entry : files::directory_iterator(path(directory))) {
      const std::string name = entry.path().filename();
      if (!name.starts_with('.') && name != "cursor.json") found[name] = content_of(entry.path());
    }
    return found;
  }
};

TEST_F(CopyTest, TakesEverythingAndLaterOnlyWhatIsNew) {
  change("a.txt", "one");
  change("a.txt", "two");
  change("b.txt", "other");
  const Json first = said(copy("repo", "copy"));
  EXPECT_EQ(first.at("databases"), 2);
  EXPECT_EQ(first.at("segments"), 3);
  EXPECT_EQ(first.at("segments_copied"), 3);
  EXPECT_EQ(objects("copy/a"), objects("repo/a"));
  EXPECT_EQ(objects("copy/b"), objects("repo/b"));
  EXPECT_EQ(said(copy("repo", "copy")).at("segments_copied"), 0);
  change("a.txt", "three");
  EXPECT_EQ(said(copy("repo", "copy")).at("segments_copied"), 1);
  EXPECT_EQ(objects("copy/a"), objects("repo/a"));
  must({"verify", path("copy")});
  must({"restore", path("copy#a@2"), path("out")});
  EXPECT_EQ(content_of(path("out")), "two");
}

TEST_F(CopyTest, IsARepositoryThatGoesOnByItself) {
  change("a.txt", "one");
  said(copy("repo", "copy"));
  change("a.txt", "two", "copy");
  must({"restore", path("copy@2"), path("out")});
  EXPECT_EQ(content_of(path("out")), "two");
  const ProcessResult back = copy("repo", "copy");
  EXPECT_EQ(back.exit_code, 1);
  EXPECT_NE(back.err.find("the other way round"), std::string::npos) << back.err;
  EXPECT_EQ(said(copy("copy", "repo")).at("segments_copied"), 1);
}

TEST_F(CopyTest, RefusesAPlaceWithAnotherHistory) {
  change("a.txt", "one");
  change("a.txt", "of another", "elsewhere");
  const auto before = objects("elsewhere/a");
  const ProcessResult refused = copy("repo", "elsewhere");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("another history"), std::string::npos) << refused.err;
  EXPECT_EQ(objects("elsewhere/a"), before);
  write_file(path("file"), "");
  EXPECT_NE(epochfs({"copy", path("repo"), path("file")}).exit_code, 0);
  EXPECT_EQ(copy("repo", "repo/sub").exit_code, 2);
  EXPECT_FALSE(files::exists(path("repo/sub")));
  const ProcessResult none = copy("elsewhere/a", "never");
  EXPECT_EQ(none.exit_code, 10);
  EXPECT_NE(none.err.find("repositories of epochfs alone"), std::string::npos) << none.err;
  files::create_directory(path("full"));
  write_file(path("full/something"), "");
  EXPECT_EQ(copy("repo", "full").exit_code, 6);
}

TEST_F(CopyTest, StoresNothingOfADamagedObject) {
  change("a.txt", "one");
  std::string bytes = content_of(path("repo/a/full-1.txt.zst"));
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_file(path("repo/a/full-1.txt.zst"), bytes);
  const ProcessResult damaged = copy("repo", "copy");
  EXPECT_EQ(damaged.exit_code, 4);
  EXPECT_NE(damaged.err.find("full-1.txt.zst"), std::string::npos) << damaged.err;
  EXPECT_TRUE(objects("copy/a").empty());
}

TEST_F(CopyTest, GoesOnFromObjectsThatAreThereAndRight) {
  change("a.txt", "one");
  change("a.txt", "two");
  must({"init", path("copy")});
  files::create_directory(path("copy/a"));
  files::copy_file(path("repo/a/full-1.txt.zst"), path("copy/a/full-1.txt.zst"));
  EXPECT_EQ(said(copy("repo", "copy")).at("segments_copied"), 1);
  EXPECT_EQ(objects("copy/a"), objects("repo/a"));
  files::remove(path("copy/a/manifest.json"));
  files::remove(path("copy/a/incr-2-2.seg"));
  write_file(path("copy/a/full-1.txt.zst"), "what a dead writer left");
  EXPECT_EQ(said(copy("repo", "copy")).at("segments_copied"), 2);
  EXPECT_EQ(objects("copy/a"), objects("repo/a"));
}

TEST_F(CopyTest, KnowsWhatItIsNotFor) {
  EXPECT_EQ(copy("nothing", "copy").exit_code, 10);
  change("a.txt", "one");
  EXPECT_EQ(copy("repo#b", "copy").exit_code, 1);
  EXPECT_EQ(copy("repo@1", "copy").exit_code, 2);
  EXPECT_EQ(copy("repo", "copy#a").exit_code, 2);
  EXPECT_EQ(said(copy("repo#a", "copy")).at("databases"), 1);
}

}  // namespace
}  // namespace epochfs::test
