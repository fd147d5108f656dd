#include "engine/admin/dlq.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>

#include "engine/admin/publish.h"
#include "engine/admin/tell_redis.h"
#include "engine/admin/user_keys.h"
#include "engine/amqp/connection.h"
#include "engine/amqp/topology.h"
#include "engine/base/log.h"
#include "engine/mirror/message.h"
#include "engine/postgres/settle.h"

namespace flashclaim::admin {
namespace {

using mirror::EntryMessage;

constexpr std::size_t kBatch = 256;
constexpr int kCouponsPage = 500;
constexpr std::string_view kEntriesPage = "256";

/// A letter taken from the queue and not acknowledged: it goes back by nack, or when the connection closes.
struct Letter {
  std::uint64_t tag = 0;
  std::string attempts;
  std::optional<EntryMessage> message;  ///< nullopt: damaged
  std::optional<ClaimId> named;         ///< what the message id says of a damaged one; index 0
  std::string problem;
};

/// `coupon-epoch-ms-seq`.
std::optional<ClaimId> parse_message_id(std::string_view text) { return parse_claim_id(std::string(text) + "-0"); }

Letter read_letter(const amqp::Delivery& delivery) {
  Letter letter;
  letter.tag = delivery.delivery_tag;
  letter.attempts = delivery.header(amqp::kAttemptsHeader);
  auto message = mirror::decode(delivery.body, delivery.header(amqp::kChecksumHeader));
  if (message) {
    letter.message = std::move(message).value();
  } else {
    letter.problem = message.error().message;
    letter.named = parse_message_id(delivery.message_id);
  }
  return letter;
}

std::int64_t coupon_of(const Letter& letter) {
  return letter.message ? letter.message->coupon_id : letter.named ? letter.named->coupon_id : 0;
}
EntryId entry_of(const Letter& letter) {
  return letter.message ? letter.message->entry : letter.named ? letter.named->entry : EntryId{};
}
bool matches(const DlqFilter& filter, std::int64_t coupon_id, EntryId entry) {
  return (!filter.coupon_id || *filter.coupon_id == coupon_id) && (!filter.entry || *filter.entry == entry);
}

/// Takes every letter; those that the filter does not mean are only taken along, to be put back.
Result<std::vector<Letter>> take_letters(amqp::Connection& amqp) {
  std::vector<Letter> letters;
  for (;;) {
    const auto delivery = amqp.get(amqp::kDeadLetterQueue);
    if (!delivery) return delivery.error();
    if (!delivery->has_value()) return letters;
    letters.push_back(read_letter(**delivery));
  }
}

Result<EntryMessage> message_of(std::int64_t coupon_id, redis::ReplyView entry) {
  const auto id = parse_entry_id(entry[0].text());
  if (!id) return failure("a stream entry id that is none");
  std::string_view epoch;
  std::string_view users;
  std::string_view sum;
  const redis::ReplyView fields = entry[1];
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
    const std::string_view name = fields[i].text();
    (name == "e" ? epoch : name == "u" ? users : sum) = fields[i + 1].text();
  }
  return mirror::parse_entry(coupon_id, *id, epoch, users, sum);
}

/// The entry as the stream has it; nullopt when it is not there.
Result<std::optional<EntryMessage>> stream_entry(redis::Client& redis, std::int64_t coupon_id, EntryId entry) {
  const std::string id = entry.text();
  const auto found = redis::ok(redis.command({"XRANGE", redis::CouponKeys(coupon_id).claims, id, id}));
  if (!found) return found.error();
  if (found->size() == 0) return std::optional<EntryMessage>();
  auto message = message_of(coupon_id, (*found)[0]);
  if (!message) return message.error();
  return std::optional(std::move(message).value());
}

/// Marked entries of all coupons that the filter means.
Result<std::set<std::pair<std::int64_t, EntryId>>> marks(redis::Client& redis, postgres::Session& pg,
                                                         const DlqFilter& filter) {
  std::vector<std::int64_t> coupons;
  if (filter.coupon_id) coupons.push_back(*filter.coupon_id);
  for (std::int64_t after = 0; !filter.coupon_id;) {
    const auto page = from_sql(postgres::list_coupons(pg, after, kCouponsPage));
    if (!page) return page.error();
    if (page->empty()) break;
    for (const postgres::CouponState& state : *page) coupons.push_back(state.id);
    after = page->back().id;
  }
  std::set<std::pair<std::int64_t, EntryId>> marked;
  for (const std::int64_t coupon : coupons) {
    const auto dead = dead_entries(redis, coupon);
    if (!dead) return dead.error();
    for (const EntryId& entry : *dead) {
      if (matches(filter, coupon, entry)) marked.emplace(coupon, entry);
    }
  }
  return marked;
}

Result<void> put_back(amqp::Connection& amqp, const Letter& letter) { return amqp.nack(letter.tag, true); }

void leave(DlqReport& report, std::string why) {
  if (report.left++ == 0) report.why_left = std::move(why);
}

std::string damaged_entry(std::int64_t coupon_id, EntryId entry, const Error& error) {
  return fmt::format("entry {} in the stream of coupon {} is damaged: {}", entry.text(), coupon_id, error.message);
}

/// One dead entry on its way: with its letter, or without.
struct Case {
  EntryMessage message;
  std::optional<std::uint64_t> tag;
};

/// The work: what there is, its letters read, damaged letters replaced by their stream entries where possible. Letters
/// that are not meant, or that nothing can be done for, are put back at once.
struct Worklist {
  std::vector<Case> cases;
  std::vector<Letter> hopeless;  ///< damaged, and without an entry in the stream
  std::vector<std::pair<std::int64_t, EntryId>> stale_marks;
};

Result<Worklist> gather(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp, const DlqFilter& filter,
                        DlqReport& report) {
  auto letters = take_letters(amqp);
  if (!letters) return letters.error();
  auto marked = marks(redis, pg, filter);
  if (!marked) return marked.error();
  Worklist work;
  for (Letter& letter : *letters) {
    const std::int64_t coupon = coupon_of(letter);
    const EntryId entry = entry_of(letter);
    if (!matches(filter, coupon, entry)) {
      const auto back = put_back(amqp, letter);
      if (!back) return back.error();
      continue;
    }
    auto in_stream = coupon == 0 ? Result(std::optional<EntryMessage>()) : stream_entry(redis, coupon, entry);
    if (!in_stream && !redis.connected()) return in_stream.error();
    marked->erase({coupon, entry});
    const std::int64_t epoch = letter.message ? letter.message->epoch : letter.named ? letter.named->epoch : 0;
    if (!in_stream) {
      leave(report, damaged_entry(coupon, entry, in_stream.error()));
      const auto back = put_back(amqp, letter);
      if (!back) return back.error();
    } else if (in_stream->has_value() && (*in_stream)->epoch == epoch) {
      work.cases.push_back({**in_stream, letter.tag});
    } else if (letter.message) {
      work.cases.push_back({*letter.message, letter.tag});
    } else {
      work.hopeless.push_back(std::move(letter));
    }
  }
  for (const auto& [coupon, entry] : *marked) {
    auto in_stream = stream_entry(redis, coupon, entry);
    if (!in_stream && !redis.connected()) return in_stream.error();
    if (!in_stream) {
      leave(report, damaged_entry(coupon, entry, in_stream.error()));
    } else if (in_stream->has_value()) {
      work.cases.push_back({**in_stream, std::nullopt});
    } else {
      work.stale_marks.emplace_back(coupon, entry);
    }
  }
  return work;
}

Result<void> replay_batch(redis::Client& redis, amqp::Connection& amqp, std::span<const Case> cases,
                          DlqReport& report) {
  std::vector<EntryMessage> messages;
  for (const Case& one : cases) {
    const auto unmarked = redis::unmark_dead(redis, one.message.coupon_id, one.message.entry);
    if (!unmarked) return unmarked.error();
    messages.push_back(one.message);
  }
  const auto held = publish_confirmed(amqp, messages);
  if (!held) return held.error();
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
  const auto reply = redis::finish(redis, decision->call);
  if (!reply) return reply.error();
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
