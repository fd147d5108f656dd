// Fills batches, sends them when a flight is free, answers from the verdicts, and remembers refusals for a while.
#include "engine/claim/queue.h"

#include <cassert>
#include <charconv>

#include "engine/base/ids.h"
#include "engine/base/log_repeated.h"
#include "engine/base/test_point.h"
#include "engine/claim/outcome.h"
#include "engine/loop/loop.h"

namespace flashclaim::claim {

using http::Problem;

namespace {

/// So many claims Redis refuses before the engine repeats it: while few ask, each gets the exact word (LIMIT_REACHED
/// before SOLD_OUT).
constexpr std::size_t kAskedFirst = 16;

/// Of a coupon and thread: while Redis syncs one batch, the clients of the one before are answered and ask again. Redis
/// takes and answers them in order. More made batches smaller and nothing faster.
constexpr std::size_t kFlightsMax = 2;

/// A second flight would wait for the sync of the first in any case: it leaves when it is worth a sync of its own.
constexpr std::size_t kSecondFlightMin = 64;

// With the deadline of Redis' answer (3 s, async.h) these bound what a claim waits: 2 s before it leaves, 3 s after.
constexpr std::int64_t kWaitMaxUs = 500'000;     // for the batches ahead, at their pace; more: BUSY at once
constexpr std::int64_t kStallMaxUs = 1'000'000;  // a flight that takes longer: nobody more queues behind it
constexpr std::int64_t kStaleUs = 2'000'000;     // waited for longer than this, when the pace broke down: BUSY

}  // namespace

std::unique_ptr<Batch> QueueContext::take_batch() {
  if (spare.empty()) return std::make_unique<Batch>();
  std::unique_ptr<Batch> batch = std::move(spare.back());
  spare.pop_back();
  return batch;
}

Queue::Queue(QueueContext& context, std::int64_t coupon_id)
    : context_(context), coupon_id_(coupon_id), keys_(coupon_id), coupon_text_(std::to_string(coupon_id)) {}

void Queue::add(const Waiter& waiter, std::string_view user, std::string_view key) {
  context_.counters->waiting.add();
  if (was_shut_ && !flights_.empty() && key.empty()) {
    parked_.push_back({waiter, *parse_id(user)});
  } else {
    add_to_batch(waiter, user, key);
  }
}

void Queue::add_to_batch(const Waiter& waiter, std::string_view user, std::string_view key) {
  if (waiting_.empty() || waiting_.back()->full()) {
    waiting_.push_back(context_.take_batch());
    waiting_.back()->begin(keys_);
  }
  waiting_.back()->add(waiter, user, key);
  if (may_send()) announce();
}

bool Queue::admits(std::int64_t now_us) const {
  if (flights_.empty()) return true;
  const std::size_t full = waiting_.size() - (waiting_.empty() || waiting_.back()->full() ? 0 : 1);
  return now_us - flights_.front().sent_at_us <= kStallMaxUs &&
         static_cast<std::int64_t>(full) * flight_us_ <= kWaitMaxUs;
}

bool Queue::may_send() const {
  if (waiting_.empty() || flights_.empty()) return !waiting_.empty();
  return flights_.size() < kFlightsMax && waiting_.front()->waiters().size() >= kSecondFlightMin;
}

void Queue::announce() {
  if (announced_) return;
  announced_ = true;
  context_.to_send.push_back(this);
  context_.end_of_turn->schedule();
}

void Queue::send() {
  announced_ = false;
  now_us_ = loop::now_us();
  drop_stale();
  while (may_send()) send_oldest();
}

void Queue::send_oldest() {
  flights_.push_back({std::move(waiting_.front()), now_us_});
  waiting_.erase(waiting_.begin());
  Batch& batch = *flights_.back().batch;
  test_point("engine.claim.sending");
  const redis::Sent sent = context_.client->send(batch.command(), *this);
  if (sent == redis::Sent::kYes) {
    context_.counters->batch_claims.add(batch.waiters().size());
    return;
  }
  const std::unique_ptr<Batch> refused = std::move(flights_.back().batch);
  flights_.pop_back();
  refuse_all(*refused, sent == redis::Sent::kFull ? Problem::kBusy : Problem::kNotReady);
  became_idle_if_so();
}

void Queue::drop_stale() {
  while (!waiting_.empty() && now_us_ - waiting_.front()->waiters().front().since_us > kStaleUs) {
    refuse_all(*waiting_.front(), Problem::kBusy);
    context_.spare.push_back(std::move(waiting_.front()));
    waiting_.erase(waiting_.begin());
    became_idle_if_so();
  }
}

/// Takes the oldest flight out: answers come in the order of the questions. What has filled meanwhile leaves at the end
/// of this turn.
Queue::Flight Queue::landed() {
  assert(!flights_.empty());
  Flight flight = std::move(flights_.front());
  flights_.erase(flights_.begin());
  if (!waiting_.empty()) announce();
  became_idle_if_so();
  return flight;
}

void Queue::became_idle_if_so() {
  if (!idle()) return;
  context_.idle_coupons.push_back(coupon_id_);
  context_.end_of_turn->schedule();
}

void Queue::answered(const redis::ReplyView& reply) noexcept {
  test_point("engine.claim.answered");
  now_us_ = loop::now_us();
  auto [batch, sent_at_us] = landed();
  flight_us_ += (now_us_ - sent_at_us - flight_us_) / 4;
  was_shut_ = false;
  if (reply.kind() == redis::ReplyKind::kArray && reply.size() >= 2) {
    answer_verdicts(*batch, reply[0].text(), reply[1].text());
    note_shut(reply, batch->waiters().size(), sent_at_us);
  } else {
    Problem problem = reply.is_error() ? problem_of_error(reply.text()) : Problem::kOutcomeUnknown;
    if (!heals_itself(problem))
      log_repeated(LogLevel::kError, "claim", "claim_failed", {{"coupon", coupon_id_}, {"error", reply.text()}});
    refuse_all(*batch, problem);
  }
  test_point("engine.claim.told");
  release_parked();
  context_.spare.push_back(std::move(batch));
}

void Queue::lost() noexcept {
  now_us_ = loop::now_us();
  auto batch = landed().batch;
  refuse_all(*batch, Problem::kOutcomeUnknown);
  was_shut_ = false;
  release_parked();
  context_.spare.push_back(std::move(batch));
}

/// The third word of a reply, `<verdict> <ms>`: counted from when Redis was asked, so that no refusal is older.
void Queue::note_shut(const redis::ReplyView& reply, std::size_t claims, std::int64_t sent_at_us) {
  asked_while_shut_ = reply.size() < 3 ? 0 : asked_while_shut_ + claims;
  if (asked_while_shut_ <= kAskedFirst) return;
  const std::string_view text = reply[2].text();
  const auto space = text.find(' ');
  const auto verdict = redis::parse_verdict(text.substr(0, space));
  const auto lasts_ms = space == std::string_view::npos ? std::nullopt : parse_number(text.substr(space + 1));
  if (!verdict || verdict->verdict != redis::Verdict::kRefused || !lasts_ms) return;
  was_shut_ = true;
  shut_as_ = verdict->refusal;
  shut_until_us_ = sent_at_us + *lasts_ms * 1000;
}

/// What Redis said holds until shut_until_us_, however late the answer came: past that it is asked again (INV-5).
void Queue::release_parked() {
  const bool still_shut = was_shut_ && now_us_ < shut_until_us_;
  for (const Parked& parked : parked_) {
    if (still_shut) {
      context_.counters->answered_locally.add();
      refuse(parked.waiter, shut_as_);
    } else {
      char user[20];
      const char* end = std::to_chars(user, user + sizeof user, parked.user).ptr;
      add_to_batch(parked.waiter, {user, static_cast<std::size_t>(end - user)}, {});
    }
  }
  parked_.clear();
}

void Queue::answer_verdicts(const Batch& batch, std::string_view entry, std::string_view words) {
  std::size_t answered = answer_words(batch, entry, words);
  if (answered == batch.waiters().size()) return;
  log_repeated(LogLevel::kError, "claim", "malformed_reply", {{"coupon", coupon_id_}, {"words", words}});
  for (std::size_t i = answered; i < batch.waiters().size(); ++i) refuse(batch.waiters()[i], Problem::kOutcomeUnknown);
}

/// Answers in order until the words end or one makes no sense; returns how many were answered.
std::size_t Queue::answer_words(const Batch& batch, std::string_view entry, std::string_view words) {
  int accepted = 0;
  std::size_t i = 0;
  for (; i < batch.waiters().size() && !words.empty(); ++i) {
    auto space = words.find(' ');
    if (!answer_one(batch.waiters()[i], words.substr(0, space), entry, accepted)) break;
    words.remove_prefix(space == std::string_view::npos ? words.size() : space + 1);
  }
  return i;
}

bool Queue::answer_one(const Waiter& waiter, std::string_view word, std::string_view entry, int& accepted) {
  auto equals = word.find('=');
  auto verdict = redis::parse_verdict(word.substr(0, equals));
  if (!verdict) return false;
  if (verdict->verdict == redis::Verdict::kRefused) {
    refuse(waiter, verdict->refusal);
    return true;
  }
  if (verdict->verdict == redis::Verdict::kReplayed) {
    if (equals == std::string_view::npos) return false;
    accept(waiter, word.substr(equals + 1), true);
    return true;
  }
  if (entry.empty()) return false;
  char claim[80];
  if (entry.size() > sizeof claim - 12) return false;
  char* end = std::copy(entry.begin(), entry.end(), claim);
  *end++ = '-';
  end = std::to_chars(end, claim + sizeof claim, accepted++).ptr;
  accept(waiter, {claim, static_cast<std::size_t>(end - claim)}, false);
  return true;
}

/// `claim`: the claim id without the coupon's.
void Queue::accept(const Waiter& waiter, std::string_view claim, bool replayed) {
  location_.assign("Location: /claims/").append(coupon_text_).append(1, '-').append(claim).append("\r\n");
  if (replayed) location_.append("Idempotent-Replayed: true\r\n");
  body_.assign(R"({"claimId":")").append(coupon_text_).append(1, '-').append(claim);
  body_.append(R"(","couponId":")").append(coupon_text_).append(R"(","status":"pending"})");
  (replayed ? context_.counters->replayed : context_.counters->accepted).add();
  finished(waiter);
  context_.server->answer(waiter.exchange, {http::Status::kAccepted, http::kJson, location_, body_});
}

void Queue::refuse(const Waiter& waiter, Problem problem) {
  context_.counters->claims_refused[static_cast<std::size_t>(problem)].add();
  finished(waiter);
  context_.server->refuse(waiter.exchange, problem);
}

void Queue::refuse_all(const Batch& batch, Problem problem) {
  for (const Waiter& waiter : batch.waiters()) refuse(waiter, problem);
}

void Queue::finished(const Waiter& waiter) {
  context_.counters->waiting.sub(1);
  context_.counters->claim_us.add(static_cast<std::uint64_t>(now_us_ - waiter.since_us));
}

}  // namespace flashclaim::claim
