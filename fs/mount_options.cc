#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "engine/core/text.h"
#include "fs/mount.h"

namespace epochfs::fs {

using engine::Error;
using engine::Result;

namespace {

// What mount(8) passes on and what asks for nothing that is not so anyway. `rw` is among them
// because mount(8) says it whenever fstab does not say `ro`.
constexpr std::array<std::string_view, 39> kMeaningless = {
    "ro",         "rw",       "nosuid",   "nodev",      "noexec",
    "exec",       "auto",     "noauto",   "user",       "users",
    "nouser",     "owner",    "group",    "_netdev",    "nofail",
    "defaults",   "noatime",  "relatime", "nodiratime", "strictatime",
    "async",      "sync",     "",         "dirsync",    "nosymfollow",
    "lazytime",   "silent",   "mand",     "dev",        "suid",
    "loud",       "diratime", "atime",    "norelatime", "nostrictatime",
    "nolazytime", "nomand",   "iversion", "noiversion"};

bool is_meaningless(std::string_view option) {
  return std::find(kMeaningless.begin(), kMeaningless.end(), option) != kMeaningless.end() ||
         option.starts_with("x-") || option.starts_with("X-") || option.starts_with("comment=") ||
         option.starts_with("uhelper=");
}

// 64M, 2G, 512K, 1048576.
Result<std::uint64_t> parse_size(std::string_view option, std::string_view text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, number);
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  constexpr std::string_view kUnits = "KMGT";
  const std::size_t power = unit.empty() ? 0 : kUnits.find(unit.front()) + 1;
  const std::uint64_t scale = std::uint64_t{1} << (10 * power);
  std::uint64_t size = 0;
  if (failure != std::errc() || unit.size() > 1 || (!unit.empty() && power == 0) ||
      __builtin_mul_overflow(number, scale, &size))
    return Error::invalid(fmt::format("{}={}: a size is a number with K, M, G or T", option,
                                      engine::printable(text)));
  return size;
}

Result<void> apply(std::string_view option, MountOptions& options) {
  const std::size_t equals = option.find('=');
  const std::string_view name = option.substr(0, equals);
  const bool has_value = equals != std::string_view::npos;
  const std::string_view value = has_value ? option.substr(equals + 1) : std::string_view();
  if (has_value && name == "cache") {
    TRY_ASSIGN(options.cache_bytes, parse_size(name, value));
  } else if (has_value && name == "disk_cache") {
    TRY_ASSIGN(options.disk_cache_bytes, parse_size(name, value));
  } else if (has_value && name == "cache_dir") {
    options.cache_directory = value;
  } else if (has_value && name == "endpoint_url") {
    options.endpoint_url = value;
  } else if (has_value && name == "log") {
    options.log_file = value;
  } else if (option == "allow_other") {
    options.allow_other = true;
  } else if (option == "unproven") {
    options.with_unproven = true;
  } else if (!is_meaningless(option)) {
    return Error::invalid(
        fmt::format("mount option {}: not known; there are cache=SIZE, cache_dir=DIR, log=FILE, "
                    "endpoint_url=URL, disk_cache=SIZE, allow_other, unproven",
                    engine::printable(option)));
  }
  return {};
}

}  // namespace

Result<void> apply_mount_option_list(std::string_view comma_list, MountOptions& options) {
  while (!comma_list.empty()) {
    const std::size_t comma = std::min(comma_list.find(','), comma_list.size());
    TRY(apply(comma_list.substr(0, comma), options));
    comma_list.remove_prefix(std::min(comma + 1, comma_list.size()));
  }
  return {};
}

}  // namespace epochfs::fs
