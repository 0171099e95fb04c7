#include "engine/view/native_view.h"

#include <algorithm>

#include "engine/core/time.h"
#include "engine/formats/json/json_text.h"
#include "engine/view/inline_file.h"

namespace epochfs::engine {
namespace {

// Size and "page P at this epoch".
class PagedFile final : public File {
 public:
  PagedFile(NativeViewParts parts, EpochContext at)
      : state_(std::make_shared<const State>(State{std::move(parts), std::move(at)})) {}

  [[nodiscard]] std::uint64_t size_bytes() const noexcept override {
    return state_->at.facts.size_bytes;
  }

  Result<Pieces> read(ByteRange range) const override {
    return state_->parts.source->read(state_->at, range);
  }

  void prefetch(ByteRange range) const override {
    if (range.begin >= size_bytes()) return;
    const std::uint64_t end = range.begin + std::min(range.size, size_bytes() - range.begin);
    for (std::uint64_t begin = range.begin; begin < end; begin += kPrefetchBytes) {
      const ByteRange part{begin, std::min(kPrefetchBytes, end - begin)};
      // What the task finds stays in the cache; what it fails at, the reader will fail at too, and
      // say so.
      state_->parts.read_ahead->schedule([state = state_, part] {
        [[maybe_unused]] const auto ignored = state->parts.source->read(state->at, part);
      });
    }
  }

 private:
  static constexpr std::uint64_t kPrefetchBytes = 128 * 1024;

  // Shared with the read-ahead tasks, which may outlive the file.
  struct State {
    NativeViewParts parts;
    EpochContext at;
  };
  std::shared_ptr<const State> state_;
};

std::string epoch_json(const NativeViewParts& parts, const EpochInfo& info,
                       const Timeline& timeline, PageSize page_size) {
  const native::EpochFacts& facts = info.facts;
  JsonObject json;
  json.set("database", parts.source->database());
  json.set("engine", native::engine_name(parts.engine));
  json.set("epoch", facts.epoch.get());
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
  if (!info.valid_until && timeline.covered_until())
    json.set("covered_until", format_utc(std::max(*timeline.covered_until(), facts.committed)));
  json.set("file", parts.file_name);
  json.set("size_bytes", facts.size_bytes);
  json.set("page_size", page_size.bytes());
  json.set("pages_changed", facts.pages_changed);
  json.set("state_hash", facts.state.hex());
  json.set("segment", info.segment);
  json.set("base", info.base);
  return json.pretty();
}

class NativeView final : public View {
 public:
  NativeView(NativeViewParts parts, EpochContext at, EpochInfo info, std::string json)
      : parts_(std::move(parts)),
        at_(std::move(at)),
        info_(std::move(info)),
        json_(std::move(json)) {
    files_.push_back({parts_.file_name, at_.facts.size_bytes, false});
    if ((at_.facts.flags & native::kEpochWalMode) != 0) {
      // SQLite opens a WAL database on a read-only filesystem only when it finds both beside it.
      files_.push_back({parts_.file_name + "-wal", 0, false});
      files_.push_back({parts_.file_name + "-shm", 0, false});
    }
    // A file that is itself called epoch.json keeps its name; ours steps aside.
    const bool taken = parts_.file_name == "epoch.json";
    files_.push_back({taken ? "epoch.epochfs.json" : "epoch.json", json_.size(), true});
  }

  [[nodiscard]] const EpochInfo& info() const noexcept override { return info_; }
  [[nodiscard]] const std::vector<FileEntry>& files() const noexcept override { return files_; }

  Result<std::shared_ptr<const File>> open(std::size_t file_index) const override {
    if (file_index >= files_.size()) return Error::not_found("no such file in the epoch");
    if (file_index == 0) return std::make_shared<const PagedFile>(parts_, at_);
    if (file_index + 1 == files_.size()) return std::make_shared<const InlineFile>(json_);
    return std::make_shared<const InlineFile>("");
  }

 private:
  NativeViewParts parts_;
  EpochContext at_;
  EpochInfo info_;
  std::string json_;
  std::vector<FileEntry> files_;
};

class NativeImage final : public EpochImage {
 public:
  NativeImage(std::shared_ptr<const NativeSource> source, EpochContext at)
      : source_(std::move(source)), at_(std::move(at)) {}

  [[nodiscard]] const native::EpochFacts& facts() const noexcept override { return at_.facts; }
  [[nodiscard]] PageSize page_size() const noexcept override { return at_.base_row.page_size; }
  [[nodiscard]] std::uint32_t stride_pages() const noexcept override {
    return at_.base_row.block_bytes / at_.base_row.page_size.bytes();
  }
  Result<void> read_pages(PageNo first, MutableByteView out,
                          std::vector<std::uint64_t>& hashes) const override {
    return source_->read_pages(at_, first, out, hashes);
  }
  Result<std::vector<std::uint64_t>> page_hashes(PageRange pages) const override {
    return source_->page_hashes(at_, pages);
  }

 private:
  std::shared_ptr<const NativeSource> source_;
  EpochContext at_;
};

}  // namespace

std::shared_ptr<const EpochImage> open_native_image(std::shared_ptr<const NativeSource> source,
                                                    EpochContext at) {
  return std::make_shared<const NativeImage>(std::move(source), std::move(at));
}

Result<std::shared_ptr<const View>> open_native_view(const NativeViewParts& parts,
                                                     const Timeline& timeline,
                                                     const EpochContext& at) {
  TRY_ASSIGN(EpochInfo info, epoch_info(timeline, at.facts, at.segment, at.base_row.filename));
  std::string json = epoch_json(parts, info, timeline, at.base_row.page_size);
  return std::make_shared<const NativeView>(parts, at, std::move(info), std::move(json));
}

}  // namespace epochfs::engine
