#include "engine/storage/s3_location.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/core/text.h"

namespace epochfs::engine {
namespace {

constexpr std::string_view kScheme = "s3://";

bool is_bucket(std::string_view name) noexcept {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  };
  return name.size() >= 3 && name.size() <= 63 && std::ranges::all_of(name, is_allowed);
}

bool is_prefix(std::string_view prefix) noexcept {
  while (!prefix.empty()) {
    const std::size_t slash = prefix.find('/');
    if (!is_path_component(prefix.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    prefix.remove_prefix(slash + 1);
  }
  return true;
}

}  // namespace

std::string S3Location::text() const {
  return fmt::format("{}{}{}{}", kScheme, bucket, prefix.empty() ? "" : "/", prefix);
}

std::string S3Location::key(std::string_view name) const {
  return fmt::format("{}{}{}", prefix, prefix.empty() || name.empty() ? "" : "/", name);
}

bool is_s3_location(std::string_view location) noexcept { return location.starts_with(kScheme); }

Result<S3Location> parse_s3_location(std::string_view location) {
  const auto invalid = [&](std::string_view why) {
    return Error::invalid(fmt::format("'{}' {}", printable(location), why));
  };
  if (!is_s3_location(location)) return invalid("does not begin with s3://");
  const std::string_view rest = location.substr(kScheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view bucket = rest.substr(0, slash);
  std::string_view prefix = rest.substr(std::min(slash + 1, rest.size()));
  if (!is_bucket(bucket)) return invalid("names no bucket: s3://bucket/prefix is expected");
  if (!is_prefix(prefix)) return invalid("has a part behind the bucket that is no plain name");
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  return S3Location{std::string(bucket), std::string(prefix)};
}

}  // namespace epochfs::engine
