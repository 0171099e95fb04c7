#include "tests/mount/mounted_repository.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

namespace epochfs::test {
namespace {

constexpr std::chrono::seconds kPatience(30);
constexpr std::chrono::milliseconds kBetweenLooks(20);

std::string make_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "epochfs-mount.XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "mkdtemp " << name;
  ::chmod(name.c_str(), 0755);  // other users look into the mount
  return name;
}

}  // namespace

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  EXPECT_TRUE(in.is_open() && !in.bad()) << "cannot read " << path;
  return content;
}

std::vector<std::string> list_directory(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    names.push_back(entry.path().filename().string());
  }
  EXPECT_FALSE(error) << "cannot list " << path << ": " << error.message();
  std::sort(names.begin(), names.end());
  return names;
}

std::string read_link(const std::string& path) {
  std::error_code error;
  const auto target = std::filesystem::read_symlink(path, error);
  EXPECT_FALSE(error) << "no symbolic link " << path << ": " << error.message();
  return target.string();
}

std::vector<std::vector<std::string>> ways_to_open(const std::string& file) {
  return {{"sqlite3", file},
          {"sqlite3", "-readonly", file},
          {"sqlite3", "file:" + file + "?immutable=1"}};
}

std::vector<std::string> as_nobody() {
  return {"setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"};
}

std::vector<std::string> joined(std::vector<std::string> head,
                                const std::vector<std::string>& tail) {
  head.insert(head.end(), tail.begin(), tail.end());
  return head;
}

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(kBetweenLooks);
  }
  return true;
}

MountedRepositoryTest::MountedRepositoryTest()
    : directory_(make_directory()),
      database_(path("app.db")),
      place_(repository_place(directory_)),
      mountpoint_(path("mnt")) {
  std::filesystem::create_directory(mountpoint_);
}

MountedRepositoryTest::~MountedRepositoryTest() {
  if (is_mounted()) epochfs({"umount", "--lazy", mountpoint_});
  // Never through a mount that is still there.
  if (!is_mounted()) std::filesystem::remove_all(directory_);
}

ProcessOptions MountedRepositoryTest::environment() const {
  ProcessOptions options{.environment = place_.environment};
  options.environment["EPOCHFS_CACHE_DIR"] = path("cache");
  return options;
}

ProcessResult MountedRepositoryTest::epochfs(const std::vector<std::string>& arguments) const {
  return run(joined({EPOCHFS_COMMAND}, arguments), environment());
}

void MountedRepositoryTest::backup() const {
  const ProcessResult result = epochfs({"backup", database_, repository()});
  ASSERT_EQ(result.exit_code, 0) << result.err;
}

void MountedRepositoryTest::mount(const std::vector<std::string>& options) const {
  const ProcessResult result = epochfs(joined({"mount", repository(), mountpoint_}, options));
  ASSERT_EQ(result.exit_code, 0) << result.err;
}

void MountedRepositoryTest::unmount() const {
  const ProcessResult result = epochfs({"umount", mountpoint_});
  ASSERT_EQ(result.exit_code, 0) << result.err;
}

bool MountedRepositoryTest::is_mounted() const {
  return read_file("/proc/self/mounts").find(" " + mountpoint_ + " fuse") != std::string::npos;
}

std::vector<std::string> MountedRepositoryTest::epochs() const {
  return list_directory(tree() + "/epochs");
}

std::string MountedRepositoryTest::epoch_file(const std::string& epoch) const {
  return tree() + "/epochs/" + epoch + "/app.db";
}

void MountedRepositoryTest::expect_image(const std::string& file, const std::string& image) {
  EXPECT_EQ(std::filesystem::file_size(file), image.size());
  const std::string content = read_file(file);
  if (content == image) return;
  const auto differ = std::mismatch(content.begin(), content.end(), image.begin(), image.end());
  ADD_FAILURE() << file << " differs at byte " << differ.first - content.begin();
}

void MountedRepositoryTest::expect_answer(const std::vector<std::string>& command,
                                          const std::string& statements,
                                          const std::string& answer) const {
  SCOPED_TRACE(fmt::format("{}", fmt::join(command, " ")));
  const ProcessResult result = run(joined(command, {statements}), environment());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, answer);
}

}  // namespace epochfs::test
