// Describes each link, puts a gate into its URL, and starts the programs behind the gates.
#include "tests/links/links.h"

#include <array>
#include <fstream>

#include "engine/operations/operations.h"

namespace flashclaim::links {
namespace {

using harness::Gate;

constexpr std::array<LinkFacts, kLinks> kFacts = {{
    {"engine-redis", "redis", true},
    {"mirror-redis", "redis", true},
    {"mirror-rabbitmq", "rabbitmq", false},
    {"consumer-redis", "redis", true},
    {"consumer-rabbitmq", "rabbitmq", true},
    {"consumer-postgres", "postgres", true},
}};

int index(Link link) { return static_cast<int>(link); }

}  // namespace

const LinkFacts& facts(Link link) { return kFacts[static_cast<std::size_t>(index(link))]; }

struct LinksTest::Programs {
  harness::Environment services;  ///< without gates
  std::vector<std::unique_ptr<Gate>> gates;
  std::unique_ptr<harness::Process> engine;
  std::unique_ptr<harness::Process> mirror;
  std::unique_ptr<harness::Process> consumer;
  int http_port = 0;
  int engine_admin = 0;
  int mirror_admin = 0;
  int consumer_admin = 0;
};

std::unique_ptr<LinksTest::Programs>& LinksTest::programs() {
  static std::unique_ptr<Programs> programs;
  return programs;
}

void LinksTest::SetUp() {
  if (!programs()) start_suite();
  Programs& p = *programs();
  environment_ = p.services;
  for (auto& gate : p.gates) gate->pass();
  const bool all_run = p.engine && p.engine->running() && p.mirror->running() && p.consumer->running();
  if (!all_run) start_programs_through_gates();
  http_port_ = p.http_port;
  ASSERT_TRUE(wait_until(all_ready));
}

/// The servers go last, so they are asked for first.
void LinksTest::start_suite() {
  const int ports[] = {redis_server().port(), redis_server().port(),  rabbit_server().port(),
                       redis_server().port(), rabbit_server().port(), postgres_server().port()};
  WholePath::SetUp();
  programs() = std::make_unique<Programs>();
  programs()->services = environment_;
  for (const int port : ports) programs()->gates.push_back(std::make_unique<Gate>(port));
}

void LinksTest::start_programs_through_gates() {
  Programs& p = *programs();
  p.engine.reset();
  p.mirror.reset();
  p.consumer.reset();
  start_mirror();
  start_consumer();
  start_engine();
}

void LinksTest::use_gate(Link link, const char* name) {
  environment_[name] = gate(link).through(programs()->services.at(name));
}

void LinksTest::start_engine() {
  Programs& p = *programs();
  use_gate(Link::kEngineRedis, "REDIS_URL");
  p.engine = engine({"--role=http"});
  p.http_port = http_port_;
  p.engine_admin = admin_port_;
  environment_ = p.services;
}

void LinksTest::start_mirror() {
  Programs& p = *programs();
  use_gate(Link::kMirrorRedis, "REDIS_URL");
  use_gate(Link::kMirrorRabbit, "AMQP_URL");
  p.mirror = engine({"--role=mirror", "--republish-after=5"});
  p.mirror_admin = admin_port_;
  environment_ = p.services;
}

void LinksTest::start_consumer() {
  Programs& p = *programs();
  use_gate(Link::kConsumerRedis, "REDIS_URL");
  use_gate(Link::kConsumerRabbit, "AMQP_URL");
  use_gate(Link::kConsumerPostgres, "PG_URL");
  p.consumer = consumer();
  p.consumer_admin = consumer_admin_port_;
  environment_ = p.services;
}

void LinksTest::start_again(Link link) {
  if (link == Link::kEngineRedis) return start_engine();
  if (link == Link::kMirrorRedis || link == Link::kMirrorRabbit) {
    start_mirror();
    http_port_ = programs()->http_port;
    return;
  }
  start_consumer();
}

void LinksTest::TearDown() {
  Programs& p = *programs();
  for (auto& gate : p.gates) gate->pass();
  if (!HasFailure()) {
    for (const auto coupon : coupons_) EXPECT_TRUE(operations::end_coupon(admin_redis(), admin_pg(), coupon));
    return;
  }
  for (auto* program : {p.engine.get(), p.mirror.get(), p.consumer.get()}) {
    if (program == nullptr) continue;
    const std::string log = program->output();
    std::printf("--- its log ends:\n%s\n", log.substr(log.size() - std::min<std::size_t>(log.size(), 8000)).c_str());
  }
  p.engine.reset();  // SetUp starts all of them anew
}

Gate& LinksTest::gate(Link link) { return *programs()->gates[static_cast<std::size_t>(index(link))]; }

harness::Process& LinksTest::program(Link link) {
  Programs& p = *programs();
  if (link == Link::kEngineRedis) return *p.engine;
  return link == Link::kMirrorRedis || link == Link::kMirrorRabbit ? *p.mirror : *p.consumer;
}

int LinksTest::admin_port(Link link) {
  const Programs& p = *programs();
  if (link == Link::kEngineRedis) return p.engine_admin;
  return link == Link::kMirrorRedis || link == Link::kMirrorRabbit ? p.mirror_admin : p.consumer_admin;
}

bool LinksTest::says_broken(Link link) {
  const auto answer = harness::raw_request(admin_port(link), "GET", "/readyz");
  const std::string named = "\"" + std::string(facts(link).dependency) + R"(":{"ok":false)";
  return answer.status == (facts(link).required ? 503 : 200) && answer.body.find(named) != std::string::npos;
}

bool LinksTest::all_ready() {
  for (const Link link : {Link::kEngineRedis, Link::kMirrorRedis, Link::kConsumerRedis}) {
    const auto answer = harness::raw_request(admin_port(link), "GET", "/readyz");
    if (answer.status != 200 || answer.body.find(R"("ok":false)") != std::string::npos) return false;
  }
  return true;
}

double LinksTest::metric(Link link, const std::string& name_and_labels) {
  const std::string text = "\n" + harness::raw_request(admin_port(link), "GET", "/metrics").body;
  const auto at = text.find("\n" + name_and_labels + " ");
  return at == std::string::npos ? 0 : std::strtod(text.c_str() + at + name_and_labels.size() + 2, nullptr);
}

std::int64_t LinksTest::resident_kib(Link link) { return status_kib(link, "VmRSS:"); }

std::int64_t LinksTest::peak_kib(Link link) { return status_kib(link, "VmHWM:"); }

void LinksTest::forget_peak(Link link) {
  std::ofstream("/proc/" + std::to_string(program(link).pid()) + "/clear_refs") << 5;
}

std::int64_t LinksTest::status_kib(Link link, std::string_view line) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 0;  // what a sanitizer keeps for itself says nothing about the program
#endif
  std::ifstream status("/proc/" + std::to_string(program(link).pid()) + "/status");
  for (std::string word; status >> word;) {
    std::int64_t kib = 0;
    if (word == line && status >> kib) return kib;
  }
  return 0;
}

void LinksTest::expect_restored(Witnesses& witnesses, const std::string& what) {
  Answered& told = witnesses.stop();
  const auto unknown = told.unknown.size();
  const auto carried_out = witnesses.ask_again();
  std::printf(
      "[links] %-28s accepted %lld, busy %lld, not ready %lld, unknown %zu (%lld carried out), views %lld, "
      "slowest %lld ms, slowest accepted %lld ms\n",
      what.c_str(), static_cast<long long>(told.accepted), static_cast<long long>(told.busy),
      static_cast<long long>(told.not_ready), unknown, static_cast<long long>(carried_out),
      static_cast<long long>(told.views), static_cast<long long>(told.slowest_ms),
      static_cast<long long>(told.slowest_accepted_ms));
  EXPECT_LT(told.slowest_ms, kAnswerMaxMs);
  EXPECT_TRUE(told.dishonest.empty()) << told.dishonest.size() << " dishonest answers, such as " << told.dishonest[0];
  // Refused claims said that nothing was applied; unknown ones were asked about until they stood: nothing else is
  // there.
  EXPECT_EQ(expect_all_settled(told.acknowledged), static_cast<std::int64_t>(told.acknowledged.size()));
}

std::int64_t LinksTest::expect_all_settled(const std::vector<operations::Acknowledged>& acknowledged) {
  await_rest();
  operations::CheckOptions options;
  options.acknowledged = acknowledged;
  return expect_invariants(options).settled;
}

}  // namespace flashclaim::links
