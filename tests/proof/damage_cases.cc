#include "tests/proof/damage_cases.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "tests/support/live_database.h"

namespace epochfs::test {

namespace native = engine::native;

namespace {

const std::string kCursor(native::kCursorFile);

std::string kind_of(const std::string& file) {
  if (file == kManifest) return "manifest";
  if (file == kCursor) return "cursor";
  if (file == ".lock") return "lock";
  if (file.starts_with("full-")) return "full";
  return file.ends_with(".seg") ? "incremental" : "log";
}

// A cursor only tells the next backup where to go on, and a lock has no content.
Harm harm_of(const std::string& file) {
  return file == kCursor || file == ".lock" ? Harm::kNone : Harm::kNoticed;
}

struct Pattern {
  unsigned keep;
  unsigned flip;
};
constexpr Pattern kPatterns[] = {{0xff, 0x01}, {0xff, 0x80}, {0xff, 0xff}, {0x00, 0x00}};

std::function<void(Files&)> changed_manifest(
    const std::function<void(std::vector<native::SegmentEntry>&)>& change) {
  return [change](Files& files) {
    native::Manifest manifest = manifest_in(files);
    change(manifest.segments);
    put_manifest(files, manifest);
  };
}

using Entries = std::vector<native::SegmentEntry>;

Entries::iterator at(Entries& entries, std::size_t index) {
  return entries.begin() + static_cast<std::ptrdiff_t>(index);
}

void for_each_exchange(const Specimen& specimen, const CaseVisitor& visit) {
  for (const std::string& one : specimen.segments) {
    for (const std::string& other : specimen.segments) {
      if (one == other) continue;
      visit({one + " holds " + other, "other", Harm::kNoticed,
             [one, other](Files& files) { files[one] = files[other]; }});
      if (one > other) continue;
      visit({one + " and " + other + " exchanged", "other", Harm::kNoticed,
             [one, other](Files& files) { std::swap(files[one], files[other]); }});
    }
  }
}

void for_each_entry_damage(const Specimen& specimen, const CaseVisitor& visit) {
  const std::size_t count = specimen.segments.size();
  // Grafeo's epochs may have gaps: what is hidden by the order is one.
  const bool is_grafeo = specimen.label.starts_with("grafeo");
  const Harm listed = is_grafeo ? Harm::kShorter : Harm::kListed;
  const Harm placed = is_grafeo ? Harm::kUnordered : Harm::kListed;
  const auto manifest = [&](const std::string& what, Harm harm,
                            const std::function<void(Entries&)>& change) {
    visit({"manifest: " + what, "other", harm, changed_manifest(change)});
  };
  for (std::size_t i = 0; i < count; ++i) {
    manifest(fmt::format("entry {} dropped", i), Harm::kShorter,
             [i](Entries& entries) { entries.erase(at(entries, i)); });
    manifest(fmt::format("only {} entries, as once", i), Harm::kShorter,
             [i](Entries& entries) { entries.resize(i); });
    manifest(fmt::format("entry {} ends late", i), Harm::kListed,
             [i](Entries& entries) { entries[i].end_epoch = engine::Epoch(1'000'000'000); });
    for (std::size_t k = 0; k <= count; ++k)
      manifest(fmt::format("entry {} also at {}", i, k), placed, [i, k](Entries& entries) {
        const native::SegmentEntry copy = entries[i];
        entries.insert(at(entries, k), copy);
      });
    for (std::size_t k = 0; k < count; ++k) {
      if (k == i) continue;
      manifest(fmt::format("entry {} named like {}", i, k), Harm::kNoticed,
               [i, k](Entries& entries) { entries[i].filename = entries[k].filename; });
      manifest(fmt::format("entry {} rests on {}", i, k), listed, [i, k](Entries& entries) {
        if (entries[i].kind == native::SegmentKind::kIncremental)
          entries[i].base = entries[k].filename;
      });
    }
  }
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  while (std::next_permutation(order.begin(), order.end()))
    manifest(fmt::format("order {}", fmt::join(order, " ")), placed, [order](Entries& entries) {
      Entries ordered;
      for (const std::size_t i : order) ordered.push_back(entries[i]);
      entries = ordered;
    });
}

}  // namespace

void for_each_byte_damage(const Specimen& specimen, const CaseVisitor& visit) {
  // A copy's manifest is as long as those of the others.
  const Files copy = renamed(specimen.files, "c000");
  for (const auto& [name, content] : copy) {
    const std::string& file = name;  // no lambda of clang 14 captures a binding
    const Harm harm = harm_of(file);
    const std::string kind = kind_of(file);
    for (std::size_t byte = 0; byte < content.size(); ++byte) {
      for (const Pattern& pattern : kPatterns) {
        if (harm == Harm::kNone && pattern.flip != 0xff) continue;
        visit({fmt::format("{}: byte {} & {:02x} ^ {:02x}", file, byte, pattern.keep, pattern.flip),
               kind + " flip", harm,
               [file, byte, pattern](Files& files) {
                 char& value = files[file][byte];
                 value = static_cast<char>((static_cast<unsigned char>(value) & pattern.keep) ^
                                           pattern.flip);
               },
               DamageCase::Place{file, byte}});
      }
      visit({fmt::format("{}: cut to {}", file, byte), kind + " cut", harm,
             [file, byte](Files& files) { files[file].resize(byte); }});
    }
    for (const char more : {'\0', '\n', 'x'})
      visit({fmt::format("{}: a byte {:02x} more", file, static_cast<unsigned char>(more)),
             kind + " cut", harm, [file, more](Files& files) { files[file] += more; }});
  }
}

void for_each_file_damage(const Specimen& specimen, const Specimen& other,
                          const CaseVisitor& visit) {
  for (const auto& [name, content] : specimen.files) {
    const std::string& file = name;  // as above
    visit({file + " is gone", "other", harm_of(file), [file](Files& files) { files.erase(file); }});
    visit({file + " under another name, too", "other", Harm::kNone,
           [file](Files& files) { files["copy-" + file] = files[file]; }});
    if (file == kManifest || !other.files.contains(file)) continue;
    visit({file + " of another history", "other", harm_of(file),
           [file, bytes = other.files.at(file)](Files& files) { files[file] = bytes; }});
  }
  for_each_exchange(specimen, visit);
  for_each_entry_damage(specimen, visit);
}

Copies::Copies(const Specimen& specimen, std::string location, std::size_t count)
    : specimen_(&specimen), location_(std::move(location)) {
  std::filesystem::create_directories(location_);
  write_file(location_ + "/epochfs.json", specimen.identity);
  for (std::size_t copy = 0; copy < count; ++copy) {
    names_.push_back(fmt::format("c{:03}", copy));
    good_.push_back(renamed(specimen.files, names_.back()));
    std::filesystem::create_directories(location_ + "/" + names_.back());
    for (const auto& [file, content] : good_.back()) write_file(path(copy, file), content);
  }
}

bool Copies::damage(std::size_t copy, const DamageCase& how) {
  Files files = good_[copy];
  how.damage(files);
  if (files == good_[copy]) return false;
  const auto touch = [&](const std::string& file) { touched_.emplace_back(copy, file); };
  for (const auto& [file, content] : files) {
    const auto before = good_[copy].find(file);
    if (before != good_[copy].end() && before->second == content) continue;
    touch(file);
    write_file(path(copy, file), content);
  }
  for (const auto& [file, content] : good_[copy]) {
    if (files.contains(file)) continue;
    touch(file);
    std::filesystem::remove(path(copy, file));
  }
  return true;
}

void Copies::mend() {
  for (const auto& [copy, file] : touched_) {
    const auto before = good_[copy].find(file);
    if (before == good_[copy].end())
      std::filesystem::remove(path(copy, file));
    else
      write_file(path(copy, file), before->second);
  }
  touched_.clear();
}

void in_batches(Copies& copies, const std::function<void(const CaseVisitor&)>& cases,
                const std::function<bool(const DamageCase&)>& takes,
                const std::function<void(const std::vector<DamageCase>&)>& look) {
  std::vector<DamageCase> batch;
  const auto end_batch = [&] {
    look(batch);
    copies.mend();
    batch.clear();
  };
  cases([&](const DamageCase& damage) {
    if (!takes(damage) || !copies.damage(batch.size(), damage)) return;
    batch.push_back(damage);
    if (batch.size() == copies.count()) end_batch();
  });
  end_batch();
}

Verdict::Verdict(const std::string& database, const engine::VerifyReport& report)
    : database_(database) {
  std::ranges::copy_if(report.damage, std::back_inserter(damage_),
                       [&](const engine::Damage& damage) { return damage.database == database; });
  std::ranges::copy_if(
      report.warnings, std::back_inserter(warnings_),
      [&](const std::string& warning) { return warning.starts_with(database + "/"); });
}

bool Verdict::is_lost(std::uint64_t epoch) const {
  return std::ranges::any_of(damage_, [&](const engine::Damage& damage) {
    // Without its manifest nobody knows which epochs there were.
    if (!damage.first_lost) return damage.object == kManifest;
    return damage.first_lost->get() <= epoch && epoch <= damage.last_lost->get();
  });
}

bool Verdict::is_orphan(const std::string& file) const {
  return std::ranges::any_of(warnings_, [&](const std::string& warning) {
    return warning.starts_with(fmt::format("{}/{} belongs to no backup", database_, file));
  });
}

bool Verdict::is_damaged(const std::string& file) const {
  return std::ranges::any_of(damage_,
                             [&](const engine::Damage& damage) { return damage.object == file; });
}

std::string Verdict::text() const {
  std::string all;
  for (const engine::Damage& damage : damage_)
    all += fmt::format("\n  {}: {} ({} to {})", damage.object, damage.text,
                       damage.first_lost.value_or(engine::Epoch()).get(),
                       damage.last_lost.value_or(engine::Epoch()).get());
  for (const std::string& warning : warnings_) all += "\n  " + warning;
  return all;
}

namespace {

// Verify tells of an epoch that is not offered, or of each segment that holds it.
bool is_told(std::uint64_t epoch, const Specimen& specimen, Harm harm, const Verdict& verdict) {
  if (harm == Harm::kUnordered || verdict.is_lost(epoch)) return true;
  if (harm != Harm::kShorter && harm != Harm::kListed) return false;
  const Entries entries = manifest_in(specimen.files).segments;
  return std::ranges::all_of(entries, [&](const native::SegmentEntry& entry) {
    const bool is_full = entry.kind == native::SegmentKind::kFull;
    const engine::Epoch first = is_full ? entry.end_epoch : entry.start_epoch;
    if (epoch < first.get() || entry.end_epoch.get() < epoch) return true;
    return verdict.is_orphan(entry.filename) ||
           (harm == Harm::kListed && verdict.is_damaged(entry.filename));
  });
}

}  // namespace

void judge(const DamageCase& damage, const Specimen& specimen, const Sight& sight,
           const Verdict& verdict) {
  const std::string where = specimen.label + ": " + damage.what + verdict.text();
  const bool all_right = sight.right.size() == specimen.epochs.size();
  if (damage.harm == Harm::kNoticed) {
    EXPECT_TRUE(verdict.is_noticed()) << where;
  }
  if (damage.harm == Harm::kListed) {
    EXPECT_TRUE(verdict.is_noticed() || all_right) << where;
  }
  if (damage.harm == Harm::kNone) {
    EXPECT_FALSE(verdict.is_noticed()) << where;
    EXPECT_TRUE(all_right) << where;
  }
  if (sight.failure) {
    EXPECT_TRUE(verdict.is_noticed()) << where << "\n" << *sight.failure;
  }
  for (const std::uint64_t epoch : sight.refused)
    EXPECT_TRUE(verdict.is_lost(epoch)) << where << "\nepoch " << epoch << " is refused";
  for (const auto& [epoch, expected] : specimen.epochs) {
    if (sight.right.contains(epoch) || sight.refused.contains(epoch)) continue;
    EXPECT_TRUE(is_told(epoch, specimen, damage.harm, verdict))
        << where << "\nepoch " << epoch << " is not offered";
  }
}

}  // namespace epochfs::test
