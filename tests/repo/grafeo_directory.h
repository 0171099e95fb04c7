// A backup directory of Grafeo's, and everything that can be learned of it: what verify
// says, which epochs are offered, and their bytes, as a mount reads them and as a restore does.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "engine/repo/grafeo_database.h"
#include "engine/repo/operations.h"
#include "tests/support/grafeo_builder.h"
#include "tests/support/temporary_directory.h"

namespace epochfs::engine {

struct SeenEpoch {
  // As a mount reads it; nullopt: it failed.
  struct Files {
    std::string image;
    std::string log_name;
    std::string log;
  };
  std::optional<Files> mounted;
  std::optional<Files> restored;

  static bool is_exact(const std::optional<Files>& files,
                       const test::GrafeoBuilder::Expected& expected) {
    return files && files->image == expected.image && files->log == expected.log &&
           files->log_name == expected.log_name;
  }
};

struct SeenDirectory {
  VerifyReport report;
  std::optional<Error> failure;  // why it could not be opened
  std::map<std::uint64_t, SeenEpoch> epochs;

  // Whether verify says that this epoch is lost.
  [[nodiscard]] bool reports(std::uint64_t epoch) const;
  [[nodiscard]] std::string text() const;  // of all damage
};

class GrafeoDirectory {
 public:
  GrafeoDirectory();  // in memory
  explicit GrafeoDirectory(std::shared_ptr<Storage> storage);

  // What is in it may change between two looks.
  [[nodiscard]] Storage& storage() { return *storage_; }
  void put(const std::string& name, std::string_view bytes);
  void remove(const std::string& name);

  // Through verify, and through a database that is opened for it; a failure that no damage explains
  // fails the test.
  SeenDirectory look();

 private:
  static SeenEpoch look_at(Database& database, Epoch epoch);

  TemporaryDirectory directory_;
  std::shared_ptr<Storage> storage_;
  GrafeoParts served_;
  GrafeoParts verified_;
};

}  // namespace epochfs::engine
