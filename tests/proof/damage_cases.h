// Every way in which the files of a specimen are damaged, and what has to become of it.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/repo/operations.h"
#include "tests/proof/specimen.h"

namespace epochfs::test {

// What verify has to say. What is served is right in any case, and what is not served verify tells.
enum class Harm {
  kNone,     // nothing: nobody needs the bytes, and every epoch is there
  kNoticed,  // that there is damage
  kListed,   // that there is damage, or every epoch is there: the manifest itself tells lies, also
             // on what they cost
  kShorter,  // no damage, if the manifest says less than it did and that is true; but a warning
  kUnordered,  // nothing: an entry of Grafeo's that comes too early hides those behind it
};

struct DamageCase {
  std::string what;     // "full-1.db.zst: byte 17 ^ 80"
  std::string stratum;  // "segment flip"
  Harm harm = Harm::kNoticed;
  std::function<void(Files&)> damage;
  struct Place {
    std::string file;
    std::size_t byte = 0;
  };
  std::optional<Place> flipped = {};  // the one byte that is another
};

using CaseVisitor = std::function<void(const DamageCase&)>;
// Each byte of each file flipped in several ways, each file cut to each length, a byte more.
void for_each_byte_damage(const Specimen& specimen, const CaseVisitor& visit);
// Files that are gone, doubled, exchanged, of another history (`other`, of the same shape); entries
// of a sealed manifest dropped, doubled, exchanged; manifests of an earlier time.
void for_each_file_damage(const Specimen& specimen, const Specimen& other,
                          const CaseVisitor& visit);

// Copies of a specimen as databases of one repository, each of them damaged in its own way.
class Copies {
 public:
  // In `location`, which is made.
  Copies(const Specimen& specimen, std::string location, std::size_t count);

  [[nodiscard]] const Specimen& specimen() const { return *specimen_; }
  [[nodiscard]] const std::string& location() const { return location_; }
  [[nodiscard]] std::size_t count() const { return names_.size(); }
  [[nodiscard]] const std::string& name(std::size_t copy) const { return names_.at(copy); }
  // False: it changes nothing.
  bool damage(std::size_t copy, const DamageCase& how);
  // Every copy is whole again.
  void mend();

 private:
  [[nodiscard]] std::string path(std::size_t copy, const std::string& file) const {
    return location_ + "/" + names_[copy] + "/" + file;
  }

  const Specimen* specimen_;
  std::string location_;
  std::vector<std::string> names_;
  std::vector<Files> good_;
  std::vector<std::pair<std::size_t, std::string>> touched_;  // copy and file
};

// Damages the copies with those of the cases that `takes` wants, as many at once as there are
// copies, and has a `look` at each batch before they are mended.
void in_batches(Copies& copies, const std::function<void(const CaseVisitor&)>& cases,
                const std::function<bool(const DamageCase&)>& takes,
                const std::function<void(const std::vector<DamageCase>&)>& look);

// What verify says of one copy.
class Verdict {
 public:
  explicit Verdict(const std::string& database, const engine::VerifyReport& report);

  [[nodiscard]] bool is_noticed() const { return !damage_.empty(); }
  [[nodiscard]] bool is_lost(std::uint64_t epoch) const;
  // A warning says that the file belongs to no backup.
  [[nodiscard]] bool is_orphan(const std::string& file) const;
  [[nodiscard]] bool is_damaged(const std::string& file) const;
  [[nodiscard]] std::string text() const;

 private:
  std::string database_;
  std::vector<engine::Damage> damage_;
  std::vector<std::string> warnings_;
};

// What a reader gets of one copy.
struct Sight {
  std::optional<std::string> failure;  // the database was not even opened
  std::set<std::uint64_t> right;       // epochs of which all bytes came, and those that were stored
  std::set<std::uint64_t> refused;     // offered, but not all bytes came
};

// Fails the test when reader and verify do not agree, or do not do what they have to.
void judge(const DamageCase& damage, const Specimen& specimen, const Sight& sight,
           const Verdict& verdict);

}  // namespace epochfs::test
