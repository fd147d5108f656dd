// Finds the lines in which two texts differ.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace flashclaim::cli {

struct LineChange {
  bool added = false;     ///< in the second text only; else in the first only
  std::int64_t line = 0;  ///< its number in the text that has it, from 1
  std::string text;
};

/// A shortest list of changes from `before` to `after`, in order. For texts of a few thousand lines: time and memory
/// grow with the product of the lengths of the parts that differ.
std::vector<LineChange> line_diff(std::string_view before, std::string_view after);

}  // namespace flashclaim::cli
