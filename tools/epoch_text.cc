#include "tools/epoch_text.h"

#include <fmt/format.h>

#include "engine/core/text.h"
#include "engine/core/time.h"
#include "engine/formats/zlayer/epoch_name.h"

namespace epochfs::tools {

using engine::native::Basis;
using engine::native::Captured;
using engine::native::captured_name;
using engine::native::EpochFacts;
using engine::native::has_pages;

namespace {

std::string_view unit_of(const EpochFacts& facts) {
  if (has_pages(facts.how)) return facts.pages_changed == 1 ? "page" : "pages";
  return facts.pages_changed == 1 ? "record" : "records";
}

// Of epochs whose numbers may shift, what they are called, and what may be doubted of them.
std::string basis_text(const EpochFacts& facts) {
  if (facts.basis == Basis::kStored) return {};
  const std::string name = engine::zlayer::epoch_name(facts);
  if (facts.basis == Basis::kShown) return fmt::format("  {}", name);
  return fmt::format("  {} ({})", name, basis_name(facts.basis));
}

// What changed, how that is known, and the state it led to.
std::string changes_text(const EpochFacts& facts) {
  constexpr std::size_t kHashDigitsShown = 12;
  if (has_pages(facts.how))
    return fmt::format("{:>8} {:<5}  {:<9}  {}{}", facts.pages_changed, unit_of(facts),
                       captured_name(facts.how), facts.state.hex().substr(0, kHashDigitsShown),
                       basis_text(facts));
  if (facts.how == Captured::kLog)
    return fmt::format("{:>8} {:<7}  log", facts.pages_changed, unit_of(facts));
  return fmt::format("{:>16}  {}", "", captured_name(facts.how));
}

}  // namespace

engine::JsonObject epoch_json(const EpochFacts& facts) {
  engine::JsonObject json;
  json.set("epoch", facts.epoch.get())
      .set("committed", engine::format_utc(facts.committed))
      .set("captured", engine::format_utc(facts.captured))
      .set("size_bytes", facts.size_bytes);
  if (has_pages(facts.how))
    json.set("pages_changed", facts.pages_changed);
  else if (facts.how == Captured::kLog)
    json.set("records", facts.pages_changed);
  else
    json.set_null("records");
  json.set("how", captured_name(facts.how));
  if (facts.commits_folded == 0)
    json.set_null("commits_folded");
  else
    json.set("commits_folded", facts.commits_folded);
  if (has_pages(facts.how)) json.set("state_hash", facts.state.hex());
  if (facts.basis != Basis::kStored)
    json.set("name", engine::zlayer::epoch_name(facts)).set("base_is", basis_name(facts.basis));
  return json;
}

std::string epoch_line(const EpochFacts& facts) {
  return fmt::format("{:>10}  {}  {:>10}  {}", facts.epoch.get(),
                     engine::format_utc_millis(facts.committed),
                     engine::human_bytes(facts.size_bytes), changes_text(facts));
}

}  // namespace epochfs::tools
