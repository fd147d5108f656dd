// The scene of the browser tests: the whole path, and node with the packages that install.sh has put into the build.
#pragma once

#include <string>

#include "tests/harness/whole_path.h"

namespace flashclaim {

class BrowserWorld : public WholePath {
 protected:
  void SetUp() override;
  /// Runs tests/browser/`script` to its end and expects it to succeed; HTTP_URL is the engine's.
  void node(const std::string& script, const std::vector<std::string>& arguments,
            harness::Environment environment = {});
  /// A coupon with a window of its own; times in ms from now.
  std::int64_t coupon(std::int64_t total, std::int64_t begins_in_ms, std::int64_t ends_in_ms);
};

}  // namespace flashclaim
