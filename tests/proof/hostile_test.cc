// Forged repositories: errors, never wrong bytes that verify calls right, within bounds of time and
// memory, and nothing outside of the repository is opened.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "tests/proof/hostile_cases.h"
#include "tests/support/live_database.h"
#include "tests/support/samples.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::test {
namespace {

using engine::Epoch;
namespace native = engine::native;

constexpr std::size_t kHostileCopies = 64;
constexpr std::size_t kOneHostileOf = 2 * one_of_many_under_sanitizers(20);
// Of processor time: others may be at work on the machine.
constexpr std::clock_t kCaseSecondsMax = 2 * one_of_many_under_sanitizers(5);

class HostileTest : public testing::Test {
 protected:
  void run(const Specimen& specimen) {
    Copies copies(specimen, directory_ / specimen.label, kHostileCopies + 1);
    std::vector<HostileCase> batch;
    std::size_t number = kOneHostileOf - first_sample(kOneHostileOf);
    for_each_hostile(specimen, [&](const HostileCase& hostile) {
      if (number++ % kOneHostileOf != 0 || !copies.damage(batch.size(), hostile.how)) return;
      batch.push_back(hostile);
      if (batch.size() == kHostileCopies) look(copies, batch);
    });
    look(copies, batch);
  }

  void look(Copies& copies, std::vector<HostileCase>& batch) {
    const std::string cache = directory_ / "cache";
    {
      const auto repository = engine::Repository::open({copies.location(), cache, 1 << 20});
      ASSERT_TRUE(repository) << repository.error().text;
      for (std::size_t i = 0; i < batch.size(); ++i)
        look(copies, copies.name(i), batch[i], **repository);
      // The last one is as good as it ever was.
      HostileCase none{{"its good neighbour", "", Harm::kNone, {}}, ~std::uint64_t{0}};
      look(copies, copies.name(kHostileCopies), none, **repository);
    }
    cases_ += batch.size();
    std::filesystem::remove_all(cache);
    copies.mend();
    batch.clear();
  }

  void look(const Copies& copies, const std::string& name, const HostileCase& hostile,
            engine::Repository& repository) {
    SCOPED_TRACE(hostile.how.what);
    const std::clock_t begin = std::clock();
    const auto report = engine::verify(copies.location(), name, false, {});
    ASSERT_TRUE(report) << report.error().text;
    const Verdict verdict(name, *report);
    const auto database = repository.database(name);
    if (database) {
      look(**database, copies.specimen(), hostile, verdict);
    } else {
      EXPECT_TRUE(verdict.is_noticed()) << database.error().text;
      EXPECT_EQ(hostile.first_touched, 0U) << database.error().text;
    }
    const std::clock_t used = std::clock() - begin;
    EXPECT_LT(used / CLOCKS_PER_SEC, kCaseSecondsMax);
    slowest_ = std::max(slowest_, used);
  }

  static void look(engine::Database& database, const Specimen& specimen, const HostileCase& hostile,
                   const Verdict& verdict) {
    std::set<std::uint64_t> right;
    const auto offered = (*database.timeline())->list(Epoch(0), 100);
    ASSERT_TRUE(offered) << offered.error().text;
    for (const native::EpochFacts& facts : *offered) {
      const std::uint64_t number = facts.epoch.get();
      const auto expected = specimen.epochs.find(number);
      const auto files = files_of(database, facts.epoch);
      const auto restored = restored_files_of(database, facts.epoch);
      const bool is_known = expected != specimen.epochs.end();
      const bool is_right = is_known && files && contents_of(*files) == expected->second.contents;
      if (is_right) right.insert(number);
      EXPECT_TRUE(is_right || verdict.is_lost(number))
          << number << " is not served and verify is silent:" << verdict.text();
      if (restored && is_known) {
        EXPECT_TRUE(*restored == expected->second.contents)
            << number << " is restored wrong:" << verdict.text();
      }
    }
    for (const auto& [number, expected] : specimen.epochs) {
      if (number >= hostile.first_touched) break;
      EXPECT_TRUE(right.contains(number)) << number << " is hidden:" << verdict.text();
    }
    const auto summary = database.summary();
    EXPECT_TRUE(summary) << summary.error().text;
  }

  TemporaryDirectory directory_;
  std::size_t cases_ = 0;
  std::clock_t slowest_ = 0;
};

TEST_F(HostileTest, MakesNoWrongEpochAndHidesNoGoodOne) {
  run(make_sqlite_specimen(512));
  run(make_file_specimen());
  run(make_grafeo_specimen(engine::grafeo::Generation::kV2));
  EXPECT_GE(cases_, 2000 / one_of_many_under_sanitizers(20));
  RecordProperty("cases", std::to_string(cases_));
  RecordProperty("slowest_ms", std::to_string(slowest_ * 1000 / CLOCKS_PER_SEC));
}

}  // namespace
}  // namespace epochfs::test
