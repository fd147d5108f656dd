// The fixture of the whole path: starts the stores' contents and the programs, and judges what is left.
#include "tests/harness/whole_path.h"

#include <spdlog/fmt/fmt.h>

#include <chrono>

#include "engine/amqp/topology.h"
#include "engine/base/assets.h"
#include "engine/base/log.h"
#include "engine/operations/rebuild.h"
#include "engine/redis/library.h"
#include "tests/harness/folder.h"
#include "tests/harness/logins.h"

namespace flashclaim {
namespace {

using namespace std::chrono_literals;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string violations(const operations::CheckReport& report) {
  std::string text;
  for (const auto& violation : report.violations) {
    text += fmt::format("INV-{} coupon {} x{}: {}\n", violation.invariant, violation.coupon_id, violation.count,
                        violation.text);
  }
  return text;
}

}  // namespace

std::string json_field(const std::string& json, const std::string& name) {
  const auto key = json.find("\"" + name + "\":");
  if (key == std::string::npos) {
    return "";
  }
  auto begin = key + name.size() + 3;
  const bool text = json[begin] == '"';
  begin += text ? 1 : 0;
  return json.substr(begin, json.find_first_of(text ? "\"" : ",}", begin) - begin);
}

std::vector<bench::ClaimOrder> mixed_orders(std::int64_t coupon, int requests, int users) {
  std::vector<bench::ClaimOrder> orders;
  std::uint32_t state = 12345;
  for (int i = 0; i < requests; ++i) {
    state = state * 1664525 + 1013904223;
    orders.push_back({coupon, 1 + static_cast<std::int64_t>((state >> 8) % static_cast<std::uint32_t>(users))});
  }
  return orders;
}

void WholePath::SetUp() {
  redis_server().flush();
  environment_ = {{"REDIS_URL", redis_server().url()},
                  {"AMQP_URL", rabbit_server().fresh_vhost()},
                  {"PG_URL", postgres_server().migrated_database()}};
  ASSERT_TRUE(amqp::declare_topology(admin_amqp()));
  ASSERT_TRUE(redis::load_library(admin_redis(), kLuaLibrary));
  ASSERT_TRUE(operations::mark_ready_if_new(admin_redis(), admin_pg()));
}

void WholePath::use(const std::string& variable, const std::string& url) {
  environment_[variable] = url;
  tester_ = {};
  admin_ = {};
}

void WholePath::TearDown() {
  if (HasFailure()) {
    for (const auto* program : {engine_.get(), consumer_.get()}) {
      if (program != nullptr) {
        std::printf("--- its log ends:\n%s\n", program->output().substr(0, 20000).c_str());
      }
    }
  }
  engine_.reset();
  consumer_.reset();
  redis_server().start();
  rabbit_server().start();
  postgres_server().start();
}

std::unique_ptr<harness::Process> WholePath::start(const std::string& program, std::vector<std::string> flags,
                                                   int admin_port) {
  flags.push_back("--admin-listen=127.0.0.1:" + std::to_string(admin_port));
  auto process = std::make_unique<harness::Process>(programs_ + program, flags, environment_);
  const bool up = wait_until([&] {
    try {
      return !process->running() || harness::raw_request(admin_port, "GET", "/healthz").status == 200;
    } catch (const std::runtime_error&) {
      return false;
    }
  });
  EXPECT_TRUE(up && process->running()) << program << " did not start: " << process->output();
  return process;
}

std::unique_ptr<harness::Process> WholePath::engine(const std::vector<std::string>& flags) {
  http_port_ = harness::free_ports(2);
  admin_port_ = http_port_ + 1;
  return engine_again(flags);
}

std::unique_ptr<harness::Process> WholePath::engine_again(const std::vector<std::string>& flags) {
  std::vector<std::string> all{"--listen=127.0.0.1:" + std::to_string(http_port_), "--threads=2"};
  all.insert(all.end(), flags.begin(), flags.end());
  return start("flashclaim-engine", all, admin_port_);
}

std::unique_ptr<harness::Process> WholePath::consumer(const std::vector<std::string>& flags) {
  consumer_admin_port_ = harness::free_ports(1);
  std::vector<std::string> all{"--workers=2"};
  all.insert(all.end(), flags.begin(), flags.end());
  return start("flashclaim-consumer", all, consumer_admin_port_);
}

void WholePath::start_programs() {
  engine_ = engine();
  consumer_ = consumer();
}

std::int64_t WholePath::open_coupon(std::int64_t total, std::int64_t user_limit, const Terms& terms) {
  operations::NewCoupon coupon;
  coupon.id = 1 + postgres::highest_coupon_id(admin_pg()).value();
  coupon.name = terms.name;
  coupon.total = total;
  coupon.user_limit = user_limit;
  coupon.begin_ms = now_ms() + terms.begins_in_ms;
  coupon.end_ms = now_ms() + terms.ends_in_ms;
  const auto created = operations::create_coupon(admin_pg(), coupon);
  EXPECT_TRUE(created && created->ok());
  const auto published = operations::publish_coupon(admin_redis(), admin_pg(), coupon.id);
  EXPECT_TRUE(published && published->ok()) << (published ? published->message : published.error().message);
  coupons_.push_back(coupon.id);
  return coupon.id;
}

harness::RawAnswer WholePath::claim(std::int64_t coupon, std::int64_t user, const std::string& key) const {
  std::string headers = "X-User-Id: " + std::to_string(user) + "\r\n";
  if (!key.empty()) {
    headers += "Idempotency-Key: " + key + "\r\n";
  }
  return harness::raw_request(http_port_, "POST", "/coupons/" + std::to_string(coupon) + "/receive", headers);
}

harness::RawAnswer WholePath::get(const std::string& path) const {
  return harness::raw_request(http_port_, "GET", path);
}

bool WholePath::accepted(const harness::RawAnswer& answer, std::int64_t user) {
  if (answer.status != 202) return false;
  const auto id = parse_claim_id(json_field(answer.body, "claimId"));
  EXPECT_TRUE(id) << answer.body;
  if (id) told_.acknowledged.push_back({*id, user});
  return id.has_value();
}

void WholePath::accept(std::int64_t coupon, std::int64_t first, std::int64_t last) {
  for (auto user = first; user <= last; ++user) {
    const auto answer = claim(coupon, user);
    ASSERT_TRUE(accepted(answer, user)) << answer.body;
  }
}

bench::ClaimRunReport WholePath::fire(const std::vector<bench::ClaimOrder>& orders, int connections) const {
  bench::ClaimRunOptions options;
  options.address = {"127.0.0.1", http_port_};
  options.host = options.address.text();
  options.connections = connections;
  options.deadline_ms = 60'000;
  options.give_up_after_ms = 300'000;
  return bench::run_claims(orders, options);
}

bool WholePath::rests() {
  for (const auto id : coupons_) {
    const redis::CouponKeys keys(id);
    if (redis_number({"XLEN", keys.claims}) != redis_number({"SCARD", keys.dead})) return false;
  }
  std::int64_t messages = amqp().queue_depth(amqp::kQueue).value();
  for (const auto delay : amqp::kRetryDelaysMs) messages += amqp().queue_depth(amqp::retry_queue(delay)).value();
  return messages == 0;
}

/// A copy on its way from a retry queue through the consumer to the next is in none of them: one look is not enough.
void WholePath::await_rest() {
  constexpr int kLooks = 10;
  int in_a_row = 0;
  EXPECT_TRUE(wait_until(
      [&] {
        in_a_row = rests() ? in_a_row + 1 : 0;
        return in_a_row == kLooks;
      },
      std::chrono::seconds(300)))
      << "the claims in flight did not come to rest";
}

operations::CheckReport WholePath::expect_invariants(operations::CheckOptions options) {
  const auto report = operations::check(admin_redis(), admin_pg(), &admin_amqp(), coupons_, options);
  if (!report) {
    ADD_FAILURE() << "the checker could not look: " << report.error().message;
    return {};
  }
  EXPECT_TRUE(report->holds()) << violations(*report);
  return *report;
}

operations::CheckReport WholePath::expect_invariants(const bench::ClaimRunReport& run) {
  EXPECT_EQ(run.stopped, "");
  EXPECT_EQ(run.tally.unexpected, 0) << run.tally.unexpected_example;
  operations::CheckOptions options;
  options.acknowledged = run.acknowledged;
  options.told = run.told;
  return expect_invariants(options);
}

redis::Client& WholePath::redis_of(Asker& asker, const std::string& role) {
  if (asker.redis == nullptr || !asker.redis->connected() || !asker.redis->command({"PING"})) {
    asker.redis = std::make_unique<redis::Client>(
        redis::Client::connect(harness::as(role, environment_.at("REDIS_URL")), std::chrono::seconds(60)).value());
  }
  return *asker.redis;
}

postgres::Session& WholePath::pg_of(Asker& asker, const std::string& role) {
  if (asker.pg == nullptr || !asker.pg->open() || !asker.pg->ping()) {
    asker.pg = postgres::Session::connect(harness::as(role, environment_.at("PG_URL")), "test").value();
  }
  return *asker.pg;
}

amqp::Connection& WholePath::amqp_of(Asker& asker, const std::string& role) {
  if (asker.amqp == nullptr || !asker.amqp->poll(0) || !asker.amqp->open()) {
    asker.amqp = amqp::Connection::open(harness::as(role, environment_.at("AMQP_URL")), {.name = "test"}).value();
  }
  return *asker.amqp;
}

redis::Client& WholePath::redis() { return redis_of(tester_, ""); }
postgres::Session& WholePath::pg() { return pg_of(tester_, ""); }
amqp::Connection& WholePath::amqp() { return amqp_of(tester_, ""); }
redis::Client& WholePath::admin_redis() { return redis_of(admin_, "admin"); }
postgres::Session& WholePath::admin_pg() { return pg_of(admin_, "admin"); }
amqp::Connection& WholePath::admin_amqp() { return amqp_of(admin_, "admin"); }

std::string WholePath::redis_text(std::initializer_list<std::string_view> command) {
  auto reply = redis().command(command);
  if (!reply) {
    ADD_FAILURE() << "Redis: " << reply.error().message;
    return "";
  }
  return std::string(reply->text());
}

std::int64_t WholePath::redis_number(std::initializer_list<std::string_view> command) {
  auto reply = redis().command(command);
  if (!reply) {
    ADD_FAILURE() << "Redis: " << reply.error().message;
    return -1;
  }
  return reply->kind() == redis::ReplyKind::kInteger ? reply->integer()
                                                     : std::atoll(std::string(reply->text()).c_str());
}

postgres::CouponCounts WholePath::counts(std::int64_t coupon) {
  const auto found = postgres::coupon_counts(pg(), coupon);
  if (!found || !*found) {
    ADD_FAILURE() << "the database cannot count coupon " << coupon;
    return {};
  }
  return **found;
}

}  // namespace flashclaim
