// Damage of every kind, seen through a real mount: each page exact or EIO, as verify says it.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>

#include "engine/core/handle.h"
#include "tests/mount/mounted_repository.h"
#include "tests/proof/damage_cases.h"
#include "tests/support/samples.h"

namespace epochfs::test {
namespace {

namespace native = engine::native;

constexpr std::size_t kCopiesInAMount = 300;
constexpr std::size_t kPreadBytes = 4096;
// Of each stratum (kind of file, and what is done to it) of each specimen.
constexpr std::size_t kCasesOfAStratum = 110 / one_of_many_under_sanitizers(20);
constexpr std::size_t kCasesMin = 5000 / one_of_many_under_sanitizers(25);

// Walks through a stratum in even steps, from a place below `count`.
struct Stratum {
  std::size_t count = 0;
  std::size_t first = 0;
  std::size_t seen = 0;

  bool takes_next() {
    const std::size_t at = seen++ * kCasesOfAStratum + first;
    if (count <= kCasesOfAStratum) return true;
    return at / count != (at + kCasesOfAStratum) / count;
  }
};

class DamageMountTest : public MountedRepositoryTest {
 protected:
  static void for_each_damage(const Specimen& specimen, const Specimen& other,
                              const CaseVisitor& visit) {
    for_each_byte_damage(specimen, visit);
    for_each_file_damage(specimen, other, visit);
  }

  void run(const Specimen& specimen, const Specimen& other) {
    const auto cases = [&](const CaseVisitor& visit) { for_each_damage(specimen, other, visit); };
    std::map<std::string, Stratum> strata;
    cases([&](const DamageCase& damage) { ++strata[damage.stratum].count; });
    for (auto& [name, stratum] : strata) stratum.first = seed_ % stratum.count;
    std::filesystem::remove_all(repository());
    Copies copies(specimen, repository(), kCopiesInAMount);
    in_batches(
        copies, cases,
        [&](const DamageCase& damage) { return strata[damage.stratum].takes_next(); },
        [&](const std::vector<DamageCase>& batch) { look(copies, batch); });
  }

  void look(const Copies& copies, const std::vector<DamageCase>& batch) {
    const auto report = engine::verify(copies.location(), "", false, {});
    ASSERT_TRUE(report) << report.error().text;
    mount();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      SCOPED_TRACE(copies.specimen().label + ": " + batch[i].what);
      judge(batch[i], copies.specimen(),
            walk(mountpoint() + "/" + copies.name(i), copies.specimen()),
            Verdict(copies.name(i), *report));
    }
    unmount();
    std::filesystem::remove_all(path("cache"));
    cases_ += batch.size();
  }

  static Sight walk(const std::string& tree, const Specimen& specimen) {
    Sight sight;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(tree + "/epochs", error)) {
      const std::uint64_t number = std::stoull(entry.path().filename());
      const auto expected = specimen.epochs.find(number);
      if (expected == specimen.epochs.end()) {
        ADD_FAILURE() << "offers epoch " << number;
        continue;
      }
      const bool is_right = reads_right(entry.path(), expected->second);
      (is_right ? sight.right : sight.refused).insert(number);
    }
    if (error) sight.failure = error.message();
    return sight;
  }

  // Each file is there, as long as it has to be; each page of it exact or EIO.
  static bool reads_right(const std::string& epoch, const Specimen::Expected& expected) {
    std::error_code error;
    std::size_t names = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(epoch, error))
      names += entry.is_regular_file() ? 1 : 0;
    EXPECT_FALSE(error) << epoch << ": " << error.message();
    EXPECT_EQ(names, expected.files.size() + 1) << epoch << ": and epoch.json";
    bool is_right = true;
    for (const EpochFile& file : expected.files)
      is_right = reads_right(epoch + "/" + file.path, file.bytes, expected.facts) && is_right;
    return is_right;
  }

  static bool reads_right(const std::string& path, const std::string& bytes,
                          const native::EpochFacts& facts) {
    const engine::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0) {
      EXPECT_EQ(errno, EIO) << path;
      return false;
    }
    EXPECT_EQ(static_cast<std::uint64_t>(status.st_size), bytes.size()) << path;
    EXPECT_EQ(status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec, facts.committed.get())
        << path;
    bool is_right = true;
    std::string page(kPreadBytes, '\0');
    for (std::size_t at = 0; at < bytes.size(); at += kPreadBytes) {
      const std::string_view want = std::string_view(bytes).substr(at, kPreadBytes);
      const ssize_t length = ::pread(file.get(), page.data(), page.size(), static_cast<off_t>(at));
      if (length < 0) {
        EXPECT_EQ(errno, EIO) << path << " at " << at;
        is_right = false;
        continue;
      }
      EXPECT_TRUE(std::string_view(page).substr(0, static_cast<std::size_t>(length)) == want)
          << path << ": wrong bytes at " << at << ", or " << length << " of " << want.size();
    }
    return is_right;
  }

  const std::uint64_t seed_ = test_seed();
  const testing::ScopedTrace trace_{__FILE__, __LINE__,
                                    "EPOCHFS_TEST_SEED=" + std::to_string(seed_)};
  std::size_t cases_ = 0;
};

TEST_F(DamageMountTest, IsAnErrorOfItsPagesAndNothingElse) {
  const std::vector<Specimen> specimens = make_specimens();
  const std::vector<Specimen> others = make_specimens(Variant::kOther);
  for (std::size_t i = 0; i < specimens.size(); ++i) run(specimens[i], others[i]);
  EXPECT_GE(cases_, kCasesMin);
  RecordProperty("cases", std::to_string(cases_));
}

}  // namespace
}  // namespace epochfs::test
