// Repositories that earlier versions wrote stay readable, by us, by the independent reader, and by
// the commands in the documents.
#include <gtest/gtest.h>

#include "engine/formats/native/manifest.h"
#include "tests/segment/history.h"

namespace epochfs::engine {
namespace {

using test::must;
using test::TemporaryDirectory;

const std::string kGolden = EPOCHFS_SOURCE_DIR "/tests/golden/native-1";

// A copy of the repository, for commands to run in.
class GoldenNative1 : public testing::Test {
 protected:
  GoldenNative1() { std::filesystem::copy(kGolden + "/hello", directory_.path("hello")); }

  [[nodiscard]] Bytes read(const std::string& name) const {
    return directory_.read("hello/" + name);
  }
  [[nodiscard]] std::string answer(const std::string& command) const {
    EXPECT_EQ(directory_.shell("cd hello && (" + command + ") > ../answer"), 0) << command;
    return std::string(as_text(directory_.read("answer")));
  }

  TemporaryDirectory directory_;
};

TEST_F(GoldenNative1, HasAManifestThatNamesItsSegments) {
  const auto manifest = must(native::parse_manifest(read("manifest.json")));
  EXPECT_EQ(manifest.database, "hello");
  EXPECT_EQ(manifest.engine, native::Engine::kFile);
  ASSERT_EQ(manifest.segments.size(), 2U);
  for (const native::SegmentEntry& entry : manifest.segments) {
    const Bytes bytes = read(entry.filename);
    EXPECT_EQ(Sha256::of(bytes), entry.sha256);
    EXPECT_EQ(must(SegmentReader::open(test::blob_of(bytes), &entry.tables_sha256)).footer().kind,
              entry.kind);
  }
}

TEST_F(GoldenNative1, HoldsBothEpochs) {
  const auto images = must(test::read_epochs(must(test::open_segment(read("full-1.txt.zst"))),
                                             must(test::open_segment(read("incr-2-2.seg")))));
  ASSERT_EQ(images.size(), 2U);
  EXPECT_EQ(as_text(images.at(Epoch(1))), "hello\n");
  EXPECT_EQ(as_text(images.at(Epoch(2))), "hello world\n");
}

TEST_F(GoldenNative1, HasTheStateHashesOfTheDocument) {
  StateHash state;
  Bytes page = to_bytes("hello\n");
  page.resize(512);
  EXPECT_EQ(page_hash(page), 0xce5f9b199bf48f9d);
  state.add(PageNo(1), page_hash(page));
  EXPECT_EQ(state.hex(), "d2bb60ac77078c70ab623464986b3b2d");
  state.add_size(6);
  EXPECT_EQ(state.hex(), "4e10634ca21ea04c8413cbc6254fd637");
  must(must(test::open_segment(read("full-1.txt.zst")))
           .visit_epochs([&](const native::EpochFacts& facts) -> Result<void> {
             EXPECT_EQ(facts.state, state);
             return {};
           }));
}

TEST_F(GoldenNative1, IsListedAndRestoredByTheIndependentReader) {
  const std::string restore =
      EPOCHFS_SOURCE_DIR "/tests/independent/restore.py " + kGolden + " hello ";
  EXPECT_EQ(answer("python3 " + restore + "--list"),
            "1 2023-11-14T22:13:20Z 6 4e10634ca21ea04c8413cbc6254fd637\n"
            "2 2023-11-14T22:13:20Z 12 e0aa68599763f8476a83d30327fc2944\n");
  EXPECT_EQ(answer("python3 " + restore + "2 out && cat out"), "hello world\n");
}

TEST_F(GoldenNative1, IsReadByTheCommandsInTheDocument) {
  EXPECT_EQ(answer("zstd -q -d full-1.txt.zst -o hello.txt && cat hello.txt"), "hello\n");
  EXPECT_EQ(answer("tail -c 48 incr-2-2.seg | head -c 8 | od -A n -t u8"),
            "                   82\n");
  EXPECT_EQ(answer("dd if=incr-2-2.seg bs=1 skip=102 count=27 status=none | zstd -dc |"
                   " od -A d -t x1"),
            "0000000 01 00 00 00 42 00 00 00 01 00 00 00 00 00\n0000014\n");
  EXPECT_EQ(answer("dd if=incr-2-2.seg of=record.zst bs=1 skip=48 count=34 status=none &&"
                   " dd if=hello.txt of=page bs=512 skip=0 count=1 conv=sync status=none &&"
                   " zstd -q -d --patch-from=page record.zst -o versions && head -c 12 versions"),
            "hello world\n");
  EXPECT_EQ(answer("LC_ALL=C grep -obUaP 'S\\x2aM\\x18' incr-2-2.seg | cut -d: -f1"), "16\n");
}

}  // namespace
}  // namespace epochfs::engine
