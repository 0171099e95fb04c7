// A storage that fails when it is told to, returns damaged bytes where it is told to, and counts.
//
// A damage test counts the operations of a good run, then makes one run for each of them:
//
//   for (std::uint64_t n = 1; n <= count; ++n) { faulty->fail({.nth = n, .lasting = true}); ... }
//
// Threads   any
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "engine/core/units.h"
#include "engine/storage/storage.h"

namespace epochfs::engine {

enum class Operation {
  kOpen,
  kRead,  // of a blob; get() is kOpen and kRead
  kStat,
  kList,
  kCreate,
  kAppend,
  kFinish,
  kReplace,
  kRemove,
  kLock,
};

struct Fault {
  std::set<Operation> operations = {};  // which ones count; empty: all
  std::uint64_t nth = 1;                // the first to fail, counted from now
  bool lasting = false;                 // all after it fail too: the process or the storage is dead
  bool after_effect = false;            // what fails is done all the same: only the answer is lost
  Error error = {Code::kIo, "injected failure", 0};
};

class FaultyStorage final : public Storage {
 public:
  explicit FaultyStorage(std::shared_ptr<Storage> inner);
  ~FaultyStorage() override;

  void fail(Fault fault);  // in place of the fault before
  void heal();             // no more failures, no more damage
  // Right before the next such operation, once: what somebody else does just then.
  void meanwhile(Operation operation, std::function<void()> act);
  // From now on everybody gets a lock, and it keeps nobody out: an object store has none.
  void keep_no_locks();
  // From now on it says that it is far away.
  void be_remote();
  // From now on `range` of the object reads as if each byte had been XORed with `mask`.
  void damage(std::string_view name, ByteRange range, std::byte mask = std::byte{0xff});

  // How many of these operations there were so far, failed ones too; none named: all.
  [[nodiscard]] std::uint64_t count(const std::set<Operation>& operations = {}) const;
  [[nodiscard]] std::uint64_t bytes_read() const;      // asked of blobs
  [[nodiscard]] std::uint64_t bytes_appended() const;  // to uploads
  void reset_counts();

  [[nodiscard]] std::string location() const override;
  Result<std::shared_ptr<const Blob>> open(std::string_view name) const override;
  Result<ObjectInfo> stat(std::string_view name) const override;
  Result<Listing> list(std::string_view directory) const override;
  Result<std::unique_ptr<Upload>> create(std::string_view name) override;
  Result<void> replace(std::string_view name, ByteView content,
                       const std::optional<std::string>& expected) override;
  Result<void> remove(std::string_view name) override;
  Result<std::unique_ptr<WriterLock>> lock_writer(std::string_view directory, bool wait) override;
  [[nodiscard]] bool has_locks() const noexcept override { return has_locks_; }
  [[nodiscard]] bool is_remote() const noexcept override { return is_remote_; }

 private:
  class Plan;
  class FaultyBlob;
  class FaultyUpload;

  std::shared_ptr<Storage> inner_;
  std::shared_ptr<Plan> plan_;  // shared with blobs and uploads
  bool has_locks_;
  bool is_remote_;
};

}  // namespace epochfs::engine
