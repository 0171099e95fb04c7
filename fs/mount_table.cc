#include "fs/mount_table.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <sstream>

namespace epochfs::fs {
namespace {

// The kernel writes space, tab, newline and backslash as \ooo.
std::string unescaped(std::string_view text) {
  constexpr std::size_t kDigits = 3;
  const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string result;
  while (!text.empty()) {
    const std::string_view digits = text.substr(1, kDigits);
    if (text.front() == '\\' && digits.size() == kDigits &&
        std::all_of(digits.begin(), digits.end(), is_octal)) {
      int value = 0;
      for (const char digit : digits) value = value * 8 + (digit - '0');
      result.push_back(static_cast<char>(value));
      text.remove_prefix(1 + kDigits);
    } else {
      result.push_back(text.front());
      text.remove_prefix(1);
    }
  }
  return result;
}

// 36 35 98:0 /root /mount/point options optional-fields... - type source super-options
std::optional<MountedPlace> parse_line(const std::string& line) {
  std::istringstream words(line);
  const std::vector<std::string> fields{std::istream_iterator<std::string>(words), {}};
  constexpr std::ptrdiff_t kDevice = 2;
  constexpr std::ptrdiff_t kMountpoint = 4;
  constexpr std::ptrdiff_t kOptionalFields = 6;
  if (std::ssize(fields) < kOptionalFields) return std::nullopt;
  const auto dash = std::find(fields.begin() + kOptionalFields, fields.end(), "-");
  if (fields.end() - dash < 3) return std::nullopt;
  return MountedPlace{fields[kDevice], unescaped(fields[kMountpoint]), *(dash + 1),
                      unescaped(*(dash + 2))};
}

}  // namespace

std::vector<MountedPlace> parse_mount_table(std::string_view mountinfo) {
  std::istringstream lines{std::string(mountinfo)};
  std::vector<MountedPlace> places;
  for (std::string line; std::getline(lines, line);)
    if (auto place = parse_line(line)) places.push_back(std::move(*place));
  return places;
}

engine::Result<std::vector<MountedPlace>> mount_table() {
  std::ifstream file("/proc/self/mountinfo");
  const std::string table{std::istreambuf_iterator<char>(file), {}};
  if (table.empty()) return engine::Error::from_errno(errno, "reading /proc/self/mountinfo");
  return parse_mount_table(table);
}

engine::Result<std::optional<MountedPlace>> mounted_at(const std::string& mountpoint) {
  TRY_ASSIGN(std::vector<MountedPlace> places, mount_table());
  std::optional<MountedPlace> found;
  for (MountedPlace& place : places)
    if (place.mountpoint == mountpoint) found = std::move(place);
  return found;
}

}  // namespace epochfs::fs
