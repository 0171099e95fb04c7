#include <fmt/format.h>

#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "fs/mount.h"
#include "tools/command.h"
#include "tools/source_access.h"

namespace epochfs::tools {
namespace {

using engine::Code;

struct MountWords {
  std::string place;
  std::string mountpoint;
  std::string cache_size;
  std::vector<std::string> option_lists;
  bool foreground = false;
};

// What the lists say last of `name`; empty: nothing.
std::string value_in(const std::vector<std::string>& lists, std::string_view name) {
  std::string value;
  for (const std::string& list : lists) {
    std::istringstream options(list);
    for (std::string option; std::getline(options, option, ',');)
      if (option.starts_with(name) && option.substr(name.size()).starts_with('='))
        value = option.substr(name.size() + 1);
  }
  return value;
}

// One setting has two spellings, `option` and `-o name=`.
engine::Result<void> check_one_value(const MountWords& words, std::string_view option,
                                     const std::string& value, std::string_view name) {
  const std::string listed = value_in(words.option_lists, name);
  if (value.empty() || listed.empty() || value == listed) return {};
  return engine::Error::invalid(
      fmt::format("mount: two values: {} {} and -o {}={}", option, value, name, listed));
}

Outcome<ExitCode> run_mount(const MountWords& words, const Context& context) {
  TRY_ASSIGN(const engine::Source source, parse_place(words.place));
  TRY(check_one_value(words, "--cache", words.cache_size, "cache"));
  TRY(check_one_value(words, "--cache-dir", context.cache_directory, "cache_dir"));
  TRY(check_one_value(words, "--endpoint-url", context.endpoint_url, "endpoint_url"));
  fs::MountOptions options;
  options.source = words.place;
  options.mountpoint = words.mountpoint;
  options.foreground = words.foreground;
  options.cache_directory = context.cache_directory;
  options.with_unproven = context.with_unproven;
  for (const std::string& list : words.option_lists)
    TRY(fs::apply_mount_option_list(list, options));
  if (!words.cache_size.empty()) {
    if (words.cache_size.find(',') != std::string::npos)
      return engine::Error::invalid(fmt::format("mount: --cache {}: not a size", words.cache_size));
    TRY(fs::apply_mount_option_list("cache=" + words.cache_size, options));
  }
  if (const auto mounted = fs::mount(options); !mounted) {
    Complaint complaint(mounted.error());
    if (complaint.error.code == Code::kNotFound) complaint.hint = look_at_databases(source);
    return tl::unexpected(std::move(complaint));
  }
  if (!words.foreground)
    context.note(fmt::format("{} is mounted; `epochfs umount {}` takes it away", words.place,
                             words.mountpoint));
  return ExitCode::kDone;
}

// Whatever keeps a mount from going away is a mount problem to a script.
Outcome<ExitCode> run_umount(const std::string& mountpoint, bool lazy) {
  const auto done = fs::unmount(mountpoint, lazy);
  if (done) return ExitCode::kDone;
  Complaint complaint(done.error());
  if (complaint.error.code == Code::kBusy)
    complaint.hint = fmt::format(
        "close what is open there (`fuser -vm {0}` lists it), or `epochfs umount -l {0}`",
        mountpoint);
  if (complaint.error.code != Code::kInvalid) complaint.error.code = Code::kMount;
  return tl::unexpected(std::move(complaint));
}

}  // namespace

Action declare_mount(CLI::App& app) {
  const auto words = std::make_shared<MountWords>();
  app.description(
      "Mounts a repository: every epoch is a directory with the restored database in it, "
      "read-only.\n"
      "Returns when the tree answers; new backups appear in it by themselves.");
  app.add_option("REPO", words->place, "REPO shows all its databases, REPO#DATABASE one")
      ->required();
  app.add_option("MNT", words->mountpoint, "the mount point, a directory")->required();
  app.add_flag("-f,--foreground", words->foreground, "serve until unmounted or interrupted");
  app.add_option(
         "-o", words->option_lists,
         "options as mount(8) takes them: cache=SIZE, cache_dir=DIR, endpoint_url=URL,\n"
         "disk_cache=SIZE (on disk, of what comes out of a bucket), allow_other, log=FILE,\n"
         "unproven")
      ->type_name("LIST")
      ->allow_extra_args(false);
  app.add_option("--cache", words->cache_size, "memory for decompressed blocks (default: 256M)")
      ->type_name("SIZE")
      ->check(not_empty, "");
  app.footer(
      "Examples:\n"
      "  epochfs mount /backups /mnt\n"
      "  epochfs mount -o allow_other --cache 1G /backups#app /mnt\n"
      "In /etc/fstab:\n"
      "  /backups  /mnt  epochfs  allow_other,nofail  0 0");
  return [words](const Context& context) { return run_mount(*words, context); };
}

Action declare_umount(CLI::App& app) {
  struct Words {
    std::string mountpoint;
    bool lazy = false;
  };
  const auto words = std::make_shared<Words>();
  app.description("Unmounts, also what a killed mount left behind. Returns when it is gone.");
  app.add_option("MNT", words->mountpoint, "the mount point")->required();
  app.add_flag("-l,--lazy", words->lazy, "detach now, even when something is open there");
  app.footer(
      "Example:\n"
      "  epochfs umount /mnt");
  return [words](const Context&) { return run_umount(words->mountpoint, words->lazy); };
}

}  // namespace epochfs::tools
