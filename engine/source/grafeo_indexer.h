// Takes the backups of a Grafeo directory into the index: which epochs there are, on which image
// each rests, and how much of the log on top of it belongs to it.
//
// Trust     none in manifest and segments. What is missing, damaged, or does not fit what comes
//           before it costs its own epochs and those built on them, and is remembered as a problem
// Offered   an epoch that a full ends with; an epoch that the log of an unbroken chain proves
//           whole. Never a number that was passed already: what an epoch is does not change
// Cost      every incremental is read once, front to back; of a full only the headers, so nothing
//           depends on the size of an image
#pragma once

#include <string>
#include <string_view>

#include "engine/formats/grafeo/manifest.h"
#include "engine/index/page_index.h"
#include "engine/storage/storage.h"

namespace epochfs::engine {

// A backup directory of Grafeo's in a storage, or what stands for one.
struct GrafeoPlace {
  std::string directory;  // "" is the storage's root
  std::string database;   // what its history is called here
  // In a repository of ours. The storage shows the segments as the files in them; the manifest is
  // ours.
  bool is_packed = false;

  [[nodiscard]] std::string_view manifest_file() const noexcept;
  // The object of that name in the directory.
  [[nodiscard]] std::string object(std::string_view filename) const;
};

// `version` is that of the manifest's object; `again` and errors as take_in() has them (history.h).
Result<DatabaseRow> take_in_grafeo(PageIndex& index, const Storage& storage,
                                   const GrafeoPlace& place, const grafeo::Manifest& manifest,
                                   const std::string& version, bool again);

// The size of the file that shows so many bytes of the log of a chain: behind those of v2 an empty
// group proves that nothing is missing.
[[nodiscard]] std::uint64_t log_file_bytes(grafeo::Generation generation,
                                           std::uint64_t log_bytes) noexcept;

}  // namespace epochfs::engine
