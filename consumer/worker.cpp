// The loop of a worker: gather, settle, finish, dismiss, acknowledge; and the wait when a service is away.
#include "consumer/worker.h"

#include <cassert>
#include <chrono>

#include "consumer/retry_policy.h"
#include "engine/amqp/topology.h"
#include "engine/base/log.h"
#include "engine/base/log_repeated.h"
#include "engine/base/test_point.h"

namespace flashclaim::consumer {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kIdleMs = 1000;                   // how long an empty queue is waited for at a time; a stop ends it early
constexpr std::chrono::milliseconds kPace(20);  // between the beginnings of batches that are not full

// Counts a held batch while it lives, and logs the hold, a new reason and the release, not every try between.
class Held {
 public:
  Held(Metrics& metrics, Health& health, const std::string& worker)
      : metrics_(metrics), health_(health), worker_(worker) {}
  ~Held() {
    if (tries_ == 0) return;
    metrics_.released();
    --health_.held;
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  void released() const {
    if (tries_ > 0)
      log_repeated(LogLevel::kInfo, "consumer", "batch_released", {{"worker", worker_}, {"tries", tries_}});
  }
  void again(const Hold& hold, std::size_t messages) {
    if (tries_++ == 0) {
      metrics_.held(hold.service);
      ++health_.held;
    }
    if (hold.reason == reason_) return;
    reason_ = hold.reason;
    log_repeated(hold.person_needed ? LogLevel::kError : LogLevel::kWarn, "consumer", "batch_held",
                 {{"worker", worker_}, {"service", hold.service}, {"reason", hold.reason}, {"messages", messages}});
  }

 private:
  Metrics& metrics_;
  Health& health_;
  const std::string& worker_;
  std::string reason_;
  int tries_ = 0;
};

}  // namespace

Worker::Worker(const Options& options, int number, Metrics& metrics, Health& health, const Stop& stop)
    : options_(options),
      name_(options.name + "-" + std::to_string(number)),
      metrics_(metrics),
      health_(health),
      stop_(stop),
      subscription_(options, name_, stop),
      publisher_(options.amqp_url, name_ + "-publisher"),
      settler_(options.pg_url, name_, metrics),
      finisher_(options.redis_url, options.redis_timeout_ms, metrics),
      reconnect_(options.backoff_first_ms, options.backoff_max_ms) {}

void Worker::run() {
  while (!stop_.told()) {
    if (!subscription_.connected() && !connect()) continue;
    if (!next_) {
      auto heard = subscription_.wait_for_delivery(kIdleMs);
      if (heard && subscription_.empty()) heard = subscription_.renew_if_quiet();
      if (!heard) {
        lost(heard.error(), 0);
        continue;
      }
    }
    Batch batch = gather();
    if (!batch.empty()) process(std::move(batch));
  }
  if (subscription_.connected()) --health_.subscribed;
  subscription_.close();
  log(LogLevel::kInfo, "consumer", "worker_stopped", {{"worker", name_}});
}

bool Worker::connect() {
  next_.reset();
  if (auto connected = subscription_.connect(); !connected) {
    health_.rabbitmq_why.set(connected.error().message);
    if (told_.lost(connected.error().message))
      log(LogLevel::kWarn, "consumer", "broker_away", {{"worker", name_}, {"error", connected.error().message}});
    stop_.wait_for(std::chrono::milliseconds(reconnect_.next_ms()));
    return false;
  }
  ++health_.subscribed;
  reconnect_.reset();
  if (told_.connected()) log(LogLevel::kInfo, "consumer", "subscribed", {{"worker", name_}, {"queue", amqp::kQueue}});
  return true;
}

// Returns the deliveries at hand; at once when the last batch began more than kPace ago, so an idle queue adds no
// delay. Under load it waits and fills the batch instead: each batch costs a commit, and a sync in Redis that claims
// wait for. Returns an empty batch also when the broker is lost.
Batch Worker::gather() {
  Batch batch;
  int claims = 0;
  while (!fill(batch, claims)) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_batch_at_ - Clock::now());
    if (left.count() <= 0 || stop_.told()) break;
    if (auto waited = subscription_.wait_for_delivery(static_cast<int>(left.count())); !waited) {
      lost(waited.error(), batch.size());
      return {};
    }
  }
  next_batch_at_ = Clock::now() + kPace;
  if (!batch.empty()) metrics_.batch(static_cast<std::int64_t>(batch.size()), claims);
  if (!batch.empty()) test_point("consumer.batch.gathered");
  return batch;
}

// Takes what has arrived. True when the batch is full: claims_max claims, or as many messages as the broker delivers
// unacknowledged.
bool Worker::fill(Batch& batch, int& claims) {
  while (next_ || !subscription_.empty()) {
    if (!next_) next_ = make_item(subscription_.take());
    if (!batch.empty() && claims + next_->claims() > options_.claims_max) return true;
    claims += next_->claims();
    batch.push_back(std::move(*next_));
    next_.reset();
  }
  return claims >= options_.claims_max || batch.size() >= static_cast<std::size_t>(options_.prefetch);
}

// Runs until every message of the batch is acknowledged, or their connection is lost.
void Worker::process(Batch batch) {
  Backoff backoff(options_.backoff_first_ms, options_.backoff_max_ms);
  Held held(metrics_, health_, name_);
  if (guard_removed("consumer.ack_after_commit")) (void)subscription_.ack_through(batch.back().delivery.delivery_tag);
  while (true) {
    const MaybeHold hold = advance(batch);
    if (auto acknowledged = acknowledge(batch); !acknowledged) return lost(acknowledged.error(), batch.size());
    if (!hold) {
      assert(batch.empty());
      held.released();
      return publisher_.close();
    }
    held.again(*hold, batch.size());
    if (stop_.told()) {
      log(LogLevel::kWarn, "consumer", "batch_left", {{"worker", name_}, {"messages", batch.size()}});
      return;
    }
    if (auto pumped = subscription_.pump_for(backoff.next_ms()); !pumped) return lost(pumped.error(), batch.size());
  }
}

// Tries every step once. A service that is away does not stop the steps that do not need it.
MaybeHold Worker::advance(Batch& batch) {
  finisher_.look(batch);
  MaybeHold settling = settler_.settle(batch);
  MaybeHold finishing = finisher_.finish(batch);
  MaybeHold dismissing = dismiss(batch);
  if (settling) return settling;
  return finishing ? finishing : dismissing;
}

MaybeHold Worker::dismiss(Batch& batch) {
  for (Item& item : batch)
    if (item.stage == Stage::kFaulty)
      if (auto held = dismiss(item)) return held;
  return std::nullopt;
}

MaybeHold Worker::dismiss(Item& item) {
  const RetryDecision plan = plan_retry(item);
  // Before the publish: an entry that is not marked dead would be mirrored again and again.
  if (plan.dead && holds_its_entry(item.fault))
    if (auto held = finisher_.mark_dead(item)) return held;
  amqp::Publication publication;
  publication.routing_key = plan.queue;
  publication.body = item.delivery.body;
  publication.message_id = item.delivery.message_id;
  publication.headers = plan.headers;
  test_point(plan.dead ? "consumer.dead.publishing" : "consumer.retry.publishing");
  if (auto published = publisher_.publish(publication); !published) return Hold{"rabbitmq", published.error().message};
  test_point(plan.dead ? "consumer.dead.published" : "consumer.retry.published");
  item.stage = Stage::kDone;
  if (plan.dead) {
    metrics_.dead_lettered(word(item.fault));
  } else {
    metrics_.retried(word(item.fault));
  }
  log_repeated(plan.dead ? LogLevel::kError : LogLevel::kWarn, "consumer", plan.dead ? "dead_lettered" : "retried",
               {{"message_id", item.delivery.message_id},
                {"fault", word(item.fault)},
                {"detail", item.fault_detail},
                {"attempts", plan.attempts},
                {"queue", plan.queue}});
  return std::nullopt;
}

// Acknowledges the done front of the batch in one frame. Everything before the batch was acknowledged earlier, so
// `multiple` covers no other message.
Result<void> Worker::acknowledge(Batch& batch) {
  const std::uint64_t tag = done_through(batch);
  if (tag == 0) return {};
  told_.proven();
  test_point("consumer.ack.sending");
  if (!guard_removed("consumer.ack_after_commit"))
    if (auto acknowledged = subscription_.ack_through(tag); !acknowledged) return acknowledged;
  test_point("consumer.ack.sent");
  std::erase_if(batch, [tag](const Item& item) { return item.delivery.delivery_tag <= tag; });
  return {};
}

void Worker::lost(const Error& error, std::size_t messages) {
  --health_.subscribed;
  health_.rabbitmq_why.set(error.message);
  next_.reset();
  metrics_.dropped_deliveries(static_cast<std::int64_t>(messages));
  if (told_.lost(error.message))
    log(LogLevel::kWarn, "consumer", "broker_lost",
        {{"worker", name_}, {"error", error.message}, {"messages_dropped", messages}});
}

}  // namespace flashclaim::consumer
