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

namespace flashclaim::operations {

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

/// The version of the coupon that was read: the operation is carried out on that one only. Otherwise nothing is done,
/// and the answer (kRefused) says which operation of whom came between. nullopt: the one that it reads itself; then
/// pause and end go through whatever comes between (they close), and the others do not.
using SeenVersion = std::optional<std::int64_t>;

/// What `update` changes; absent = as it is. A limit only rises, a begin only comes nearer and an end only moves away:
/// users were told. A draft is free.
struct CouponChange {
  std::optional<std::string> name;
  std::optional<std::int64_t> total;
  std::optional<std::int64_t> user_limit;
  std::optional<std::int64_t> end_ms;
  std::optional<std::int64_t> max_inflight;
  std::optional<std::int64_t> begin_ms;
  SeenVersion seen;
};

/// What an operation came to. A failure of the environment is the Result's error instead; when that is *unknown*, or
/// after a crash at any point, the same call made again completes the operation.
enum class Effect {
  kDone,
  kAlready,     ///< it was so before: a success
  kNotFound,    ///< the database has no such coupon
  kRefused,     ///< the coupon's state does not allow it; nothing was changed
  kUnfinished,  ///< begun and safe, not complete: a cut that waits for claims in flight. Repeat it.
  kOvertaken,   ///< done, and undone by another operation that came after it: the message says which
};
struct Operated {
  Effect effect = Effect::kDone;
  std::string message;       ///< for a person: what happened, and the way out where it was refused
  std::int64_t version = 0;  ///< what this operation wrote; 0: nothing
  [[nodiscard]] bool ok() const { return effect == Effect::kDone || effect == Effect::kAlready; }
};

/// Only the database: a draft. The same coupon once more (equal in every field) is kAlready; another one under the same
/// id, or an id that was purged, is kRefused.
Result<Operated> create_coupon(postgres::Session& pg, const NewCoupon& coupon);

/// draft -> issuing. Repeated: kAlready, and Redis is told again in case the first call died between the two.
/// Never sets a stock that exists; a Redis that lost the coupon is told apart (kRefused: rebuild it). Each of these
/// also opens a coupon again that Redis ended by a clock that was ahead (lua: retire_coupon).
Result<Operated> publish_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id);
Result<Operated> pause_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id);
Result<Operated> resume_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id);
Result<Operated> end_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id, SeenVersion seen = {});

/// A raise goes to the database, then to Redis. A cut goes to Redis first, waits up to `drain` for the claims that are
/// in flight to finish, then lowers the limit in the database; kUnfinished when they did not finish in time.
Result<Operated> update_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id,
                               const CouponChange& change, std::chrono::milliseconds drain = std::chrono::seconds(60));

/// Forgets an ended coupon whose stream is empty, in Redis and in the database; a tombstone keeps the id from being
/// used again.
Result<Operated> purge_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id,
                              SeenVersion seen = {});

}  // namespace flashclaim::operations
