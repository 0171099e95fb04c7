// The index of a repository: where it lies, and open.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/index/page_index.h"
#include "engine/repo/repository.h"

namespace epochfs::engine {

struct OpenedIndex {
  std::shared_ptr<PageIndex> index;
  std::string directory;  // private to the repository
};
// `id`: what the repository calls itself. It and the place together are its identity: a copy
// elsewhere, or a stranger that claims the same identity, has an index of its own. An object
// store's endpoint belongs to the place, since two may have a bucket of one name; all of Amazon's
// are one.
Result<OpenedIndex> open_index(const RepositoryOptions& options, const std::string& id,
                               PageIndex::Kind kind);

// Where caches may lie, the best first: in `chosen` alone, unless that is empty.
std::vector<std::string> cache_directories(const std::string& chosen);
// In there, what belongs to a place and to what is called `id` in it.
std::string place_directory(const std::string& cache, const std::string& location,
                            const std::string& id);
// The same as it was called when an object store's endpoint was no part of it.
std::string place_directory_of_any_store(const std::string& cache, const std::string& location,
                                         const std::string& id);

// A directory in a place like /tmp, where anybody may make one of that name first: there
// afterwards, no link, ours, closed to everybody else; otherwise kIo.
Result<void> claim_directory(const std::string& path);
// That for a cache which lies in such a place; others are the user's own business.
Result<void> claim_cache_directory(const std::string& cache);

// The place of a repository, free of links and detours.
std::string canonical_location(const std::string& location);

}  // namespace epochfs::engine
