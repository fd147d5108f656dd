// One well-formed call of every function, and the three situations in which they succeed: what the tests of malformed
// arguments and of damaged keys vary.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/lua/fixture.h"

namespace flashclaim {

/// kOpen: issuing, one entry in flight and dead, one finished. kLoading: a rebuild at epoch 2. kEnded: over and
/// drained.
enum class World { kOpen, kLoading, kEnded };

struct Call {
  std::string function;
  World world;
  std::vector<std::string> keys;   ///< roles, see LuaWorldTest::key
  std::vector<std::string> args;   ///< `@live` and `@done` stand for the entry in flight and the finished one
  std::string kinds;               ///< one letter an argument, see arguments_test.cpp
  std::string reply;               ///< what the well-formed call answers (its first word; "" = any but an error)
  std::vector<std::string> reads;  ///< roles that must be DAMAGED when they have the wrong type
  std::size_t keys_least = 0;      ///< fewer keys are malformed; 0 = all of them are needed
  std::function<bool(std::size_t)> fits = {};  ///< whether that many arguments are well-formed; empty = exactly all
};

/// All functions.
const std::vector<Call>& all_calls();

/// The fields of the coupon's hash that `call` reads.
std::vector<std::string> fields_read(const Call& call);

class LuaWorldTest : public LuaTest {
 protected:
  /// From an empty Redis.
  void build(World world);
  /// The name of a role: coupon, stock, claims, dead, ready, issuing, user (7), other (user 8), key (idempotency), live
  /// and done (results of the two entries).
  std::string key(const std::string& role) const;
  [[nodiscard]] Words key_names(const Call& call) const;
  [[nodiscard]] Words arguments(const Call& call) const;
  std::string run(const Call& call) { return LuaTest::call(call.function, key_names(call), arguments(call)); }

  EntryId live_;
  EntryId done_;
};

}  // namespace flashclaim
