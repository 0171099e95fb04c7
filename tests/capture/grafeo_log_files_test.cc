// The log directory of a live Grafeo database, and what somebody may have put there.
#include "engine/capture/grafeo_log_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "engine/formats/grafeo/v2_segment.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::engine {
namespace {

namespace files = std::filesystem;

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

class GrafeoLogDirectoryTest : public testing::Test {
 protected:
  GrafeoLogDirectoryTest() {
    files::create_directory(log_);
    write_file(image_, "image");
    write_file(outside_, "outside");
  }
  [[nodiscard]] std::string in_log(const std::string& name) const { return log_ + "/" + name; }

  TemporaryDirectory directory_;
  const std::string image_ = directory_ / "shop.grafeo";
  const std::string log_ = directory_ / "shop.grafeo.wal";
  const std::string outside_ = directory_ / "outside";
};

TEST_F(GrafeoLogDirectoryTest, HasTheFilesOfALogInTheirOrderAndNoOthers) {
  for (const std::uint64_t lsn : {300, 0, 70}) {
    write_file(in_log(grafeo::v2_segment_name(grafeo::Lsn(lsn))), std::string(lsn, 'x'));
  }
  for (const std::string name : {"README.txt", "wal_.log", "wal_1.log", "wal_0000000x.log",
                                 "wal_99999999999999999999999.log", "backup_cursor.meta"})
    write_file(in_log(name), "something else");
  const auto log = open_grafeo_log(log_);
  ASSERT_TRUE(log) << log.error().text;
  EXPECT_EQ(log->generation, grafeo::Generation::kV2);
  ASSERT_EQ(log->files.size(), 3U);
  EXPECT_EQ(log->files[0].number, 0U);
  EXPECT_EQ(log->files[2].number, 300U);
  EXPECT_EQ(log->files[2].size_bytes, 300U);
}

TEST_F(GrafeoLogDirectoryTest, IsEmptyWhenItIsNotThere) {
  files::remove(log_);
  const auto log = open_grafeo_log(log_);
  ASSERT_TRUE(log) << log.error().text;
  EXPECT_FALSE(log->generation);
  EXPECT_TRUE(log->files.empty());
}

TEST_F(GrafeoLogDirectoryTest, RefusesFilesOfBothGenerations) {
  write_file(in_log("wal_00000000.log"), "");
  write_file(in_log(grafeo::v2_segment_name(grafeo::Lsn(0))), "");
  EXPECT_EQ(open_grafeo_log(log_).error().code, Code::kCorrupt);
}

TEST_F(GrafeoLogDirectoryTest, OpensNothingThatIsNoFile) {
  const std::vector<std::function<void(const std::string&)>> makers = {
      [&](const std::string& path) { files::create_symlink(outside_, path); },
      [](const std::string& path) { files::create_symlink(path, path); },
      [](const std::string& path) { ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0); },
      [](const std::string& path) { files::create_directory(path); },
  };
  write_file(in_log("wal_00000001.log"), "");
  for (const std::string name : {"wal_00000000.log", "checkpoint.meta"}) {
    for (std::size_t maker = 0; maker < makers.size(); ++maker) {
      makers[maker](in_log(name));
      EXPECT_FALSE(open_grafeo_log(log_)) << name << ", maker " << maker;
      files::remove(in_log(name));
    }
  }
  EXPECT_TRUE(open_grafeo_log(log_));
}

TEST_F(GrafeoLogDirectoryTest, RefusesACheckpointThatIsNone) {
  write_file(in_log("wal_00000000.log"), "");
  for (const std::string& document :
       {std::string(), std::string(4, '\xff'), std::string("\x01\x02\x03", 3),
        std::string("\x01\x02\x03\x04\x05", 5), std::string(1 << 20, '\0')}) {
    write_file(in_log("checkpoint.meta"), document);
    EXPECT_EQ(open_grafeo_log(log_).error().code, Code::kCorrupt) << document.size();
  }
  write_file(in_log("checkpoint.meta"), "\x01\x07\x03\x04");
  EXPECT_EQ(open_grafeo_log(log_)->first_needed_sequence, 7U);
}

// --- the cursor ---

class GrafeoCursorFileTest : public GrafeoLogDirectoryTest {
 protected:
  const grafeo::BackupCursor cursor_{grafeo::Generation::kV2, Epoch(7), 0, grafeo::Lsn(300),
                                     grafeo::UnixMillis(1'795'245'418'000)};
  const GrafeoCursorFile file_{log_, image_};

  void expect_saved() {
    const auto saved = file_.save(cursor_);
    ASSERT_TRUE(saved) << saved.error().text;
    EXPECT_TRUE(files::is_regular_file(files::symlink_status(file_.path())));
    EXPECT_TRUE(as_bytes(read_file(file_.path())).size() == grafeo::encode_cursor(cursor_).size());
    EXPECT_EQ(*grafeo::parse_cursor(as_bytes(read_file(file_.path()))), cursor_);
  }
};

TEST_F(GrafeoCursorFileTest, IsWrittenWhateverWasThere) {
  for (const std::string& document :
       {std::string(), std::string("{"), std::string(1 << 20, '{'), std::string(100, '\xff'),
        std::string(R"({"backed_up_epoch":1e400,"log_sequence":-1,"wal_lsn":[],"timestamp_ms":0})"),
        std::string("\xfd\xff\xff\xff\xff\xff\xff\xff\xff\xfd", 10)}) {
    write_file(file_.path(), document);
    expect_saved();
  }
}

TEST_F(GrafeoCursorFileTest, IsNotWrittenThroughALinkOrIntoAPipe) {
  files::create_symlink(outside_, file_.path());
  EXPECT_FALSE(file_.save(cursor_));
  EXPECT_EQ(read_file(outside_), "outside");
  files::remove(file_.path());
  ASSERT_EQ(::mkfifo(file_.path().c_str(), 0600), 0);
  EXPECT_FALSE(file_.save(cursor_));
}

TEST_F(GrafeoCursorFileTest, IsLeftAsItIsWhenItSaysSoAlready) {
  expect_saved();
  struct stat before {};
  ASSERT_EQ(::stat(file_.path().c_str(), &before), 0);
  grafeo::BackupCursor later = cursor_;
  later.written = grafeo::UnixMillis(cursor_.written.get() + 1);
  ASSERT_TRUE(file_.save(later));
  struct stat after {};
  ASSERT_EQ(::stat(file_.path().c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
  expect_saved();
}

TEST_F(GrafeoCursorFileTest, FailsWhereADirectoryHasItsName) {
  files::create_directory(file_.path());
  EXPECT_FALSE(file_.save(cursor_));
  EXPECT_TRUE(files::is_directory(file_.path()));
}

TEST_F(GrafeoCursorFileTest, MakesTheDirectoryThatItNeeds) {
  files::remove(log_);
  EXPECT_FALSE(file_.directory_exists());
  expect_saved();
}

}  // namespace
}  // namespace epochfs::engine
