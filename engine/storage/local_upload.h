// A new file that gets its name when it is complete and durable.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/core/handle.h"
#include "engine/storage/storage.h"

namespace epochfs::engine::local {

// Names of half-written files begin so; a writer clears away those that a dead one left.
inline constexpr std::string_view kTemporaryPrefix = ".tmp-";

class LocalUpload final : public Upload {
 public:
  // `directory` is where the file will be, opened by make_directories(); `leaf` is its name there
  // and `what` its name in errors. Unnamed until the end where the filesystem knows such files.
  static Result<std::unique_ptr<LocalUpload>> begin(UniqueFd directory, std::string leaf,
                                                    std::string what);
  // Named ".tmp-*" from the start, as finish_over() needs it.
  static Result<std::unique_ptr<LocalUpload>> begin_named(UniqueFd directory, std::string leaf,
                                                          std::string what);
  ~LocalUpload() override;

  Result<void> append(ByteView bytes) override;
  Result<void> finish() override;
  // Takes the place of the file that is there. kLocked: that has not the version `expected`.
  Result<void> finish_over(const std::string& expected);

 private:
  LocalUpload(UniqueFd directory, std::string leaf, std::string what);

  Result<void> create_temporary();
  Result<void> seal();
  Result<void> publish();
  Result<void> check_version(const std::string& expected) const;
  void discard_temporary() noexcept;

  UniqueFd directory_;
  std::string leaf_;
  std::string what_;
  UniqueFd file_;               // none once finish() gave it its name, or tried to
  std::string temporary_name_;  // empty: unnamed
  bool incomplete_ = false;     // an append failed
};

}  // namespace epochfs::engine::local
