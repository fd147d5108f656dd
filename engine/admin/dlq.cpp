#include "engine/admin/dlq.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "engine/admin/dlq_work.h"
#include "engine/admin/publish.h"
#include "engine/admin/tell_redis.h"
#include "engine/admin/user_keys.h"
#include "engine/amqp/connection.h"
#include "engine/amqp/topology.h"
#include "engine/base/log.h"
#include "engine/base/test_point.h"
#include "engine/mirror/message.h"
#include "engine/postgres/settle.h"

namespace flashclaim::admin {
namespace {

using mirror::EntryMessage;

constexpr std::size_t kBatch = 256;
constexpr std::string_view kEntriesPage = "256";

Result<void> replay_batch(redis::Client& redis, amqp::Connection& amqp, std::span<const Case> cases,
                          DlqReport& report) {
  std::vector<EntryMessage> messages;
  for (const Case& one : cases) {
    const auto unmarked = redis::unmark_dead(redis, one.message.coupon_id, one.message.entry);
    if (!unmarked) return unmarked.error();
    test_point("admin.dlq.unmarked");
    messages.push_back(one.message);
  }
  const auto held = publish_confirmed(amqp, messages);
  if (!held) return held.error();
  test_point("admin.dlq.published");
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (!(*held)[i]) {
      leave(report, "no queue took the message: flashctl mq declare");
      if (cases[i].tag) {
        const auto back = amqp.nack(*cases[i].tag, true);
        if (!back) return back.error();
      }
      continue;
    }
    ++report.handled;
    report.claims += static_cast<std::int64_t>(cases[i].message.users.size());
    if (!cases[i].tag) continue;
    const auto acked = amqp.ack(*cases[i].tag, false);
    if (!acked) return acked.error();
  }
  return {};
}

/// What the database says of the claims of one entry in reject mode, as the call that finishes it. Claims whose id the
/// database knows with another user (Redis gave an id out twice after a roll-back) are given up: the coupon is marked
/// suspect, and reconcile puts its counts right.
struct Decision {
  redis::FinishCall call;
  std::int64_t settled = 0;
  bool conflict = false;
};
Result<Decision> decide(postgres::Session& pg, const EntryMessage& message) {
  std::vector<postgres::SettleClaim> claims;
  for (std::size_t i = 0; i < message.users.size(); ++i) {
    claims.push_back({message.coupon_id, message.epoch, message.entry, static_cast<int>(i), message.users[i]});
  }
  const auto outcomes = from_sql(postgres::settle_claims(pg, claims, postgres::SettleMode::kReject));
  if (!outcomes) return outcomes.error();
  Decision decision;
  decision.call = {message.coupon_id, message.epoch, message.entry, static_cast<int>(claims.size()), false, {}};
  for (std::size_t i = 0; i < claims.size(); ++i) {
    const postgres::Settled& settled = (*outcomes)[i];
    decision.call.fresh = decision.call.fresh || settled.fresh;
    if (postgres::is_settled(settled.outcome)) {
      ++decision.settled;
      continue;
    }
    const bool conflict = settled.outcome == postgres::Outcome::kIdConflict;
    decision.conflict = decision.conflict || conflict;
    const auto reason = postgres::word(conflict ? postgres::Outcome::kRejected : settled.outcome);
    decision.call.refused.push_back({static_cast<int>(i), std::string(reason)});
  }
  return decision;
}

Result<void> reject_one(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp, const Case& one,
                        DlqReport& report) {
  const auto decision = decide(pg, one.message);
  if (!decision) return decision.error();
  test_point("admin.dlq.rejected");
  const auto reply = redis::finish(redis, decision->call);
  if (!reply) return reply.error();
  test_point("admin.dlq.finished");
  if (decision->conflict) {
    const auto suspect = redis::mark_suspect(redis, one.message.coupon_id);
    if (!suspect) return suspect.error();
  }
  if (*reply == redis::FinishReply::kFinished) {
    ++report.handled;
    report.claims += decision->call.claims;
    report.returned += static_cast<std::int64_t>(decision->call.refused.size());
    report.kept += decision->settled;
  } else {
    const auto still = stream_entry(redis, one.message.coupon_id, one.message.entry);
    if (!still) return still.error();
    if (still->has_value()) {
      leave(report, fmt::format("entry {} of coupon {} does not fit what Redis holds ({})", one.message.entry.text(),
                                one.message.coupon_id, redis::word(*reply)));
      return one.tag ? amqp.nack(*one.tag, true) : Result<void>();
    }
    ++report.dropped;
  }
  log(LogLevel::kInfo, "admin", "dead_letter_rejected",
      {{"coupon", one.message.coupon_id}, {"entry", one.message.entry.text()}, {"redis", redis::word(*reply)}});
  return one.tag ? amqp.ack(*one.tag, false) : Result<void>();
}

Result<void> unmark(redis::Client& redis, const Worklist& work) {
  test_point("admin.dlq.acked");
  for (const auto& [coupon, entry] : work.stale_marks) {
    const auto unmarked = redis::unmark_dead(redis, coupon, entry);
    if (!unmarked) return unmarked.error();
  }
  return {};
}

}  // namespace

Result<std::vector<DeadLetter>> list_dead(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp,
                                          const DlqFilter& filter) {
  const auto letters = take_letters(amqp);
  if (!letters) return letters.error();
  auto marked = marks(redis, pg, filter);
  if (!marked) return marked.error();
  std::vector<DeadLetter> list;
  const auto add = [&](DeadLetter dead) -> Result<void> {
    if (dead.coupon_id != 0) {
      const auto in_stream = stream_entry(redis, dead.coupon_id, dead.entry);
      if (!in_stream && !redis.connected()) return in_stream.error();
      if (!in_stream) dead.problem = in_stream.error().message;
      dead.in_stream = !in_stream || in_stream->has_value();
      if (in_stream && in_stream->has_value()) {
        dead.epoch = (*in_stream)->epoch;
        dead.claims = static_cast<std::int64_t>((*in_stream)->users.size());
      }
    }
    list.push_back(std::move(dead));
    return {};
  };
  for (const Letter& letter : *letters) {
    const auto back = put_back(amqp, letter);
    if (!back) return back.error();
    const std::int64_t coupon = coupon_of(letter);
    if (!matches(filter, coupon, entry_of(letter))) continue;
    DeadLetter dead{coupon, 0, entry_of(letter), 0, true, false, false, letter.attempts, letter.problem};
    if (letter.message) {
      dead.epoch = letter.message->epoch;
      dead.claims = static_cast<std::int64_t>(letter.message->users.size());
    }
    dead.marked = marked->erase({coupon, dead.entry}) > 0;
    const auto added = add(std::move(dead));
    if (!added) return added.error();
  }
  for (const auto& [coupon, entry] : *marked) {
    const auto added = add({coupon, 0, entry, 0, false, true, false, "", ""});
    if (!added) return added.error();
  }
  const auto sent = amqp.flush();
  if (!sent) return sent.error();
  return list;
}

Result<DlqReport> replay_dead(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp,
                              const DlqFilter& filter) {
  DlqReport report;
  const auto work = gather(redis, pg, amqp, filter, report);
  if (!work) return work.error();
  for (const Letter& letter : work->hopeless) {
    leave(report, "a letter cannot be read and its entry is not in the stream: dlq reject throws it away");
    const auto back = put_back(amqp, letter);
    if (!back) return back.error();
  }
  const std::span<const Case> cases = work->cases;
  for (std::size_t from = 0; from < cases.size(); from += kBatch) {
    const auto replayed = replay_batch(redis, amqp, cases.subspan(from, std::min(kBatch, cases.size() - from)), report);
    if (!replayed) return replayed.error();
  }
  const auto unmarked = unmark(redis, *work);
  if (!unmarked) return unmarked.error();
  const auto sent = amqp.flush();
  if (!sent) return sent.error();
  return report;
}

Result<DlqReport> reject_dead(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp,
                              const DlqFilter& filter) {
  DlqReport report;
  const auto work = gather(redis, pg, amqp, filter, report);
  if (!work) return work.error();
  for (const Case& one : work->cases) {
    const auto rejected = reject_one(redis, pg, amqp, one, report);
    if (!rejected) return rejected.error();
  }
  for (const Letter& letter : work->hopeless) {
    ++report.dropped;
    const auto acked = amqp.ack(letter.tag, false);
    if (!acked) return acked.error();
  }
  const auto unmarked = unmark(redis, *work);
  if (!unmarked) return unmarked.error();
  const auto sent = amqp.flush();
  if (!sent) return sent.error();
  return report;
}

Result<std::int64_t> replay_entries(redis::Client& redis, amqp::Connection& amqp, std::int64_t coupon_id) {
  const auto dead = dead_entries(redis, coupon_id);
  if (!dead) return dead.error();
  const redis::CouponKeys names(coupon_id);
  std::int64_t published = 0;
  for (std::string from = "-";;) {
    const auto page = redis::ok(redis.command({"XRANGE", names.claims, from, "+", "COUNT", kEntriesPage}));
    if (!page) return page.error();
    if (page->size() == 0) return published;
    std::vector<EntryMessage> messages;
    for (std::size_t i = 0; i < page->size(); ++i) {
      from = "(" + std::string((*page)[i][0].text());
      auto message = message_of(coupon_id, (*page)[i]);
      if (!message) return message.error();
      if (!dead->contains(message->entry)) messages.push_back(std::move(message).value());
    }
    const auto held = publish_confirmed(amqp, messages);
    if (!held) return held.error();
    if (std::find(held->begin(), held->end(), false) != held->end()) {
      return failure("no queue took the messages: flashctl mq declare");
    }
    published += static_cast<std::int64_t>(messages.size());
  }
}

}  // namespace flashclaim::admin
