// The index of a repository: where it lies, and open.
#pragma once

#include <memory>
#include <string>

#include "engine/index/page_index.h"
#include "engine/repo/repository.h"

namespace epochfs::engine {

struct OpenedIndex {
  std::shared_ptr<PageIndex> index;
  std::string directory;  // private to the repository
};
// `id`: what the repository calls itself. It and the place together are its identity: a copy
// elsewhere, or a stranger that claims the same identity, has an index of its own.
Result<OpenedIndex> open_index(const RepositoryOptions& options, const std::string& id,
                               PageIndex::Kind kind);

// The place of a repository, free of links and detours.
std::string canonical_location(const std::string& location);

}  // namespace epochfs::engine
