// Damage to any byte and any file of a repository: verify says so, and no reader gets a wrong byte.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/proof/damage_cases.h"
#include "tests/support/live_database.h"
#include "tests/support/samples.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

using engine::Epoch;
namespace native = engine::native;

constexpr std::size_t kCopies = 256;
constexpr std::size_t kOneByteOf = one_of_many_under_sanitizers(401);
constexpr std::size_t kOneFileOf = one_of_many_under_sanitizers(31);
// Of what is read in the same way as another one there.
constexpr std::size_t kOneByteOfOthers = one_of_many_under_sanitizers(7);

class DamageMatrixTest : public testing::Test {
 protected:
  // Every so many of the cases, and one at least.
  void run(const Specimen& specimen, std::size_t one_of,
           const std::function<void(const CaseVisitor&)>& cases) {
    Copies copies(specimen, directory_ / specimen.label, kCopies);
    std::size_t count = 0;
    if (one_of > 1) cases([&](const DamageCase&) { ++count; });
    const std::size_t step = std::clamp<std::size_t>(one_of, 1, std::max<std::size_t>(count, 1));
    std::size_t until_next = first_sample(step);
    in_batches(
        copies, cases,
        [&](const DamageCase&) {
          const bool is_next = until_next == 0;
          until_next = (is_next ? step : until_next) - 1;
          return is_next;
        },
        [&](const std::vector<DamageCase>& batch) { look(copies, batch); });
  }

  void look(const Copies& copies, const std::vector<DamageCase>& batch) {
    const auto report = engine::verify(copies.location(), "", false, {});
    ASSERT_TRUE(report) << report.error().text;
    const std::string cache = directory_ / "cache";
    {
      const auto repository = engine::Repository::open({copies.location(), cache, 1 << 20});
      ASSERT_TRUE(repository) << repository.error().text;
      for (std::size_t i = 0; i < batch.size(); ++i) {
        const Verdict verdict(copies.name(i), *report);
        const Sight sight = read_all(**repository, copies.name(i), copies.specimen(), batch[i]);
        judge(batch[i], copies.specimen(), sight, verdict);
        if (verdict.is_noticed() && sight.right.size() == copies.specimen().epochs.size())
          expect_spare_bits(copies.specimen(), batch[i]);
      }
    }
    cases_ += batch.size();
    std::filesystem::remove_all(cache);
  }

  // An incremental whose one epoch a full holds as well.
  static bool is_held_twice(const Specimen& specimen, const std::string& file) {
    const auto entries = manifest_in(specimen.files).segments;
    const auto one = std::ranges::find(entries, file, &native::SegmentEntry::filename);
    return one != entries.end() && one->start_epoch == one->end_epoch &&
           std::ranges::any_of(entries, [&](const native::SegmentEntry& other) {
             return other.kind == native::SegmentKind::kFull && other.end_epoch == one->end_epoch;
           });
  }

  // What verify finds and nobody misses: the checksum of a unit's frame, which the hashes of the
  // pages in it make superfluous, and bits that mean nothing to zstd.
  static void expect_spare_bits(const Specimen& specimen, const DamageCase& damage) {
    if (!damage.flipped) return;
    const auto& [file, byte] = *damage.flipped;
    if (is_held_twice(specimen, file)) return;
    const engine::ByteView footer =
        engine::as_bytes(specimen.files.at(file)).last(native::kFooterContentSize);
    EXPECT_GE(byte, native::kSignatureSize) << damage.what;
    EXPECT_LT(byte, engine::load_le<std::uint64_t>(
                        footer.subspan(native::footer_fields::kTablesOffset.offset)))
        << damage.what;
  }

  Sight read_all(engine::Repository& repository, const std::string& name, const Specimen& specimen,
                 const DamageCase& damage) {
    Sight sight;
    const auto database = repository.database(name);
    if (!database) {
      sight.failure = database.error().text;
      return sight;
    }
    const std::string where = specimen.label + ": " + damage.what;
    const auto timeline = (*database)->timeline();
    const auto offered = (*timeline)->list(Epoch(0), 100);
    EXPECT_TRUE(offered) << where;
    for (const native::EpochFacts& facts : *offered) {
      const auto expected = specimen.epochs.find(facts.epoch.get());
      if (expected == specimen.epochs.end()) {
        ADD_FAILURE() << where << ": offers epoch " << facts.epoch.get();
        continue;
      }
      EXPECT_EQ(facts, expected->second.facts) << where;
      const bool is_right = reads_right(**database, facts.epoch, expected->second, where);
      (is_right ? sight.right : sight.refused).insert(facts.epoch.get());
    }
    return sight;
  }

  // As the mount reads it and as a restore does.
  static bool reads_right(engine::Database& database, Epoch epoch,
                          const Specimen::Expected& expected, const std::string& where) {
    const auto files = files_of(database, epoch);
    if (files) {
      EXPECT_TRUE(*files == expected.files) << where << ": wrong bytes in epoch " << epoch.get();
    }
    const auto restored = restored_files_of(database, epoch);
    if (restored) {
      EXPECT_TRUE(*restored == expected.contents)
          << where << ": restores wrong bytes of epoch " << epoch.get();
    }
    return files && restored;
  }

  TemporaryDirectory directory_;
  std::size_t cases_ = 0;
};

class DamagedBytesTest : public DamageMatrixTest,
                         public testing::WithParamInterface<const char*> {};

TEST_P(DamagedBytesTest, AreNoticedAndNeverServed) {
  const std::string label = GetParam();
  const bool is_whole = label == "sqlite-512" || label == "grafeo-v2";
  const std::vector<Specimen> specimens = make_specimens();
  const auto specimen = std::ranges::find(specimens, label, &Specimen::label);
  ASSERT_NE(specimen, specimens.end());
  run(*specimen, kOneByteOf * (is_whole ? 1 : kOneByteOfOthers),
      [&](const CaseVisitor& visit) { for_each_byte_damage(*specimen, visit); });
  RecordProperty("cases", std::to_string(cases_));
}

INSTANTIATE_TEST_SUITE_P(Of, DamagedBytesTest,
                         testing::Values("sqlite-512", "sqlite-1024", "sqlite-4096", "file",
                                         "grafeo-v1", "grafeo-v2"),
                         [](const auto& label) {
                           std::string name = label.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_F(DamageMatrixTest, OfWholeFilesAndEntriesIsNoticedAndNeverServed) {
  const std::vector<Specimen> others = make_specimens(Variant::kOther);
  const std::vector<Specimen> specimens = make_specimens();
  for (std::size_t i = 0; i < specimens.size(); ++i)
    run(specimens[i], kOneFileOf,
        [&](const CaseVisitor& visit) { for_each_file_damage(specimens[i], others[i], visit); });
  RecordProperty("cases", std::to_string(cases_));
}

// Its document is sealed, and without it there is no repository.
TEST_F(DamageMatrixTest, OfTheRepositorysOwnFileKeepsItShut) {
  const Specimen specimen = make_file_specimen();
  const Copies copies(specimen, directory_ / "repository", 1);
  const std::string file = copies.location() + "/epochfs.json";
  const auto expect_refused = [&](const std::string& bad, const std::string& what) {
    if (bad == specimen.identity) return;
    write_file(file, bad);
    EXPECT_FALSE(engine::verify(copies.location(), "", false, {})) << what;
    EXPECT_FALSE(engine::Repository::open({copies.location(), directory_ / "cache"})) << what;
  };
  for (std::size_t at = 0; at < specimen.identity.size(); ++at) {
    expect_refused(specimen.identity.substr(0, at), fmt::format("cut to {}", at));
    for (const unsigned value : {0x01U, 0x80U, 0xffU}) {
      std::string bad = specimen.identity;
      bad[at] = static_cast<char>(static_cast<unsigned char>(bad[at]) ^ value);
      expect_refused(bad, fmt::format("byte {} ^ {:02x}", at, value));
    }
  }
  expect_refused(specimen.identity + "\n", "a byte more");
  EXPECT_FALSE(std::filesystem::exists(directory_ / "cache"));
}

}  // namespace
}  // namespace epochfs::test
