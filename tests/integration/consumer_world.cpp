// Connects to the services, delivers messages as a mirror does, and compares Redis with the database.
#include "tests/integration/consumer_world.h"

#include <stdexcept>

#include "engine/amqp/topology.h"
#include "engine/base/assets.h"
#include "engine/base/digest.h"
#include "engine/operations/operations.h"
#include "engine/operations/publish.h"
#include "engine/redis/keys.h"
#include "engine/redis/library.h"
#include "tests/harness/logins.h"

namespace flashclaim::consumer {
namespace {

constexpr std::int64_t kBeginMs = 1'000'000'000'000;
constexpr std::int64_t kEndMs = 4'000'000'000'000;

template <class T, class E>
T must(Result<T, E> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(result).value();
}
template <class E>
void must(Result<void, E> result) {
  if (!result) throw std::runtime_error(result.error().message);
}

}  // namespace

void ConsumerTest::use(harness::PrivateRedis& redis, harness::PrivateRabbit& rabbit,
                       harness::PrivatePostgres& postgres) {
  redis.flush();
  redis_url_ = redis.url();
  amqp_url_ = rabbit.fresh_vhost();
  pg_url_ = postgres.migrated_database();
  connect_redis();
  connect_postgres();
  connect_broker();
  must(redis::load_library(*redis_, kLuaLibrary));
  must(redis::mark_ready(*redis_));
}

void ConsumerTest::connect_redis() { redis_ = must(redis::Client::connect(redis_url_, std::chrono::seconds(60))); }
void ConsumerTest::connect_postgres() { pg_ = must(postgres::Session::connect(pg_url_, "test")); }
void ConsumerTest::connect_broker() {
  amqp::Options options;
  options.name = "test";
  options.heartbeat_s = 0;
  broker_ = must(amqp::Connection::open(amqp_url_, options));
  must(amqp::declare_topology(*broker_));
  must(broker_->enable_confirms());
}

std::int64_t ConsumerTest::coupon(std::int64_t total, std::int64_t user_limit) {
  operations::NewCoupon wanted;
  wanted.id = static_cast<std::int64_t>(coupons_.size()) + 1;
  wanted.name = "Half price";
  wanted.total = total;
  wanted.user_limit = user_limit;
  wanted.begin_ms = kBeginMs;
  wanted.end_ms = kEndMs;
  must(operations::create_coupon(*pg_, wanted));
  const auto published = must(operations::publish_coupon(*redis_, *pg_, wanted.id));
  if (!published.ok()) throw std::runtime_error(published.message);
  coupons_.push_back(wanted.id);
  return wanted.id;
}

mirror::EntryMessage ConsumerTest::accept(std::int64_t coupon_id, const std::vector<std::int64_t>& users) {
  std::vector<redis::ClaimRequest> requests;
  for (const std::int64_t user : users) requests.push_back({user, {}});
  const auto verdicts = must(redis::claim(*redis_, coupon_id, requests));
  mirror::EntryMessage message;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    if (verdicts[i].verdict != redis::Verdict::kAccepted)
      throw std::runtime_error("not accepted: " + std::string(redis::word(verdicts[i])));
    acknowledged_.push_back({verdicts[i].claim, users[i]});
  }
  message.coupon_id = coupon_id;
  message.epoch = verdicts.front().claim.epoch;
  message.entry = verdicts.front().claim.entry;
  message.users = users;
  return message;
}

std::vector<mirror::EntryMessage> ConsumerTest::accept_many(std::int64_t coupon_id, int entries, int claims) {
  std::vector<mirror::EntryMessage> messages;
  for (int i = 0; i < entries; ++i) {
    std::vector<std::int64_t> users;
    for (int n = 0; n < claims; ++n) users.push_back(next_user_++);
    messages.push_back(accept(coupon_id, users));
  }
  return messages;
}

void ConsumerTest::deliver(const mirror::EntryMessage& message, int copies) {
  deliver(std::vector<mirror::EntryMessage>(static_cast<std::size_t>(copies), message));
}

void ConsumerTest::deliver(const std::vector<mirror::EntryMessage>& messages) {
  constexpr std::size_t kAtATime = 200;
  for (std::size_t from = 0; from < messages.size(); from += kAtATime) {
    const std::size_t n = std::min(kAtATime, messages.size() - from);
    for (const bool held : must(operations::publish_confirmed(*broker_, std::span(messages).subspan(from, n))))
      if (!held) throw std::runtime_error("no queue took a message");
  }
}

void ConsumerTest::deliver_body(const std::string& body, const std::string& message_id, const std::string& attempts) {
  amqp::Publication publication;
  publication.exchange = amqp::kExchange;
  publication.routing_key = amqp::kRoutingKey;
  publication.body = body;
  publication.message_id = message_id;
  publication.headers = {{std::string(amqp::kChecksumHeader), checksum(body)}};
  if (!attempts.empty()) publication.headers.emplace_back(amqp::kAttemptsHeader, attempts);
  must(broker_->publish(publication));
  const bool confirmed = harness::wait_until([&] {
    const auto event = must(broker_->poll(100));
    return event && std::holds_alternative<amqp::Confirmed>(*event);
  });
  if (!confirmed) throw std::runtime_error("no confirm");
}

Options ConsumerTest::options() const {
  Options wanted;
  wanted.redis_url = redis_url_;
  wanted.amqp_url = amqp_url_;
  wanted.pg_url = pg_url_;
  wanted.backoff_max_ms = 200;
  wanted.mend_every_ms = 100;
  return wanted;
}

void ConsumerTest::start(const Options& options) {
  service_.reset();
  Options own = options;
  own.redis_url = harness::as("consumer", options.redis_url);
  own.amqp_url = harness::as("consumer", options.amqp_url);
  own.pg_url = harness::as("consumer", options.pg_url);
  service_ = must(Service::start(own, {"127.0.0.1", 0}));
}

std::unique_ptr<harness::Process> ConsumerTest::start_process(const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"--admin-listen", "127.0.0.1:0"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return std::make_unique<harness::Process>(
      "flashclaim-consumer", all,
      harness::Environment{{"REDIS_URL", redis_url_}, {"AMQP_URL", amqp_url_}, {"PG_URL", pg_url_}});
}

double ConsumerTest::metric(const std::string& name_and_labels) const {
  const std::string text = "\n" + service_->metrics().text();
  const std::size_t at = text.find("\n" + name_and_labels + " ");
  return at == std::string::npos ? 0 : std::stod(text.substr(at + name_and_labels.size() + 2));
}

bool ConsumerTest::settles(std::int64_t coupon_id, std::int64_t wanted) {
  return harness::wait_until([&] { return rows(coupon_id) >= wanted && in_stream(coupon_id) == 0; });
}

// A get goes through the log of the queue, behind what a consumer that has just gone leaves there; a count does not.
bool ConsumerTest::nothing_to_get() {
  const auto left = must(broker_->get(amqp::kQueue));
  if (left) must(broker_->nack(left->delivery_tag, true));
  return !left;
}
bool ConsumerTest::queue_empty() {
  return harness::wait_until([&] { return nothing_to_get(); });
}
bool ConsumerTest::drains() {
  return harness::wait_until([&] {
    start();
    const bool taken = harness::wait_until([&] { return must(broker_->queue_depth(amqp::kQueue)) == 0; });
    stop();
    return taken && nothing_to_get();
  });
}

std::int64_t ConsumerTest::rows(std::int64_t coupon_id) {
  return must(postgres::coupon_counts(*pg_, coupon_id)).value().rows;
}
std::int64_t ConsumerTest::stock(std::int64_t coupon_id) {
  return std::stoll(command({"GET", redis::CouponKeys(coupon_id).stock}));
}
std::string ConsumerTest::field(std::int64_t coupon_id, const std::string& name) {
  return command({"HGET", redis::CouponKeys(coupon_id).coupon, name});
}
std::int64_t ConsumerTest::in_stream(std::int64_t coupon_id) {
  return must(redis_->command({"XLEN", redis::CouponKeys(coupon_id).claims})).integer();
}
bool ConsumerTest::dead(const mirror::EntryMessage& message) {
  const redis::CouponKeys keys(message.coupon_id);
  return must(redis_->command({"SISMEMBER", keys.dead, message.entry.text()})).integer() == 1;
}
std::string ConsumerTest::command(const std::vector<std::string>& argv) {
  return std::string(must(redis::ok(redis_->command(argv))).text());
}

void ConsumerTest::expect_books_agree() {
  operations::CheckOptions wanted;
  wanted.acknowledged = acknowledged_;
  const auto report = must(operations::check(*redis_, *pg_, broker_.get(), coupons_, wanted));
  for (const operations::Violation& violation : report.violations)
    ADD_FAILURE() << "INV-" << violation.invariant << " coupon " << violation.coupon_id << ": " << violation.text;
}

std::vector<amqp::Delivery> ConsumerTest::take_dead_letters() {
  std::vector<amqp::Delivery> letters;
  while (auto letter = must(broker_->get(amqp::kDeadLetterQueue))) {
    must(broker_->ack(letter->delivery_tag, false));
    letters.push_back(std::move(*letter));
  }
  return letters;
}

}  // namespace flashclaim::consumer
