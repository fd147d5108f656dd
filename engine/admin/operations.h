// The life of a coupon: every operation writes the database first and tells Redis then, and may be repeated at will.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/base/result.h"

namespace flashclaim::redis {
class Client;
}
namespace flashclaim::postgres {
class Session;
}

namespace flashclaim::admin {

/// Times are milliseconds since 1970 (UTC).
struct NewCoupon {
  std::int64_t id = 0;
  std::string name;
  std::int64_t total = 0;
  std::int64_t user_limit = 1;
  std::int64_t begin_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t max_inflight = 2'000'000;
};

/// What `update` changes; absent = as it is. A limit only rises and an end only moves back: users were told.
struct CouponChange {
  std::optional<std::string> name;
  std::optional<std::int64_t> total;
  std::optional<std::int64_t> user_limit;
  std::optional<std::int64_t> end_ms;
  std::optional<std::int64_t> max_inflight;
};

/// What an operation came to. A failure of the environment is the Result's error instead; when that is *unknown*, or
/// after a crash at any point, the same call made again completes the operation.
enum class Effect {
  kDone,
  kAlready,     ///< it was so before: a success
  kNotFound,    ///< the database has no such coupon
  kRefused,     ///< the coupon's state does not allow it; nothing was changed
  kUnfinished,  ///< begun and safe, not complete: a cut that waits for claims in flight. Repeat it.
};
struct Operated {
  Effect effect = Effect::kDone;
  std::string message;  ///< one sentence for a person, with the way out where it was refused
  [[nodiscard]] bool ok() const { return effect == Effect::kDone || effect == Effect::kAlready; }
};

/// Only the database: a draft. The same coupon once more (equal in every field) is kAlready; another one under the same
/// id, or an id that was purged, is kRefused.
Result<Operated> create_coupon(postgres::Session& pg, const NewCoupon& coupon);

/// draft -> issuing. Repeated: kAlready, and Redis is told again in case the first call died between the two.
/// Never sets a stock that exists; a Redis that lost the coupon is told apart (kRefused: rebuild it).
Result<Operated> publish_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id);
Result<Operated> pause_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id);
Result<Operated> resume_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id);
Result<Operated> end_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id);

/// A raise goes to the database, then to Redis. A cut goes to Redis first, waits up to `drain` for the claims that are
/// in flight to finish, then lowers the limit in the database; kUnfinished when they did not finish in time.
Result<Operated> update_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id,
                               const CouponChange& change, std::chrono::milliseconds drain = std::chrono::seconds(60));

/// Forgets an ended coupon whose stream is empty, in Redis and in the database; a tombstone keeps the id from being
/// used again.
Result<Operated> purge_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id);

}  // namespace flashclaim::admin
