#include "engine/core/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>

namespace epochfs::engine {
namespace {

// Length of the well-formed UTF-8 sequence at the start of `text` and its code point; 0 if
// malformed.
struct Decoded {
  std::size_t length = 0;
  char32_t code = 0;
};

Decoded decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {1, lead};
  std::size_t length = 0;
  char32_t code = 0;
  char32_t least = 0;
  if ((lead & 0xe0U) == 0xc0) length = 2, code = lead & 0x1fU, least = 0x80;
  if ((lead & 0xf0U) == 0xe0) length = 3, code = lead & 0x0fU, least = 0x800;
  if ((lead & 0xf8U) == 0xf0) length = 4, code = lead & 0x07U, least = 0x10000;
  if (length == 0 || text.size() < length) return {};
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return {};
    code = (code << 6) | (byte(i) & 0x3fU);
  }
  if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return {};
  return {length, code};
}

struct CodeRange {
  char32_t first, last;
};
// What moves the cursor, turns the direction of text, breaks lines or cannot be seen. Joiners
// (200c, 200d) stay: there are languages and emoji that cannot be written without them.
constexpr CodeRange kHarmful[] = {
    {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},     {0x061c, 0x061c},
    {0x180e, 0x180e}, {0x200b, 0x200b}, {0x200e, 0x200f}, {0x2028, 0x202e},
    {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff},
};

bool is_harmless(char32_t code) {
  return std::ranges::none_of(kHarmful, [code](const CodeRange& range) {
    return code >= range.first && code <= range.last;
  });
}

}  // namespace

std::string printable(std::string_view untrusted) {
  std::string out;
  while (!untrusted.empty()) {
    const Decoded next = decode(untrusted);
    const std::size_t length = next.length == 0 ? 1 : next.length;
    if (next.length != 0 && is_harmless(next.code)) {
      out += untrusted.substr(0, length);
    } else {
      for (std::size_t i = 0; i < length; ++i)
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(untrusted[i]));
    }
    untrusted.remove_prefix(length);
  }
  return out;
}

bool is_path_component(std::string_view name) noexcept {
  constexpr std::size_t kNameMax = 255;  // of every common filesystem
  if (name.empty() || name.size() > kNameMax || name == "." || name == "..") return false;
  return std::ranges::none_of(name, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f || c == '/' || c == '\\';
  });
}

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
  if (count != 1 && !many.empty()) return fmt::format("{} {}", count, many);
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

std::string range_text(std::string_view one, std::uint64_t first, std::uint64_t last) {
  if (first == last) return fmt::format("{} {}", one, first);
  return fmt::format("{}s {} to {}", one, first, last);
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  // 1023.95 KiB would print as "1024.0 KiB".
  while (value >= (unit == 0 ? 1024 : 1023.95) && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  if (unit == 0) return fmt::format("{} B", bytes);
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace epochfs::engine
