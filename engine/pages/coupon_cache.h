// Caches what Redis said about coupons: one call per coupon and kFreshMs, however many callers ask.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/http/problem.h"
#include "engine/redis/async.h"
#include "engine/redis/functions.h"

namespace flashclaim::pages {

/// How old an answer may be. Every thread has a cache of its own, so a coupon costs Redis at most 2 * 1000 / kFreshMs
/// calls a second and thread: half of them for the coupon, half for the counts of the callers.
inline constexpr int kFreshMs = 200;

/// What is known of a coupon. Exactly one of `view` and `problem`.
struct CouponNews {
  const redis::CouponView* view = nullptr;
  std::int64_t server_time_ms = 0;   ///< of Redis' clock, now
  std::optional<std::int64_t> mine;  ///< when a user asked
  http::Problem problem = http::Problem::kInternal;
};

/// Called once, immediately or later, in the loop's thread; must not call the cache. The view is valid inside the call
/// only.
using Ask = std::function<void(const CouponNews&)>;

/// Belongs to the loop's thread; must outlive the client's answers.
class CouponCache {
 public:
  CouponCache();
  ~CouponCache();
  void bind(redis::AsyncClient& client) { client_ = &client; }

  /// `user_id` 0: no user, no count.
  void ask(std::int64_t coupon_id, std::int64_t user_id, Ask ask);

  /// The ids of the coupons that are open, coming or just over, in order; nullptr: a problem. Valid inside the call.
  using AskIds = std::function<void(const std::vector<std::int64_t>* ids, http::Problem problem)>;
  void ask_ids(AskIds ask);

 private:
  class Entry;
  class Ids;
  /// Sends one command; calls `call.lost()` when it cannot be sent.
  void send(const std::vector<std::string>& command, redis::Call& call);

  void make_room();

  redis::AsyncClient* client_ = nullptr;
  std::unordered_map<std::int64_t, std::unique_ptr<Entry>> entries_;
  std::deque<std::int64_t> line_;  ///< the ids of entries_, each once
  std::unique_ptr<Ids> ids_;
  std::string resp_;  ///< scratch
};

}  // namespace flashclaim::pages
