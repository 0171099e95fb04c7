#include <gtest/gtest.h>

#include "engine/formats/grafeo/manifest.h"
#include "tests/formats/grafeo_bytes.h"

namespace epochfs::engine::grafeo {
namespace {

constexpr std::uint64_t kCreated = 1795245418000;

SegmentEntry full_of_epoch_300() {
  return {SegmentKind::kFull,  "backup_full_0000.grafeo", Epoch(0), Epoch(300), 0x6fa1aa09, 12370,
          UnixMillis(kCreated)};
}

Manifest manifest_of(Generation generation) {
  return {generation,
          {full_of_epoch_300(),
           {SegmentKind::kIncremental, "backup_incr_0001.wal", Epoch(301), Epoch(300), 0xffffffff,
            0xffffffffffffffff, UnixMillis(0)}}};
}

Bytes version_1_example() {
  return from_hex(
      "01 01 00 17 62 61 63 6b 75 70 5f 66 75 6c 6c 5f 30 30 30 30 2e 67 72 61 66 65 6f"
      "00 fb 2c 01 fc 09 aa a1 6f fb 52 30 fd 10 26 f7 fc a1 01 00 00");
}

std::string json_manifest(std::string_view version, std::string_view entry) {
  return std::string(R"({"version":)")
      .append(version)
      .append(R"(,"segments":[)")
      .append(entry)
      .append("]}");
}

constexpr std::string_view kJsonEntry =
    R"({"kind":"Full","filename":"f","start_epoch":0,"end_epoch":1,"checksum":2,"size_bytes":3,"created_at_ms":4})";

std::string replaced_once(std::string_view text, std::string_view what, std::string_view by) {
  const std::size_t at = text.find(what);
  if (at == std::string_view::npos) throw std::logic_error("not in the text");
  return std::string(text).replace(at, what.size(), by);
}

TEST(GrafeoManifestTest, ReadsAndWritesTheExampleOfVersion1ByteForByte) {
  const Manifest manifest{Generation::kV1, {full_of_epoch_300()}};
  EXPECT_EQ(to_hex(encode_manifest(manifest).value()), to_hex(version_1_example()));
  EXPECT_EQ(parse_manifest(version_1_example()).value(), manifest);
}

TEST(GrafeoManifestTest, ReadsBackWhatItWritesInBothGenerations) {
  for (const Generation generation : {Generation::kV1, Generation::kV2}) {
    const Manifest manifest = manifest_of(generation);
    EXPECT_EQ(parse_manifest(encode_manifest(manifest).value()).value(), manifest);
    const Manifest empty{generation, {}};
    EXPECT_EQ(parse_manifest(encode_manifest(empty).value()).value(), empty);
  }
}

TEST(GrafeoManifestTest, IgnoresUnknownFieldsAndLeadingSpaceOfJson) {
  const std::string entry = replaced_once(kJsonEntry, "\"kind\"", R"("codec":{"a":[1]},"kind")");
  const std::string json =
      " \n\t" + replaced_once(json_manifest("2", entry), "\"version\"", R"("by":"x","version")");
  const auto manifest = parse_manifest(as_bytes(json));
  ASSERT_TRUE(manifest) << manifest.error().text;
  EXPECT_EQ(manifest->generation, Generation::kV2);
  const SegmentEntry want{SegmentKind::kFull, "f", Epoch(0), Epoch(1), 2, 3, UnixMillis(4)};
  EXPECT_EQ(manifest->segments, std::vector{want});
}

TEST(GrafeoManifestTest, SaysThatANewerReleaseWroteIt) {
  // Even when a newer one lists other things.
  EXPECT_EQ(code_of(parse_manifest(as_bytes(json_manifest("3", R"({"kind":"Delta"})")))),
            Code::kUnsupported);
  EXPECT_EQ(code_of(parse_manifest(from_hex("03 00"))), Code::kUnsupported);
}

TEST(GrafeoManifestTest, RefusesAVersionInTheEncodingOfAnother) {
  for (const std::string_view version : {"0", "1"})
    EXPECT_EQ(code_of(parse_manifest(as_bytes(json_manifest(version, kJsonEntry)))),
              Code::kCorrupt);
  EXPECT_EQ(code_of(parse_manifest(from_hex("00 00"))), Code::kCorrupt);
  EXPECT_EQ(code_of(parse_manifest(from_hex("02 00"))), Code::kCorrupt);
}

TEST(GrafeoManifestTest, HidesNoGoodEntryBehindABadOne) {
  const auto with = [](std::string_view what, std::string_view by) {
    return replaced_once(kJsonEntry, what, by);
  };
  const SegmentEntry good{SegmentKind::kFull, "f", Epoch(0), Epoch(1), 2, 3, UnixMillis(4)};
  for (const std::string& bad :
       {with("\"Full\"", "\"full\""), with("\"Full\"", "0"), with("\"filename\"", "\"file\""),
        with("\"f\"", "null"), with("\"end_epoch\":1", "\"end_epoch\":-1"),
        with("\"end_epoch\":1", "\"end_epoch\":1.0"),
        with("\"size_bytes\":3", "\"size_bytes\":18446744073709551616"),
        with("\"checksum\":2", "\"checksum\":4294967296"), with("\"kind\"", R"("kind":1,"kind")"),
        std::string("7"), std::string("null"), std::string("[]"), std::string(R"([{"kind":[1]}])"),
        std::string("{}")}) {
    const std::string entries = std::string(kJsonEntry) + "," + bad + "," + std::string(kJsonEntry);
    const auto manifest = parse_manifest(as_bytes(json_manifest("2", entries)));
    ASSERT_TRUE(manifest) << bad << ": " << manifest.error().text;
    ASSERT_EQ(manifest->segments.size(), 3U) << bad;
    EXPECT_EQ(manifest->segments[0], good) << bad;
    EXPECT_EQ(manifest->segments[2], good) << bad;
    EXPECT_TRUE(manifest->segments[1].problem.starts_with("segment 1")) << bad;
    EXPECT_EQ(check_entries(*manifest).error().text, manifest->segments[1].problem) << bad;
    EXPECT_EQ(code_of(encode_manifest(*manifest)), Code::kInvalid) << bad;
  }
}

TEST(GrafeoManifestTest, TellsWhatABadEntrySaysOfItself) {
  const std::string entry = replaced_once(kJsonEntry, "\"checksum\":2", R"("checksum":"2")");
  const auto manifest = parse_manifest(as_bytes(json_manifest("2", entry)));
  ASSERT_TRUE(manifest) << manifest.error().text;
  const SegmentEntry& bad = manifest->segments.at(0);
  EXPECT_EQ(bad.problem, "segment 0 (f): field checksum is not a whole number from 0 on");
  EXPECT_EQ(bad.kind, SegmentKind::kFull);
  EXPECT_EQ(bad.filename, "f");
  EXPECT_EQ(bad.end_epoch, Epoch(1));
}

TEST(GrafeoManifestTest, HidesNoGoodEntryOfVersion1BehindABadOne) {
  const Manifest good = manifest_of(Generation::kV1);
  for (const auto& [place, by] : {std::pair{2U, "05"},    // the first entry's kind
                                  std::pair{31U, "fd"}})  // its CRC: the eight bytes from there on
  {
    Bytes bytes = encode_manifest(good).value();
    bytes.at(place) = from_hex(by).front();
    // A number of eight bytes instead of four.
    if (place == 31U) bytes.insert(bytes.begin() + 36, 4, std::byte{1});
    const auto manifest = parse_manifest(bytes);
    ASSERT_TRUE(manifest) << place << ": " << manifest.error().text;
    EXPECT_TRUE(manifest->segments.at(0).problem.starts_with("segment 0 (backup_full_0000.grafeo)"))
        << manifest->segments[0].problem;
    EXPECT_EQ(manifest->segments[0].end_epoch, Epoch(300));
    EXPECT_EQ(manifest->segments.at(1), good.segments[1]);
  }
}

TEST(GrafeoManifestTest, RefusesJsonOfAnotherShape) {
  EXPECT_EQ(code_of(parse_manifest(as_bytes(R"({"version":2})"))), Code::kCorrupt);
  EXPECT_EQ(code_of(parse_manifest(as_bytes(R"({"version":2,"segments":{}})"))), Code::kCorrupt);
  EXPECT_EQ(code_of(parse_manifest(as_bytes(R"([{"version":2}])"))), Code::kCorrupt);
  EXPECT_EQ(code_of(parse_manifest({})), Code::kCorrupt);
}

TEST(GrafeoManifestTest, ReadsNumbersAsIntegersToTheLastBit) {
  const std::string entry =
      replaced_once(kJsonEntry, "\"size_bytes\":3", "\"size_bytes\":18446744073709551615");
  EXPECT_EQ(parse_manifest(as_bytes(json_manifest("2", entry))).value().segments[0].size_bytes,
            0xffffffffffffffff);
}

TEST(GrafeoManifestTest, KeepsAnEntryWhoseNameCannotBeOpened) {
  for (const std::string_view name : {"", ".", "..", "../x", "/x", "a/b", "a\\b"}) {
    for (const Generation generation : {Generation::kV1, Generation::kV2}) {
      Manifest manifest = manifest_of(generation);
      const std::string good = manifest.segments[1].filename;
      const std::size_t length = name.size();
      // The writer refuses such names: put them into what it wrote for another of that length.
      manifest.segments[0].filename = std::string(std::max<std::size_t>(length, 1), 'q');
      Bytes bytes = encode_manifest(manifest).value();
      std::string text(as_text(bytes));
      if (length > 0) {
        text.replace(text.find(manifest.segments[0].filename), length, name);
      } else if (generation == Generation::kV1) {
        text.replace(text.find("\x01q"), 2, std::string(1, '\0'));
      } else {
        text.erase(text.find('q'), 1);
      }
      if (name == "a\\b" && generation == Generation::kV2)
        text.replace(text.find("a\\b"), 3, "a\\\\b");
      const auto parsed = parse_manifest(as_bytes(text));
      ASSERT_TRUE(parsed) << name << ": " << parsed.error().text;
      ASSERT_EQ(parsed->segments.size(), 2U);
      EXPECT_EQ(parsed->segments[0].filename, name);
      EXPECT_EQ(code_of(object_name(parsed->segments[0])), Code::kCorrupt) << name;
      EXPECT_EQ(object_name(parsed->segments[1]).value(), good);
    }
  }
}

TEST(GrafeoManifestTest, RefusesNamesThatCannotBeShownAndWritesNoneOfThem) {
  for (const std::string_view name : {"a\nb", "\xff", "a\xe2\x80\xae", "a/b", ""}) {
    for (const Generation generation : {Generation::kV1, Generation::kV2}) {
      Manifest manifest = manifest_of(generation);
      manifest.segments[1].filename = name;
      EXPECT_EQ(code_of(object_name(manifest.segments[1])), Code::kCorrupt);
      EXPECT_EQ(code_of(encode_manifest(manifest)), Code::kInvalid);
    }
  }
}

TEST(GrafeoManifestTest, RefusesEveryTruncation) {
  for (const Generation generation : {Generation::kV1, Generation::kV2}) {
    Bytes good = encode_manifest(manifest_of(generation)).value();
    if (generation == Generation::kV2) good.pop_back();  // the line's end, which JSON can spare
    for (std::size_t size = 0; size < good.size(); ++size)
      EXPECT_EQ(code_of(parse_manifest(ByteView(good).first(size))), Code::kCorrupt) << size;
  }
}

TEST(GrafeoManifestTest, RefusesBytesLeftOver) {
  for (const Generation generation : {Generation::kV1, Generation::kV2}) {
    Bytes bytes = encode_manifest(manifest_of(generation)).value();
    bytes.push_back(std::byte{0});
    EXPECT_EQ(code_of(parse_manifest(bytes)), Code::kCorrupt);
  }
}

TEST(GrafeoManifestTest, NeverReadsAFlippedBitAsTheSame) {
  for (const Generation generation : {Generation::kV1, Generation::kV2}) {
    const Manifest manifest = manifest_of(generation);
    const Bytes good = encode_manifest(manifest).value();
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
      const auto parsed = parse_manifest(flipped(good, bit));
      if (!parsed) continue;
      // The only bits that change nothing turn one kind of white space between JSON's words into
      // another.
      const char c = as_text(good)[bit / 8];
      const bool is_space = generation == Generation::kV2 && (c == ' ' || c == '\n');
      EXPECT_TRUE(is_space || *parsed != manifest) << "bit " << bit;
    }
  }
}

TEST(GrafeoManifestTest, RefusesMoreSegmentsThanItsBytesCanHold) {
  for (const std::string_view hex : {"01 01", "01 02 00 00 00 00 00 00 00",
                                     "01 fd ff ff ff ff ff ff ff ff 00 00 00 00 00 00 00"})
    EXPECT_EQ(code_of(parse_manifest(from_hex(hex))), Code::kCorrupt) << hex;
  const Bytes least = from_hex("01 01 00 00 00 00 00 00 00");
  EXPECT_EQ(parse_manifest(least).value().segments.size(), 1U);
}

TEST(GrafeoManifestTest, HasNotMoreSegmentsThanCanBeReadAgain) {
  SegmentEntry entry;
  entry.filename = "s";
  Manifest manifest{Generation::kV1, std::vector<SegmentEntry>(kSegmentsMax, entry)};
  Bytes most = encode_manifest(manifest).value();
  EXPECT_EQ(parse_manifest(most).value().segments.size(), kSegmentsMax);
  manifest.segments.push_back(entry);
  EXPECT_EQ(code_of(encode_manifest(manifest)), Code::kNoSpace);
  // Version, 0xfc and the count in four bytes, then the entries.
  const Bytes one_more = encode_manifest({Generation::kV1, {entry}}).value();
  most.at(2) = static_cast<std::byte>(std::to_integer<unsigned>(most.at(2)) + 1);
  most.insert(most.end(), one_more.begin() + 2, one_more.end());
  EXPECT_EQ(code_of(parse_manifest(most)), Code::kCorrupt);

  manifest.generation = Generation::kV2;
  EXPECT_EQ(code_of(encode_manifest(manifest)), Code::kNoSpace);
  std::string json = R"({"version":2,"segments":[)";
  for (std::size_t i = 0; i <= kSegmentsMax; ++i)
    json += std::string(i == 0 ? "" : ",") +
            R"({"kind":"Full","filename":"s","start_epoch":0,"end_epoch":0,"checksum":0,)" +
            R"("size_bytes":0,"created_at_ms":0})";
  EXPECT_EQ(code_of(parse_manifest(as_bytes(json + "]}"))), Code::kCorrupt);
}

TEST(GrafeoManifestTest, SurvivesRandomBytes) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::size_t parsed_count = 0;
  // Few of them can be parsed, and now and then none.
  for (int round = 0; round < 20'000 || (parsed_count == 0 && round < 2'000'000); ++round) {
    Bytes bytes = random_bytes(random, random() % 80);
    for (std::byte& b : bytes)  // mostly small numbers, or nothing would get far
      if (random() % 4 != 0) b &= std::byte{3};
    const auto parsed = parse_manifest(bytes);
    if (!parsed || parsed->generation != Generation::kV1) continue;
    ++parsed_count;
    ASSERT_LE(parsed->segments.size(), bytes.size());
  }
  EXPECT_GT(parsed_count, 0U);
}

}  // namespace
}  // namespace epochfs::engine::grafeo
