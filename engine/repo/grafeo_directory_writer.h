// Writes a backup directory of Grafeo's, in Grafeo's own format.
//
// Writers   one of ours at a time, by a lock; Grafeo knows no such lock, so its own backups into
//           the directory must not run at the same time. One that ran nevertheless is noticed at
//           the manifest
// Errors    as GrafeoWriter's; kInvalid: the directory is a repository of epochfs
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/repo/grafeo_writer.h"

namespace epochfs::engine {

class GrafeoDirectoryWriter final : public GrafeoWriter {
 public:
  // A directory that does not exist yet begins with an empty manifest. The second for one in a
  // storage that is open.
  static Result<std::unique_ptr<GrafeoDirectoryWriter>> open(const std::string& directory,
                                                             Lock lock);
  static Result<std::unique_ptr<GrafeoDirectoryWriter>> open(std::shared_ptr<Storage> storage,
                                                             Lock lock);

  [[nodiscard]] std::string location() const override { return storage_->location(); }

 private:
  GrafeoDirectoryWriter() = default;
  Result<void> load();
  Result<void> begin_file(grafeo::SegmentEntry& entry) override;
  Result<void> put(ByteView bytes) override { return upload_->append(bytes); }
  Result<std::uint64_t> publish(const grafeo::Manifest& next) override;
  [[nodiscard]] std::string next_name(std::string_view prefix, std::string_view suffix) const;

  std::shared_ptr<Storage> storage_;
  std::unique_ptr<WriterLock> lock_;
  std::optional<std::string> version_;  // of the stored manifest; nullopt: none yet
  std::unique_ptr<Upload> upload_;
};

}  // namespace epochfs::engine
