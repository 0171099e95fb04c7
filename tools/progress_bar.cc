#include "tools/progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <utility>

#include "engine/core/text.h"

namespace epochfs::tools {
namespace {

constexpr auto kBetweenDraws = std::chrono::milliseconds(100);
constexpr std::string_view kErase = "\r\x1b[K";  // to the first column, clear to the right

void draw(const std::string& line) {
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

ProgressBar::ProgressBar(const Context& context, std::string label)
    : label_(std::move(label)),
      enabled_(!context.quiet && ::isatty(STDERR_FILENO) == 1),
      started_(Clock::now()),
      next_draw_(started_) {}

ProgressBar::~ProgressBar() {
  if (enabled_ && next_draw_ != started_) draw(std::string(kErase));
}

engine::Progress ProgressBar::progress() {
  if (!enabled_) return {};
  return [this](std::uint64_t done_bytes, std::uint64_t total_bytes) {
    update(done_bytes, total_bytes);
  };
}

void ProgressBar::update(std::uint64_t done_bytes, std::uint64_t total_bytes) {
  const Clock::time_point now = Clock::now();
  if (now < next_draw_) return;
  next_draw_ = now + kBetweenDraws;
  draw(std::string(kErase) + line(done_bytes, total_bytes, now));
}

std::string ProgressBar::line(std::uint64_t done_bytes, std::uint64_t total_bytes,
                              Clock::time_point now) const {
  const double seconds = std::chrono::duration<double>(now - started_).count();
  std::string text = label_;
  if (total_bytes > 0) {
    const double share = static_cast<double>(done_bytes) / static_cast<double>(total_bytes);
    text += fmt::format("  {:3.0f}%", 100 * std::min(share, 1.0));
  }
  text += "  " + engine::human_bytes(done_bytes);
  if (total_bytes > 0) text += " of " + engine::human_bytes(total_bytes);
  // The first moments say nothing about speed.
  if (seconds >= 1)
    text += fmt::format(
        "  {}/s",
        engine::human_bytes(static_cast<std::uint64_t>(static_cast<double>(done_bytes) / seconds)));
  return text;
}

}  // namespace epochfs::tools
