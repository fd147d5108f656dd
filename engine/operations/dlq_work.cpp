// Takes all letters from the dead letter queue and matches them with entries and marks in Redis.
#include "engine/operations/dlq_work.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "engine/amqp/connection.h"
#include "engine/amqp/topology.h"
#include "engine/base/test_point.h"
#include "engine/base/try.h"
#include "engine/mirror/entries.h"
#include "engine/operations/sync_redis.h"
#include "engine/operations/user_keys.h"

namespace flashclaim::operations {

using mirror::EntryMessage;

namespace {

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
    const auto detail = delivery.header(amqp::kFaultDetailHeader);
    letter.problem = detail.empty() ? message.error().message : std::string(detail);
    letter.named = parse_message_id(delivery.message_id);
  }
  return letter;
}

std::string damaged_entry(std::int64_t coupon_id, EntryId entry, const Error& error) {
  return fmt::format("entry {} in the stream of coupon {} is damaged: {}", entry.text(), coupon_id, error.message);
}

}  // namespace

std::int64_t coupon_of(const Letter& letter) {
  return letter.message ? letter.message->coupon_id : letter.named ? letter.named->coupon_id : 0;
}
EntryId entry_of(const Letter& letter) {
  return letter.message ? letter.message->entry : letter.named ? letter.named->entry : EntryId{};
}
bool matches(const DlqFilter& filter, std::int64_t coupon_id, EntryId entry) {
  return (!filter.coupon_id || *filter.coupon_id == coupon_id) && (!filter.entry || *filter.entry == entry);
}

Result<std::vector<Letter>> take_letters(amqp::Connection& amqp) {
  std::vector<Letter> letters;
  for (;;) {
    const auto delivery = TRY(amqp.get(amqp::kDeadLetterQueue));
    if (!delivery.has_value()) return letters;
    letters.push_back(read_letter(*delivery));
  }
}

Result<EntryMessage> message_of(std::int64_t coupon_id, redis::ReplyView entry) {
  auto seen = TRY(mirror::read_entry(coupon_id, entry));
  if (!seen.message) return failure(seen.damage.empty() ? "the entry is gone" : seen.damage);
  return std::move(*seen.message);
}

Result<std::optional<EntryMessage>> stream_entry(redis::Client& redis, std::int64_t coupon_id, EntryId entry) {
  const std::string id = entry.text();
  const auto found = TRY(redis::ok(redis.command({"XRANGE", redis::CouponKeys(coupon_id).claims, id, id})));
  if (found.size() == 0) return std::optional<EntryMessage>();
  auto message = TRY(message_of(coupon_id, found[0]));
  return std::optional(std::move(message));
}

Result<std::set<std::pair<std::int64_t, EntryId>>> marks(redis::Client& redis, postgres::Session& pg,
                                                         const DlqFilter& filter, DlqReport& report) {
  std::vector<std::int64_t> coupons;
  if (filter.coupon_id) coupons.push_back(*filter.coupon_id);
  if (!filter.coupon_id) {
    TRY(postgres::each_coupon_page(pg, [&](const auto& page, std::int64_t) -> Result<bool> {
      for (const postgres::CouponState& state : page) coupons.push_back(state.id);
      return true;
    }));
  }
  std::set<std::pair<std::int64_t, EntryId>> marked;
  for (const std::int64_t coupon : coupons) {
    const auto dead = dead_entries(redis, coupon);
    if (!dead && !is_about_the_coupon(redis, dead.error())) return dead.error();
    if (!dead) {
      leave(report, fmt::format("the marks of coupon {} are damaged: {}", coupon, dead.error().message));
      continue;
    }
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

Result<void> leave_there(amqp::Connection& amqp, std::optional<std::uint64_t> tag, DlqReport& report, std::string why) {
  leave(report, std::move(why));
  return tag ? amqp.nack(*tag, true) : Result<void>();
}

bool is_about_the_coupon(redis::Client& redis, const Error& error) {
  return redis.connected() && redis::is_about_the_call(error);
}

Result<Worklist> gather(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp, const DlqFilter& filter,
                        DlqReport& report) {
  auto letters = TRY(take_letters(amqp));
  auto marked = TRY(marks(redis, pg, filter, report));
  Worklist work;
  for (Letter& letter : letters) {
    const std::int64_t coupon = coupon_of(letter);
    const EntryId entry = entry_of(letter);
    if (!matches(filter, coupon, entry)) {
      TRY(put_back(amqp, letter));
      continue;
    }
    auto in_stream = coupon == 0 ? Result(std::optional<EntryMessage>()) : stream_entry(redis, coupon, entry);
    if (!in_stream && !redis.connected()) return in_stream.error();
    marked.erase({coupon, entry});
    const std::int64_t epoch = letter.message ? letter.message->epoch : letter.named ? letter.named->epoch : 0;
    if (!in_stream) {
      leave(report, damaged_entry(coupon, entry, in_stream.error()));
      TRY(put_back(amqp, letter));
    } else if (letter.message && in_stream->has_value() && (*in_stream)->epoch == epoch &&
               (*in_stream)->users != letter.message->users) {
      letter.problem = fmt::format(
          "the letter about entry {} of coupon {} holds other claims than that entry: damaged or "
          "forged (flashctl dlq drop throws the letter away)",
          entry.text(), coupon);
      work.foreign.push_back(std::move(letter));
    } else if (in_stream->has_value() && (*in_stream)->epoch == epoch) {
      work.cases.push_back({**in_stream, letter.tag});
    } else if (letter.message) {
      work.cases.push_back({*letter.message, letter.tag});
    } else {
      work.hopeless.push_back(std::move(letter));
    }
  }
  test_point("admin.dlq.gathered");
  for (const auto& [coupon, entry] : marked) {
    auto in_stream = stream_entry(redis, coupon, entry);
    if (!in_stream && !redis.connected()) return in_stream.error();
    if (!in_stream) {
      leave(report, damaged_entry(coupon, entry, in_stream.error()));
    } else if (in_stream->has_value()) {
      work.cases.push_back({**in_stream, std::nullopt});
    } else {
      work.stale_marks.emplace_back(coupon, entry);
      ++report.cleared;
    }
  }
  return work;
}

}  // namespace flashclaim::operations
