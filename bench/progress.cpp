// Redraws the bar ten times a second on a terminal; otherwise prints a line every five seconds.
#include "bench/progress.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "engine/loop/loop.h"

namespace flashclaim::bench {
namespace {
constexpr int kWidth = 30;
constexpr std::int64_t kBarPeriodMs = 100;
constexpr std::int64_t kLinePeriodMs = 5000;
}  // namespace

Progress::Style Progress::style_of_stderr() { return isatty(STDERR_FILENO) ? Style::kBar : Style::kLines; }

Progress::Progress(std::string label, std::int64_t of, Style style) : label_(std::move(label)), of_(of), style_(style) {
  if (style_ == Style::kLines) next_draw_ms_ = loop::now_ms() + kLinePeriodMs;
}

Progress::~Progress() {
  if (style_ == Style::kQuiet) return;
  if (drawn_ != done_) draw();
  if (style_ == Style::kBar) std::fputs("\n", stderr);
}

void Progress::show(std::int64_t done) {
  done_ = done;
  std::int64_t now = loop::now_ms();
  if (style_ == Style::kQuiet || now < next_draw_ms_) return;
  next_draw_ms_ = now + (style_ == Style::kBar ? kBarPeriodMs : kLinePeriodMs);
  draw();
}

void Progress::draw() {
  drawn_ = done_;
  auto percent = of_ <= 0 ? 100 : std::clamp<std::int64_t>(done_ * 100 / of_, 0, 100);
  std::string line = fmt::format("{:<10} {:>3} %  {} of {}", label_, percent, done_, of_);
  if (style_ == Style::kBar) {
    auto full = static_cast<std::size_t>(percent * kWidth / 100);
    line = fmt::format("\r{:<10} [{}{}] {:>3} %  {} of {} ", label_, std::string(full, '#'),
                       std::string(kWidth - full, '.'), percent, done_, of_);
  } else {
    line += '\n';
  }
  std::fputs(line.c_str(), stderr);
}

}  // namespace flashclaim::bench
