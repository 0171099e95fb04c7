// tests/independent/restore.py knows the format from its documents alone: what it restores proves
// them, and us.
#include <gtest/gtest.h>

#include "engine/formats/native/manifest.h"
#include "engine/formats/native/seal.h"
#include "tests/segment/history.h"

namespace epochfs::engine {
namespace {

using test::History;
using test::must;
using test::StoredSegment;
using test::TemporaryDirectory;

// A repository with one database, "db", in a directory of its own.
class IndependentRestore : public testing::Test {
 protected:
  explicit IndependentRestore(PageSize page_size = PageSize()) : history_(page_size, 99) {
    manifest_.database = "db";
    manifest_.file_name = "db.sqlite";
    manifest_.revision = 1;
    std::filesystem::create_directory(directory_.path("db"));
    directory_.write(
        "epochfs.json",
        as_bytes(native::sealed(native::encode_repository({std::string(32, 'a'), UtcTime(1)}))));
  }

  void add_full(Epoch epoch) {
    const std::string name = "full-" + std::to_string(epoch.get()) + ".zst";
    add(history_.full(epoch), native::SegmentKind::kFull, name, "");
  }
  void add_incremental(Epoch base, Epoch first, Epoch last) {
    const std::string name =
        "incr-" + std::to_string(first.get()) + "-" + std::to_string(last.get()) + ".seg";
    add(history_.incremental(base, first, last), native::SegmentKind::kIncremental, name,
        "full-" + std::to_string(base.get()) + ".zst");
  }
  void write_manifest() {
    directory_.write("db/manifest.json",
                     as_bytes(native::sealed(native::encode_manifest(manifest_))));
  }
  int restore(Epoch epoch, const std::string& out) const {
    return directory_.shell(command() + std::to_string(epoch.get()) + " " + out);
  }
  static std::string command() {
    return "python3 " EPOCHFS_SOURCE_DIR "/tests/independent/restore.py . db ";
  }
  void expect_every_epoch() const {
    for (Epoch epoch(1); epoch <= history_.newest(); epoch = Epoch(epoch.get() + 1)) {
      const std::string out = "out" + std::to_string(epoch.get());
      ASSERT_EQ(restore(epoch, out), 0) << "epoch " << epoch.get();
      EXPECT_EQ(directory_.read(out), history_.image(epoch)) << "epoch " << epoch.get();
    }
  }

  TemporaryDirectory directory_;
  History history_;
  native::Manifest manifest_;

 private:
  void add(const StoredSegment& stored, native::SegmentKind kind, const std::string& name,
           const std::string& base) {
    const SegmentSummary& summary = stored.summary;
    directory_.write("db/" + name, stored.bytes);
    manifest_.segments.push_back({kind, name, summary.footer.start_epoch, summary.footer.end_epoch,
                                  summary.checksum, summary.size_bytes, 0, summary.sha256,
                                  summary.tables_sha256, summary.footer.page_size, base});
  }
};

class IndependentRestoreOfSmallPages : public IndependentRestore {
 protected:
  IndependentRestoreOfSmallPages() : IndependentRestore(must(PageSize::from(512))) {}
};

TEST_F(IndependentRestore, GivesEveryEpochOfEveryChain) {
  history_.commit(30'000, 0).commit(30'000, 2).commit(50'000, 3).commit(20'001, 2);
  history_.commit(20'001, 0).commit(45'000, 2).commit(45'000, 5).commit(0, 0).commit(9'000, 1);
  add_full(Epoch(1));
  add_incremental(Epoch(1), Epoch(2), Epoch(4));
  add_incremental(Epoch(1), Epoch(5), Epoch(6));
  add_full(Epoch(6));  // the same epoch anew
  add_incremental(Epoch(6), Epoch(7), Epoch(9));
  write_manifest();
  expect_every_epoch();
}

TEST_F(IndependentRestoreOfSmallPages, GivesEpochsOutOfManyRecordsOfOnePage) {
  history_.commit(0, 0).commit(600, 0);
  for (int i = 0; i < 4; ++i) history_.commit(600, 1);
  history_.commit(700, 0);
  for (int i = 0; i < 140; ++i) history_.commit(to_bytes("epoch " + std::to_string(i)));
  add_full(Epoch(1));
  add_incremental(Epoch(1), Epoch(2), Epoch(3));
  add_incremental(Epoch(1), Epoch(4), history_.newest());
  write_manifest();
  for (const std::uint64_t epoch : {1, 2, 3, 4, 7, 8, 130, 131, 147}) {
    const std::string out = "out" + std::to_string(epoch);
    ASSERT_EQ(restore(Epoch(epoch), out), 0) << epoch;
    EXPECT_EQ(directory_.read(out), history_.image(Epoch(epoch))) << epoch;
  }
}

TEST_F(IndependentRestore, ListsEpochsWithSizesAndStates) {
  history_.commit(10'000, 0).commit(12'345, 2);
  add_full(Epoch(1));
  add_incremental(Epoch(1), Epoch(2), Epoch(2));
  write_manifest();
  ASSERT_EQ(directory_.shell(command() + "--list > list"), 0);
  EXPECT_EQ(as_text(directory_.read("list")),
            "1 2023-11-14T22:13:20Z 10000 " + history_.state(Epoch(1)).hex() + "\n" +
                "2 2023-11-14T22:13:20Z 12345 " + history_.state(Epoch(2)).hex() + "\n");
}

TEST_F(IndependentRestore, RefusesWhatIsDamagedOrMissing) {
  history_.commit(10'000, 0).commit(12'345, 2);
  add_full(Epoch(1));
  add_incremental(Epoch(1), Epoch(2), Epoch(2));
  write_manifest();
  EXPECT_EQ(directory_.shell(command() + "3 out 2> said"), 1);
  EXPECT_EQ(as_text(directory_.read("said")), "restore.py: no epoch 3\n");
  Bytes bytes = directory_.read("db/full-1.zst");
  bytes[100] ^= std::byte{1};
  directory_.write("db/full-1.zst", bytes);
  EXPECT_EQ(directory_.shell(command() + "2 out 2> said"), 1);
  EXPECT_FALSE(std::filesystem::exists(directory_.path("out")));
  Bytes manifest = directory_.read("db/manifest.json");
  manifest[manifest.size() / 2] ^= std::byte{1};
  directory_.write("db/manifest.json", manifest);
  EXPECT_EQ(directory_.shell(command() + "1 out 2> said"), 1);
  EXPECT_EQ(as_text(directory_.read("said")), "restore.py: ./db/manifest.json: seal\n");
}

}  // namespace
}  // namespace epochfs::engine
