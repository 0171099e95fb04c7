#include "tools/grafeo_words.h"

#include <fmt/format.h>

#include "engine/core/text.h"
#include "engine/formats/json/json_text.h"

namespace epochfs::tools {
namespace {

using engine::TransferReport;

std::string as_json(std::string_view command, const TransferReport& report) {
  return engine::JsonObject()
      .set("command", command)
      .set("database", report.database)
      .set("segments", report.segments)
      .set("segments_copied", report.segments_copied)
      .set("bytes_read", report.bytes_read)
      .set("bytes_stored", report.bytes_stored)
      .set("seconds", report.seconds)
      .pretty();
}

engine::Result<void> print(std::string_view command, const TransferReport& report,
                           const Context& context) {
  TRY(context.answer(fmt::format("{} of {}: {} of {} copied", command,
                                 engine::printable(report.database), report.segments_copied,
                                 engine::counted(report.segments, "segment"))));
  if (report.segments_copied == 0) return {};
  return context.answer(fmt::format("read {}, stored {}, {:.2f} s",
                                    engine::human_bytes(report.bytes_read),
                                    engine::human_bytes(report.bytes_stored), report.seconds));
}

}  // namespace

engine::Result<std::optional<engine::grafeo::Generation>> format_from(std::string_view command,
                                                                      const std::string& name) {
  using engine::grafeo::Generation;
  if (name.empty()) return std::optional<Generation>();
  if (name == "grafeo-v1") return std::optional(Generation::kV1);
  if (name == "grafeo-v2") return std::optional(Generation::kV2);
  return engine::Error::invalid(
      fmt::format("{}: no format is called {}: grafeo-v1, grafeo-v2", command, name));
}

Outcome<ExitCode> tell(std::string_view command, const TransferReport& report, bool json,
                       const Context& context) {
  if (json)
    TRY(write_answer(as_json(command, report)));
  else if (!context.quiet)
    TRY(print(command, report, context));
  return ExitCode::kDone;
}

}  // namespace epochfs::tools
