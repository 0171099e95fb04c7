// The databases of the mounted repository, each with a small number for inodes.
//
// Numbers   given in order of first sight, kept for the life of the mount. A database whose history
//           was replaced gets another one: the kernel keeps what it read under inodes that hold it
// Threads   any; no call into the engine is made under the lock
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/repo/repository.h"

namespace epochfs::fs {

class Databases {
 public:
  explicit Databases(std::shared_ptr<engine::Repository> repository)
      : repository_(std::move(repository)) {}

  struct Numbered {
    std::uint32_t number = 0;
    std::string name;
  };
  // Those there now, sorted by name. Opens none.
  engine::Result<std::vector<Numbered>> list();
  // Opens it at first sight. nullopt: there is no such database.
  engine::Result<std::optional<std::uint32_t>> find(const std::string& name);
  // Opens it at first use. kNotFound: no such number, or it is gone, its history too.
  engine::Result<std::shared_ptr<engine::Database>> get(std::uint32_t number);

  // The number that the database of `number` has now; the same when nobody can tell.
  std::uint32_t newest(std::uint32_t number);

  std::string name_of(std::uint32_t number) const;  // empty: no such number

  // Those that were opened so far, in order of number.
  std::vector<std::shared_ptr<engine::Database>> opened() const;

  // The last read of a database that failed, for status.json; empty: none.
  void note_failure(std::uint32_t number, const std::string& text);
  std::string last_failure(const std::string& name) const;

  [[nodiscard]] engine::Repository& repository() const { return *repository_; }

 private:
  struct Slot {
    std::string name;
    std::shared_ptr<engine::Database> database;  // null: seen, not opened; or replaced
    std::optional<std::uint64_t> history;        // what the number stands for, once that was known
    std::string last_failure;
  };

  engine::Result<std::shared_ptr<engine::Database>> open(const std::string& name);
  // The number of the database with its history as it is now.
  std::uint32_t number_of(const std::shared_ptr<engine::Database>& database);
  std::uint32_t number_locked(const std::string& name);

  const std::shared_ptr<engine::Repository> repository_;
  mutable std::mutex mutex_;
  std::vector<Slot> slots_;
  std::unordered_map<std::string, std::uint32_t> newest_;  // the number of a name
};

}  // namespace epochfs::fs
