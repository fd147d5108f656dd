// Typed calls of the Lua library `flashclaim`: the one place in C++ that knows its arguments, replies and words.
//
// All calls run on the thread of the Client. A failure whose message begins with ARGUMENT is a bug of ours, one with
// DAMAGED a key that a person must look at (`is_damaged`, errors.h); both mean that nothing was changed. kUnknown means
// that the call may have been carried out: all but `claim` are safe to repeat.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/ids.h"
#include "engine/problem/problem.h"
#include "engine/redis/client.h"
#include "engine/redis/errors.h"
#include "engine/redis/keys.h"

namespace flashclaim::redis {

// ---- claim -------------------------------------------------------------------------------------------------------

enum class Verdict { kAccepted, kReplayed, kRefused };
struct VerdictWord {
  Verdict verdict = Verdict::kRefused;
  Problem refusal = Problem::kNotReady;  ///< of kRefused; else meaningless
};
/// One word of claim's reply, without what follows a '='. The refusals are those of engine/problem.
std::optional<VerdictWord> parse_verdict(std::string_view word);
/// The other way: as the Lua library writes it.
std::string_view word(const VerdictWord& verdict);

inline constexpr std::size_t kClaimBatchMax = 256;

/// One claim of a batch: the user and, unless empty, the Idempotency-Key: 1..64 of [A-Za-z0-9_-] (see
/// idempotency_key_fits).
struct ClaimRequest {
  std::int64_t user_id = 0;
  std::string_view idempotency_key;
};
bool idempotency_key_fits(std::string_view key);

struct ClaimVerdict : VerdictWord {
  ClaimId claim;  ///< of kAccepted (new) and kReplayed (the one accepted before); else meaningless
};

/// The FCALL of 1..kClaimBatchMax claims of one coupon, for the async connection; parse its reply with
/// parse_claim_reply.
std::vector<std::string> claim_command(const CouponKeys& keys, std::span<const ClaimRequest> claims);
/// Fills `verdicts` (cleared first), one for each of the `asked` claims in order. An error reply or a malformed one is
/// a failure: error replies of this function mean that nothing was accepted.
Result<void> parse_claim_reply(ReplyView reply, std::int64_t coupon_id, std::size_t asked,
                               std::vector<ClaimVerdict>& verdicts);
/// Blocking form of the two. Never repeat it after kUnknown without an Idempotency-Key.
Result<std::vector<ClaimVerdict>> claim(Client& client, std::int64_t coupon_id, std::span<const ClaimRequest> claims);

// ---- finish ------------------------------------------------------------------------------------------------------

/// A claim that the database refused; `reason` is its outcome's word (over_limit, out_of_stock, stale_epoch,
/// unknown_coupon, rejected).
struct Refused {
  int index = 0;
  std::string reason;
};

/// All `claims` claims of the entry have final outcomes in the database: settled, except `refused` (increasing index).
struct FinishCall {
  std::int64_t coupon_id = 0;
  std::int64_t epoch = 0;
  EntryId entry;
  int claims = 0;
  bool fresh = false;  ///< at least one claim was decided just now, not by an earlier delivery
  std::vector<Refused> refused;
};

enum class FinishReply {
  kFinished,  ///< this call removed the entry and compensated
  kAbsent,    ///< the entry is gone: finished before (with fresh: the coupon is marked suspect)
  kBeyond,    ///< Redis never gave out this id: it lost data (the coupon is marked suspect)
  kMismatch,  ///< another epoch, number of claims or index: nothing changed, the entry is unfinished
  kNoCoupon,  ///< Redis does not know the coupon
};
std::string_view word(FinishReply reply);

/// Idempotent: repeat after kUnknown.
Result<FinishReply> finish(Client& client, const FinishCall& call);
/// Pipelined form: every append_finish is answered by one read_finish, in order.
void append_finish(Client& client, const FinishCall& call);
Result<FinishReply> read_finish(Client& client);

/// What Redis knows of the entry that a message is about. `checksum`: of the message's epoch and users (16 hex digits).
struct EntryQuestion {
  std::int64_t coupon_id = 0;
  std::int64_t epoch = 0;
  EntryId entry;
  std::string_view checksum;
};
enum class EntryState {
  kWaiting,   ///< in the stream, with these claims
  kFinished,  ///< finished with these claims: each has its outcome in the database
  kOther,     ///< in the stream, or finished, under this epoch with other claims
  kUnknown,   ///< neither; it proves nothing: finished long ago, lost, never accepted, or of another epoch
};
/// Pipelined: every append_entry_view is answered by one read_entry_view, in order.
void append_entry_view(Client& client, const EntryQuestion& question);
Result<EntryState> read_entry_view(Client& client);

// ---- state -------------------------------------------------------------------------------------------------------

/// What Redis is told about a coupon: absolute values, `version` decides which is newer. Times in epoch milliseconds.
struct CouponSettings {
  std::int64_t coupon_id = 0;
  std::int64_t epoch = 0;
  std::int64_t version = 0;
  std::string status;  ///< issuing, paused, ended
  std::string name;
  std::int64_t total = 0;
  std::int64_t user_limit = 0;
  std::int64_t begin_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t max_inflight = 0;
};

enum class ApplyReply {
  kApplied,
  kReopened,   ///< applied before, and Redis had ended it since by a clock that was ahead: it is as told again
  kOld,        ///< this version or a newer one was applied before: a success
  kNotReady,   ///< the server lost its data (no marker)
  kNotLoaded,  ///< Redis does not know the coupon and `create` was not given: rebuild
  kLoading,    ///< a rebuild is under way
  kShort,      ///< a cut below what is left: not applied
  kEpoch,      ///< another epoch than Redis': not applied
};
std::string_view word(ApplyReply reply);
/// `create`: the coupon may be new to Redis; stock becomes total. An existing stock is never set.
Result<ApplyReply> apply_state(Client& client, const CouponSettings& settings, bool create);

struct CouponView {
  std::string status;  ///< issuing, paused, ended; issuing past its end reads ended
  std::string name;
  std::int64_t begin_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t now_ms = 0;  ///< the clock of Redis, which judges the window
  std::int64_t total = 0;
  std::int64_t left = 0;  ///< never negative
  std::int64_t user_limit = 0;
  std::int64_t mine = 0;  ///< claims that the asked user holds; 0 when none was asked
  std::int64_t version = 0;
};
enum class ViewState { kFound, kNoCoupon, kNotReady };
/// The FCALL_RO of coupon_view, for the async connection; user_id 0 = no user.
std::vector<std::string> coupon_view_command(const CouponKeys& keys, std::int64_t user_id);
/// kFound fills `view`.
Result<ViewState> parse_coupon_view(ReplyView reply, CouponView& view);
Result<ViewState> coupon_view(Client& client, std::int64_t coupon_id, std::int64_t user_id, CouponView& view);

enum class ClaimState { kPending, kSettled, kRefused, kNone, kNotReady };
struct ClaimView {
  ClaimState state = ClaimState::kNone;
  std::int64_t user_id = 0;  ///< of kPending, kSettled, kRefused
  std::string reason;        ///< of kRefused
};
/// The FCALL_RO of claim_view, for the async connection. kNone: neither in flight nor finished lately: ask the
/// database.
std::vector<std::string> claim_view_command(const ClaimId& claim);
Result<ClaimView> parse_claim_view(ReplyView reply);
Result<ClaimView> claim_view(Client& client, const ClaimId& claim);

// ---- reconcile ---------------------------------------------------------------------------------------------------

struct EntryInFlight {
  EntryId entry;
  std::int64_t claims = 0;
};
/// The numbers of a coupon at one moment; never more than O(1) of Redis' time.
struct Counters {
  std::int64_t epoch = 0;
  std::int64_t version = 0;
  std::int64_t fix_seq = 0;
  std::int64_t suspect = 0;  ///< number of marks since the last fix; 0 = none
  std::int64_t stock = 0;    ///< may be negative after a fix
  std::int64_t total = 0;
  std::int64_t inflight = 0;  ///< claims in flight, as the hash counts them; the truth is the sum over the stream
  EntryId last;               ///< the highest id that the stream ever gave out
  std::int64_t length = 0;    ///< entries in flight
  std::int64_t added = 0;     ///< entries that the stream ever got: `added - length` have left it
  std::int64_t returns = 0;   ///< finishes that returned units
  std::string status;         ///< issuing, paused, ended
};
/// nullopt, here and below: Redis does not know the coupon, or has not its numbers (loading, no stock): a rebuild is
/// due or under way.
Result<std::optional<Counters>> reconcile_counters(Client& client, std::int64_t coupon_id);
/// The same for a pipeline: the command, and what its reply says.
std::vector<std::string> reconcile_counters_command(const CouponKeys& keys);
Result<std::optional<Counters>> parse_counters(ReplyView reply);

/// The counters after a walk over the stream, and what finishes returned to the stock since `returns` of the first
/// look.
struct CountersSince {
  Counters now;
  bool forgotten = false;               ///< more than the log holds: walk again; nothing else is set
  std::vector<EntryInFlight> returned;  ///< the units that came back from each
};
Result<std::optional<CountersSince>> reconcile_counters_since(Client& client, std::int64_t coupon_id,
                                                              std::int64_t returns);

/// One atomic look at a coupon with few entries in flight.
struct Snapshot : Counters {
  bool too_many = false;  ///< more than one call looks at (128 entries): nothing else is set
  std::vector<EntryInFlight> entries;
};
Result<std::optional<Snapshot>> reconcile_snapshot(Client& client, std::int64_t coupon_id);
/// Of a reply that is no error.
Result<std::optional<Snapshot>> parse_snapshot(ReplyView reply);

enum class FixReply { kFixed, kMoved };
std::string_view word(FixReply reply);
/// Adds the deltas if epoch and fix_seq are still those of the look, else kMoved and nothing changed. After kUnknown
/// look again: fix_seq tells whether it was carried out.
Result<FixReply> reconcile_fix(Client& client, std::int64_t coupon_id, const Counters& seen, std::int64_t stock_delta,
                               std::int64_t inflight_delta);

struct UserInFlight {
  EntryId entry;
  std::int64_t user_id = 0;
};
struct UserCounts {
  bool behind = false;  ///< more than 64 entries above `known`: walk over them first; nothing else is set
  std::int64_t epoch = 0;
  std::int64_t fix_seq = 0;
  EntryId last;
  std::vector<std::int64_t> counts;     ///< in the order of the users asked; 0 when missing
  std::vector<bool> present;            ///< in the order of the entries asked: still in flight
  std::vector<UserInFlight> in_flight;  ///< one for each claim of these users in flight above `known`
};
inline constexpr std::size_t kUserChunkMax = 1000;
inline constexpr std::size_t kKnownEntriesMax = 500;
/// At most kUserChunkMax users, each once; `known`: the caller has walked over the entries up to it, and `entries` (at
/// most kKnownEntriesMax) are those in which these users have claims.
Result<std::optional<UserCounts>> user_counts(Client& client, std::int64_t coupon_id, EntryId known,
                                              std::span<const std::int64_t> users, std::span<const EntryId> entries);
/// Of a reply that is no error, for that many users and entries.
Result<std::optional<UserCounts>> parse_user_counts(ReplyView reply, std::size_t users, std::size_t entries);
struct UserDelta {
  std::int64_t user_id = 0;
  std::int64_t delta = 0;
};
Result<FixReply> user_counts_fix(Client& client, std::int64_t coupon_id, std::int64_t epoch, std::int64_t fix_seq,
                                 std::span<const UserDelta> deltas);

// ---- rebuild (freeze, drain, begin, clear and load, open) ----------------------------------------------------------

/// Claims answer NOT_READY from now on; returns the number of entries that are still to be drained. Where Redis holds
/// nothing of the coupon it makes nothing.
Result<std::int64_t> rebuild_freeze(Client& client, std::int64_t coupon_id);
enum class BeginReply { kBegun, kNotLoading, kNotDrained, kEpoch };
std::string_view word(BeginReply reply);
Result<BeginReply> rebuild_begin(Client& client, std::int64_t coupon_id, std::int64_t new_epoch);
/// The next three are false when the coupon is not loading at that epoch (somebody else rebuilds): nothing changed.
/// At most kUserChunkMax keys or users a call.
Result<bool> rebuild_clear_users(Client& client, std::int64_t coupon_id, std::int64_t epoch,
                                 std::span<const std::string> user_keys);
Result<bool> rebuild_load_stock(Client& client, std::int64_t coupon_id, std::int64_t epoch, std::int64_t stock);
struct UserCount {
  std::int64_t user_id = 0;
  std::int64_t count = 0;
};
Result<bool> rebuild_load_users(Client& client, std::int64_t coupon_id, std::int64_t epoch,
                                std::span<const UserCount> counts);
enum class OpenReply { kOpen, kRefused, kNotReady };
std::string_view word(OpenReply reply);
Result<OpenReply> rebuild_open(Client& client, const CouponSettings& settings);

/// The coupons whose streams are read (`coupon:issuing`), in id order; what is no id is left out.
Result<std::vector<std::int64_t>> issuing_coupons(Client& client);
/// The same for the async connection: of a reply to SMEMBERS that is no error.
std::vector<std::int64_t> parse_issuing(ReplyView reply);

// ---- marks and the end of life -------------------------------------------------------------------------------------

/// This Redis holds what it should: claims of unknown coupons answer NO_COUPON instead of NOT_READY.
Result<void> mark_ready(Client& client);
/// Before the DLQ publish. False: the entry is not in the stream.
Result<bool> mark_dead(Client& client, std::int64_t coupon_id, EntryId entry);
Result<void> unmark_dead(Client& client, std::int64_t coupon_id, EntryId entry);
/// False: Redis does not know the coupon.
Result<bool> mark_suspect(Client& client, std::int64_t coupon_id);
/// True when the coupon is over, its stream empty and nothing suspect: it left `coupon:issuing`.
Result<bool> retire_coupon(Client& client, std::int64_t coupon_id);
enum class PurgeReply { kPurged, kNotEnded, kNotEmpty };
std::string_view word(PurgeReply reply);
Result<PurgeReply> purge_coupon(Client& client, std::int64_t coupon_id);

}  // namespace flashclaim::redis
