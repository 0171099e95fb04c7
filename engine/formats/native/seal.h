// The last line of every JSON document of a repository: a hash of the rest, so that no flipped byte
// passes for history.
//
// Source    engine/formats/native/repository.md, section 1
#pragma once

#include <string>

#include "engine/core/bytes.h"

namespace epochfs::engine::native {

// `json`: one pretty-printed object. It gets a last member "document_sha256", the SHA-256 of `json`
// as given.
std::string sealed(std::string json);
// kCorrupt: no such last member, or the rest is not what was sealed. The seal looks the same in
// every version, so that damage never passes for a newer format.
Result<void> check_seal(ByteView document);

}  // namespace epochfs::engine::native
