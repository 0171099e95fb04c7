#include "engine/storage/ini_file.h"

#include "engine/core/text.h"

namespace epochfs::engine {
namespace {

constexpr std::string_view kBlank = " \t\r";

// "profile  backup" and "profile 'backup'" -> "profile backup"
std::string section_name(std::string_view text) {
  std::string name;
  for (const std::string_view kind : {"profile", "services", "sso-session"}) {
    const std::string_view whole = trimmed(text);
    if (!whole.starts_with(kind)) continue;
    const std::string_view rest = trimmed(whole.substr(kind.size()));
    const bool is_quoted = rest.size() >= 2 && rest.front() == rest.back() &&
                           (rest.front() == '"' || rest.front() == '\'');
    if (is_quoted && kBlank.find(whole[kind.size()]) != std::string_view::npos)
      return std::string(kind) + ' ' + std::string(rest.substr(1, rest.size() - 2));
  }
  for (const char c : trimmed(text)) {
    const bool blank = kBlank.find(c) != std::string_view::npos;
    if (!blank || !name.ends_with(' ')) name += blank ? ' ' : c;
  }
  return name;
}

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// A comment behind a value begins with a blank: "us-east-1 # near", but not "a#b".
std::string_view without_comment(std::string_view value) noexcept {
  for (const std::string_view mark : {" #", " ;", "\t#", "\t;"})
    value = value.substr(0, value.find(mark));
  return trimmed(value);
}

}  // namespace

IniFile parse_ini(std::string_view text) {
  IniFile file;
  std::map<std::string, std::string>* section = nullptr;
  std::string parent;  // of indented lines
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);

    const std::string_view content = trimmed(line);
    if (content.empty() || content.front() == '#' || content.front() == ';') continue;
    if (content.front() == '[') {
      section = &file[section_name(content.substr(1, content.find(']') - 1))];
      parent.clear();
      continue;
    }
    const std::size_t equals = content.find('=');
    if (section == nullptr || equals == std::string_view::npos) continue;
    std::string key = in_lower_case(trimmed(content.substr(0, equals)));
    const std::string value(without_comment(content.substr(equals + 1)));
    if (line.front() != content.front() && !parent.empty())
      key.insert(0, parent + '.');
    else
      parent = value.empty() ? key : "";
    section->insert_or_assign(std::move(key), value);
  }
  return file;
}

}  // namespace epochfs::engine
