// Every key name of the product in one place (design: the braces are a literal Redis Cluster hash tag).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/ids.h"

namespace flashclaim::redis {

/// The names of one coupon's keys; all of them share a slot.
struct CouponKeys {
  explicit CouponKeys(std::int64_t coupon_id);

  std::string coupon;  ///< Hash `prs:coupon:{id}`: window (ms), totalNum, userLimit, status, epoch, version, inflight …
  std::string stock;   ///< String `coupon:stock:{id}`
  std::string claims;  ///< Stream `coupon:claims:{id}`: the outbox and ledger of the claims in flight
  std::string dead;    ///< Set `coupon:dead:{id}`: entry ids that wait in the DLQ

  /// String, how many claims the user holds. The Lua library derives the same name from `coupon`.
  [[nodiscard]] std::string user(std::int64_t user_id) const;
  /// The prefix of every user(): for SCAN.
  [[nodiscard]] std::string user_prefix() const;
  /// String with TTL: the outcomes of one finished entry.
  [[nodiscard]] std::string result(EntryId entry) const;
  /// String with TTL: what an Idempotency-Key of this user was answered.
  [[nodiscard]] std::string idempotency(std::int64_t user_id, std::string_view key) const;

 private:
  std::string tag_;  ///< `{id}`
};

/// Set of the ids of the coupons whose streams are read.
inline constexpr std::string_view kIssuing = "coupon:issuing";
/// Present on every Redis that was loaded: one that lost its data lacks it.
inline constexpr std::string_view kReady = "coupon:ready";
/// Hash: the library that `flashctl lua load` replaced, for `flashctl lua rollback`.
inline constexpr std::string_view kPreviousLibrary = "coupon:library:previous";
/// String: the replication id that the mirror saw last; another one is another history.
inline constexpr std::string_view kReplication = "coupon:replication";
/// String with TTL `coupon:sweeper:{id}`: the lease of who looks for what the broker lost.
std::string sweeper_key(std::int64_t coupon_id);
/// The consumer group of the mirror on every claims stream.
inline constexpr std::string_view kMirrorGroup = "mirror";

}  // namespace flashclaim::redis
