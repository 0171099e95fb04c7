// What every command is told, and the two ways in which it speaks: the answer on stdout, everything
// for people on stderr.
#pragma once

#include <string>
#include <string_view>

#include "engine/core/error.h"

namespace epochfs::tools {

struct Context {
  std::string cache_directory;  // empty: the user's
  std::string endpoint_url;     // of object stores; empty: as AWS's own tools find it
  bool with_unproven = false;   // see engine::RepositoryOptions
  bool quiet = false;
  bool verbose = false;

  // Adds `text` and a newline to the answer. kIo: stdout does not take it.
  engine::Result<void> answer(std::string_view text) const;
  // What is wrong although the command does what it was asked for; also with --quiet.
  void warn(std::string_view text) const;
  // A line for people; not with --quiet.
  void note(std::string_view text) const;
  // A line for curious people; only with --verbose.
  void detail(std::string_view text) const;
};

// Adds `text` as it is (a JSON document brings its own newline).
engine::Result<void> write_answer(std::string_view text);
// After the last word: all of the answer has reached stdout.
engine::Result<void> finish_answer();

}  // namespace epochfs::tools
