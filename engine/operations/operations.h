// The life of a coupon: every operation writes the database first, then Redis, and may be repeated at will.
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

/// The version of the coupon that the caller read: the operation is carried out on that version only. Otherwise nothing
/// is done, and the answer (kRefused) says which operation of whom came between. nullopt: the operation reads the
/// version itself; then pause and end are carried out on any newer version (they close the sale), the others are not.
using SeenVersion = std::optional<std::int64_t>;

/// What `update` changes; absent = as it is. A limit can only rise, a begin only become earlier and an end only later,
/// because users know the terms. A draft may change freely.
struct CouponChange {
  std::optional<std::string> name;
  std::optional<std::int64_t> total;
  std::optional<std::int64_t> user_limit;
  std::optional<std::int64_t> end_ms;
  std::optional<std::int64_t> max_inflight;
  std::optional<std::int64_t> begin_ms;
  SeenVersion seen;
};

/// The outcome of an operation. A failure of the environment is the Result's error instead. After an *unknown* error,
/// or a crash at any point, the same call completes the operation.
enum class Effect {
  kDone,
  kAlready,     ///< nothing to change: a success
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

/// Creates a draft, in the database only. The same coupon again (equal in every field) is kAlready; another coupon
/// under the same id, or an id that was purged, is kRefused.
Result<Operated> create_coupon(postgres::Session& pg, const NewCoupon& coupon);

/// draft -> issuing. Repeated: kAlready, and Redis gets the state again, in case the first call died between the two.
/// Never sets a stock that exists; when Redis lost the coupon, the answer is kRefused: rebuild it. Each of these also
/// opens a coupon again that Redis ended because its clock was ahead (lua: retire_coupon).
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
