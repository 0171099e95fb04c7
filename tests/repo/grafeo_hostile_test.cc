// Backup directories of Grafeo's whose bytes were chosen by somebody who wants to do harm, with
// checksums that fit: answered with errors, and what is good beside them is still given.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/core/hash.h"
#include "engine/formats/grafeo/bincode.h"
#include "engine/formats/grafeo/gbak.h"
#include "engine/formats/grafeo/image_header.h"
#include "engine/formats/grafeo/v1_frames.h"
#include "engine/formats/grafeo/v2_frames.h"
#include "engine/formats/grafeo/v2_segment.h"
#include "engine/repo/grafeo_directory_writer.h"
#include "engine/repo/grafeo_transfer.h"
#include "engine/source/history.h"
#include "engine/storage/local_storage.h"
#include "tests/repo/grafeo_directory.h"
#include "tests/repo/repository_fixture.h"

namespace epochfs::engine {
namespace {

namespace files = std::filesystem;
using grafeo::Generation;
using grafeo::SegmentEntry;
using grafeo::SegmentKind;
using test::GrafeoBuilder;
using Entries = std::vector<SegmentEntry>;

const std::string kManifestName(grafeo::kManifestFile);

constexpr std::array<std::uint64_t, 8> kNumbers = {0,
                                                   1,
                                                   std::uint64_t{1} << 31U,
                                                   std::uint64_t{1} << 32U,
                                                   std::uint64_t{1} << 62U,
                                                   std::uint64_t{1} << 63U,
                                                   std::numeric_limits<std::uint64_t>::max() - 1,
                                                   std::numeric_limits<std::uint64_t>::max()};

// Names under which nothing may be opened.
const std::vector<std::string> kNames = {
    "",
    ".",
    "..",
    "/",
    "../outside/segment",
    "./segment",
    "sub/segment",
    "sub/../../outside/segment",
    "..\\outside\\segment",
    std::string("segment\0", 8),
    std::string("\0segment", 8),
    "segment\n",
    "\x1b[31msegment",
    "\xff\xfe",
    "segment\xe2\x80\xae",
    std::string(256, 'n'),
    ".hidden",
    kManifestName,
};

std::uint32_t crc_of(std::string_view bytes) {
  Crc32 crc;
  crc.update(as_bytes(bytes));
  return crc.value();
}

template <class T>
void put_at(std::string& bytes, std::size_t at, T value) {
  std::array<std::byte, sizeof(T)> raw{};
  store_le<T>(MutableByteView(raw), value);
  bytes.replace(at, raw.size(), as_text(raw));
}

// Unlike the format's own writer it writes any name.
std::string manifest_text(Generation generation, const Entries& entries) {
  if (generation == Generation::kV1) {
    ByteWriter out;
    grafeo::put_number(out, 1);
    grafeo::put_number(out, entries.size());
    for (const SegmentEntry& entry : entries) {
      grafeo::put_number(out, static_cast<std::uint64_t>(entry.kind));
      grafeo::put_string(out, entry.filename);
      for (const std::uint64_t number :
           {entry.start_epoch.get(), entry.end_epoch.get(), std::uint64_t{entry.crc32},
            entry.size_bytes, entry.created.get()})
        grafeo::put_number(out, number);
    }
    return std::string(as_text(out.view()));
  }
  auto segments = nlohmann::json::array();
  for (const SegmentEntry& entry : entries)
    segments.push_back({{"kind", entry.kind == SegmentKind::kFull ? "Full" : "Incremental"},
                        {"filename", entry.filename},
                        {"start_epoch", entry.start_epoch.get()},
                        {"end_epoch", entry.end_epoch.get()},
                        {"checksum", entry.crc32},
                        {"size_bytes", entry.size_bytes},
                        {"created_at_ms", entry.created.get()}});
  const nlohmann::json manifest = {{"version", 2}, {"segments", segments}};
  return manifest.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

class GrafeoHostileTest : public testing::TestWithParam<Generation> {
 protected:
  // Two chains with a hole between them.
  static constexpr std::size_t kFirstIncremental = 1;
  static constexpr std::size_t kSecondFull = 3;
  static constexpr std::uint64_t kSecondFullEpoch = 7;

  GrafeoHostileTest() {
    builder_.commit(2).full().commit(2).incremental().commit(1).incremental();
    builder_.commit(2).full().commit(1).incremental();
    good_ = builder_.manifest().segments;
    for (const SegmentEntry& entry : good_)
      contents_.push_back(read_file(builder_.directory() + "/" + entry.filename));
  }

  void store(GrafeoDirectory& directory) const {
    for (std::size_t i = 0; i < good_.size(); ++i) directory.put(good_[i].filename, contents_[i]);
  }
  void put_entries(GrafeoDirectory& directory, const Entries& entries) const {
    directory.put(kManifestName, manifest_text(GetParam(), entries));
  }

  // Everything there is to see, as often as a process would look; what comes from the good segments
  // is exact wherever it is offered.
  SeenDirectory look(GrafeoDirectory& directory, const std::string& what) const {
    SCOPED_TRACE(what);
    SeenDirectory seen = directory.look();
    if (seen.failure) {
      EXPECT_TRUE(is_damage(*seen.failure)) << seen.failure->text;
      EXPECT_FALSE(seen.report.damage.empty());
    }
    for (const auto& [number, epoch] : seen.epochs) {
      EXPECT_LE(number, kEpochMax.get());
      const auto expected = builder_.expected().find(number);
      if (expected != builder_.expected().end() && epoch.restored && number >= kSecondFullEpoch) {
        EXPECT_TRUE(SeenEpoch::is_exact(epoch.restored, expected->second)) << number;
      }
    }
    return seen;
  }
  bool has(const SeenDirectory& seen, std::uint64_t number) const {
    const auto epoch = seen.epochs.find(number);
    return epoch != seen.epochs.end() &&
           SeenEpoch::is_exact(epoch->second.restored, builder_.expected().at(number));
  }
  // All epochs from `first` on, `last` included.
  void expect_good(const SeenDirectory& seen, const std::string& what, std::uint64_t first = 0,
                   std::uint64_t last = 100) const {
    for (const auto& [number, expected] : builder_.expected()) {
      if (number < first || number > last) continue;
      EXPECT_TRUE(has(seen, number)) << what << ": epoch " << number << "\n" << seen.text();
    }
  }

  // The first chain's image or log is `bytes`, and every sum says so.
  void expect_second_chain_beside(GrafeoDirectory& directory, std::size_t segment,
                                  const std::string& bytes, const std::string& what) const {
    Entries entries = good_;
    entries[segment].crc32 = crc_of(bytes);
    entries[segment].size_bytes = bytes.size();
    directory.put(entries[segment].filename, bytes);
    put_entries(directory, entries);
    const SeenDirectory seen = look(directory, what);
    // A number that was passed is not used again: then a problem says why they are hidden.
    const bool is_hidden = !seen.epochs.empty() &&
                           seen.text().find("numbers that were used before") != std::string::npos;
    if (!is_hidden) expect_good(seen, what, kSecondFullEpoch);
    directory.put(entries[segment].filename, contents_[segment]);
  }

  TemporaryDirectory work_;
  GrafeoBuilder builder_{work_ / "db", GetParam(), 3};
  Entries good_;
  std::vector<std::string> contents_;
};

INSTANTIATE_TEST_SUITE_P(Generations, GrafeoHostileTest,
                         testing::Values(Generation::kV1, Generation::kV2), [](const auto& row) {
                           return row.param == Generation::kV1 ? "V1" : "V2";
                         });

// --- the manifest ---

TEST_P(GrafeoHostileTest, NamesOpenNothingElseAndHideNothing) {
  const std::string place = work_ / "place";
  files::create_directories(place + "/sub");
  files::create_directories(work_ / "outside");
  GrafeoDirectory directory(open_local_storage(place));
  store(directory);
  std::vector<std::string> names = kNames;
  names.push_back(work_ / "outside/segment");
  for (const std::string& name : names) {
    for (const std::size_t segment : {std::size_t{0}, kFirstIncremental}) {
      // Whoever follows the name finds just what it takes.
      write_file(work_ / "outside/segment", contents_[segment]);
      write_file(place + "/sub/segment", contents_[segment]);
      write_file(place + "/segment", contents_[segment]);
      write_file(place + "/.hidden", contents_[segment]);
      Entries entries = good_;
      entries[segment].filename = name;
      put_entries(directory, entries);
      const std::string what = fmt::format("segment {} is '{}'", segment, name.substr(0, 300));
      const SeenDirectory seen = look(directory, what);
      expect_good(seen, what, kSecondFullEpoch);
      EXPECT_EQ(seen.epochs.contains(3), false) << what;
      EXPECT_EQ(seen.epochs.contains(2), segment != 0) << what;
      EXPECT_GE(seen.report.damage.size(), 2U) << what;
    }
  }
}

TEST_P(GrafeoHostileTest, EntriesBesideTheChainsHideNothing) {
  GrafeoDirectory directory;
  store(directory);
  int cases = 0;
  const auto check = [&](const SegmentEntry& bad) {
    for (const std::size_t at : {std::size_t{0}, kSecondFull, good_.size()}) {
      Entries entries = good_;
      entries.insert(entries.begin() + static_cast<std::ptrdiff_t>(at), bad);
      put_entries(directory, entries);
      const std::string what =
          fmt::format("at {}: {} to {}, {} bytes, '{}'", at, bad.start_epoch.get(),
                      bad.end_epoch.get(), bad.size_bytes, bad.filename);
      expect_good(look(directory, what), what);
      ++cases;
    }
  };
  for (const SegmentKind kind : {SegmentKind::kFull, SegmentKind::kIncremental}) {
    for (const std::uint64_t number : kNumbers) {
      SegmentEntry missing;
      missing.kind = kind;
      missing.filename = "missing";
      missing.start_epoch = missing.end_epoch = Epoch(number);
      missing.size_bytes = number;
      check(missing);
      SegmentEntry other = good_[kFirstIncremental];
      other.kind = kind;
      other.end_epoch = Epoch(number);
      check(other);
      other.start_epoch = Epoch(number);
      check(other);
    }
  }
  EXPECT_GE(cases, 100);
}

TEST_P(GrafeoHostileTest, NumbersOfEntriesMakeNoWrongEpoch) {
  GrafeoDirectory directory;
  store(directory);
  for (std::size_t i = 0; i < good_.size(); ++i) {
    for (const std::uint64_t number : kNumbers) {
      for (int field = 0; field < 4; ++field) {
        Entries entries = good_;
        if (field == 0) entries[i].start_epoch = Epoch(number);
        if (field == 1) entries[i].end_epoch = Epoch(number);
        if (field == 2) entries[i].size_bytes = number;
        if (field == 3) entries[i].created = grafeo::UnixMillis(number);
        put_entries(directory, entries);
        const std::string what = fmt::format("segment {}, field {}: {}", i, field, number);
        const SeenDirectory seen = look(directory, what);
        for (const auto& [epoch, files_seen] : seen.epochs)
          EXPECT_TRUE(has(seen, epoch)) << what << ": epoch " << epoch;
        if (i < kSecondFull) expect_good(seen, what, kSecondFullEpoch);
        if (i >= kSecondFull) expect_good(seen, what, 0, kSecondFullEpoch - 1);
      }
    }
  }
}

TEST_P(GrafeoHostileTest, DocumentsAreRefused) {
  GrafeoDirectory directory;
  store(directory);
  const std::string good = manifest_text(GetParam(), good_);
  std::vector<std::string> documents = {"", " ", "\n", std::string(1 << 20, '\0'),
                                        std::string(17 << 20, ' ')};
  Entries long_name = good_;
  long_name[0].filename = std::string(16 << 20, 'n');
  documents.push_back(manifest_text(GetParam(), long_name));
  if (GetParam() == Generation::kV2) {
    const std::string deep = R"({"version":2,"segments":)";
    for (const std::string bad : {"1", "null", "{}", "\"Full\""})
      documents.push_back(deep + bad + "}");
    documents.push_back(deep + std::string(1 << 20, '['));
    documents.push_back(deep + std::string(1 << 20, '[') + std::string(1 << 20, ']') + "}");
    std::string objects;
    for (int i = 0; i < 200'000; ++i) objects += "{\"a\":";
    documents.push_back(objects);
    documents.push_back(deep + objects);
    for (const std::string version : {"-1", "0", "1", "3", "2.0", "2e0", "1e400", "\"2\"", "null",
                                      "4294967298", "18446744073709551618"})
      documents.push_back("{\"version\":" + version + ",\"segments\":[]}");
  } else {
    for (const std::uint64_t count : kNumbers) {
      if (count == 0) continue;
      ByteWriter out;
      grafeo::put_number(out, 1);
      grafeo::put_number(out, count);
      documents.emplace_back(as_text(out.view()));
      documents.push_back(documents.back() + std::string(1000, '\0'));
      grafeo::put_number(out, 0);
      grafeo::put_number(out, count);  // of the name
      documents.emplace_back(as_text(out.view()));
      documents.push_back(documents.back() + std::string(1000, 'n'));
    }
    for (const char first :
         {'\x00', '\x02', '\x03', '\xfa', '\xfb', '\xfc', '\xfd', '\xfe', '\xff'}) {
      std::string other = good;
      other[0] = first;
      documents.push_back(other);
      documents.emplace_back(1, first);
      documents.emplace_back(1000, first);
    }
  }
  for (const std::string& document : documents) {
    directory.put(kManifestName, document);
    const std::string what = fmt::format("{} bytes: {}", document.size(), document.substr(0, 100));
    const SeenDirectory seen = look(directory, what);
    EXPECT_TRUE(seen.failure) << what;
    EXPECT_TRUE(seen.epochs.empty()) << what;
  }
  EXPECT_GE(documents.size(), GetParam() == Generation::kV1 ? 60U : 20U);
}

// The manifest with its entry `segment` replaced by one that makes no sense.
std::vector<std::string> with_senseless_entry(Generation generation, const Entries& good,
                                              std::size_t segment) {
  Entries entries = good;
  entries[segment].kind = static_cast<SegmentKind>(7);
  std::vector<std::string> documents = {manifest_text(generation, entries)};
  if (generation == Generation::kV1) return documents;
  documents.clear();
  const auto add = [&](const std::string& field, const std::string& value) {
    auto manifest = nlohmann::json::parse(manifest_text(generation, good));
    auto& entry = manifest["segments"][segment];
    (field.empty() ? entry : entry[field]) = "@";
    std::string text = manifest.dump();
    documents.push_back(text.replace(text.find("\"@\""), 3, value));
  };
  for (const std::string entry : {"7", "null", "\"Full\"", "[]", "{}", R"([[{"kind":"Full"}]])",
                                  R"({"kind":"Full"})", R"({"kind":1,"kind":2})"})
    add("", entry);
  for (const std::string number :
       {"-1", "1.5", "1e3", "18446744073709551616", "true", "\"1\"", "null", "[]", "{}"})
    for (const std::string field :
         {"start_epoch", "end_epoch", "checksum", "size_bytes", "created_at_ms"})
      add(field, number);
  add("checksum", "4294967296");
  for (const std::string text : {"7", "null", "[]", "\"Delta\""}) add("kind", text);
  for (const std::string text : {"7", "null", "[]"}) add("filename", text);
  return documents;
}

TEST_P(GrafeoHostileTest, EntriesThatMakeNoSenseCostTheirOwnEpochsAlone) {
  const std::vector<std::set<std::uint64_t>> lost = {{2, 3, 4, 5}, {3, 4, 5}, {5}, {7, 8}, {8}};
  const std::string place = work_ / "place";
  GrafeoDirectory directory(open_local_storage(place));
  store(directory);
  ASSERT_EQ(good_.size(), lost.size());
  for (std::size_t segment = 0; segment < good_.size(); ++segment) {
    for (const std::string& document : with_senseless_entry(GetParam(), good_, segment)) {
      directory.put(kManifestName, document);
      const SeenDirectory seen = look(directory, document);
      EXPECT_FALSE(seen.failure) << document;
      EXPECT_NE(seen.text().find(fmt::format("{}: segment {}", kManifestName, segment)),
                std::string::npos)
          << document << "\n"
          << seen.text();
      for (const auto& [number, expected] : builder_.expected()) {
        if (lost[segment].contains(number))
          EXPECT_FALSE(seen.epochs.contains(number)) << document << ": epoch " << number;
        else
          EXPECT_TRUE(has(seen, number)) << document << ": epoch " << number << "\n" << seen.text();
      }
      if (HasFailure()) return;
    }
    // Nothing is copied out of it, and nothing added to it.
    const auto imported = import_grafeo({place, "", work_ / "repo", work_ / "cache", "", {}, {}});
    ASSERT_FALSE(imported);
    EXPECT_EQ(imported.error().code, Code::kCorrupt) << imported.error().text;
    EXPECT_EQ(GrafeoDirectoryWriter::open(place, GrafeoWriter::Lock::kTake).error().code,
              Code::kCorrupt);
  }
}

TEST_P(GrafeoHostileTest, ManyMissingSegmentsHideNothing) {
  GrafeoDirectory directory;
  store(directory);
  Entries entries;
  for (std::size_t i = 0; i < 300; ++i) {
    SegmentEntry missing;
    missing.filename = fmt::format("missing-{}", i);
    missing.kind = i % 2 == 0 ? SegmentKind::kFull : SegmentKind::kIncremental;
    entries.push_back(missing);
  }
  entries.insert(entries.end(), good_.begin(), good_.end());
  put_entries(directory, entries);
  for (int i = 0; i < 2; ++i) expect_good(look(directory, "many"), "many");
}

// --- what has the name of a segment, and is none ---

TEST_P(GrafeoHostileTest, ThingsThatAreNoFilesAreNotOpened) {
  const std::string place = work_ / "place";
  GrafeoDirectory directory(open_local_storage(place));
  store(directory);
  put_entries(directory, good_);
  const std::vector<std::function<void(const std::string&, const std::string&)>> makers = {
      [](const std::string& path, const std::string& target) {
        files::create_symlink(target, path);
      },
      [](const std::string& path, const std::string&) { files::create_symlink(path, path); },
      [](const std::string& path, const std::string&) {
        ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
      },
      [](const std::string& path, const std::string&) { files::create_directory(path); },
      [](const std::string& path, const std::string&) { files::create_symlink("/dev/zero", path); },
  };
  for (std::size_t segment = 0; segment < kSecondFull; ++segment) {
    const std::string path = place + "/" + good_[segment].filename;
    const std::string target = builder_.directory() + "/" + good_[segment].filename;
    for (std::size_t maker = 0; maker < makers.size(); ++maker) {
      files::remove(path);
      makers[maker](path, target);
      const std::string what = fmt::format("segment {}, maker {}", segment, maker);
      const SeenDirectory seen = look(directory, what);
      expect_good(seen, what, kSecondFullEpoch);
      EXPECT_FALSE(seen.epochs.contains(5)) << what;
      EXPECT_FALSE(seen.report.damage.empty()) << what;
      files::remove(path);
      write_file(path, contents_[segment]);
    }
  }
  expect_good(look(directory, "all mended"), "all mended");
}

// A directory is none of Grafeo's when its manifest is no file, or when it lies elsewhere.
TEST_P(GrafeoHostileTest, PlacesThatAreNoDirectoriesOfItAreNoDatabases) {
  const std::string parent = work_ / "parent";
  files::create_directories(parent);
  for (const std::string name : {"linked", "fifo", "directory", "good", "line\nbreak", ".hidden"})
    files::create_directory(parent + "/" + name);
  const auto manifest = [&](const std::string& name) {
    return parent + "/" + name + "/" + kManifestName;
  };
  const std::string there = builder_.directory() + "/" + kManifestName;
  files::create_symlink(there, manifest("linked"));
  ASSERT_EQ(::mkfifo(manifest("fifo").c_str(), 0600), 0);
  files::create_directory(manifest("directory"));
  files::copy(builder_.directory(), parent + "/line\nbreak");
  files::copy(builder_.directory(), parent + "/.hidden");
  files::copy(builder_.directory(), parent + "/good");
  files::create_directory_symlink(builder_.directory(), parent + "/away");
  const auto repository = Repository::open({parent, work_ / "cache", 1 << 20});
  ASSERT_TRUE(repository) << repository.error().text;
  EXPECT_EQ(*(*repository)->databases(), std::vector<std::string>{"good"});
  for (const std::string name :
       {"linked", "fifo", "directory", "away", "..", "", "good/../good", "line\nbreak", ".hidden"})
    EXPECT_EQ((*repository)->database(name).error().code, Code::kNotFound) << name;
  for (const std::string name : {"linked", "fifo", "directory"}) {
    const auto opened = Repository::open({parent + "/" + name, work_ / "cache", 1 << 20});
    ASSERT_FALSE(opened) << name;
    EXPECT_EQ(opened.error().code, Code::kNoRepository) << opened.error().text;
  }
}

// --- segments with fitting sums ---

TEST_P(GrafeoHostileTest, HeadersOfIncrementalsMakeNoWrongEpoch) {
  GrafeoDirectory directory;
  store(directory);
  for (const std::uint64_t number : kNumbers) {
    for (std::size_t field = 0; field < 4; ++field) {
      std::string bytes = contents_[kFirstIncremental];
      if (field == 0)
        put_at(bytes, 4, static_cast<std::uint32_t>(number));
      else
        put_at(bytes, 8 * field, number);
      const std::string what = fmt::format("field {}: {}", field, number);
      expect_second_chain_beside(directory, kFirstIncremental, bytes, what);
      // The manifest tells the same tale.
      const Entries honest = good_;
      if (field == 1) good_[kFirstIncremental].start_epoch = Epoch(number);
      if (field == 2) good_[kFirstIncremental].end_epoch = Epoch(number);
      expect_second_chain_beside(directory, kFirstIncremental, bytes, what + " in both");
      good_ = honest;
    }
  }
  for (std::size_t size = 0; size < 200; size += 7) {
    const std::string bytes = contents_[kFirstIncremental].substr(0, size);
    expect_second_chain_beside(directory, kFirstIncremental, bytes, fmt::format("{} bytes", size));
  }
}

TEST_P(GrafeoHostileTest, LogsWithAnyNumberAreTakenForWhatTheyAre) {
  GrafeoDirectory directory;
  store(directory);
  const auto start = good_[kFirstIncremental].start_epoch;
  const auto end = good_[kFirstIncremental].end_epoch;
  const std::string header(
      as_text(ByteView(grafeo::encode_gbak_header({GetParam(), start, end, 1}))));
  const auto check = [&](const std::string& log, const std::string& what) {
    expect_second_chain_beside(directory, kFirstIncremental, header + log, what);
  };
  for (const std::uint64_t number : kNumbers) {
    const std::string what = fmt::format("{}", number);
    if (GetParam() == Generation::kV1) {
      ByteWriter epochs;
      grafeo::put_v1_epoch(epochs, start);
      grafeo::put_v1_epoch(epochs, Epoch(number));
      grafeo::put_v1_epoch(epochs, Epoch(4));
      check(std::string(as_text(epochs.view())), "epoch " + what);
      ByteWriter alone;
      grafeo::put_v1_commit(alone, grafeo::TransactionId(number));
      grafeo::put_v1_epoch(alone, Epoch(number));
      check(std::string(as_text(alone.view())), "first epoch " + what);
      std::string length = contents_[kFirstIncremental].substr(32);
      put_at(length, 0, static_cast<std::uint32_t>(number));
      check(length, "length " + what);
      continue;
    }
    const std::string segment = contents_[kFirstIncremental].substr(grafeo::kGbakHeaderSize);
    const auto segment_header = grafeo::parse_v2_segment_header(as_bytes(segment).subspan(8));
    ASSERT_TRUE(segment_header);
    std::string length = segment;
    put_at(length, 0, number);
    check(length, "length of a segment " + what);

    // A segment at another place of the log, with one group of another epoch.
    const auto segment_of = [&](std::uint64_t lsn, std::uint64_t epoch, std::uint64_t synced) {
      grafeo::V2SegmentHeader other = *segment_header;
      other.first_lsn = grafeo::Lsn(lsn);
      ByteWriter payload;
      grafeo::put_v2_group_start(payload, grafeo::Lsn(synced),
                                 {Epoch(epoch), grafeo::UnixMillis(epoch)});
      ByteWriter frame;
      grafeo::put_v2_frame(frame, {grafeo::Lsn(lsn), grafeo::TransactionId(epoch), 3},
                           payload.view());
      const std::string body =
          std::string(as_text(ByteView(grafeo::encode_v2_segment_header(other)))) +
          std::string(as_text(frame.view()));
      ByteWriter prefix;
      prefix.put_le(std::uint64_t{body.size()});
      return std::string(as_text(prefix.view())) + body;
    };
    const std::uint64_t lsn = segment_header->first_lsn.get();
    check(segment_of(lsn, number, lsn), "epoch " + what);
    check(segment_of(number, 3, number), "LSN " + what);
    check(segment_of(lsn, 3, number), "synced " + what);
    check(segment_of(lsn, 3, lsn) + segment_of(number, 4, number), "second LSN " + what);
    std::string frame = segment;
    put_at(frame, 8 + grafeo::kV2SegmentHeaderSize, static_cast<std::uint32_t>(number));
    check(frame, "length of a frame " + what);
  }
}

TEST_P(GrafeoHostileTest, ImagesWithAnyNumberAreTakenForWhatTheyAre) {
  GrafeoDirectory directory;
  store(directory);
  constexpr std::size_t kPage = grafeo::kImagePageSize;
  for (const std::uint64_t number : kNumbers) {
    for (std::size_t field = 0; field < 8; ++field) {
      std::string bytes = contents_[0];
      const std::string what = fmt::format("field {}: {}", field, number);
      if (GetParam() == Generation::kV1) {
        std::array<std::uint64_t, 8> slot = {2, crc_of("x"), 1, 2, 7, 8, 9, 1000};
        slot[field] = number;
        ByteWriter out;
        for (const std::uint64_t value : slot) grafeo::put_number(out, value);
        bytes.replace(2 * kPage, out.size(), as_text(out.view()));
      } else {
        // Iteration, LSN, epoch, transaction, offset and length of the root, nodes.
        put_at(bytes, 2 * kPage + 8 + 8 * field, number);
        put_at(bytes, 2 * kPage + 80, crc_of(std::string_view(bytes).substr(2 * kPage, 80)));
      }
      expect_second_chain_beside(directory, 0, bytes, what);
    }
    std::string page = contents_[0];
    put_at(page, 4, static_cast<std::uint32_t>(number));
    expect_second_chain_beside(directory, 0, page, fmt::format("container {}", number));
    put_at(page, 8, static_cast<std::uint32_t>(number));
    put_at(page, 4, std::uint32_t{3});
    put_at(page, 72, crc_of(std::string_view(page).substr(0, 72)));
    expect_second_chain_beside(directory, 0, page, fmt::format("page size {}", number));
  }
  if (GetParam() == Generation::kV2) return;
  // Container 2: a directory of sections, anywhere and of any size.
  for (const std::uint64_t number : kNumbers) {
    for (const std::uint32_t count : {1U, 127U, 128U, 0xffffffffU}) {
      std::string sections(kPage, '\0');
      put_at(sections, 0, count);
      for (std::size_t at = 8; at + 32 <= kPage; at += 32) {
        put_at(sections, at + 8, number);
        put_at(sections, at + 16, number);
      }
      ByteWriter out;
      for (const std::uint64_t value :
           {std::uint64_t{2}, std::uint64_t{crc_of(sections)}, std::uint64_t{0}, std::uint64_t{2},
            std::uint64_t{7}, std::uint64_t{8}, std::uint64_t{9}, std::uint64_t{1000}})
        grafeo::put_number(out, value);
      std::string bytes = contents_[0].substr(0, 3 * kPage) + sections;
      bytes.replace(2 * kPage, out.size(), as_text(out.view()));
      expect_second_chain_beside(directory, 0, bytes,
                                 fmt::format("{} sections at {}", count, number));
    }
  }
}

}  // namespace
}  // namespace epochfs::engine
