#include "tools/epoch_text.h"

#include <fmt/format.h>

#include "engine/core/text.h"
#include "engine/core/time.h"

namespace epochfs::tools {

using engine::native::Captured;
using engine::native::EpochFacts;

std::string_view captured_name(Captured how) noexcept {
  return how == Captured::kCommit ? "commit" : "page-diff";
}

engine::JsonObject epoch_json(const EpochFacts& facts) {
  engine::JsonObject json;
  json.set("epoch", facts.epoch.get())
      .set("committed", engine::format_utc(facts.committed))
      .set("captured", engine::format_utc(facts.captured))
      .set("size_bytes", facts.size_bytes)
      .set("pages_changed", facts.pages_changed)
      .set("how", captured_name(facts.how));
  if (facts.commits_folded == 0)
    json.set_null("commits_folded");
  else
    json.set("commits_folded", facts.commits_folded);
  json.set("state_hash", facts.state.hex());
  return json;
}

std::string epoch_line(const EpochFacts& facts) {
  constexpr std::size_t kHashDigitsShown = 12;
  return fmt::format("{:>10}  {}  {:>10}  {:>8} {:<5}  {:<9}  {}", facts.epoch.get(),
                     engine::format_utc_millis(facts.committed),
                     engine::human_bytes(facts.size_bytes), facts.pages_changed,
                     facts.pages_changed == 1 ? "page" : "pages", captured_name(facts.how),
                     facts.state.hex().substr(0, kHashDigitsShown));
}

}  // namespace epochfs::tools
