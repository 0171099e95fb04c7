#include "tools/mount_helper.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "fs/mount.h"
#include "tools/command_line.h"

namespace epochfs::tools {
namespace {

using engine::Error;

constexpr int kMounted = 0;
constexpr int kWrongWords = 1;
constexpr int kNotPossible = 2;
constexpr int kFailed = 32;

struct HelperWords {
  std::string source;
  std::string mountpoint;
  std::vector<std::string> option_lists;
  std::string type;
  std::string mount_namespace;
  bool sloppy = false;
  bool fake = false;
  bool no_mtab = false;
  bool verbose = false;
};

engine::Result<HelperWords> parse(std::vector<std::string> arguments) {
  HelperWords words;
  CLI::App app;
  app.set_help_flag();
  app.add_option("SOURCE", words.source)->required();
  app.add_option("MNT", words.mountpoint)->required();
  app.add_option("-o", words.option_lists)->allow_extra_args(false);
  app.add_option("-t", words.type);
  app.add_option("-N", words.mount_namespace);
  app.add_flag("-s", words.sloppy);
  app.add_flag("-f", words.fake);
  app.add_flag("-n", words.no_mtab);  // there is no mtab to write any more
  app.add_flag("-v", words.verbose);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the end
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    return Error::invalid(error.what());
  }
  return words;
}

// With -s, what is not understood is left out, as mount(8) promises.
engine::Result<void> apply_options(std::string_view list, bool sloppy, fs::MountOptions& options) {
  if (!sloppy) return fs::apply_mount_option_list(list, options);
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    static_cast<void>(fs::apply_mount_option_list(list.substr(0, comma), options));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return {};
}

engine::Result<fs::MountOptions> mount_options(const HelperWords& words) {
  fs::MountOptions options;
  options.source = words.source;
  options.mountpoint = words.mountpoint;
  for (const std::string& list : words.option_lists)
    TRY(apply_options(list, words.sloppy, options));
  return options;
}

int fail(const Error& error, int code) {
  tell_failure(Complaint(error, error.code == engine::Code::kInvalid ? "epochfs mount --help" : ""),
               "mount");
  return code;
}

}  // namespace

bool is_mount_helper(std::string_view program) noexcept {
  const std::size_t slash = program.rfind('/');
  if (slash != std::string_view::npos) program.remove_prefix(slash + 1);
  return program == "mount.epochfs" || program == "mount.fuse.epochfs";
}

int run_mount_helper(const std::vector<std::string>& arguments) {
  const auto words = parse(arguments);
  if (!words) return fail(words.error(), kWrongWords);
  if (!words->mount_namespace.empty())
    return fail(Error::invalid("-N: mounts in the namespace that it is started in").value(),
                kNotPossible);
  const auto options = mount_options(*words);
  if (!options) return fail(options.error(), kWrongWords);
  if (words->fake) return kMounted;
  const auto mounted = fs::mount(*options);
  if (!mounted) return fail(mounted.error(), kFailed);
  return kMounted;
}

}  // namespace epochfs::tools
