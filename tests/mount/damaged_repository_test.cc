// A damaged place in a segment costs the pages that depend on it, and nothing else.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "engine/core/handle.h"
#include "tests/mount/mounted_repository.h"
#include "tests/support/sqlite_history.h"

namespace epochfs::test {
namespace {

constexpr std::size_t kPageSize = 4096;
constexpr std::size_t kBlockSizeMax = 65536;
// More than the four of a frame's checksum, which nobody needs.
constexpr std::size_t kDamagedBytes = 8;
constexpr std::string_view kFrameBegin = "\x28\xb5\x2f\xfd";

// How the pages of a file in the mount answer.
struct Answers {
  std::size_t exact = 0;
  std::size_t failed = 0;
};

class DamagedRepositoryTest : public MountedRepositoryTest {
 protected:
  static Answers read_pages(const std::string& file, const std::string& image) {
    const engine::UniqueFd descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_TRUE(descriptor) << file;
    Answers answers;
    std::string page(kPageSize, '\0');
    for (std::size_t offset = 0; offset < image.size(); offset += kPageSize) {
      const ssize_t length =
          ::pread(descriptor.get(), page.data(), kPageSize, static_cast<off_t>(offset));
      if (length == static_cast<ssize_t>(kPageSize)) {
        EXPECT_EQ(image.compare(offset, kPageSize, page), 0)
            << file << ": wrong bytes at " << offset;
        ++answers.exact;
      } else {
        EXPECT_TRUE(length == -1 && errno == EIO)
            << file << ": " << length << " bytes, errno " << errno << " at " << offset;
        ++answers.failed;
      }
    }
    return answers;
  }

  // The segment whose name starts so, with a few bytes of one frame changed at this fraction of its
  // length.
  void damage(const std::string& start, double where) const {
    for (const std::string& name : list_directory(repository() + "/app")) {
      if (!name.starts_with(start)) continue;
      const std::string segment = repository() + "/app/" + name;
      std::string content = read_file(segment);
      auto at = static_cast<std::size_t>(static_cast<double>(content.size()) * where);
      while (content.substr(at, kDamagedBytes + kFrameBegin.size()).find(kFrameBegin) !=
             std::string::npos)
        ++at;
      for (std::size_t i = 0; i < kDamagedBytes; ++i)
        content.at(at + i) = static_cast<char>(content.at(at + i) ^ 0x10);
      std::ofstream(segment, std::ios::binary) << content;
      return;
    }
    ADD_FAILURE() << "no segment " << start;
  }
};

TEST_F(DamagedRepositoryTest, FailsTheBlockThatWasHitAndServesAllOthers) {
  SqliteHistory history(database(), 10000);
  backup();
  history.commit(5);
  backup();
  damage("full-", 0.5);
  mount();
  const std::vector<std::string> names = epochs();
  ASSERT_EQ(names.size(), history.moments().size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Answers answers = read_pages(epoch_file(names[i]), history.moments()[i].image);
    EXPECT_GT(answers.failed, 0U) << names[i];
    EXPECT_LE(answers.failed * kPageSize, kBlockSizeMax) << names[i];
    EXPECT_GT(answers.exact, answers.failed) << names[i];
  }
}

TEST_F(DamagedRepositoryTest, LeavesEpochsAloneThatDoNotNeedTheDamagedSegment) {
  SqliteHistory history(database(), 2000);
  backup();
  history.commit(5);
  backup();
  damage("incr-", 0.2);
  mount();
  const std::vector<std::string> names = epochs();
  ASSERT_EQ(names.size(), history.moments().size());
  EXPECT_EQ(read_pages(epoch_file(names.front()), history.moments().front().image).failed, 0U);
  std::size_t failed = 0;
  for (std::size_t i = 1; i < names.size(); ++i)
    failed += read_pages(epoch_file(names[i]), history.moments()[i].image).failed;
  EXPECT_GT(failed, 0U);
}

TEST_F(DamagedRepositoryTest, IsFoundByVerifyAndTheSoundOneIsNot) {
  SqliteHistory history(database(), 2000);
  backup();
  history.commit(3);
  backup();
  const ProcessResult sound = epochfs({"verify", repository()});
  EXPECT_EQ(sound.exit_code, 0) << sound.out << sound.err;
  damage("full-", 0.5);
  const ProcessResult damaged = epochfs({"verify", repository()});
  EXPECT_EQ(damaged.exit_code, 4) << damaged.out << damaged.err;
  EXPECT_NE((damaged.out + damaged.err).find("full-"), std::string::npos);
}

}  // namespace
}  // namespace epochfs::test
