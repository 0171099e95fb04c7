// The log directory of a Grafeo database (`name.grafeo.wal`): its files, held open.
//
// Why       the files grow at their ends and vanish after a checkpoint; open ones stay readable
// Trust     none: regular files only, nothing outside the directory
// Writes    backup_cursor.meta alone, and the directory that it needs
// Errors    kCorrupt: a file that is none, or files of both generations · kIo
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/handle.h"
#include "engine/formats/grafeo/cursor.h"

namespace epochfs::engine {

struct GrafeoLogFile {
  std::string path;
  std::uint64_t number = 0;      // of its name: v1 the sequence, v2 the LSN of its first frame
  std::uint64_t size_bytes = 0;  // once all were open
  UniqueFd file;
};

struct GrafeoLogFiles {
  std::optional<grafeo::Generation> generation;  // nullopt: there are none
  std::vector<GrafeoLogFile> files;              // by number
  // v1: files below this one are in the image already.
  std::uint64_t first_needed_sequence = 0;
};

// A log that is not there is an empty one, and so is a directory that is not there.
Result<GrafeoLogFiles> open_grafeo_log(const std::string& directory);

// How far Grafeo, and whoever else writes its backups, may take the database for backed up. It
// keeps the log from there on.
class GrafeoCursorFile {
 public:
  // `image_path`: whose owner gets the directory if it has to be made.
  GrafeoCursorFile(std::string directory, std::string image_path)
      : directory_(std::move(directory)), image_path_(std::move(image_path)) {}

  [[nodiscard]] std::string path() const;
  // kIo: it could not be written. Asked before anything else is, for a cursor that stays
  // behind makes Grafeo's next incremental begin too early.
  [[nodiscard]] Result<void> check_writable() const;
  // Atomic and durable; nothing is done when it says so already, but for the time.
  [[nodiscard]] Result<void> save(const grafeo::BackupCursor& cursor) const;
  [[nodiscard]] bool directory_exists() const;

 private:
  [[nodiscard]] std::optional<grafeo::BackupCursor> load() const;
  [[nodiscard]] Result<void> make_directory() const;

  std::string directory_;
  std::string image_path_;
};

}  // namespace epochfs::engine
