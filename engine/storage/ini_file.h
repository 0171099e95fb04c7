// The dialect of AWS's configuration files: sections of "key = value", with one level of nesting.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace epochfs::engine {

// Section -> key -> value. What is indented below "s3 =" has the key "s3.endpoint_url". Lines that
// make no sense are left out, as AWS's own tools do. The later of two equal keys counts.
using IniFile = std::map<std::string, std::map<std::string, std::string>, std::less<>>;
IniFile parse_ini(std::string_view text);

}  // namespace epochfs::engine
