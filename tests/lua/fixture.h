// What every test of the Lua library stands on: a private Redis with the library of this build, calls by name, and a
// picture of all keys to prove that nothing changed.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "engine/redis/functions.h"
#include "engine/redis/library.h"
#include "tests/harness/services.h"

namespace flashclaim {

inline constexpr std::int64_t kCoupon = 42;
inline constexpr std::int64_t kHourMs = 3'600'000;

class LuaTest : public ::testing::Test {
 protected:
  using Words = std::vector<std::string>;
  using Commands = std::vector<Words>;

  /// An empty Redis with the library.
  void SetUp() override;

  /// FCALL; the reply as text: an error as `!CODE …`, an array as its elements joined by `|`.
  std::string call(const std::string& function, const Words& keys, const Words& args);
  /// Any command, in the same form.
  std::string command(const Words& argv);
  /// Many commands in one round trip.
  Words pipeline(const Commands& commands);
  /// Every key with its serialized value and whether it expires: equal pictures mean that nothing changed.
  std::map<std::string, std::string> picture();

  /// The clock of Redis.
  std::int64_t now_ms();
  /// Settings of an open coupon kCoupon: epoch 1, version 1, issuing since an hour and for another.
  redis::CouponSettings settings(std::int64_t total, std::int64_t user_limit);
  /// A ready Redis with the coupon published.
  void publish(const redis::CouponSettings& settings);
  void publish(std::int64_t total, std::int64_t user_limit) { publish(settings(total, user_limit)); }

  /// The verdicts of one FCALL claim, joined by a space; args as the function takes them.
  std::string claim(const Words& args);
  /// The id of the youngest entry in the stream.
  EntryId last_entry();
  /// Claims once for each of the users in one entry, all accepted; returns the entry.
  EntryId accept(const Words& users);
  std::string finish(EntryId entry, int claims, const Words& refusals = {}, bool fresh = false, int epoch = 1);
  std::string apply(const redis::CouponSettings& settings, bool create = false);

  std::string stock() { return command({"GET", keys.stock}); }
  std::string held(std::int64_t user) { return command({"GET", keys.user(user)}); }
  std::string field(const std::string& name) { return command({"HGET", keys.coupon, name}); }

  const redis::CouponKeys keys{kCoupon};
  std::string ready{redis::kReady};
  std::string issuing{redis::kIssuing};
  redis::Client& client();
};

/// The first word of a coded error as call() returns it.
std::string error_code(const std::string& reply);
redis::Client connect_to(const std::string& url);
/// `reply` as LuaTest::command shows it.
std::string shown(redis::ReplyView reply);

}  // namespace flashclaim
