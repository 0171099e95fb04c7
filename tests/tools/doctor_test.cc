// `epochfs doctor` of directories. Of buckets: tests/s3/s3_doctor_test.cc.
#include <filesystem>
#include <set>

#include "tests/tools/command_test_base.h"

namespace epochfs::test {
namespace {

namespace files = std::filesystem;

class DoctorTest : public CommandTest {
 protected:
  static std::set<std::string> names_in(const std::string& directory) {
    std::set<std::string> names;
    for (const auto& entry : files::recursive_directory_iterator(directory))
      names.insert(entry.path().string());
    return names;
  }
};

TEST_F(DoctorTest, FindsAnEmptyDirectoryFitAndLeavesItSo) {
  files::create_directory(path("repo"));
  const ProcessResult doctor = epochfs({"doctor", path("repo")});
  EXPECT_EQ(doctor.exit_code, 0) << doctor.out << doctor.err;
  for (const char* line :
       {"list              passed", "repository        passed: none yet",
        "lock              passed: free", "write             passed", "read              passed",
        "conditional write passed", "remove            passed", "space             passed"})
    EXPECT_NE(doctor.out.find(line), std::string::npos) << line << "\n" << doctor.out;
  must({"init", path("repo")});
  const ProcessResult again = epochfs({"doctor", path("repo"), "--json"});
  EXPECT_EQ(again.exit_code, 0) << again.out;
  const Json json = Json::parse(again.out);
  EXPECT_EQ(json.at("command"), "doctor");
  EXPECT_EQ(json.at("sound"), true);
  EXPECT_EQ(json.at("checks").at(1).at("name"), "repository");
  EXPECT_EQ(json.at("checks").at(1).at("text").get<std::string>().substr(0, 3), "id ");
}

TEST_F(DoctorTest, ChangesNothingWhenItMayOnlyRead) {
  must({"init", path("repo")});
  files::remove(path("repo/.lock"));
  const auto before = names_in(path("repo"));
  const ProcessResult doctor = epochfs({"doctor", path("repo"), "--read-only"});
  EXPECT_EQ(doctor.exit_code, 0) << doctor.out;
  EXPECT_EQ(names_in(path("repo")), before);
  EXPECT_NE(doctor.out.find("write             skipped"), std::string::npos) << doctor.out;
}

TEST_F(DoctorTest, SaysWhatStandsInTheWay) {
  const ProcessResult absent = epochfs({"doctor", path("nothing")});
  EXPECT_EQ(absent.exit_code, 1);
  EXPECT_NE(absent.out.find("list              failed"), std::string::npos) << absent.out;
  EXPECT_FALSE(files::exists(path("nothing")));
  write_file(path("file"), "no directory");
  EXPECT_EQ(epochfs({"doctor", path("file")}).exit_code, 1);
  files::create_directory(path("repo"));
  write_file(path("repo/epochfs.json"), "{}");
  const ProcessResult damaged = epochfs({"doctor", path("repo")});
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_NE(damaged.out.find("repository        failed"), std::string::npos) << damaged.out;
  EXPECT_EQ(epochfs({"doctor", path("repo@1")}).exit_code, 2);
}

}  // namespace
}  // namespace epochfs::test
