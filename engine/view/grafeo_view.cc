#include "engine/view/grafeo_view.h"

#include "engine/core/time.h"
#include "engine/formats/json/json_text.h"
#include "engine/view/inline_file.h"

namespace epochfs::engine {
namespace {

// Bytes of stored objects as they are. Read-ahead is left to the kernel, for which they are
// ordinary files.
class StoredFile final : public File {
 public:
  using Read = Result<Pieces> (GrafeoSource::*)(const GrafeoEpoch&, ByteRange) const;

  StoredFile(std::shared_ptr<const GrafeoSource> source, GrafeoEpoch at, std::uint64_t size_bytes,
             Read how)
      : source_(std::move(source)), at_(std::move(at)), size_bytes_(size_bytes), how_(how) {}

  [[nodiscard]] std::uint64_t size_bytes() const noexcept override { return size_bytes_; }
  Result<Pieces> read(ByteRange range) const override { return ((*source_).*how_)(at_, range); }
  void prefetch(ByteRange) const override {}

 private:
  std::shared_ptr<const GrafeoSource> source_;
  GrafeoEpoch at_;
  std::uint64_t size_bytes_;
  Read how_;
};

std::string grafeo_epoch_json(const std::string& database, const std::string& file_name,
                              const GrafeoEpoch& at, const EpochInfo& info) {
  const native::EpochFacts& facts = info.facts;
  JsonObject json;
  json.set("database", database);
  json.set("engine", native::engine_name(native::Engine::kGrafeo));
  json.set("generation", static_cast<unsigned>(at.base.generation));
  json.set("epoch", facts.epoch.get());
  if (info.parent)
    json.set("parent", info.parent->get());
  else
    json.set_null("parent");
  json.set("committed", format_utc(facts.committed));
  json.set("captured", format_utc(facts.captured));
  json.set("how", native::captured_name(facts.how));
  if (facts.how == native::Captured::kLog)
    json.set("transactions", facts.commits_folded)
        .set("records", facts.pages_changed)
        .set("bytes_added", facts.log_bytes);
  if (info.valid_until)
    json.set("valid_until", format_utc(*info.valid_until));
  else
    json.set_null("valid_until");
  json.set("file", file_name);
  json.set("size_bytes", facts.size_bytes);
  json.set("image_bytes", at.base.image_bytes);
  json.set("log_bytes", at.row.log_bytes);
  json.set("segment", info.segment);
  json.set("base", info.base);
  json.set("base_epoch", at.base.end_epoch.get());
  return json.pretty();
}

class GrafeoView final : public View {
 public:
  GrafeoView(std::shared_ptr<const GrafeoSource> source, const std::string& file_name,
             GrafeoEpoch at, EpochInfo info, std::string json)
      : source_(std::move(source)),
        at_(std::move(at)),
        info_(std::move(info)),
        json_(std::move(json)) {
    files_.push_back({file_name, at_.base.image_bytes, false, ""});
    if (at_.has_log())
      files_.push_back(
          {at_.log_name(), at_.log_file_bytes(), false, file_name + std::string(kGrafeoLogSuffix)});
    files_.push_back({"epoch.json", json_.size(), true, ""});
  }

  [[nodiscard]] const EpochInfo& info() const noexcept override { return info_; }
  [[nodiscard]] const std::vector<FileEntry>& files() const noexcept override { return files_; }

  Result<std::shared_ptr<const File>> open(std::size_t file_index) const override {
    if (file_index >= files_.size()) return Error::not_found("no such file in the epoch");
    if (file_index + 1 == files_.size()) return std::make_shared<const InlineFile>(json_);
    const auto how = file_index == 0 ? &GrafeoSource::read_image : &GrafeoSource::read_log;
    return std::make_shared<const StoredFile>(source_, at_, files_[file_index].size_bytes, how);
  }

 private:
  std::shared_ptr<const GrafeoSource> source_;
  GrafeoEpoch at_;
  EpochInfo info_;
  std::string json_;
  std::vector<FileEntry> files_;
};

}  // namespace

Result<std::shared_ptr<const View>> open_grafeo_view(std::shared_ptr<const GrafeoSource> source,
                                                     const std::string& file_name,
                                                     const Timeline& timeline, GrafeoEpoch at) {
  TRY_ASSIGN(EpochInfo info, epoch_info(timeline, at.row.facts, at.segment, at.base.filename));
  std::string json = grafeo_epoch_json(source->place().database, file_name, at, info);
  return std::make_shared<const GrafeoView>(std::move(source), file_name, std::move(at),
                                            std::move(info), std::move(json));
}

}  // namespace epochfs::engine
