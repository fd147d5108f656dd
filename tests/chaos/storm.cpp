// The course of a storm: start everything, break and claim, heal, come to rest, judge.
#include "tests/chaos/storm.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <random>
#include <stdexcept>

#include "bench/settlement.h"
#include "engine/amqp/connection.h"
#include "engine/amqp/topology.h"
#include "engine/base/assets.h"
#include "engine/operations/rebuild.h"
#include "engine/postgres/session.h"
#include "engine/redis/client.h"
#include "engine/redis/library.h"
#include "tests/chaos/storm_judge.h"
#include "tests/chaos/storm_operator.h"
#include "tests/chaos/storm_victims.h"
#include "tests/harness/folder.h"
#include "tests/harness/logins.h"
#include "tests/harness/raw_http.h"
#include "tests/harness/wait.h"
#include "tests/harness/witness.h"

namespace flashclaim::chaos {
namespace {

using namespace std::chrono_literals;
using harness::wait_until;

constexpr std::int64_t kFaultMinMs = 100;
constexpr std::int64_t kFaultMaxMs = 8000;
constexpr std::int64_t kAnswersDeadlineMs = 180'000;

template <class R>
auto need(R result, const char* what) {
  if (!result) throw std::runtime_error(fmt::format("{}: {}", what, result.error().message));
  if constexpr (requires { std::move(result).value(); }) return std::move(result).value();
}

/// Everything of one storm, in the order in which it must end.
class Storm {
 public:
  explicit Storm(const StormOptions& options)
      : options_(options),
        environment_(
            {{"REDIS_URL", redis_.url()}, {"AMQP_URL", rabbit_.url()}, {"PG_URL", postgres_.migrated_database()}}),
        sale_operator_(environment_, options.seed * 31 + 7, sale_, log_) {}

  StormReport run() {
    prepare();
    begin();
    StormReport report;
    report.seed = options_.seed;
    report.commit = options_.commit;
    report.seconds = blow();
    const std::int64_t healed_ms = wall_ms();
    heal();
    say("healed: waiting for the last answers");
    sale_operator_.finish();
    CrowdReport crowd = crowd_->finish(kAnswersDeadlineMs);
    say("waiting for rest");
    come_to_rest();
    report.rest_seconds = (wall_ms() - healed_ms) / 1000;
    say("judging");
    judge_all(std::move(crowd), report);
    return report;
  }

 private:
  void prepare() {
    auto redis = need(redis::Client::connect(harness::as("admin", environment_.at("REDIS_URL")), 60s), "Redis");
    auto pg = need(postgres::Session::connect(harness::as("admin", environment_.at("PG_URL")), "storm"), "PostgreSQL");
    auto amqp =
        need(amqp::Connection::open(harness::as("admin", environment_.at("AMQP_URL")), {.name = "storm"}), "RabbitMQ");
    need(redis::load_library(redis, kLuaLibrary), "library");
    need(operations::mark_ready_if_new(redis, *pg), "marker");
    need(amqp::declare_topology(*amqp), "queues");
    harness::PrivateRabbit::let_new_queues_reach_the_disk();
    sale_operator_.open_first_coupons(1000 + options_.rate * options_.seconds);
  }

  void add_program(const std::string& name, int weight, const std::string& program, std::vector<std::string> flags) {
    const int admin = harness::free_ports(1);
    flags.push_back("--admin-listen=127.0.0.1:" + std::to_string(admin));
    victims_.push_back(std::make_unique<ProgramVictim>(name, weight, log_, program, flags, environment_));
    victims_.back()->begin();
    admin_ports_.push_back(admin);
  }

  void begin() {
    CrowdOptions crowd;
    crowd.rate = options_.rate;
    crowd.seed = options_.seed * 31 + 1;
    for (const char* name : {"engine-a", "engine-b"}) {
      crowd.engines.push_back({"127.0.0.1", harness::free_ports(1)});
      add_program(name, 12, "flashclaim-engine",
                  {"--role=http", "--threads=1", "--listen=" + crowd.engines.back().text()});
    }
    for (const std::string name : {"mirror-a", "mirror-b"}) {
      add_program(name, 11, "flashclaim-engine", {"--role=mirror", "--mirror-name=" + name});
    }
    for (const char* name : {"consumer-a", "consumer-b"}) {
      add_program(name, 12, "flashclaim-consumer", {"--workers=2"});
    }
    victims_.push_back(std::make_unique<ServiceVictim>("redis", 12, log_, redis_));
    victims_.back()->begin();
    victims_.push_back(std::make_unique<ServiceVictim>("rabbitmq", 6, log_, rabbit_));
    victims_.back()->begin();
    victims_.push_back(std::make_unique<PostgresVictim>("postgres", 12, log_, postgres_));
    victims_.back()->begin();
    await_ready("at the start");
    crowd_ = std::make_unique<Crowd>(crowd, sale_, log_);
    crowd_->begin();
    sale_operator_.begin();
  }

  /// Every program says that it is ready.
  void await_ready(const std::string& when) {
    for (const int port : admin_ports_) {
      const bool ready = wait_until([port] {
        try {
          return harness::raw_request(port, "GET", "/readyz").status == 200;
        } catch (const std::runtime_error&) {
          return false;
        }
      });
      if (!ready) log_.wrong(fmt::format("the program with the admin port {} is not ready {}", port, when));
    }
  }

  /// Faults until the time is over; returns the seconds that passed.
  std::int64_t blow() {
    std::mt19937_64 dice(options_.seed);
    unhurt_.resize(victims_.size());
    std::iota(unhurt_.begin(), unhurt_.end(), std::size_t{0});
    std::shuffle(unhurt_.begin(), unhurt_.end(), dice);
    const std::int64_t begin = wall_ms();
    const std::int64_t end = begin + options_.seconds * 1000;
    while (wall_ms() < end && !(options_.interrupted != nullptr && *options_.interrupted)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(dice() % static_cast<std::uint64_t>(2 * options_.gap_ms)));
      strike_one(dice);
      say(fmt::format("{}/{} s", (wall_ms() - begin) / 1000, options_.seconds));
    }
    return (wall_ms() - begin) / 1000;
  }

  /// Each once, in the order of the dice; then by weight.
  std::size_t choose(std::mt19937_64& dice) {
    if (!unhurt_.empty()) {
      const std::size_t chosen = unhurt_.back();
      unhurt_.pop_back();
      return chosen;
    }
    int all = 0;
    for (const auto& victim : victims_) all += victim->weight();
    int at = static_cast<int>(dice() % static_cast<std::uint64_t>(all));
    std::size_t chosen = 0;
    while (at >= victims_[chosen]->weight()) at -= victims_[chosen++]->weight();
    return chosen;
  }

  /// Short faults more often than long ones: most errors live in the first second.
  void strike_one(std::mt19937_64& dice) {
    const std::size_t chosen = choose(dice);
    const double portion = static_cast<double>(dice() % 1000) / 1000.0;
    const auto ms = kFaultMinMs + static_cast<std::int64_t>(portion * portion * (kFaultMaxMs - kFaultMinMs));
    const std::uint64_t kind = dice();
    for (std::size_t i = 0; i < victims_.size(); ++i) {  // one that is hurt already passes the blow on
      if (victims_[(chosen + i) % victims_.size()]->strike(kind, ms)) return;
    }
  }

  void heal() {
    for (const auto& victim : victims_) {
      if (!wait_until([&] { return victim->idle(); }, 300s)) log_.wrong(victim->name() + " was not healed");
    }
    await_ready("though everything is healed");
  }

  void come_to_rest() {
    auto redis = need(redis::Client::connect(harness::as("admin", environment_.at("REDIS_URL")), 60s), "Redis");
    auto amqp =
        need(amqp::Connection::open(harness::as("admin", environment_.at("AMQP_URL")), {.name = "storm"}), "RabbitMQ");
    bench::SettlementOptions patience;
    patience.stall_ms = 300'000;
    const auto rest = bench::wait_settled(redis, *amqp, sale_.ids(), patience);
    if (!rest) log_.wrong("the claims in flight did not come to rest: " + rest.error().message);
  }

  void judge_all(CrowdReport crowd, StormReport& report) {
    auto redis = need(redis::Client::connect(harness::as("admin", environment_.at("REDIS_URL")), 60s), "Redis");
    auto pg = need(postgres::Session::connect(harness::as("admin", environment_.at("PG_URL")), "storm"), "PostgreSQL");
    auto amqp =
        need(amqp::Connection::open(harness::as("admin", environment_.at("AMQP_URL")), {.name = "storm"}), "RabbitMQ");
    judge({redis, *pg, *amqp}, sale_, std::move(crowd), log_, report);
    harness::look_at_everything();
    report.denied = denials_.count();
    report.faults = log_.faults_by_kind();
    report.commands = log_.commands();
    report.wrong_count = log_.wrong_count();
    report.wrongs = log_.wrongs();
    for (const auto& victim : victims_) report.victims.push_back(victim->name());
    report.log_files = log_.log_files();
    report.folder = harness::run_folder();
  }

  void say(const std::string& phase) {
    if (!options_.progress) return;
    options_.progress(fmt::format("{}  faults {}  acknowledged {}  open {}  wrong {}", phase, log_.faults(),
                                  crowd_->acknowledged(), crowd_->open(), log_.wrong_count()));
  }

  const StormOptions options_;
  StormLog log_;
  Denials denials_{log_};
  harness::PrivateRedis redis_;
  harness::PrivateRabbit rabbit_;
  harness::PrivatePostgres postgres_;
  harness::Environment environment_;
  Sale sale_;
  Operator sale_operator_;
  std::vector<std::unique_ptr<Victim>> victims_;
  std::vector<std::size_t> unhurt_;  // of victims_, what no fault has chosen yet
  std::vector<int> admin_ports_;
  std::unique_ptr<Crowd> crowd_;
};

}  // namespace

StormReport run_storm(const StormOptions& options) { return Storm(options).run(); }

}  // namespace flashclaim::chaos
