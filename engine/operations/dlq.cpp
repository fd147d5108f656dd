// Replays, rejects or drops each dead letter in steps that may be repeated.
#include "engine/operations/dlq.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "engine/amqp/connection.h"
#include "engine/amqp/topology.h"
#include "engine/base/log.h"
#include "engine/base/test_point.h"
#include "engine/base/try.h"
#include "engine/mirror/message.h"
#include "engine/operations/dlq_work.h"
#include "engine/operations/publish.h"
#include "engine/operations/sync_redis.h"
#include "engine/operations/user_keys.h"
#include "engine/postgres/settle.h"

namespace flashclaim::operations {
namespace {

using mirror::EntryMessage;

constexpr std::size_t kBatch = 256;
constexpr std::string_view kEntriesPage = "256";

Result<void> replay_batch(redis::Client& redis, amqp::Connection& amqp, std::span<const Case> cases,
                          DlqReport& report) {
  std::vector<EntryMessage> messages;
  std::vector<Case> able;
  for (const Case& one : cases) {
    const auto unmarked = redis::unmark_dead(redis, one.message.coupon_id, one.message.entry);
    test_point("admin.dlq.unmarked");
    if (unmarked) {
      messages.push_back(one.message);
      able.push_back(one);
    } else if (!is_about_the_coupon(redis, unmarked.error())) {
      return unmarked.error();
    } else if (auto left = leave_there(amqp, one.tag, report, unmarked.error().message); !left) {
      return left;
    }
  }
  const auto held = TRY(publish_confirmed(amqp, messages));
  test_point("admin.dlq.published");
  for (std::size_t i = 0; i < able.size(); ++i) {
    if (!held[i]) {
      const auto left = leave_there(amqp, able[i].tag, report, "no queue took the message: flashctl mq declare");
      if (!left) return left;
      continue;
    }
    ++report.handled;
    report.claims += static_cast<std::int64_t>(able[i].message.users.size());
    if (!able[i].tag) continue;
    TRY(amqp.ack(*able[i].tag, false));
  }
  return {};
}

/// The database's decision on the claims of one entry in reject mode, as the call that finishes the entry. `conflict`:
/// the database has another user under one of the ids (Redis gave out an id twice after a roll-back). Such claims are
/// given up: the coupon is marked suspect, and reconcile corrects its counts.
struct Decision {
  redis::FinishCall call;
  std::int64_t settled = 0;
  bool conflict = false;
};
/// nullopt, with `why`: the database cannot take its values.
Result<std::optional<Decision>> decide(postgres::Session& pg, const EntryMessage& message, std::string& why) {
  std::vector<postgres::SettleClaim> claims;
  for (std::size_t i = 0; i < message.users.size(); ++i) {
    claims.push_back({message.coupon_id, message.epoch, message.entry, static_cast<int>(i), message.users[i]});
  }
  const auto outcomes = postgres::settle_claims(pg, claims, postgres::SettleMode::kReject);
  if (!outcomes && outcomes.error().fault == postgres::SqlFault::kData) {
    why = fmt::format("the database cannot take entry {} of coupon {}: {}", message.entry.text(), message.coupon_id,
                      outcomes.error().message);
    return std::optional<Decision>();
  }
  if (!outcomes) return outcomes.error().as_error();
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
  return std::optional(std::move(decision));
}

Result<void> reject_one(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp, const Case& one,
                        DlqReport& report) {
  std::string why;
  const auto decided = TRY(decide(pg, one.message, why));
  if (!decided.has_value()) return leave_there(amqp, one.tag, report, why);
  const Decision* decision = &*decided;
  test_point("admin.dlq.rejected");
  const auto reply = redis::finish(redis, decision->call);
  if (!reply && is_about_the_coupon(redis, reply.error()))
    return leave_there(amqp, one.tag, report, reply.error().message);
  if (!reply) return reply.error();
  test_point("admin.dlq.finished");
  if (decision->conflict) {
    TRY(redis::mark_suspect(redis, one.message.coupon_id));
  }
  if (*reply == redis::FinishReply::kFinished) {
    ++report.handled;
    report.claims += decision->call.claims;
    report.returned += static_cast<std::int64_t>(decision->call.refused.size());
    report.kept += decision->settled;
  } else {
    const auto still = TRY(stream_entry(redis, one.message.coupon_id, one.message.entry));
    if (still.has_value()) {
      return leave_there(amqp, one.tag, report,
                         fmt::format("entry {} of coupon {} does not fit what Redis holds ({})",
                                     one.message.entry.text(), one.message.coupon_id, redis::word(*reply)));
    }
    ++report.dropped;
  }
  log(LogLevel::kInfo, "operations", "dead_letter_rejected",
      {{"coupon", one.message.coupon_id}, {"entry", one.message.entry.text()}, {"redis", redis::word(*reply)}});
  return one.tag ? amqp.ack(*one.tag, false) : Result<void>();
}

Result<void> leave_foreign(amqp::Connection& amqp, const Worklist& work, DlqReport& report) {
  for (const Letter& letter : work.foreign) TRY(leave_there(amqp, letter.tag, report, letter.problem));
  return {};
}

/// Deletes the entry if the stream has it and it can be neither settled nor refused: damaged, or of another epoch than
/// the coupon's. Reconcile then corrects the stock and the counts that it held.
Result<void> drop_entry(redis::Client& redis, std::int64_t coupon, const std::string& id, DlqReport& report) {
  const redis::CouponKeys keys(coupon);
  const auto entry = parse_entry_id(id);
  const auto epoch = TRY(redis::ok(redis.command({"HGET", keys.coupon, "epoch"})));
  if (entry) {
    const auto found = stream_entry(redis, coupon, *entry);
    if (!found && !redis.connected()) return found.error();
    if (found && (!found->has_value() || std::to_string((*found)->epoch) == epoch.text())) return {};
  }
  TRY(redis::mark_suspect(redis, coupon));
  const auto removed = TRY(redis::ok(redis.command({"XDEL", keys.claims, id})));
  if (removed.integer() == 0) return {};
  if (entry)  // an id that is no EntryId cannot have been marked
    TRY(redis::unmark_dead(redis, coupon, *entry));
  ++report.dropped;
  if (!entry || entry->ms > mirror::kEntryMsMax) {
    report.advice = fmt::format(
        "the stream of coupon {} goes on from that id, and nothing that it accepts from here on can be settled: "
        "pause it, and give out the rest as another coupon",
        coupon);
  }
  log(LogLevel::kWarn, "operations", "entry_dropped", {{"coupon", coupon}, {"entry", id}});
  return {};
}

Result<void> unmark(redis::Client& redis, const Worklist& work) {
  test_point("admin.dlq.acked");
  for (const auto& [coupon, entry] : work.stale_marks) {
    TRY(redis::unmark_dead(redis, coupon, entry));
  }
  return {};
}

}  // namespace

Result<std::vector<DeadLetter>> list_dead(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp,
                                          const DlqFilter& filter) {
  const auto letters = TRY(take_letters(amqp));
  DlqReport damaged;
  auto marked = TRY(marks(redis, pg, filter, damaged));
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
  for (const Letter& letter : letters) {
    TRY(put_back(amqp, letter));
    const std::int64_t coupon = coupon_of(letter);
    if (!matches(filter, coupon, entry_of(letter))) continue;
    DeadLetter dead{coupon, 0, entry_of(letter), 0, true, false, false, letter.attempts, letter.problem};
    if (letter.message) {
      dead.epoch = letter.message->epoch;
      dead.claims = static_cast<std::int64_t>(letter.message->users.size());
    }
    dead.marked = marked.erase({coupon, dead.entry}) > 0;
    TRY(add(std::move(dead)));
  }
  for (const auto& [coupon, entry] : marked) {
    TRY(add({coupon, 0, entry, 0, false, true, false, "", ""}));
  }
  TRY(amqp.flush());
  return list;
}

Result<DlqReport> replay_dead(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp,
                              const DlqFilter& filter) {
  DlqReport report;
  const auto work = TRY(gather(redis, pg, amqp, filter, report));
  for (const Letter& letter : work.hopeless) {
    TRY(leave_there(amqp, letter.tag, report,
                    "a letter cannot be read and its entry is not in the stream (" + letter.problem +
                        "): dlq drop throws it away"));
  }
  TRY(leave_foreign(amqp, work, report));
  const std::span<const Case> cases = work.cases;
  for (std::size_t from = 0; from < cases.size(); from += kBatch) {
    TRY(replay_batch(redis, amqp, cases.subspan(from, std::min(kBatch, cases.size() - from)), report));
  }
  TRY(unmark(redis, work));
  TRY(amqp.flush());
  return report;
}

Result<DlqReport> reject_dead(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp,
                              const DlqFilter& filter) {
  DlqReport report;
  const auto work = TRY(gather(redis, pg, amqp, filter, report));
  for (const Case& one : work.cases) {
    TRY(reject_one(redis, pg, amqp, one, report));
  }
  TRY(leave_foreign(amqp, work, report));
  for (const Letter& letter : work.hopeless) {
    ++report.dropped;
    TRY(amqp.ack(letter.tag, false));
  }
  TRY(unmark(redis, work));
  TRY(amqp.flush());
  return report;
}

Result<DlqReport> drop_dead(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp,
                            const DlqFilter& filter) {
  DlqReport report;
  if (filter.coupon_id && filter.entry)
    if (auto dropped = drop_entry(redis, *filter.coupon_id, filter.entry->text(), report); !dropped)
      return dropped.error();
  const auto work = TRY(gather(redis, pg, amqp, filter, report));
  for (const auto* letters : {&work.hopeless, &work.foreign}) {
    for (const Letter& letter : *letters) {
      log(LogLevel::kWarn, "operations", "dead_letter_dropped",
          {{"coupon", coupon_of(letter)}, {"entry", entry_of(letter).text()}, {"problem", letter.problem}});
      ++report.dropped;
      TRY(amqp.ack(letter.tag, false));
    }
  }
  for (const Case& one : work.cases) {
    TRY(leave_there(amqp, one.tag, report, "it can be judged: dlq replay or dlq reject"));
  }
  TRY(amqp.flush());
  return report;
}

Result<DlqReport> drop_stream_entry(redis::Client& redis, std::int64_t coupon_id, std::string_view id) {
  DlqReport report;
  TRY(drop_entry(redis, coupon_id, std::string(id), report));
  return report;
}

Result<ReplayReport> replay_entries(redis::Client& redis, amqp::Connection& amqp, std::int64_t coupon_id) {
  ReplayReport report;
  const auto leave_entry = [&](std::string_view what, const Error& error) {
    if (report.left++ == 0) report.why_left = fmt::format("{} of coupon {}: {}", what, coupon_id, error.message);
    log(LogLevel::kWarn, "operations", "entry_not_replayed",
        {{"coupon", coupon_id}, {"what", what}, {"reason", error.message}});
  };
  const auto dead = dead_entries(redis, coupon_id);
  if (!dead && !is_about_the_coupon(redis, dead.error())) return dead.error();
  if (!dead) {
    leave_entry("the marks of dead entries", dead.error());
    return report;
  }
  const redis::CouponKeys names(coupon_id);
  for (std::string from = "-";;) {
    const auto page = redis::ok(redis.command({"XRANGE", names.claims, from, "+", "COUNT", kEntriesPage}));
    if (!page && !is_about_the_coupon(redis, page.error())) return page.error();
    if (!page) leave_entry("the stream", page.error());
    if (!page || page->size() == 0) return report;
    std::vector<EntryMessage> messages;
    for (std::size_t i = 0; i < page->size(); ++i) {
      const std::string id((*page)[i][0].text());
      from = "(" + id;
      auto message = message_of(coupon_id, (*page)[i]);
      if (!message) {
        leave_entry("entry " + id, message.error());
      } else if (!dead->contains(message->entry)) {
        messages.push_back(std::move(message).value());
      }
    }
    const auto held = TRY(publish_confirmed(amqp, messages));
    if (std::find(held.begin(), held.end(), false) != held.end()) {
      return failure("no queue took the messages: flashctl mq declare");
    }
    report.published += static_cast<std::int64_t>(messages.size());
  }
}

}  // namespace flashclaim::operations
