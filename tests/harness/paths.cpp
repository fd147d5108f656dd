// The paths that CMake passes to this file alone.
#include "tests/harness/paths.h"

namespace flashclaim::harness {

const std::string& source_dir() {
  static const std::string kPath = FLASHCLAIM_SOURCE_DIR;
  return kPath;
}

const std::string& bin_dir() {
  static const std::string kPath = FLASHCLAIM_BIN_DIR;
  return kPath;
}

const std::string& points_bin_dir() {
  static const std::string kPath = FLASHCLAIM_POINTS_BIN_DIR;
  return kPath;
}

}  // namespace flashclaim::harness
