// The paths that CMake passes to this file alone. They are never destroyed: static objects ask for them at the end.
#include "tests/harness/paths.h"

namespace flashclaim::harness {

const std::string& source_dir() {
  static const auto& kPath = *new std::string(FLASHCLAIM_SOURCE_DIR);
  return kPath;
}

const std::string& bin_dir() {
  static const auto& kPath = *new std::string(FLASHCLAIM_BIN_DIR);
  return kPath;
}

const std::string& points_bin_dir() {
  static const auto& kPath = *new std::string(FLASHCLAIM_POINTS_BIN_DIR);
  return kPath;
}

}  // namespace flashclaim::harness
