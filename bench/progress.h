// How far a long step is: a bar that redraws itself on a terminal, a plain line now and then otherwise. On stderr.
#pragma once

#include <cstdint>
#include <string>

namespace flashclaim::bench {

/// Used by one thread. Says nothing when quiet; the last state is always shown by the destructor.
class Progress {
 public:
  enum class Style { kBar, kLines, kQuiet };
  /// kBar when stderr is a terminal, else kLines.
  static Style style_of_stderr();

  Progress(std::string label, std::int64_t of, Style style);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(std::int64_t done);

 private:
  void draw();

  std::string label_;
  std::int64_t of_;
  Style style_;
  std::int64_t done_ = 0;
  std::int64_t drawn_ = -1;
  std::int64_t next_draw_ms_ = 0;
};

}  // namespace flashclaim::bench
