// The XML of S3: what a server says, as values, and what it is told.
//
// Trust     none. There are no entities but XML's own five, no documents beside this one; the size
//           is what the caller read, which is bounded; nesting costs no stack
// Errors    kIo: not the document that was expected
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/bytes.h"
#include "engine/core/error.h"
#include "engine/core/units.h"

namespace epochfs::engine {

struct S3Failure {
  std::string code;  // "NoSuchKey"
  std::string message;
  std::string region;  // where the bucket is, when that is the trouble
};
std::optional<S3Failure> parse_s3_failure(ByteView xml);  // nullopt: it is no <Error>

// Of each kind, in a page of a listing: what servers give at most.
inline constexpr std::size_t kPageKeysMax = 1'000;

struct S3Page {
  struct Object {
    std::string key;
    std::uint64_t size_bytes = 0;
    std::string etag;  // without quotes
    UtcTime modified;  // 1970: it does not say
  };
  std::vector<Object> objects;
  std::vector<std::string> prefixes;
  std::optional<std::string> next;  // token that continues; nullopt: this was the last page
};
// An answer of ListObjectsV2 with encoding-type=url.
Result<S3Page> parse_s3_page(ByteView xml);

Result<std::string> parse_s3_upload_id(ByteView xml);
// The first key that DeleteObjects could not delete.
struct S3NotDeleted {
  std::string key;
  S3Failure failure;
};
Result<std::optional<S3NotDeleted>> parse_s3_deleted(ByteView xml);

std::string complete_upload_xml(std::span<const std::string> etags);  // of parts 1, 2, …
std::string delete_objects_xml(std::span<const std::string> keys);

// "\"abc\"" -> "abc"
std::string_view without_quotes(std::string_view etag) noexcept;

}  // namespace epochfs::engine
