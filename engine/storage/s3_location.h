// Where a repository lies in an object store: s3://bucket/prefix.
#pragma once

#include <string>
#include <string_view>

#include "engine/core/error.h"

namespace epochfs::engine {

struct S3Location {
  std::string bucket;  // 3 to 63 letters, digits, '.', '-', '_'
  std::string prefix;  // plain names joined by '/', without one at either end; "" is the bucket

  [[nodiscard]] std::string text() const;                      // "s3://bucket/prefix"
  [[nodiscard]] std::string key(std::string_view name) const;  // of the object `name`; "" for none
};

[[nodiscard]] bool is_s3_location(std::string_view location) noexcept;  // begins with "s3://"
// kInvalid: anything else than said above; a '/' at the end is fine.
Result<S3Location> parse_s3_location(std::string_view location);

}  // namespace epochfs::engine
