#include "engine/view/paged_view.h"

#include <algorithm>

#include "engine/core/time.h"
#include "engine/formats/json/json_text.h"
#include "engine/formats/sqlite/wal.h"
#include "engine/formats/zlayer/epoch_name.h"
#include "engine/view/inline_file.h"

namespace epochfs::engine {
namespace {

// A log without a frame, as long as its header. SQLite reads a database whose log is shorter than
// that as well, but takes it for one that changes all the time: an online backup (`.backup`) of it
// begins again at every step.
std::string empty_log() {
  std::string log;
  log.resize(sqlite::kWalHeaderSize);
  return log;
}

std::string epoch_json(const PagedEpoch& epoch, const EpochInfo& info, const Timeline& timeline) {
  const native::EpochFacts& facts = info.facts;
  JsonObject json;
  json.set("database", epoch.database);
  json.set("engine", native::engine_name(epoch.engine));
  json.set("epoch", facts.epoch.get());
  const bool is_stored = facts.basis == native::Basis::kStored;
  if (!is_stored) json.set("name", zlayer::epoch_name(facts));
  if (info.parent)
    json.set("parent", info.parent->get());
  else
    json.set_null("parent");
  json.set("committed", format_utc(facts.committed));
  json.set("captured", format_utc(facts.captured));
  json.set("how", native::captured_name(facts.how));
  if (facts.commits_folded > 0) json.set("commits_folded", facts.commits_folded);
  if (info.valid_until)
    json.set("valid_until", format_utc(*info.valid_until));
  else
    json.set_null("valid_until");
  // Where something is missing, epochs may have followed that nobody knows of.
  if (!info.valid_until && timeline.covered_until() && timeline.problem_count() == 0)
    json.set("covered_until", format_utc(std::max(*timeline.covered_until(), facts.committed)));
  json.set("file", epoch.file_name);
  json.set("size_bytes", facts.size_bytes);
  json.set("page_size", epoch.page_size.bytes());
  json.set("pages_changed", facts.pages_changed);
  json.set("state_hash", facts.state.hex());
  json.set("segment", info.segment);
  json.set("base", info.base);
  if (!is_stored) json.set("base_is", native::basis_name(facts.basis));
  return json.pretty();
}

class PagedView final : public View {
 public:
  PagedView(PagedEpoch epoch, EpochInfo info, std::string json)
      : file_(std::move(epoch.file)), info_(std::move(info)), json_(std::move(json)) {
    files_.push_back({epoch.file_name, file_->size_bytes(), false});
    if ((info_.facts.flags & native::kEpochWalMode) != 0) {
      // SQLite opens a WAL database on a read-only filesystem only when it finds both beside it.
      files_.push_back({epoch.file_name + "-wal", sqlite::kWalHeaderSize, false});
      files_.push_back({epoch.file_name + "-shm", 0, false});
    }
    // A file that is itself called epoch.json keeps its name; ours steps aside.
    const bool taken = epoch.file_name == "epoch.json";
    files_.push_back({taken ? "epoch.epochfs.json" : "epoch.json", json_.size(), true});
  }

  [[nodiscard]] const EpochInfo& info() const noexcept override { return info_; }
  [[nodiscard]] const std::vector<FileEntry>& files() const noexcept override { return files_; }

  Result<std::shared_ptr<const File>> open(std::size_t file_index) const override {
    if (file_index >= files_.size()) return Error::not_found("no such file in the epoch");
    if (file_index == 0) return file_;
    if (file_index + 1 == files_.size()) return std::make_shared<const InlineFile>(json_);
    return std::make_shared<const InlineFile>(file_index == kLogIndex ? empty_log() : "");
  }

 private:
  static constexpr std::size_t kLogIndex = 1;  // where there is one

  std::shared_ptr<const File> file_;
  EpochInfo info_;
  std::string json_;
  std::vector<FileEntry> files_;
};

}  // namespace

Result<std::shared_ptr<const View>> open_paged_view(PagedEpoch epoch, const Timeline& timeline) {
  TRY_ASSIGN(EpochInfo info, epoch_info(timeline, epoch.facts, epoch.segment, epoch.base));
  std::string json = epoch_json(epoch, info, timeline);
  return std::make_shared<const PagedView>(std::move(epoch), std::move(info), std::move(json));
}

}  // namespace epochfs::engine
