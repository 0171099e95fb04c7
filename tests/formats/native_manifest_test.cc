#include <gtest/gtest.h>

#include <functional>

#include "engine/formats/native/manifest.h"
#include "tests/support/samples.h"

namespace epochfs::engine::native {
namespace {

Sha256Digest digest_of(std::string_view text) { return Sha256::of(as_bytes(text)); }

Manifest some_manifest() {
  Manifest manifest;
  manifest.database = "app";
  manifest.file_name = "app.db";
  manifest.engine = Engine::kSqlite;
  manifest.revision = 3;
  manifest.previous = digest_of("before");
  manifest.segments = {
      {SegmentKind::kFull, "full-1.db.zst", Epoch(0), Epoch(1), 0xffffffff, 12345, 1700000000000,
       digest_of("a"), digest_of("b"), 4096, ""},
      {SegmentKind::kIncremental, "incr-2-9.seg", Epoch(2), Epoch(9), 0, 0xffffffffffffffff, 0,
       digest_of("c"), digest_of("d"), 4096, "full-1.db.zst"},
      {SegmentKind::kFull, "full-9.db.zst", Epoch(0), Epoch(9), 1, 1, 1, digest_of("e"),
       digest_of("f"), 4096, ""}};
  return manifest;
}

// Epochs as only Grafeo has them: of nothing, twice the same, ending before they begin.
Manifest grafeo_manifest() {
  Manifest manifest = some_manifest();
  manifest.database = "graph";
  manifest.file_name = "graph.grafeo";
  manifest.engine = Engine::kGrafeo;
  manifest.generation = grafeo::Generation::kV2;
  manifest.segments = {
      {SegmentKind::kFull, "full-0.grafeo.zst", Epoch(0), Epoch(0), 1, 2, 3, digest_of("a"),
       digest_of("b"), 65536, "", 4, 5},
      {SegmentKind::kLog, "incr-1-0.log.zst", Epoch(1), Epoch(0), 0xffffffff, 12345, 1700000000000,
       digest_of("c"), digest_of("d"), 65536, "", 0xffffffffffffffff, 0xffffffff},
      {SegmentKind::kLog, "incr-1-0-2.log.zst", Epoch(1), Epoch(0), 1, 1, 1, digest_of("e"),
       digest_of("f"), 65536, "", 1, 1}};
  return manifest;
}

Cursor some_cursor() {
  return {.epoch = Epoch(9),
          .source_path = "/srv/app.db",
          .looked = UtcTime(-1),
          .device = 0xffffffffffffffff,
          .inode = 42,
          .size_bytes = 1U << 31U,
          .mtime_ns = std::numeric_limits<std::int64_t>::max(),
          .ctime_ns = std::numeric_limits<std::int64_t>::min(),
          .change_counter = 0xffffffff,
          .has_wal = true,
          .position = {1, 2, 3, 4},
          .checksum1 = 5,
          .checksum2 = 6};
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  const std::size_t at = text.find(what);
  if (at == std::string::npos) throw std::logic_error("not in the text: " + std::string(what));
  return text.replace(at, what.size(), by);
}

// As whoever adds to it reads it.
Result<Manifest> parse_sound(std::string_view json) {
  TRY_ASSIGN(Manifest manifest, parse_manifest(as_bytes(json)));
  TRY(check_entries(manifest));
  return manifest;
}

Code code_of_parsing(std::string_view json) {
  const auto parsed = parse_sound(json);
  if (parsed) throw std::logic_error("it parsed");
  return parsed.error().code;
}

// Each value of each field replaced by each of these.
const std::vector<std::string> kStrangeValues = {"0",
                                                 "1",
                                                 "-1",
                                                 "2147483648",
                                                 "4294967295",
                                                 "4294967296",
                                                 "9223372036854775808",
                                                 "18446744073709551615",
                                                 "18446744073709551616",
                                                 "1e400",
                                                 "1.0",
                                                 "null",
                                                 "true",
                                                 "\"\"",
                                                 "\"..\"",
                                                 "\"a/b\"",
                                                 "[]",
                                                 "{}",
                                                 "[[1],{\"a\":2}]"};

// Calls `check` with every version of a document that has one value replaced.
void with_strange_values(const std::string& json,
                         const std::function<void(const std::string&)>& check) {
  for (std::size_t at = json.find("\": "); at != std::string::npos;
       at = json.find("\": ", at + 1)) {
    const std::size_t begin = at + 3;
    const std::size_t end = json.find_first_of(",\n", begin);
    for (const std::string& value : kStrangeValues)
      check(json.substr(0, begin) + value + json.substr(end));
  }
}

TEST(ManifestTest, ComesBackAsItWent) {
  for (const bool first : {false, true}) {
    Manifest manifest = some_manifest();
    if (first) manifest.previous.reset();
    const std::string json = encode_manifest(manifest);
    const auto parsed = parse_manifest(as_bytes(json));
    ASSERT_TRUE(parsed) << parsed.error().text << json;
    EXPECT_EQ(encode_manifest(*parsed), json);
    EXPECT_EQ(parsed->previous, manifest.previous);
    ASSERT_EQ(parsed->segments.size(), 3U);
    EXPECT_EQ(parsed->segments[1].base, "full-1.db.zst");
    EXPECT_EQ(parsed->segments[1].size_bytes, 0xffffffffffffffff);
    EXPECT_EQ(parsed->segments[0].sha256, digest_of("a"));
    EXPECT_EQ(parsed->segments[0].tables_sha256, digest_of("b"));
  }
}

TEST(ManifestTest, OfGrafeoComesBackAsItWent) {
  const Manifest manifest = grafeo_manifest();
  const std::string json = encode_manifest(manifest);
  const auto parsed = parse_manifest(as_bytes(json));
  ASSERT_TRUE(parsed) << parsed.error().text << json;
  EXPECT_EQ(parsed->engine, Engine::kGrafeo);
  EXPECT_EQ(parsed->generation, grafeo::Generation::kV2);
  EXPECT_EQ(parsed->segments, manifest.segments);
  EXPECT_EQ(encode_manifest(*parsed), json);
}

TEST(ManifestTest, BelongsToOneVersionByItsEngine) {
  const std::string pages = encode_manifest(some_manifest());
  const std::string logs = encode_manifest(grafeo_manifest());
  EXPECT_NE(pages.find("\"format_version\": 1"), std::string::npos);
  EXPECT_NE(logs.find("\"format_version\": 2"), std::string::npos);
  Manifest empty = grafeo_manifest();
  empty.segments.clear();
  const std::string none = encode_manifest(empty);
  // As a reader of version 1 has always said of engines that it does not know.
  EXPECT_EQ(code_of_parsing(replaced(none, "_version\": 2", "_version\": 1")), Code::kUnsupported);
  EXPECT_EQ(code_of_parsing(replaced(none, "\"grafeo\"", "\"sqlite\"")), Code::kCorrupt);
  EXPECT_EQ(code_of_parsing(replaced(none, "\"generation\": 2", "\"generation\": 3")),
            Code::kUnsupported);
  EXPECT_EQ(code_of_parsing(replaced(logs, "\"Log\"", "\"Incremental\"")), Code::kCorrupt);
  EXPECT_EQ(code_of_parsing(replaced(pages, "\"Incremental\"", "\"Log\"")), Code::kCorrupt);
}

TEST(ManifestTest, RefusesEveryTruncation) {
  for (const Manifest& manifest : {some_manifest(), grafeo_manifest()}) {
    const std::string json = encode_manifest(manifest);
    for (std::size_t size = 0; size + 1 < json.size(); ++size)  // without its newline it is whole
      EXPECT_EQ(code_of_parsing(std::string_view(json).substr(0, size)), Code::kCorrupt) << size;
  }
}

TEST(ManifestTest, RefusesFlippedBytesOrReadsSomethingThatIsSound) {
  for (const Manifest& manifest : {some_manifest(), grafeo_manifest()}) {
    const std::string json = encode_manifest(manifest);
    const std::size_t step = epochfs::test::one_of_many_under_sanitizers(31);
    for (std::size_t at = epochfs::test::first_sample(step); at < json.size(); at += step) {
      for (unsigned bit = 0; bit < 8; ++bit) {
        std::string bad = json;
        bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
        const auto parsed = parse_sound(bad);
        if (!parsed) continue;
        const auto again = parse_sound(encode_manifest(*parsed));
        ASSERT_TRUE(again) << again.error().text;
        EXPECT_EQ(encode_manifest(*again), encode_manifest(*parsed));
      }
    }
  }
}

TEST(ManifestTest, RefusesStrangeValuesOrReadsThemAsTheyAre) {
  for (const Manifest& manifest : {some_manifest(), grafeo_manifest()}) {
    with_strange_values(encode_manifest(manifest), [](const std::string& json) {
      const auto parsed = parse_sound(json);
      if (parsed) {
        EXPECT_EQ(encode_manifest(*parsed), json);
      }
    });
  }
}

TEST(ManifestTest, IgnoresUnknownFieldsWhateverTheyHold) {
  const std::string json = encode_manifest(some_manifest());
  std::string more = replaced(json, "\"database\"",
                              R"("future": {"segments": [1, {"a": [2]}], "a": 1}, "database")");
  more = replaced(more, "\"filename\"", R"("new": [[], {"filename": 7}], "filename")");
  const auto parsed = parse_manifest(as_bytes(more));
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(encode_manifest(*parsed), json);
}

TEST(ManifestTest, RefusesFieldsThatOccurTwice) {
  const std::string json = encode_manifest(some_manifest());
  EXPECT_EQ(code_of_parsing(replaced(json, "\"revision\"", "\"revision\": 4, \"revision\"")),
            Code::kCorrupt);
  EXPECT_EQ(code_of_parsing(replaced(json, "\"kind\"", "\"checksum\": 4, \"kind\"")),
            Code::kCorrupt);
  EXPECT_EQ(code_of_parsing(replaced(json, "\"segments\"", "\"segments\": [], \"segments\"")),
            Code::kCorrupt);
}

TEST(ManifestTest, TellsANewerVersionFromDamageWhateverElseChanged) {
  const std::string json = encode_manifest(some_manifest());
  const std::string newer = replaced(json, "\"format_version\": 1", "\"format_version\": 3");
  EXPECT_EQ(code_of_parsing(newer), Code::kUnsupported);
  EXPECT_EQ(code_of_parsing(replaced(newer, "\"kind\"", "\"sort\"")), Code::kUnsupported);
  EXPECT_EQ(code_of_parsing(replaced(json, "\"format_version\": 1", "\"format_version\": 0")),
            Code::kCorrupt);
  EXPECT_EQ(code_of_parsing(replaced(json, "epochfs-manifest", "epochfs-cursor")), Code::kCorrupt);
  EXPECT_EQ(code_of_parsing(replaced(json, "sqlite", "oracle")), Code::kUnsupported);
}

TEST(ManifestTest, RefusesWhatIsNoHistory) {
  struct Case {
    const char* name;
    std::function<void(Manifest&)> change;
  };
  const std::vector<Case> cases = {
      {"file twice", [](Manifest& m) { m.segments[2].filename = m.segments[0].filename; }},
      {"path as filename", [](Manifest& m) { m.segments[0].filename = "../full-1.db.zst"; }},
      {"hidden filename", [](Manifest& m) { m.segments[2].filename = ".lock"; }},
      {"no filename", [](Manifest& m) { m.segments[2].filename = ""; }},
      {"path as database", [](Manifest& m) { m.database = "a/b"; }},
      {"path as file name", [](Manifest& m) { m.file_name = ".."; }},
      {"control byte", [](Manifest& m) { m.file_name = "a\nb"; }},
      {"full with start", [](Manifest& m) { m.segments[0].start_epoch = Epoch(1); }},
      {"full without epoch", [](Manifest& m) { m.segments[0].end_epoch = Epoch(0); }},
      {"full backwards", [](Manifest& m) { m.segments[2].end_epoch = Epoch(8); }},
      {"overlap", [](Manifest& m) { m.segments[1].start_epoch = Epoch(1); }},
      {"reversed", [](Manifest& m) { m.segments[1].end_epoch = Epoch(1); }},
      {"base is later", [](Manifest& m) { m.segments[1].base = "full-9.db.zst"; }},
      {"base is nothing", [](Manifest& m) { m.segments[1].base = "full-2.db.zst"; }},
      {"base is itself", [](Manifest& m) { m.segments[1].base = "incr-2-9.seg"; }},
      {"base has other pages", [](Manifest& m) { m.segments[0].page_size = 512; }},
      {"page size", [](Manifest& m) { m.segments[2].page_size = 1000; }},
      {"revision", [](Manifest& m) { m.revision = 0; }},
  };
  for (const Case& row : cases) {
    Manifest manifest = some_manifest();
    row.change(manifest);
    const auto parsed = parse_sound(encode_manifest(manifest));
    ASSERT_FALSE(parsed) << row.name;
    EXPECT_EQ(parsed.error().code, Code::kCorrupt) << row.name;
  }
}

// The document with another text in place of its second entry.
std::string with_second_entry(const std::string& json, std::string_view entry) {
  const std::size_t first = json.find("    {");
  const std::size_t begin = json.find("    {", first + 1);
  const std::size_t end = json.find("    }", begin) + 5;
  return std::string(json).replace(begin, end - begin, entry);
}

TEST(ManifestTest, HidesNoGoodEntryBehindABadOne) {
  for (const Manifest& manifest : {some_manifest(), grafeo_manifest()}) {
    const std::string json = encode_manifest(manifest);
    for (const std::string entry :
         {"7", "null", "true", R"("text")", "[]", R"([[{"kind": "Full"}]])", "{}",
          R"({"kind": "Full", "kind": "Full"})", R"({"kind": {"kind": [1]}})"}) {
      const auto parsed = parse_manifest(as_bytes(with_second_entry(json, entry)));
      ASSERT_TRUE(parsed) << entry << ": " << parsed.error().text;
      ASSERT_EQ(parsed->segments.size(), 3U) << entry;
      EXPECT_EQ(parsed->segments[0], manifest.segments[0]) << entry;
      EXPECT_EQ(parsed->segments[2], manifest.segments[2]) << entry;
      EXPECT_TRUE(parsed->segments[1].problem.starts_with("segment 2: "))
          << entry << ": " << parsed->segments[1].problem;
      EXPECT_EQ(check_entries(*parsed).error().text, parsed->segments[1].problem);
    }
  }
}

TEST(ManifestTest, IsNoneWithEndlessBadEntries) {
  for (const Manifest& manifest : {some_manifest(), grafeo_manifest()}) {
    const auto with = [&](std::size_t count) {
      std::string entries = "0";
      for (std::size_t i = 1; i < count; ++i) entries += ",0";
      return parse_manifest(as_bytes(with_second_entry(encode_manifest(manifest), entries)));
    };
    const auto most = with(kUnfitEntriesMax);
    ASSERT_TRUE(most) << most.error().text;
    EXPECT_EQ(most->segments.size(), kUnfitEntriesMax + 2);
    EXPECT_EQ(most->segments.back(), manifest.segments.back());
    const auto more = with(kUnfitEntriesMax + 1);
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().code, Code::kCorrupt);
  }
}

TEST(ManifestTest, TellsWhatABadEntrySaysOfItself) {
  const std::string json = encode_manifest(some_manifest());
  const auto parsed =
      parse_manifest(as_bytes(replaced(json, "\"start_epoch\": 2", "\"start_epoch\": -2")));
  ASSERT_TRUE(parsed) << parsed.error().text;
  const SegmentEntry& bad = parsed->segments[1];
  EXPECT_EQ(bad.problem,
            "segment 2 (incr-2-9.seg): field start_epoch is not a whole number from 0 on");
  EXPECT_EQ(bad.kind, SegmentKind::kIncremental);
  EXPECT_EQ(bad.filename, "incr-2-9.seg");
  EXPECT_EQ(bad.start_epoch, Epoch(0));
  EXPECT_EQ(bad.end_epoch, Epoch(9));
}

TEST(ManifestTest, BelievesNoBadEntryWhenItJudgesTheOthers) {
  Manifest manifest = some_manifest();
  manifest.segments[1].end_epoch = Epoch(0xffffffffffffffff);  // taken for true, nothing follows
  manifest.segments[1].page_size = 0;
  const auto parsed = parse_manifest(as_bytes(encode_manifest(manifest)));
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(parsed->segments[0], manifest.segments[0]);
  EXPECT_NE(parsed->segments[1].problem, "");
  EXPECT_EQ(parsed->segments[2], manifest.segments[2]);
}

TEST(ManifestTest, RefusesEndlessNestingAndTextThatIsNoObject) {
  const std::string deep(100'000, '[');
  EXPECT_EQ(code_of_parsing(deep), Code::kCorrupt);
  EXPECT_EQ(code_of_parsing("{\"a\": " + deep), Code::kCorrupt);
  EXPECT_EQ(code_of_parsing("[]"), Code::kCorrupt);
  EXPECT_EQ(code_of_parsing("7"), Code::kCorrupt);
  EXPECT_EQ(code_of_parsing("null"), Code::kCorrupt);
  EXPECT_EQ(code_of_parsing(""), Code::kCorrupt);
  const std::string json = encode_manifest(some_manifest());
  EXPECT_EQ(code_of_parsing(json + "{}"), Code::kCorrupt);
  EXPECT_EQ(code_of_parsing(json + '\0' + "hidden"), Code::kCorrupt);
}

TEST(ManifestTest, WritesNamesThatAreNotUtf8Readably) {
  Manifest manifest = some_manifest();
  manifest.file_name = "caf\xe9.db";
  const auto parsed = parse_manifest(as_bytes(encode_manifest(manifest)));
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(parsed->file_name, "caf\xef\xbf\xbd.db");
}

TEST(CursorTest, ComesBackAsItWentAndRefusesStrangeValues) {
  const std::string json = encode_cursor(some_cursor());
  const auto parsed = parse_cursor(as_bytes(json));
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(*parsed, some_cursor());
  with_strange_values(json, [](const std::string& strange) {
    const auto cursor = parse_cursor(as_bytes(strange));
    if (cursor) {
      EXPECT_EQ(encode_cursor(*cursor), strange);
    }
  });
  for (std::size_t size = 0; size + 1 < json.size(); ++size)
    EXPECT_FALSE(parse_cursor(as_bytes(std::string_view(json).substr(0, size)))) << size;
}

TEST(RepositoryInfoTest, ComesBackAsItWentAndRefusesStrangeValues) {
  const RepositoryInfo info{"0123456789abcdef0123456789abcdef", UtcTime(1'700'000'000'123'456'789)};
  const std::string json = encode_repository(info);
  const auto parsed = parse_repository(as_bytes(json));
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(parsed->id, info.id);
  EXPECT_EQ(parsed->created, info.created);
  with_strange_values(json, [](const std::string& strange) {
    const auto other = parse_repository(as_bytes(strange));
    if (other) {
      EXPECT_EQ(encode_repository(*other), strange);
    }
  });
  EXPECT_FALSE(parse_repository(as_bytes(replaced(json, "0123", "012G"))));
  EXPECT_FALSE(parse_repository(as_bytes(replaced(json, "0123", "012"))));
  EXPECT_FALSE(parse_repository(as_bytes(json + std::string(kRepositoryBytesMax, ' '))));
}

}  // namespace
}  // namespace epochfs::engine::native
