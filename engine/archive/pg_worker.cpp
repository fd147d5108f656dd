// Connects, answers questions in batches, and refuses them while PostgreSQL is away.
#include "engine/archive/pg_worker.h"

#include <utility>

#include "engine/archive/held_text.h"
#include "engine/archive/pool.h"
#include "engine/base/log.h"
#include "engine/claim/view.h"
#include "engine/loop/loop.h"
#include "engine/postgres/archive.h"
#include "engine/postgres/rights.h"

namespace flashclaim::archive {

using http::Problem;
using postgres::SqlError;
using postgres::SqlFault;

namespace {

constexpr int kAgainFirstMs = 100;
constexpr int kAgainMaxMs = 1000;
constexpr auto kStatementDeadline = std::chrono::seconds(2);
constexpr std::int64_t kWaitMaxMs = 3000;    ///< in the queue
constexpr std::int64_t kQuickLossMs = 1000;  ///< lost sooner: likely a restart, so try again at once
constexpr std::string_view kMine = "private, no-store";

/// True when only a new session can help.
bool lost(const SqlError& error, const postgres::Session& session) {
  return error.fault == SqlFault::kConnection || error.fault == SqlFault::kUnknown || !session.open();
}

redis::ClaimView view_of(const postgres::ArchivedClaim& claim) {
  if (!claim.refusal) return {redis::ClaimState::kSettled, claim.user_id, {}};
  return {redis::ClaimState::kRefused, claim.user_id, std::string(postgres::word(*claim.refusal))};
}

}  // namespace

PgWorker::PgWorker(std::string pg_url, std::string name, PoolCounters& counters)
    : pg_url_(std::move(pg_url)), name_(std::move(name)), counters_(counters), backoff_(kAgainFirstMs, kAgainMaxMs) {}

PgWorker::~PgWorker() {
  if (session_) counters_.connected.fetch_sub(1);
}

bool PgWorker::connect() {
  if (session_) return true;
  if (!backoff_.due()) return false;
  auto made = postgres::Session::connect(pg_url_, name_, kStatementDeadline);
  if (!made) {
    lose(made.error());
    return false;
  }
  const auto primary = postgres::is_primary(**made);
  if (!primary || !*primary) {
    lose(primary ? SqlError{SqlFault::kConnection,
                            {},
                            "a standby may not know the last claims: PG_URL must name the primary"}
                 : primary.error());
    return false;
  }
  // Checked once for each session. Without the right the session is dropped, and the next connect checks again.
  const auto missing = postgres::missing_right(**made, postgres::User::kEngine);
  if (!missing || !missing->empty()) {
    const std::string text = missing ? postgres::rights_text(postgres::User::kEngine, *missing) : "";
    if (missing) counters_.denied.set(text);
    lose(missing ? SqlError{SqlFault::kConnection, {}, text} : missing.error());
    return false;
  }
  counters_.denied.set("");
  session_ = std::move(*made);
  counters_.connects.fetch_add(1);
  counters_.connected.fetch_add(1);
  backoff_.reset();
  log(LogLevel::kInfo, "archive", "connected", {{"session", name_}});
  return true;
}

/// Drops the session. Logs once, until PostgreSQL answers again.
void PgWorker::lose(const SqlError& error) {
  if (session_) counters_.connected.fetch_sub(1);
  session_.reset();
  backoff_.next_ms();
  if (std::exchange(complained_, true)) return;
  log(LogLevel::kWarn, "archive", "postgres_away", {{"session", name_}, {"error", error.message}});
}

/// Asks again once after a lost session: a question only reads, so a second one does no harm.
template <class Call>
auto PgWorker::ask(Call call) -> decltype(call(std::declval<postgres::Session&>())) {
  const std::int64_t began_ms = loop::now_ms();
  auto answer = call(*session_);
  if (!answer && lost(answer.error(), *session_)) {
    const bool quick = loop::now_ms() - began_ms < kQuickLossMs;
    const bool first = backoff_.fresh();
    lose(answer.error());
    if (first && quick) backoff_.reset();
    if (connect()) answer = call(*session_);
    if (!answer && session_ && lost(answer.error(), *session_)) lose(answer.error());
  }
  if (answer) {
    complained_ = false;
  } else if (session_ && !std::exchange(complained_, true)) {
    log(answer.error().fault == SqlFault::kRetry ? LogLevel::kWarn : LogLevel::kError, "archive", "not_answered",
        {{"session", name_}, {"sqlstate", answer.error().sqlstate}, {"error", answer.error().message}});
  }
  return answer;
}

void PgWorker::answer(const std::vector<Question>& questions) {
  const std::int64_t now_ms = loop::now_ms();
  connect();
  Questions claims;
  Questions lists;
  for (const Question& question : questions) {
    if (now_ms - question.asked_ms > kWaitMaxMs) {
      counters_.late.fetch_add(1);
      question.refuse(Problem::kBusy);
    } else {
      (std::holds_alternative<ClaimId>(question.about) ? claims : lists).push_back(&question);
    }
  }
  if (!claims.empty()) answer_claims(claims);
  for (const Question* list : lists) answer_held(*list);
}

void PgWorker::refuse_all(const Questions& questions) {
  counters_.away.fetch_add(questions.size());
  for (const Question* question : questions) question->refuse(Problem::kNotReady);
}

void PgWorker::answer_claims(const Questions& questions) {
  if (!connect()) return refuse_all(questions);
  std::vector<ClaimId> ids;
  for (const Question* question : questions) ids.push_back(std::get<ClaimId>(question->about));
  const auto found = ask([&](postgres::Session& session) { return postgres::archived_claims(session, ids); });
  if (!found) return refuse_all(questions);
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const Question& question = *questions[i];
    const auto& known = (*found)[i];
    if (!known || (question.user_id != 0 && question.user_id != known->user_id)) {
      question.refuse(Problem::kClaimNotFound);
    } else {
      question.answer(claim::claim_json(ids[i], view_of(*known)));
    }
  }
}

void PgWorker::answer_held(const Question& question) {
  if (!connect()) return refuse_all({&question});
  const auto& range = std::get<claim::HeldRange>(question.about);
  const auto page = ask([&](postgres::Session& session) {
    return postgres::archived_coupons(session, question.user_id, {range.after_coupon, range.after_ordinal},
                                      range.limit);
  });
  if (!page) return refuse_all({&question});
  question.answer(held_json(*page), kMine);
}

}  // namespace flashclaim::archive
