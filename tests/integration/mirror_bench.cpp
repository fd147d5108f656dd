// Runs a mirror in a thread, adds entries to streams, and takes the messages from the queue.
#include "tests/integration/mirror_bench.h"

#include <algorithm>
#include <stdexcept>

#include "engine/amqp/topology.h"
#include "engine/base/digest.h"
#include "engine/redis/keys.h"
#include "engine/redis/library.h"
#include "tests/harness/logins.h"

namespace flashclaim::mirror {
namespace {

redis::Client must_connect(const std::string& url) {
  auto client = redis::Client::connect(url, redis::Milliseconds(30000));
  if (!client) throw std::runtime_error(client.error().message);
  return std::move(*client);
}

std::string key_of(std::int64_t coupon) { return redis::CouponKeys(coupon).claims; }

}  // namespace

namespace {

Options as_the_mirror(Options options) {
  options.redis_url = harness::as("mirror", options.redis_url);
  options.amqp_url = harness::as("mirror", options.amqp_url);
  return options;
}

}  // namespace

RunningMirror::RunningMirror(Options options)
    : mirror_(as_the_mirror(std::move(options))), thread_([this] { mirror_.run(); }) {}
RunningMirror::~RunningMirror() { stop(); }
void RunningMirror::stop() {
  mirror_.stop();
  if (thread_.joinable()) thread_.join();
}

Streams::Streams(const std::string& redis_url) : client_(must_connect(redis_url)) {}

void Streams::reconnect() {
  auto connected = client_.reconnect();
  if (!connected) throw std::runtime_error(connected.error().message);
}

redis::Reply Streams::run(const std::vector<std::string>& argv) {
  auto reply = redis::ok(client_.command(argv));
  if (!reply) throw std::runtime_error(argv[0] + ": " + reply.error().message);
  return std::move(*reply);
}

void Streams::add_coupons(std::int64_t first, std::int64_t last) {
  for (auto coupon = first; coupon <= last; ++coupon) {
    client_.append({"XGROUP", "CREATE", key_of(coupon), "mirror", "0", "MKSTREAM"});
    client_.append({"SADD", "coupon:issuing", std::to_string(coupon)});
  }
  for (auto replies = 2 * (last - first + 1); replies > 0; --replies)
    if (auto reply = redis::ok(client_.read()); !reply) throw std::runtime_error(reply.error().message);
}

EntryName Streams::add_entry(std::int64_t coupon, const std::string& users) {
  return add_raw(coupon, {"e", "1", "u", users, "h", checksum("1 " + users)});
}

EntryName Streams::add_raw(std::int64_t coupon, const std::vector<std::string>& fields) {
  std::vector<std::string> argv = {"XADD", key_of(coupon), "*"};
  argv.insert(argv.end(), fields.begin(), fields.end());
  auto entry = parse_entry_id(run(argv).text());
  if (!entry) throw std::runtime_error("XADD gave no id");
  return {coupon, *entry};
}

std::vector<EntryName> Streams::add_entries(std::int64_t coupon, int count) {
  // Pipelined: Redis syncs its file once for many.
  for (int i = 1; i <= count; ++i) {
    const std::string user = std::to_string(i);
    client_.append({"XADD", key_of(coupon), "*", "e", "1", "u", user, "h", checksum("1 " + user)});
  }
  std::vector<EntryName> names;
  for (int i = 1; i <= count; ++i) {
    auto reply = redis::ok(client_.read());
    if (!reply) throw std::runtime_error(reply.error().message);
    names.emplace_back(coupon, parse_entry_id(reply->text()).value());
  }
  return names;
}

std::int64_t Streams::length(std::int64_t coupon) { return run({"XLEN", key_of(coupon)}).integer(); }
std::int64_t Streams::pending(std::int64_t coupon) { return run({"XPENDING", key_of(coupon), "mirror"})[0].integer(); }

void load_library(const std::string& redis_url) {
  auto client = must_connect(redis_url);
  auto loaded = redis::load_library(client, kLuaLibrary);
  if (!loaded) throw std::runtime_error(loaded.error().message);
}

redis::CouponSettings publish_coupon(const std::string& redis_url, std::int64_t coupon) {
  auto client = must_connect(redis_url);
  redis::CouponSettings settings{coupon, 1, 1, "issuing", "name", 100, 1, 1600000000000, 4000000000000, 1000000};
  if (auto ready = redis::mark_ready(client); !ready) throw std::runtime_error(ready.error().message);
  auto applied = redis::apply_state(client, settings, true);
  if (!applied || *applied != redis::ApplyReply::kApplied) throw std::runtime_error("the coupon was not published");
  return settings;
}

std::unique_ptr<amqp::Connection> connect_to(const std::string& amqp_url) {
  auto connection = amqp::Connection::open(amqp_url, {.name = "test", .deadline_ms = 60000});
  if (!connection) throw std::runtime_error(connection.error().message);
  return std::move(*connection);
}

bool drain_until(amqp::Connection& connection, const std::set<EntryName>& expected, Arrived& arrived) {
  constexpr int kPrefetch = 500;
  constexpr int kQuietMs = 200;
  static int subscriptions = 0;
  const std::string tag = "drain-" + std::to_string(++subscriptions);
  if (auto begun = connection.consume(amqp::kQueue, tag, kPrefetch); !begun)
    throw std::runtime_error(begun.error().message);
  std::uint64_t last = 0;
  std::size_t unacknowledged = 0;
  auto acknowledge = [&] {
    if (unacknowledged > 0 && !connection.ack(last, true)) throw std::runtime_error("the test's connection is gone");
    unacknowledged = 0;
  };
  bool complete = harness::wait_until(
      [&] {
        auto event = connection.poll(kQuietMs);
        if (!event) throw std::runtime_error(event.error().message);
        if (!*event) {
          acknowledge();
          return std::all_of(expected.begin(), expected.end(),
                             [&](const auto& name) { return arrived.contains(name); });
        }
        const auto* delivery = std::get_if<amqp::Delivery>(&**event);
        if (delivery == nullptr) return false;
        auto message = decode(delivery->body, delivery->header(amqp::kChecksumHeader));
        if (!message) throw std::runtime_error(message.error().message);
        if (message->message_id() != delivery->message_id) throw std::runtime_error("the message id is not the body's");
        ++arrived[{message->coupon_id, message->entry}];
        last = delivery->delivery_tag;
        if (++unacknowledged > kPrefetch / 2) acknowledge();
        return false;
      },
      std::chrono::seconds(180), std::chrono::milliseconds(0));
  acknowledge();
  if (!connection.cancel(tag)) throw std::runtime_error("the test's connection is gone");
  return complete;
}

RunningSink::RunningSink(const std::string& amqp_url, const std::string& redis_url)
    : connection_(connect_to(amqp_url)), streams_(redis_url.empty() ? nullptr : std::make_unique<Streams>(redis_url)) {
  if (auto begun = connection_->consume(amqp::kQueue, "sink", 500); !begun)
    throw std::runtime_error(begun.error().message);
  thread_ = std::thread([this] { run(); });
}
RunningSink::~RunningSink() { (void)stop(); }
Arrived RunningSink::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  return arrived_;
}

// Whatever fails here shows in what did not arrive.
void RunningSink::run() {
  while (!stopping_) {
    auto event = connection_->poll(50);
    if (!event) return;
    const auto* delivery = *event ? std::get_if<amqp::Delivery>(&**event) : nullptr;
    if (delivery == nullptr) continue;
    if (auto message = decode(delivery->body, delivery->header(amqp::kChecksumHeader))) {
      ++arrived_[{message->coupon_id, message->entry}];
      if (streams_) streams_->run({"XDEL", key_of(message->coupon_id), message->entry.text()});
    }
    if (!connection_->ack(delivery->delivery_tag, false)) return;
  }
}

void MirrorTest::SetUp() {
  auto& server = harness::PrivateRedis::shared();
  server.flush();
  redis_url_ = server.url();
  load_library(redis_url_);
  amqp_url_ = harness::PrivateRabbit::shared().fresh_vhost();
  declare();
  streams_ = std::make_unique<Streams>(redis_url_);
}

Options MirrorTest::options(const std::string& name) const {
  Options options;
  options.redis_url = redis_url_;
  options.amqp_url = amqp_url_;
  options.name = name;
  return options;
}

void MirrorTest::declare() const { ASSERT_TRUE(amqp::declare_topology(*connect_to(harness::as("admin", amqp_url_)))); }

std::unique_ptr<amqp::Connection> MirrorTest::connect() const { return connect_to(amqp_url_); }

bool MirrorTest::arrives(const std::set<EntryName>& expected, Arrived& arrived) {
  return drain_until(*connect(), expected, arrived);
}

bool MirrorTest::arrives(const std::vector<EntryName>& expected) {
  Arrived arrived;
  return arrives({expected.begin(), expected.end()}, arrived);
}

}  // namespace flashclaim::mirror
