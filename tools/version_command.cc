#include <fmt/format.h>

#include <memory>

#include "engine/formats/json/json_text.h"
#include "tools/command.h"

namespace epochfs::tools {
namespace {

struct Library {
  const char* name;
  const char* version;  // that this program was built with
};

constexpr Library kLibraries[] = {
    {"libfuse", EPOCHFS_FUSE_VERSION},
    {"sqlite", EPOCHFS_SQLITE_VERSION},
    {"zstd", EPOCHFS_ZSTD_VERSION},
    {"lmdb", EPOCHFS_LMDB_VERSION},
};

constexpr int kRepositoryFormat = 1;  // engine/formats/native/repository.md

std::string as_json() {
  engine::JsonObject libraries;
  for (const Library& library : kLibraries) libraries.set(library.name, library.version);
  engine::JsonObject json;
  json.set("command", "version")
      .set("version", EPOCHFS_VERSION)
      .set("repository_format", kRepositoryFormat)
      .set("built_with", std::move(libraries));
  return json.pretty();
}

engine::Result<void> print(const Context& context) {
  TRY(context.answer(fmt::format("epochfs {}", EPOCHFS_VERSION)));
  TRY(context.answer(fmt::format("repository format {}", kRepositoryFormat)));
  for (const Library& library : kLibraries)
    TRY(context.answer(fmt::format("built with {} {}", library.name, library.version)));
  return {};
}

}  // namespace

Action declare_version(CLI::App& app) {
  const auto json = std::make_shared<bool>(false);
  app.description("Tells the versions of epochfs, its repository format and its libraries.");
  app.add_flag("--json", *json, "one JSON document");
  app.footer(
      "Example:\n"
      "  epochfs version --json");
  return [json](const Context& context) -> Outcome<ExitCode> {
    if (*json)
      TRY(write_answer(as_json()));
    else
      TRY(print(context));
    return ExitCode::kDone;
  };
}

}  // namespace epochfs::tools
