// The scene of the browser tests: the whole path, and node with the packages that install.sh has put into the build.
#pragma once

#include <string>
#include <thread>
#include <vector>

#include "tests/harness/gate.h"
#include "tests/harness/whole_path.h"

namespace flashclaim {

/// Runs tests/browser/`script` to its end and expects it to succeed; `environment` has HTTP_URL, the engine's.
void run_node(const std::string& script, const std::vector<std::string>& arguments, harness::Environment environment);
/// What openapi.mjs walks: engines of other kinds, and coupons in each state.
struct Walk {
  struct Urls {
    std::string down, stalled, limited, gateway;
  };
  struct Coupons {
    std::string open, later, behind_gate;
  };
  /// Who is refused what, and why: one for each code that the document has for it. User 7 has one of `open`.
  struct Refusing {
    std::string code, coupon, user = "7";
  };
  Urls urls;
  Coupons coupons;
  std::vector<Refusing> refusing;
};
/// As openapi.mjs reads it.
harness::Environment environment_of(const Walk& walk);
/// A file of a gateway's keys, for engines without one of their own.
std::string walk_keys();

/// Stalls a gate for some seconds, again and again, until its end.
class Stalling {
 public:
  explicit Stalling(harness::Gate& gate);
  ~Stalling();  ///< the gate passes
  Stalling(const Stalling&) = delete;
  Stalling& operator=(const Stalling&) = delete;

 private:
  harness::Gate& gate_;
  std::jthread thread_;
};

class BrowserWorld : public WholePath {
 protected:
  void SetUp() override;
  /// run_node with this engine.
  void node(const std::string& script, const std::vector<std::string>& arguments,
            harness::Environment environment = {});
  /// A coupon with a window of its own; times in ms from now.
  std::int64_t coupon(std::int64_t total, std::int64_t begins_in_ms, std::int64_t ends_in_ms);
};

}  // namespace flashclaim
