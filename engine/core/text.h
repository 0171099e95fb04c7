// Text: untrusted names judged and made harmless, sizes and counts made readable.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace epochfs::engine {

// Control, bidirectional, invisible and invalid UTF-8 characters as \xNN per byte, so that a name
// from a repository cannot move the cursor, hide text or forge lines in a terminal or a log.
std::string printable(std::string_view untrusted);

// One component of a path: 1 to 255 bytes, not "." or "..", no '/', '\\' or control byte.
[[nodiscard]] bool is_path_component(std::string_view name) noexcept;

// Without blanks, tabs and line ends before and behind.
[[nodiscard]] std::string_view trimmed(std::string_view text) noexcept;

// "1 epoch", "2 epochs"; `many` where more than one is not simply called by an "s" more.
std::string counted(std::uint64_t count, std::string_view one, std::string_view many = "");

// "epoch 5", "epochs 5 to 7"; both ends included.
std::string range_text(std::string_view one, std::uint64_t first, std::uint64_t last);

// 1536 -> "1.5 KiB", 999 -> "999 B".
std::string human_bytes(std::uint64_t bytes);

}  // namespace epochfs::engine
