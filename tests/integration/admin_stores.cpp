#include "tests/integration/admin_stores.h"

#include <random>
#include <set>
#include <stdexcept>

#include "engine/amqp/topology.h"
#include "engine/cli/times.h"
#include "engine/mirror/message.h"
#include "engine/operations/user_keys.h"
#include "engine/postgres/settle.h"
#include "engine/redis/library.h"
#include "tests/harness/logins.h"

namespace flashclaim::operations {
namespace {

using harness::as;

constexpr auto kTimeout = std::chrono::seconds(60);
constexpr int kClaimsACall = 8;
constexpr std::int64_t kBacklogMax = 2000;  ///< claims that the settler may be behind

std::unique_ptr<redis::Client> connect_redis(const std::string& url) {
  auto client = redis::Client::connect(url, kTimeout);
  if (!client) throw std::runtime_error(client.error().message);
  return std::make_unique<redis::Client>(std::move(client).value());
}

std::unique_ptr<postgres::Session> connect_pg(const std::string& url) {
  auto session = postgres::Session::connect(url, "test");
  if (!session) throw std::runtime_error(session.error().message);
  return std::move(session).value();
}

}  // namespace

void Stores::SetUp() {
  harness::PrivateRedis::shared().flush();
  tester_ = connect_redis(redis_url());
  claimer_ = connect_redis(as("engine", redis_url()));
  redis_ = connect_redis(as("admin", redis_url()));
  ASSERT_TRUE(redis::load_library(*redis_, kLuaLibrary));
  ASSERT_TRUE(redis::mark_ready(*redis_));
  pg_url_ = harness::PrivatePostgres::shared().migrated_database();
  pg_ = connect_pg(as("admin", pg_url_));
}

const std::string& Stores::amqp_url() {
  if (amqp_url_.empty()) amqp_url_ = harness::PrivateRabbit::shared().fresh_vhost();
  return amqp_url_;
}

amqp::Connection& Stores::amqp() {
  if (!amqp_) {
    auto connection = amqp::Connection::open(as("admin", amqp_url()), {.name = "test", .deadline_ms = 60000});
    if (!connection) throw std::runtime_error(connection.error().message);
    amqp_ = std::move(connection).value();
    EXPECT_TRUE(amqp::declare_topology(*amqp_));
    EXPECT_TRUE(amqp_->enable_confirms());
  }
  return *amqp_;
}

std::unique_ptr<redis::Client> Stores::new_redis() { return connect_redis(as("admin", redis_url())); }
std::unique_ptr<postgres::Session> Stores::new_pg() const { return connect_pg(as("admin", pg_url_)); }

std::int64_t Stores::issue(std::int64_t total, std::int64_t user_limit) {
  NewCoupon coupon;
  coupon.id = ++last_id_;
  coupon.name = "test";
  coupon.total = total;
  coupon.user_limit = user_limit;
  coupon.begin_ms = cli::now_ms() - 60'000;
  coupon.end_ms = coupon.begin_ms + 3'600'000;
  const auto created = create_coupon(pg(), coupon);
  EXPECT_TRUE(created && created->effect == Effect::kDone);
  const auto published = publish_coupon(redis(), pg(), coupon.id);
  EXPECT_TRUE(published && published->effect == Effect::kDone);
  return coupon.id;
}

std::vector<Acknowledged> Stores::claim(std::int64_t coupon_id, const std::vector<std::int64_t>& users) {
  std::vector<redis::ClaimRequest> requests;
  for (const std::int64_t user : users) requests.push_back({user, ""});
  const auto verdicts = redis::claim(*claimer_, coupon_id, requests);
  EXPECT_TRUE(verdicts);
  std::vector<Acknowledged> accepted;
  for (std::size_t i = 0; verdicts && i < verdicts->size(); ++i) {
    if ((*verdicts)[i].verdict == redis::Verdict::kAccepted) accepted.push_back({(*verdicts)[i].claim, users[i]});
  }
  return accepted;
}

namespace {

/// The oldest entries that are not dead, as messages.
std::vector<mirror::EntryMessage> oldest(redis::Client& redis, std::int64_t coupon_id) {
  const redis::CouponKeys keys(coupon_id);
  const auto members = redis::ok(redis.command({"SMEMBERS", keys.dead}));  // as a consumer may ask
  std::set<std::string> dead;
  for (std::size_t i = 0; members && i < members->size(); ++i) dead.emplace((*members)[i].text());
  const auto page = redis::ok(redis.command({"XRANGE", keys.claims, "-", "+", "COUNT", "200"}));
  if (!members || !page) throw std::runtime_error("Redis does not answer");
  std::vector<mirror::EntryMessage> messages;
  for (std::size_t i = 0; i < page->size(); ++i) {
    const redis::ReplyView fields = (*page)[i][1];
    const auto message = mirror::parse_entry(coupon_id, *parse_entry_id((*page)[i][0].text()), fields[1].text(),
                                             fields[3].text(), fields[5].text());
    if (!message) throw std::runtime_error(message.error().message);
    if (!dead.contains(message->entry.text())) messages.push_back(*message);
  }
  return messages;
}

}  // namespace

std::size_t settle_some(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id) {
  const auto messages = oldest(redis, coupon_id);
  std::vector<postgres::SettleClaim> claims;
  for (const mirror::EntryMessage& message : messages) {
    for (std::size_t i = 0; i < message.users.size(); ++i) {
      claims.push_back({coupon_id, message.epoch, message.entry, static_cast<int>(i), message.users[i]});
    }
  }
  if (messages.empty()) return 0;
  const auto outcomes = postgres::settle_claims(pg, claims);
  if (!outcomes) throw std::runtime_error(outcomes.error().message);
  std::size_t at = 0;
  for (const mirror::EntryMessage& message : messages) {
    redis::FinishCall call{coupon_id, message.epoch, message.entry, static_cast<int>(message.users.size()), false, {}};
    for (int i = 0; i < call.claims; ++i, ++at) {
      const postgres::Settled& settled = (*outcomes)[at];
      call.fresh = call.fresh || settled.fresh;
      if (postgres::is_refused(settled.outcome))
        call.refused.push_back({i, std::string(postgres::word(settled.outcome))});
    }
    redis::append_finish(redis, call);
  }
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!redis::read_finish(redis)) throw std::runtime_error("finish failed");
  }
  return messages.size();
}

void Stores::settle(std::int64_t coupon_id) {
  while (settle_some(redis(), pg(), coupon_id) > 0) {
  }
}

void Stores::redis_raw(std::initializer_list<std::string_view> command) {
  const auto reply = redis::ok(tester_->command(command));
  ASSERT_TRUE(reply) << reply.error().message;
}

std::string Stores::sql(const std::string& statement) const {
  const auto finished =
      harness::run_program("/usr/bin/psql", {"-qXAt", "-v", "ON_ERROR_STOP=1", "-c", statement, pg_url_});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  return finished.out;
}

CheckReport Stores::judge(std::int64_t coupon_id, const CheckOptions& options) {
  const std::vector<std::int64_t> ids = {coupon_id};
  auto report = check(redis(), pg(), nullptr, ids, options);
  EXPECT_TRUE(report) << (report ? "" : report.error().message);
  return report ? std::move(report).value() : CheckReport{};
}

void Stores::expect_sound(std::int64_t coupon_id) {
  for (const Violation& violation : judge(coupon_id).violations) {
    ADD_FAILURE() << "INV-" << violation.invariant << ": " << violation.text;
  }
}

std::int64_t Stores::stock(std::int64_t coupon_id) {
  const auto counters = redis::reconcile_counters(redis(), coupon_id);
  EXPECT_TRUE(counters && counters->has_value());
  return counters && counters->has_value() ? (*counters)->stock : -1;
}

Sale::Sale(std::string redis_url, std::string pg_url, std::int64_t coupon_id, std::int64_t users)
    : claimer_([=, this] { claim(as("engine", redis_url), coupon_id, users); }),
      settler_([=, this] { settle(as("consumer", redis_url), as("consumer", pg_url), coupon_id); }) {}

Sale::~Sale() { stop(); }

void Sale::stop() {
  claiming_ = false;
  if (claimer_.joinable()) claimer_.join();
  settling_ = false;
  if (settler_.joinable()) settler_.join();
}

void Sale::claim(const std::string& redis_url, std::int64_t coupon_id, std::int64_t users) {
  const auto redis = connect_redis(redis_url);
  std::mt19937_64 random(42);
  while (claiming_) {
    if (accepted_ - settled_ > kBacklogMax) continue;
    std::vector<redis::ClaimRequest> requests;
    for (int i = 0; i < kClaimsACall; ++i) requests.push_back({1 + static_cast<std::int64_t>(random() % users), ""});
    const auto verdicts = redis::claim(*redis, coupon_id, requests);
    for (std::size_t i = 0; verdicts && i < requests.size(); ++i) {
      if ((*verdicts)[i].verdict != redis::Verdict::kAccepted) continue;
      acknowledged_.push_back({(*verdicts)[i].claim, requests[i].user_id});
      ++accepted_;
    }
  }
}

void Sale::settle(const std::string& redis_url, const std::string& pg_url, std::int64_t coupon_id) try {
  const auto redis = connect_redis(redis_url);
  const auto pg = connect_pg(pg_url);
  while (true) {
    const bool last = !settling_;
    const std::size_t entries = settle_some(*redis, *pg, coupon_id);
    settled_ += static_cast<std::int64_t>(entries) * kClaimsACall;  // an upper bound: it only paces the claims
    if (entries == 0 && last) return;
  }
} catch (const std::exception& error) {
  trouble_ = error.what();
}

}  // namespace flashclaim::operations
