#include "tests/support/faulty_storage.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace epochfs::engine {
namespace {

struct DamagedRange {
  std::string name;
  ByteRange range;
  std::byte mask;
};

}  // namespace

// What shall go wrong, and what was asked for so far.
class FaultyStorage::Plan {
 public:
  void fail(std::optional<Fault> fault) {
    const std::lock_guard lock(mutex_);
    fault_ = std::move(fault);
    seen_by_fault_ = 0;
  }
  void damage(std::optional<DamagedRange> damage) {
    const std::lock_guard lock(mutex_);
    if (!damage) damage_.clear();
    if (damage) damage_.push_back(*std::move(damage));
  }

  // Runs `call`, or fails in its place or after it.
  template <class Call>
  auto run(Operation operation, const Call& call) -> decltype(call()) {
    if (const auto act = take_act(operation)) act();
    const auto fault = next(operation);
    if (!fault) return call();
    if (fault->after_effect) static_cast<void>(call());
    return tl::unexpected(fault->error);
  }

  void apply_damage(const std::string& name, std::uint64_t offset, MutableByteView bytes) const {
    const std::lock_guard lock(mutex_);
    for (const DamagedRange& damage : damage_) {
      if (damage.name != name) continue;
      for (std::uint64_t i = 0; i < bytes.size(); ++i) {
        const std::uint64_t at = offset + i;
        if (at >= damage.range.begin && at - damage.range.begin < damage.range.size)
          bytes[i] ^= damage.mask;
      }
    }
  }

  void meanwhile(Operation operation, std::function<void()> act) {
    const std::lock_guard lock(mutex_);
    act_ = std::move(act);
    act_before_ = operation;
  }

  void add_read(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    bytes_read_ += bytes;
  }
  void add_appended(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    bytes_appended_ += bytes;
  }
  void reset_counts() {
    const std::lock_guard lock(mutex_);
    counts_.clear();
    bytes_read_ = 0;
    bytes_appended_ = 0;
  }
  std::uint64_t count(const std::set<Operation>& operations) const {
    const std::lock_guard lock(mutex_);
    std::uint64_t sum = 0;
    for (const auto& [operation, count] : counts_)
      if (operations.empty() || operations.contains(operation)) sum += count;
    return sum;
  }
  std::uint64_t bytes_read() const {
    const std::lock_guard lock(mutex_);
    return bytes_read_;
  }
  std::uint64_t bytes_appended() const {
    const std::lock_guard lock(mutex_);
    return bytes_appended_;
  }

 private:
  std::function<void()> take_act(Operation operation) {
    const std::lock_guard lock(mutex_);
    return operation == act_before_ ? std::exchange(act_, nullptr) : nullptr;
  }

  // Counts the operation; the fault, if it is this one's turn to fail.
  std::optional<Fault> next(Operation operation) {
    const std::lock_guard lock(mutex_);
    ++counts_[operation];
    if (!fault_) return std::nullopt;
    if (!fault_->operations.empty() && !fault_->operations.contains(operation)) return std::nullopt;
    ++seen_by_fault_;
    const bool due =
        fault_->lasting ? seen_by_fault_ >= fault_->nth : seen_by_fault_ == fault_->nth;
    return due ? fault_ : std::nullopt;
  }

  mutable std::mutex mutex_;
  std::optional<Fault> fault_;
  std::uint64_t seen_by_fault_ = 0;
  std::function<void()> act_;
  Operation act_before_ = Operation::kOpen;
  std::vector<DamagedRange> damage_;
  std::map<Operation, std::uint64_t> counts_;
  std::uint64_t bytes_read_ = 0;
  std::uint64_t bytes_appended_ = 0;
};

class FaultyStorage::FaultyBlob final : public Blob {
 public:
  FaultyBlob(std::shared_ptr<const Blob> inner, std::shared_ptr<Plan> plan, std::string name)
      : inner_(std::move(inner)), plan_(std::move(plan)), name_(std::move(name)) {}

  [[nodiscard]] std::uint64_t size_bytes() const noexcept override { return inner_->size_bytes(); }
  [[nodiscard]] const std::string& version() const noexcept override { return inner_->version(); }

  Result<void> read(std::uint64_t offset, MutableByteView out) const override {
    plan_->add_read(out.size());
    TRY(plan_->run(Operation::kRead, [&] { return inner_->read(offset, out); }));
    plan_->apply_damage(name_, offset, out);
    return {};
  }

 private:
  std::shared_ptr<const Blob> inner_;
  std::shared_ptr<Plan> plan_;
  std::string name_;
};

class FaultyStorage::FaultyUpload final : public Upload {
 public:
  FaultyUpload(std::unique_ptr<Upload> inner, std::shared_ptr<Plan> plan)
      : inner_(std::move(inner)), plan_(std::move(plan)) {}

  Result<void> append(ByteView bytes) override {
    plan_->add_appended(bytes.size());
    Result<void> appended = plan_->run(Operation::kAppend, [&] { return inner_->append(bytes); });
    if (!appended) failure_ = appended.error();
    return appended;
  }
  Result<void> finish() override {
    if (failure_) return tl::unexpected(*failure_);
    return plan_->run(Operation::kFinish, [&] { return inner_->finish(); });
  }

 private:
  std::unique_ptr<Upload> inner_;
  std::shared_ptr<Plan> plan_;
  std::optional<Error> failure_;  // after it finish() must fail
};

FaultyStorage::FaultyStorage(std::shared_ptr<Storage> inner)
    : inner_(std::move(inner)),
      plan_(std::make_shared<Plan>()),
      has_locks_(inner_->has_locks()),
      is_remote_(inner_->is_remote()) {}
FaultyStorage::~FaultyStorage() = default;

void FaultyStorage::fail(Fault fault) { plan_->fail(std::move(fault)); }
void FaultyStorage::heal() {
  plan_->fail(std::nullopt);
  plan_->damage(std::nullopt);
}
void FaultyStorage::meanwhile(Operation operation, std::function<void()> act) {
  plan_->meanwhile(operation, std::move(act));
}
void FaultyStorage::keep_no_locks() { has_locks_ = false; }
void FaultyStorage::be_remote() { is_remote_ = true; }
void FaultyStorage::damage(std::string_view name, ByteRange range, std::byte mask) {
  plan_->damage(DamagedRange{std::string(name), range, mask});
}

std::uint64_t FaultyStorage::count(const std::set<Operation>& operations) const {
  return plan_->count(operations);
}
std::uint64_t FaultyStorage::bytes_read() const { return plan_->bytes_read(); }
std::uint64_t FaultyStorage::bytes_appended() const { return plan_->bytes_appended(); }
void FaultyStorage::reset_counts() { plan_->reset_counts(); }

std::string FaultyStorage::location() const { return inner_->location(); }

Result<std::shared_ptr<const Blob>> FaultyStorage::open(std::string_view name) const {
  TRY_ASSIGN(auto blob, plan_->run(Operation::kOpen, [&] { return inner_->open(name); }));
  return std::make_shared<const FaultyBlob>(std::move(blob), plan_, std::string(name));
}
Result<ObjectInfo> FaultyStorage::stat(std::string_view name) const {
  return plan_->run(Operation::kStat, [&] { return inner_->stat(name); });
}
Result<Listing> FaultyStorage::list(std::string_view directory) const {
  return plan_->run(Operation::kList, [&] { return inner_->list(directory); });
}
Result<std::unique_ptr<Upload>> FaultyStorage::create(std::string_view name) {
  TRY_ASSIGN(auto upload, plan_->run(Operation::kCreate, [&] { return inner_->create(name); }));
  return std::make_unique<FaultyUpload>(std::move(upload), plan_);
}
Result<void> FaultyStorage::replace(std::string_view name, ByteView content,
                                    const std::optional<std::string>& expected) {
  return plan_->run(Operation::kReplace, [&] { return inner_->replace(name, content, expected); });
}
Result<void> FaultyStorage::remove(std::string_view name) {
  return plan_->run(Operation::kRemove, [&] { return inner_->remove(name); });
}
Result<std::unique_ptr<WriterLock>> FaultyStorage::lock_writer(std::string_view directory,
                                                               bool wait) {
  return plan_->run(Operation::kLock, [&]() -> Result<std::unique_ptr<WriterLock>> {
    if (!has_locks_) return std::make_unique<WriterLock>();
    return inner_->lock_writer(directory, wait);
  });
}

}  // namespace epochfs::engine
