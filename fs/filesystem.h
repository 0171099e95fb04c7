// Everything that the handlers of one mount share.
#pragma once

#include <sys/types.h>

#include <string>

#include "fs/counters.h"
#include "fs/failure_filter.h"
#include "fs/open_file.h"
#include "fs/open_handles.h"
#include "fs/tree.h"

namespace epochfs::fs {

struct OpenDirectory {
  Node node;
  std::unique_ptr<Listing> listing;
};

struct Filesystem {
  // `source` as the user wrote it. `top` as Tree has it; its database, if any, is number 0.
  Filesystem(std::shared_ptr<engine::Repository> repository, std::string source_text,
             const Node& top);

  // A file of an epoch, or one of those in .epochfs/.
  engine::Result<std::unique_ptr<OpenFile>> open(const Node& file) const;
  // What .epochfs/status.json says now.
  [[nodiscard]] std::string status() const;

  const std::string source;
  const engine::UtcTime mounted;
  const uid_t uid;
  const gid_t gid;
  Databases databases;
  Tree tree;
  Counters counters;
  FailureFilter failures;
  OpenHandles<OpenFile> open_files;
  OpenHandles<OpenDirectory> open_directories;
};

}  // namespace epochfs::fs
