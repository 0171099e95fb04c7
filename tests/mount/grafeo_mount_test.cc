// Backup directories of Grafeo's in a real mount: every epoch byte for byte, and nothing read that
// nobody asked for.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/core/handle.h"
#include "tests/mount/mounted_repository.h"
#include "tests/support/grafeo_builder.h"

namespace epochfs::test {
namespace {

namespace files = std::filesystem;
using Generation = GrafeoBuilder::Generation;

class GrafeoMountTest : public MountedRepositoryTest,
                        public testing::WithParamInterface<Generation> {
 protected:
  // repository(), so that the database is called "repository".
  GrafeoBuilder builder() const { return {repository(), GetParam()}; }
  [[nodiscard]] std::string epoch_directory(std::uint64_t epoch) const {
    return mountpoint() + fmt::format("/repository/epochs/{:010}", epoch);
  }
  [[nodiscard]] nlohmann::json status() const {
    return nlohmann::json::parse(read_file(mountpoint() + "/repository/.epochfs/status.json"));
  }
  // Of backups, for whoever read from the mount.
  [[nodiscard]] std::uint64_t bytes_read() const { return status()["cache"]["bytes_read"]; }
  // By the whole process, from anything.
  [[nodiscard]] std::uint64_t bytes_read_by_process() const {
    const std::string pid = std::to_string(status()["pid"].get<int>());
    std::istringstream io(read_file("/proc/" + pid + "/io"));
    std::string label;
    std::uint64_t bytes = 0;
    io >> label >> bytes;
    EXPECT_EQ(label, "rchar:");
    return bytes;
  }
  static void expect_absent(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), -1) << path;
    EXPECT_EQ(errno, ENOENT) << path;
    EXPECT_EQ(::open(path.c_str(), O_RDONLY | O_CLOEXEC), -1) << path;
    EXPECT_EQ(errno, ENOENT) << path;
  }
};

INSTANTIATE_TEST_SUITE_P(Generations, GrafeoMountTest,
                         testing::Values(Generation::kV1, Generation::kV2), [](const auto& row) {
                           return row.param == Generation::kV1 ? "V1" : "V2";
                         });

TEST_P(GrafeoMountTest, ShowsEveryEpochByteForByte) {
  GrafeoBuilder db = builder();
  db.commit(2).full().commit(3).incremental().commit(2).incremental();
  db.commit(2).full().commit(2).incremental();
  mount();
  const auto names = list_directory(mountpoint() + "/repository/epochs");
  ASSERT_EQ(names.size(), db.expected().size());
  for (const auto& [number, expected] : db.expected()) {
    SCOPED_TRACE(number);
    const std::string directory = epoch_directory(number);
    expect_image(directory + "/repository.grafeo", expected.image);
    std::vector<std::string> wanted{"epoch.json", "repository.grafeo"};
    if (!expected.log.empty()) {
      wanted.emplace_back("repository.grafeo.wal");
      const std::string log = directory + "/repository.grafeo.wal";
      EXPECT_EQ(list_directory(log), std::vector<std::string>{expected.log_name});
      EXPECT_EQ(files::symlink_status(log + "/" + expected.log_name).type(),
                files::file_type::regular);
      expect_image(log + "/" + expected.log_name, expected.log);
    }
    EXPECT_EQ(list_directory(directory), wanted);
    // Each of these would change what Grafeo makes of the image.
    for (const std::string absent : {".checkpoint", ".migrating", ".migrate.lock", ".spill",
                                     ".pre-0.6", ".pre-0.6.wal", ".restore_wal"})
      expect_absent(directory + "/repository.grafeo" + absent);
    for (const std::string absent : {"checkpoint.meta", "backup_cursor.meta", "wal_99999999.log"})
      expect_absent(directory + "/repository.grafeo.wal/" + absent);
    if (expected.log.empty()) expect_absent(directory + "/repository.grafeo.wal");
  }
  EXPECT_EQ(read_link(mountpoint() + "/repository/latest"), "epochs/" + names.back());
}

TEST_P(GrafeoMountTest, GivesEpochsToCpAndToRestoreAlike) {
  GrafeoBuilder db = builder();
  db.commit(2).full().commit(3).incremental();
  mount();
  ASSERT_EQ(run({"cp", "-rp", epoch_directory(4), path("copied")}).exit_code, 0);
  const ProcessResult restored = epochfs({"restore", repository() + "@4", path("restored.grafeo")});
  ASSERT_EQ(restored.exit_code, 0) << restored.err;
  EXPECT_EQ(run({"cmp", path("copied/repository.grafeo"), path("restored.grafeo")}).exit_code, 0);
  EXPECT_EQ(run({"diff", "-r", path("copied/repository.grafeo.wal"), path("restored.grafeo.wal")})
                .exit_code,
            0);
}

TEST_P(GrafeoMountTest, ReadsWhatIsAskedForAndNoMore) {
  constexpr std::uint64_t kImageBytes = 1 << 30;
  constexpr std::uint64_t kSome = 4 << 20;
  GrafeoBuilder db = builder();
  db.commit(2).full().commit(1).incremental();
  // Nobody compares the sum of an image before somebody asks for that.
  files::resize_file(db.file(0), kImageBytes);
  db.manifest().segments[0].size_bytes = kImageBytes;
  db.save_manifest();
  mount();
  EXPECT_EQ(bytes_read(), 0U) << "mounting and listing read no image";
  EXPECT_LE(bytes_read_by_process(), kSome);
  const std::string image = epoch_directory(3) + "/repository.grafeo";
  EXPECT_EQ(files::file_size(image), kImageBytes);
  EXPECT_EQ(bytes_read(), 0U);
  std::ifstream in(image, std::ios::binary);
  for (const std::streamoff at : {std::streamoff{0}, std::streamoff{700} << 20}) {
    in.seekg(at);
    std::string page(4096, 'x');
    ASSERT_TRUE(in.read(page.data(), 4096));
    EXPECT_EQ(page, at == 0 ? db.expected().at(3).image.substr(0, 4096) : std::string(4096, '\0'));
  }
  EXPECT_GE(bytes_read(), 2 * 4096U);
  EXPECT_LE(bytes_read(), kSome);
  EXPECT_LE(bytes_read_by_process(), 2 * kSome);
}

TEST_P(GrafeoMountTest, ShowsABackupThatIsMadeMeanwhile) {
  GrafeoBuilder db = builder();
  db.commit(2).full();
  mount();
  EXPECT_FALSE(files::exists(epoch_directory(3)));
  db.commit(1).incremental();
  EXPECT_TRUE(eventually([&] { return files::exists(epoch_directory(3)); }));
  expect_image(epoch_directory(3) + "/repository.grafeo.wal/" + db.expected().at(3).log_name,
               db.expected().at(3).log);
}

TEST_P(GrafeoMountTest, FailsReadsOfAnObjectThatChanged) {
  GrafeoBuilder db = builder();
  db.commit(2).full().commit(1).incremental();
  mount();
  ASSERT_TRUE(files::exists(epoch_directory(3)));
  std::ofstream(db.file(0), std::ios::in | std::ios::out | std::ios::binary).put('x');
  std::ifstream in(epoch_directory(3) + "/repository.grafeo", std::ios::binary);
  char byte = 0;
  EXPECT_FALSE(in.read(&byte, 1));
  expect_image(epoch_directory(3) + "/repository.grafeo.wal/" + db.expected().at(3).log_name,
               db.expected().at(3).log);
}

// As Grafeo locks what it opens, several readers at once.
TEST_P(GrafeoMountTest, LetsItsFilesBeLocked) {
  GrafeoBuilder db = builder();
  db.commit(2).full().commit(1).incremental();
  mount();
  const std::string image = epoch_directory(3) + "/repository.grafeo";
  for (const std::string& path : {image, image + ".wal/" + db.expected().at(3).log_name}) {
    const engine::UniqueFd one(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const engine::UniqueFd other(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(one && other);
    EXPECT_EQ(::flock(one.get(), LOCK_SH | LOCK_NB), 0);
    EXPECT_EQ(::flock(other.get(), LOCK_SH | LOCK_NB), 0);
    EXPECT_EQ(::flock(other.get(), LOCK_EX | LOCK_NB), -1);
    EXPECT_EQ(errno, EWOULDBLOCK);
    EXPECT_EQ(run({"flock", "--shared", "--nonblock", path, "true"}).exit_code, 0);
    EXPECT_NE(run({"flock", "--exclusive", "--nonblock", path, "true"}).exit_code, 0);
    EXPECT_EQ(::flock(one.get(), LOCK_UN), 0);
    EXPECT_EQ(::flock(other.get(), LOCK_EX | LOCK_NB), 0);
  }
}

TEST_P(GrafeoMountTest, ShowsSeveralDatabasesWhateverOneOfThemIsLike) {
  GrafeoBuilder good(repository() + "/good", GetParam());
  good.commit(2).full().commit(1).incremental();
  GrafeoBuilder damaged(repository() + "/damaged", GetParam(), 2);
  damaged.commit(2).full().commit(2).incremental();
  files::remove(damaged.file(1));
  files::create_directories(repository() + "/garbage");
  std::ofstream(repository() + "/garbage/backup_manifest.json") << "{";
  mount();
  EXPECT_EQ(list_directory(mountpoint() + "/good/epochs").size(), 2U);
  expect_image(mountpoint() + "/good/latest/good.grafeo", good.expected().at(3).image);
  EXPECT_EQ(list_directory(mountpoint() + "/damaged/epochs").size(), 1U);
  expect_image(mountpoint() + "/damaged/latest/damaged.grafeo", damaged.expected().at(2).image);
  EXPECT_FALSE(files::exists(mountpoint() + "/damaged/epochs/4"));
  std::error_code error;
  const files::directory_iterator refused(mountpoint() + "/garbage/epochs", error);
  EXPECT_TRUE(error);
}

TEST_P(GrafeoMountTest, TellsOfItInEveryCommand) {
  GrafeoBuilder db = builder();
  db.commit(2).full().commit(2).incremental();
  db.commit(2).full().commit(1).incremental();
  const ProcessResult log = epochfs({"log", repository(), "--json", "-n", "1"});
  EXPECT_EQ(log.exit_code, 0) << log.err;
  const auto newest = nlohmann::json::parse(log.out);
  EXPECT_EQ(newest["epoch"], 7);
  EXPECT_EQ(newest["how"], "log");
  EXPECT_EQ(newest["records"], db.expected().at(7).records);
  EXPECT_FALSE(newest.contains("state_hash"));
  EXPECT_FALSE(newest.contains("pages_changed"));
  const ProcessResult info = epochfs({"info", repository()});
  EXPECT_EQ(info.exit_code, 0) << info.err;
  EXPECT_NE(info.out.find("note      epoch 5 is in no backup of its own"), std::string::npos)
      << info.out;
  const ProcessResult diff = epochfs({"diff", repository() + "@2..4", "--json"});
  EXPECT_EQ(diff.exit_code, 0) << diff.err;
  EXPECT_EQ(nlohmann::json::parse(diff.out)["transactions"], 2);
  EXPECT_EQ(epochfs({"verify", repository()}).exit_code, 0);
  files::remove(db.file(1));
  EXPECT_EQ(epochfs({"info", repository()}).exit_code, 3);
  const ProcessResult damaged = epochfs({"verify", repository()});
  EXPECT_EQ(damaged.exit_code, 4);
  EXPECT_NE(damaged.out.find("costs epochs 3 to 4"), std::string::npos) << damaged.out;
  const ProcessResult lost = epochfs({"restore", repository() + "@4", path("out")});
  EXPECT_EQ(lost.exit_code, 5) << lost.err;
  const ProcessResult two_files = epochfs({"restore", repository() + "@7", "-"});
  EXPECT_EQ(two_files.exit_code, 2) << two_files.err;
}

}  // namespace
}  // namespace epochfs::test
