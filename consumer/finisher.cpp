// Sends finishes in a pipeline and judges each reply: the service is away, the message is at fault, or it is done.
#include "consumer/finisher.h"

#include <chrono>
#include <map>
#include <vector>

#include "engine/base/log_repeated.h"
#include "engine/base/test_point.h"
#include "engine/redis/functions.h"
#include "engine/redis/keys.h"

namespace flashclaim::consumer {
namespace {

redis::FinishCall finish_call(const Item& item) {
  redis::FinishCall call;
  call.coupon_id = item.message->coupon_id;
  call.epoch = item.message->epoch;
  call.entry = item.message->entry;
  call.claims = item.claims();
  call.fresh = item.fresh;
  call.refused = item.refused;
  return call;
}

}  // namespace

Finisher::Finisher(std::string redis_url, int timeout_ms, Metrics& metrics)
    : redis_url_(std::move(redis_url)), timeout_(timeout_ms), metrics_(metrics) {}

MaybeHold Finisher::connect() {
  if (client_ && client_->connected()) return std::nullopt;
  auto connected = redis::Client::connect(redis_url_, timeout_);
  if (!connected) return Hold{"redis", connected.error().message};
  client_ = std::move(connected).value();
  return std::nullopt;
}

void Finisher::look(Batch& batch) { (void)look_up(batch, Stage::kReceived); }

// After a Hold the items without a reply still count as not looked up.
MaybeHold Finisher::look_up(Batch& batch, Stage stage) {
  std::vector<Item*> items;
  for (Item& item : batch)
    if (item.stage == stage && !item.looked_up) items.push_back(&item);
  if (items.empty()) return std::nullopt;
  if (auto held = connect()) return held;
  for (const Item* item : items) {
    const std::string sum = item->message->entry_checksum();
    redis::append_entry_view(*client_, {item->message->coupon_id, item->message->epoch, item->message->entry, sum});
  }
  MaybeHold held;
  for (Item* item : items) {
    auto state = redis::read_entry_view(*client_);
    if (state) {
      judge_look(*item, *state);
    } else if (client_->connected() && redis::is_about_the_call(state.error())) {
      item->looked_up = true;  // finish will get the same error, after the claims have their outcomes
    } else if (!held) {
      held = Hold{"redis", state.error().message};
    }
  }
  return held;
}

void Finisher::judge_look(Item& item, redis::EntryState state) {
  item.looked_up = true;
  item.entry_unknown = state == redis::EntryState::kUnknown;
  const bool finished = state == redis::EntryState::kFinished ||
                        (state == redis::EntryState::kUnknown && guard_removed("consumer.absent_is_no_proof"));
  if (finished && item.stage == Stage::kReceived) {
    item.stage = Stage::kDone;
    metrics_.finished("BEFORE", 1);
  }
  if (state == redis::EntryState::kOther && !guard_removed("consumer.entry_says_the_same"))
    item.fail(Fault::kMismatch, "its entry in Redis holds other claims");
}

MaybeHold Finisher::finish(Batch& batch) {
  if (auto held = look_up(batch, Stage::kSettled)) return held;
  bool any = false;
  for (const Item& item : batch) any = any || item.stage == Stage::kSettled;
  if (!any) return std::nullopt;
  if (auto held = connect()) return held;
  test_point("consumer.finish.sending");
  const auto start = std::chrono::steady_clock::now();
  for (const Item& item : batch)
    if (item.stage == Stage::kSettled) redis::append_finish(*client_, finish_call(item));
  client_->send();
  test_point("consumer.finish.sent");
  MaybeHold held = take_answers(batch);
  test_point("consumer.finish.answered");
  if (!held) metrics_.finish_took(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  return held;
}

// Reads the reply of every finish that was sent, before anything else is sent on this connection.
MaybeHold Finisher::take_answers(Batch& batch) {
  MaybeHold held;
  std::vector<Item*> mismatched;
  std::map<redis::FinishReply, std::int64_t> counts;
  for (Item& item : batch) {
    if (item.stage != Stage::kSettled) continue;
    auto reply = redis::read_finish(*client_);
    if (!reply) {
      if (client_->connected() && redis::is_about_the_call(reply.error())) {
        item.fail(Fault::kDamagedKey, reply.error().message);
      } else if (!held) {
        held = Hold{"redis", reply.error().message};
      }
      continue;
    }
    ++counts[*reply];
    if (*reply == redis::FinishReply::kMismatch) {
      mismatched.push_back(&item);
      continue;
    }
    note_unaccepted(item, *reply);
    if (*reply == redis::FinishReply::kBeyond)
      log_repeated(LogLevel::kWarn, "consumer", "entry_beyond_redis", {{"message_id", item.message->message_id()}});
    item.stage = Stage::kDone;
  }
  for (const auto& [reply, entries] : counts) metrics_.finished(redis::word(reply), entries);
  for (Item* item : mismatched)
    if (auto waiting = judge_mismatch(*item); waiting && !held) held = waiting;
  return held;
}

// Reports claims that the database settled just now although Redis does not have their entry: Redis lost it, or never
// accepted it.
void Finisher::note_unaccepted(const Item& item, redis::FinishReply reply) {
  if (!item.fresh || !item.entry_unknown ||
      (reply != redis::FinishReply::kAbsent && reply != redis::FinishReply::kBeyond))
    return;
  const auto settled = item.claims() - static_cast<int>(item.refused.size());
  if (settled == 0) return;
  metrics_.unaccepted(settled);
  log_repeated(LogLevel::kWarn, "consumer", "settled_unaccepted",
               {{"message_id", item.message->message_id()},
                {"claims", settled},
                {"meaning", "Redis lost this entry, or the message is forged: engine/access/ACCESS.md"}});
}

// The database has decided these claims already; the only question is whether their entry still waits in the stream.
MaybeHold Finisher::judge_mismatch(Item& item) {
  if (auto held = connect()) return held;
  const mirror::EntryMessage& message = *item.message;
  const redis::CouponKeys keys(message.coupon_id);
  const std::string entry = message.entry.text();
  client_->append({"HGET", keys.coupon, "epoch"});
  client_->append({"XRANGE", keys.claims, entry, entry});
  auto epoch = redis::ok(client_->read());
  auto found = redis::ok(client_->read());
  if (!epoch || !found) return Hold{"redis", epoch ? found.error().message : epoch.error().message};
  const std::string now = std::string(epoch->text());
  if (now == std::to_string(message.epoch) && found->size() > 0) {
    item.fail(Fault::kMismatch, "its entry in Redis holds other claims");
    return std::nullopt;
  }
  log_repeated(LogLevel::kInfo, "consumer", "stale_entry",
               {{"message_id", message.message_id()}, {"epoch", now}, {"entry_found", found->size() > 0}});
  item.stage = Stage::kDone;
  return std::nullopt;
}

MaybeHold Finisher::mark_dead(const Item& item) {
  const auto name = entry_name(item);
  if (!name) return std::nullopt;
  if (auto held = connect()) return held;
  test_point("consumer.dead.marking");
  auto marked = redis::mark_dead(*client_, name->coupon_id, name->entry);
  test_point("consumer.dead.marked");
  if (marked) return std::nullopt;
  if (!client_->connected() || !redis::is_about_the_call(marked.error())) return Hold{"redis", marked.error().message};
  log_repeated(LogLevel::kError, "consumer", "mark_dead_refused",
               {{"message_id", item.delivery.message_id}, {"error", marked.error().message}});
  return std::nullopt;
}

}  // namespace flashclaim::consumer
