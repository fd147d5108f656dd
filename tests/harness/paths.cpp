// The paths that CMake passes to this file alone. They are never destroyed: static objects ask for them at the end.
#include "tests/harness/paths.h"

namespace flashclaim::harness {

const std::string& source_dir() {
  static const auto& path = *new std::string(FLASHCLAIM_SOURCE_DIR);
  return path;
}

const std::string& bin_dir() {
  static const auto& path = *new std::string(FLASHCLAIM_BIN_DIR);
  return path;
}

const std::string& points_bin_dir() {
  static const auto& path = *new std::string(FLASHCLAIM_POINTS_BIN_DIR);
  return path;
}

}  // namespace flashclaim::harness
