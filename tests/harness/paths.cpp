// The paths that CMake passes to this file alone.
#include "tests/harness/paths.h"

namespace flashclaim::harness {

const std::string& source_dir() {
  static const std::string path = FLASHCLAIM_SOURCE_DIR;
  return path;
}

const std::string& bin_dir() {
  static const std::string path = FLASHCLAIM_BIN_DIR;
  return path;
}

const std::string& points_bin_dir() {
  static const std::string path = FLASHCLAIM_POINTS_BIN_DIR;
  return path;
}

}  // namespace flashclaim::harness
