// Starts survivors and victims, lets each victim die at its crash point, and restarts it until enough have died.
#include "tests/chaos/crash_world.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdlib>

#include "engine/amqp/topology.h"
#include "engine/base/digest.h"
#include "tests/harness/folder.h"
#include "tests/harness/paths.h"

namespace flashclaim::chaos {
namespace {

constexpr int kCrashed = 137;  // of test_point

std::string program_path(const std::string& program) { return harness::points_bin_dir() + "/" + program; }

std::int64_t number_from(const char* variable, std::int64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::atoll(text);
}

std::string last_lines(const std::string& text) {
  return text.substr(text.size() - std::min<std::size_t>(text.size(), 3000));
}

}  // namespace

int crashes_wanted(int otherwise) { return static_cast<int>(number_from("FLASHCLAIM_CRASHES", otherwise)); }

CrashVictim::CrashVictim(std::string program, std::vector<std::string> flags, harness::Environment environment,
                         std::span<const std::string_view> points, int times, int n_max, std::uint64_t seed)
    : program_(std::move(program)),
      flags_(std::move(flags)),
      environment_(std::move(environment)),
      n_max_(n_max),
      random_(seed) {
  for (const auto point : points) agenda_.insert(agenda_.end(), static_cast<std::size_t>(times), std::string(point));
  std::shuffle(agenda_.begin(), agenda_.end(), random_);
  start();
}

void CrashVictim::start() {
  harness::Environment environment = environment_;
  point_ = agenda_.empty() ? "" : agenda_.back();
  if (!point_.empty()) {
    const auto n = 1 + random_() % static_cast<std::uint64_t>(n_max_);
    environment["FLASHCLAIM_CRASH"] = fmt::format("{}:{}", point_, n);
  }
  process_ = std::make_unique<harness::Process>(program_path(program_), flags_, environment);
}

bool CrashVictim::step() {
  if (process_->running()) return !agenda_.empty();
  const int code = process_->wait();
  if (code != kCrashed || point_.empty()) {
    ADD_FAILURE() << program_ << " ended with " << code << ", armed with '" << point_
                  << "': " << last_lines(process_->output());
    agenda_.clear();
  } else {
    ++hits_[point_];
    agenda_.pop_back();
  }
  start();
  return !agenda_.empty();
}

void CrashWorld::SetUp() {
  WholePath::SetUp();
  programs_ = program_path("");
  seed_ = static_cast<std::uint64_t>(number_from("FLASHCLAIM_SEED", std::random_device()()));
  random_.seed(seed_);
  fmt::print("FLASHCLAIM_SEED={}\n", seed_);
}

void CrashWorld::TearDown() {
  crowd_.reset();
  if (HasFailure())
    for (const auto* program : {survivor_engine_.get(), survivor_consumer_.get()})
      if (program != nullptr) fmt::print("--- a survivor's log ends:\n{}\n", last_lines(program->output()));
  survivor_engine_.reset();
  survivor_consumer_.reset();
  WholePath::TearDown();
}

CrashVictim CrashWorld::engine_victim(std::span<const std::string_view> points, int times) {
  victim_port_ = harness::free_ports(2);
  return CrashVictim(
      "flashclaim-engine",
      {fmt::format("--listen=127.0.0.1:{}", victim_port_), fmt::format("--admin-listen=127.0.0.1:{}", victim_port_ + 1),
       "--threads=2", "--mirror-name=victim"},
      environment_, points, times, 20, random_());
}

CrashVictim CrashWorld::consumer_victim(std::span<const std::string_view> points, int times, int n_max) {
  return CrashVictim("flashclaim-consumer",
                     {fmt::format("--admin-listen=127.0.0.1:{}", harness::free_ports(1)), "--workers=2"}, environment_,
                     points, times, n_max, random_());
}

void CrashWorld::start_survivors() {
  survivor_engine_ = engine({"--mirror-name=survivor"});
  engine_port_ = http_port_;
  survivor_consumer_ = consumer();
}

void CrashWorld::start_crowd(int per_second, std::int64_t users) {
  harness::CrowdOptions options;
  for (const int port : {engine_port_, victim_port_})
    if (port != 0) options.ports.push_back(port);
  options.coupons = coupons_;
  options.users = users;
  options.per_second = per_second;
  options.seed = seed_;
  crowd_ = std::make_unique<harness::Crowd>(options);
}

void CrashWorld::let_die(std::span<CrashVictim* const> victims, const std::function<void()>& meanwhile) {
  const auto describe = [&] {
    std::string text;
    for (const CrashVictim* victim : victims) text += victim->point() + ": " + last_lines(victim->output()) + "\n";
    return text;
  };
  const auto hits = [&] {
    int all = 0;
    for (const CrashVictim* victim : victims)
      for (const auto& [point, count] : victim->hits()) all += count;
    return all;
  };
  for (bool more = true; more && !HasFailure();) {
    const int before = hits();
    ASSERT_TRUE(harness::wait_until(
        [&] {
          more = false;
          if (meanwhile) meanwhile();
          for (CrashVictim* victim : victims) more = victim->step() || more;
          return !more || hits() > before;
        },
        std::chrono::seconds(600), std::chrono::milliseconds(5)))  // a survivor may do the work first, again and again
        << "no victim passes its point:\n"
        << describe();
  }
}

int CrashWorld::run_flashctl(const std::vector<std::string>& words, const harness::Environment& environment,
                             const std::set<int>& expected) {
  harness::Finished last;
  const bool ended = harness::wait_until([&] {
    last = harness::run_program(programs_ + "flashctl", words, environment);
    return expected.contains(last.exit_code) || last.exit_code == kCrashed;
  });
  EXPECT_TRUE(ended) << "flashctl " << fmt::format("{}", fmt::join(words, " ")) << " ends with " << last.exit_code
                     << ": " << last.out << last.err;
  return last.exit_code;
}

void CrashWorld::flashctl(const std::vector<std::string>& words, int expected) {
  EXPECT_EQ(run_flashctl(words, environment_, {expected}), expected);
}

void CrashWorld::crash_flashctl(std::string_view point, int times,
                                const std::function<std::vector<std::string>()>& scene, const std::set<int>& expected) {
  harness::Environment armed = environment_;
  armed["FLASHCLAIM_CRASH"] = std::string(point) + ":1";
  int hits = 0;
  for (int missed = 0; hits < times && missed < 20 && !HasFailure();) {
    const std::vector<std::string> words = scene();
    const int before = hits;
    int code = run_flashctl(words, armed, expected);
    while (code == kCrashed && !HasFailure()) {
      ++hits;
      code = run_flashctl(words, random_() % 2 == 0 ? armed : environment_, expected);
    }
    missed = hits > before ? 0 : missed + 1;  // the scene was over before the command looked: play it again
  }
  EXPECT_GE(hits, times) << point << " is not passed";
  fmt::print("  {:28} {}\n", point, hits);
}

ClaimId CrashWorld::accept(std::int64_t coupon, std::int64_t user) {
  const std::string key = fmt::format("apart-{}-{}", user, told_.acknowledged.size());
  auto answer = claim(coupon, user, key);
  // A page may come from the engine's memory before it is connected again: nothing was applied then.
  (void)wait_until([&] {
    if (answer.body.find("NOT_READY") == std::string::npos) return true;
    answer = claim(coupon, user, key);
    return answer.status == 202;
  });
  const bool won = accepted(answer, user);
  EXPECT_TRUE(won) << answer.body;
  return won ? told_.acknowledged.back().claim : ClaimId{};
}

void CrashWorld::deliver(std::span<const mirror::EntryMessage> messages, int attempts) {
  for (const auto& message : messages) {
    const std::string body = mirror::encode(message);
    const std::string id = message.message_id();
    EXPECT_TRUE(amqp().publish({.exchange = amqp::kExchange,
                                .routing_key = amqp::kRoutingKey,
                                .body = body,
                                .message_id = id,
                                .headers = {{std::string(amqp::kChecksumHeader), checksum(body)},
                                            {std::string(amqp::kAttemptsHeader), std::to_string(attempts)}}}));
  }
  EXPECT_TRUE(amqp().flush());
}

void CrashWorld::poison_users_from(std::int64_t first) {
  sql(
      fmt::format("CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'poisoned' "
                  "USING ERRCODE = '22000'; END $$;"
                  "CREATE TRIGGER poison BEFORE INSERT ON user_coupon FOR EACH ROW WHEN (NEW.user_id >= {}) EXECUTE "
                  "FUNCTION poison();",
                  first));
}

void CrashWorld::sql(const std::string& statements) {
  const auto run = harness::run_program("/usr/bin/psql", {"-qXAt", "-v", "ON_ERROR_STOP=1", environment_.at("PG_URL")},
                                        {}, statements);
  EXPECT_EQ(run.exit_code, 0) << run.err;
}

operations::CheckReport CrashWorld::judge() {
  harness::CrowdReport told;
  if (crowd_ != nullptr) told = crowd_->finish();
  crowd_.reset();
  told.acknowledged.insert(told.acknowledged.end(), told_.acknowledged.begin(), told_.acknowledged.end());
  told.told.insert(told.told.end(), told_.told.begin(), told_.told.end());
  EXPECT_EQ(told.unlearnt, 0) << "claims whose outcome nobody could learn";
  EXPECT_EQ(told.tally.unexpected, 0) << told.tally.unexpected_example;
  EXPECT_EQ(told.tally.of(http::Problem::kCouponNotFound), 0);
  await_rest();
  operations::CheckOptions options;
  options.acknowledged = told.acknowledged;
  options.told = told.told;
  const auto report = expect_invariants(options);
  EXPECT_EQ(report.untold, 0) << "rows that are nobody's 202: something was done twice";
  EXPECT_EQ(report.settled + report.refused + report.pending, static_cast<std::int64_t>(told.acknowledged.size()));
  fmt::print("claims {}, acknowledged {}, repeats {}; settled {}, refused {}, dead {}, lost {}, untold {}\n",
             told.begun, told.acknowledged.size(), told.repeats, report.settled, report.refused, report.dead,
             report.lost, report.untold);
  return report;
}

}  // namespace flashclaim::chaos
