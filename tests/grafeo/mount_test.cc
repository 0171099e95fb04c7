// A backup directory of Grafeo's as it is, mounted: every epoch, as the engine itself finds it
// there.

#include <unistd.h>

#include <set>

#include "tests/grafeo/real_grafeo.h"

namespace epochfs::test {
namespace {

class RealGrafeoMountTest : public RealGrafeoTest, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    RealGrafeoTest::SetUp();
    if (IsSkipped()) return;
    make(GetParam());
    repository_ = path(GetParam()) + "/repo";
    if (std::filesystem::exists(repository_ + "/epochfs.json")) database_ = "shop";
    oracle_ = oracle(GetParam());
    std::filesystem::create_directory(mountpoint_);
  }
  void TearDown() override {
    if (is_mounted_) {
      must({"umount", mountpoint_});
    }
  }

  void mount(std::vector<std::string> options = {}) {
    options.insert(options.begin(), {"mount", repository_, mountpoint_});
    must(options);
    is_mounted_ = true;
  }
  [[nodiscard]] std::string epoch(const std::string& number) const {
    return mountpoint_ + "/" + database_ + "/epochs/" + number;
  }
  [[nodiscard]] std::string image_name() const {
    for (const auto& entry :
         std::filesystem::directory_iterator(mountpoint_ + "/" + database_ + "/latest/"))
      if (entry.path().extension() == ".grafeo") return entry.path().filename();
    ADD_FAILURE() << "no image in latest";
    return {};
  }
  [[nodiscard]] std::string pattern() const { return epoch("EPOCH") + "/" + image_name(); }

  [[nodiscard]] std::set<std::uint64_t> shown() const {
    std::set<std::uint64_t> numbers;
    for (const auto& entry :
         std::filesystem::directory_iterator(mountpoint_ + "/" + database_ + "/epochs"))
      numbers.insert(std::stoull(entry.path().filename()));
    return numbers;
  }
  [[nodiscard]] std::set<std::string> names_in_repository() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(repository_))
      names.insert(entry.path().filename());
    return names;
  }

  std::string repository_;
  std::string database_ = "repo";  // as its directory is called
  std::string mountpoint_ = path("mnt");
  nlohmann::json oracle_;
  bool is_mounted_ = false;
};

TEST_P(RealGrafeoMountTest, ShowsTheEpochsThatThereAreAndNoOthers) {
  mount();
  std::set<std::uint64_t> expected;
  for (const auto& [number, answer] : oracle_.at("epochs").items())
    expected.insert(std::stoull(number));
  EXPECT_EQ(shown(), expected);
  for (const char* kind : {"holes", "silent"}) {
    for (const std::uint64_t number : oracle_.at(kind)) {
      const std::string absent = std::to_string(number);
      EXPECT_FALSE(std::filesystem::exists(epoch(absent))) << kind << absent;
      EXPECT_EQ(epochfs({"restore", repository_ + "@" + absent, path("none")}).exit_code, 5)
          << kind << absent;
    }
  }
  must({"verify", repository_});
}

TEST_P(RealGrafeoMountTest, OpensAtEveryEpochForSeveralUsersAtOnce) {
  mount({"-o", "allow_other"});
  // What another user may read, wherever the sources are.
  std::filesystem::copy(script(""), path("scripts"), std::filesystem::copy_options::recursive);
  const auto before = names_in_repository();
  std::vector<std::string> command = {"node", path("scripts") + "/check.mjs",
                                      path(GetParam()) + "/oracle.json", pattern()};
  Process user(command, of_the_engine());
  if (::geteuid() == 0)  // who alone can become somebody else
    command.insert(command.begin(),
                   {"setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"});
  Process other_user(command, of_the_engine());
  for (Process* const reader : {&user, &other_user}) {
    const ProcessResult result = reader->wait();
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  }
  EXPECT_EQ(names_in_repository(), before);
}

// The engine's own restore is what the oracle of make.mjs was compared with (engine_test.cc).
TEST_P(RealGrafeoMountTest, RestoresEveryEpochForReadingAndWriting) {
  const auto before = names_in_repository();
  std::filesystem::create_directory(path("restored"));
  for (const auto& [number, answer] : oracle_.at("epochs").items())
    must({"restore", repository_ + "@" + number, path("restored") + "/" + number + ".grafeo"});
  expect_answers(GetParam(), {path("restored") + "/EPOCH.grafeo"});
  expect_answers(GetParam(), {path("restored") + "/EPOCH.grafeo", "--write"});
  // Once more: what was written is in the image now.
  expect_answers(GetParam(), {path("restored") + "/EPOCH.grafeo"});
  EXPECT_EQ(names_in_repository(), before);
}

INSTANTIATE_TEST_SUITE_P(MadeByGrafeo, RealGrafeoMountTest,
                         testing::Values("v1", "v2", "continued"), name_of_kind);
INSTANTIATE_TEST_SUITE_P(MadeByEpochfs, RealGrafeoMountTest,
                         testing::Values("written", "busy", "turns", "written-v1"), name_of_kind);
INSTANTIATE_TEST_SUITE_P(MadeIntoARepository, RealGrafeoMountTest,
                         testing::Values("packed", "packed-busy"), name_of_kind);

}  // namespace
}  // namespace epochfs::test
