// A repository in a bucket of an S3-compatible object store.
//
// Reading   a blob is pinned by its ETag: each range is asked for with If-Match, and what comes
//           back is checked to be that range of that object. get() is one request
// Writing   objects come into being under If-None-Match, replace() is a PUT under If-Match, both
//           decided by the store. A store that ignores conditions cannot hold a repository that has
//           more than one writer. When no answer comes at all, finish() may fail and leave the
//           object
// Locking   none: lock_writer() keeps nobody away. Two writers race until one replaces the
//           manifest; the other gets kLocked
// Versions  ETags. A name that gets the same content again gets the same version again
// Times     see S3Times; an attempt that failed in passing is repeated within them
// Memory    16 MiB for each upload under way
// Errors    kUnreachable for a store that does not answer or refuses, with endpoint, status and the
//           server's own code in the text, never a secret · kIo for answers that make no sense
#pragma once

#include <memory>

#include "engine/storage/s3_client.h"
#include "engine/storage/storage.h"

namespace epochfs::engine {

// Asks nothing of the store yet. The bucket must exist.
std::shared_ptr<Storage> make_s3_storage(S3Settings settings, S3Times times = {});

}  // namespace epochfs::engine
