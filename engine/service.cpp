// Starts the parts in the order of their needs, reloads keys and certificates, and drains at the end.
#include "engine/service.h"

#include <spdlog/fmt/fmt.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <thread>
#include <utility>
#include <vector>

#include "engine/amqp/rights.h"
#include "engine/archive/pool.h"
#include "engine/base/assets.h"
#include "engine/base/log.h"
#include "engine/base/log_repeated.h"
#include "engine/base/try.h"
#include "engine/http/admin_server.h"
#include "engine/loop/loop.h"
#include "engine/metrics.h"
#include "engine/mirror/mirror.h"
#include "engine/probe.h"
#include "engine/rights_probe.h"
#include "engine/worker.h"

namespace flashclaim {
namespace {

// For the links to Redis and RabbitMQ, the admin listener and the loops: clients never take these, so that a link that
// was lost can be made again.
constexpr rlim_t kDescriptorsKept = 128;
constexpr int kConnectPatienceMs = 3000;
constexpr int kDrainPollMs = 20;
constexpr int kRepeatedMs = 1000;
constexpr int kDrainDeadlineMs = 5000;

std::string_view phase_name(Phase phase) {
  switch (phase) {
    case Phase::kAccepting:
      return "accepting";
    case Phase::kDraining:
      return "draining";
    case Phase::kClosing:
      return "closing";
    case Phase::kStopped:
      return "stopped";
  }
  return "?";
}

/// How many clients there may be, after the process' soft limit was raised to its hard one.
int connections_possible(int wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t left = limit.rlim_cur > 2 * kDescriptorsKept ? limit.rlim_cur - kDescriptorsKept : limit.rlim_cur / 2;
  return static_cast<int>(std::min<rlim_t>(left, static_cast<rlim_t>(wanted)));
}

bool serves(Role role) { return role != Role::kMirror; }
bool mirrors(Role role) { return role != Role::kHttp; }

}  // namespace

std::optional<Role> parse_role(std::string_view text) {
  if (text == "http") return Role::kHttp;
  if (text == "mirror") return Role::kMirror;
  if (text == "both") return Role::kBoth;
  return std::nullopt;
}

struct Service::State {
  State()
      : drain_poll(loop, [this] { on_drain_poll(); }),
        on_term(loop, SIGTERM, [this] { on_signal(); }),
        on_int(loop, SIGINT, [this] { on_signal(); }),
        on_hup(loop, SIGHUP, [this] { reload(); }),
        repeated(loop, [] { flush_repeated(); }) {}

  Result<void> start(const ServiceOptions& options);
  Result<void> ask_for_rights(const ServiceOptions& options);
  Result<void> start_workers(const ServiceOptions& options);
  Result<auth::Setup> make_auth();
  Result<std::shared_ptr<const http::TlsContext>> load_tls() const;
  void reload_keys();
  void reload_tls();
  Result<void> start_archive(const ServiceOptions& options);
  void make_mirror(const ServiceOptions& options);
  void set_phase(Phase next);
  void on_signal();
  void reload();
  void on_drain_poll();
  [[nodiscard]] std::vector<http::Check> checks() const;
  [[nodiscard]] http::Check workers_check() const;
  [[nodiscard]] http::Check archive_check() const;
  [[nodiscard]] std::string metrics() const;

  loop::Loop loop;
  std::atomic<Phase> phase{Phase::kAccepting};
  std::int64_t drain_until_ms = 0;
  loop::Timer drain_poll;
  loop::Signal on_term;
  loop::Signal on_int;
  loop::Signal on_hup;
  loop::Timer repeated;
  AuthOptions auth;
  std::string unix_path;  ///< of the public listener, if it is one
  std::unique_ptr<RedisProbe> probe;
  std::vector<std::unique_ptr<RightsProbe>> rights;
  std::unique_ptr<archive::Pool> archive;  ///< before the workers, who ask it
  std::vector<std::unique_ptr<Worker>> workers;
  std::unique_ptr<mirror::Mirror> mirror;
  std::thread mirror_thread;
  std::unique_ptr<http::AdminServer> admin;  ///< last: its callbacks read all of the above
};

Result<void> Service::State::start(const ServiceOptions& options) {
  repeated.every_ms(kRepeatedMs);
  signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to its clients without MSG_NOSIGNAL
  probe = TRY(RedisProbe::create(loop, options.redis_url, kLuaLibrary));
  TRY(ask_for_rights(options));
  auth = options.auth;
  if (serves(options.role)) {
    TRY(start_archive(options));
    TRY(start_workers(options));
  }
  if (mirrors(options.role)) make_mirror(options);  // before the admin's thread, which reads it
  auto listening =
      TRY(http::AdminServer::start(options.admin_listen, {[this] { return checks(); }, [this] { return metrics(); }}));
  admin = std::move(listening);
  if (mirror) mirror_thread = std::thread([this] { mirror->run(); });
  return {};
}

Result<void> Service::State::ask_for_rights(const ServiceOptions& options) {
  const auto add = [this](const std::string& url, redis::User user, const char* name) -> Result<void> {
    auto made = TRY(RightsProbe::create(loop, url, user, name));
    rights.push_back(std::move(made));
    return {};
  };
  if (serves(options.role)) TRY(add(options.redis_url, redis::User::kEngine, "rights"));
  if (!mirrors(options.role)) return {};
  return add(options.mirror_redis_url, redis::User::kMirror, "mirror_rights");
}

/// What the doors of all threads go by; says loudly when it is nothing.
Result<auth::Setup> Service::State::make_auth() {
  auto keys = TRY(auth::load_keys(auth.policy.scheme, auth.keys_file));
  if (auth.policy.scheme == auth::Scheme::kInsecureDev)
    log(LogLevel::kWarn, "auth", "INSECURE_DEV",
        {{"meaning", "EVERY X-USER-ID IS BELIEVED. For development on this machine only: see --auth."}});
  log(LogLevel::kInfo, "auth", "open",
      {{"auth", auth::scheme_word(auth.policy.scheme)},
       {"tls", auth.tls_certificate.empty() ? "no" : "yes"},
       {"user_rate", auth.rates.user_per_second},
       {"address_rate", auth.rates.address_per_second},
       {"address_connections", auth.rates.address_connections}});
  const bool limited = auth.rates.user_per_second + auth.rates.address_per_second + auth.rates.address_connections > 0;
  return auth::Setup{auth.policy, limited ? std::make_shared<auth::Limits>(auth.rates) : nullptr, keys};
}

/// Null when there shall be none.
Result<std::shared_ptr<const http::TlsContext>> Service::State::load_tls() const {
  if (auth.tls_certificate.empty()) return std::shared_ptr<const http::TlsContext>();
  return http::TlsContext::load(auth.tls_certificate, auth.tls_key);
}

void Service::State::reload() {
  reload_keys();
  reload_tls();
}

void Service::State::reload_tls() {
  auto tls = load_tls();
  if (!tls) {
    log(LogLevel::kError, "auth", "certificate_not_reloaded",
        {{"error", tls.error().message}, {"in_force", "the last one"}});
  } else if (*tls) {
    for (auto& worker : workers) worker->use(*tls);
    log(LogLevel::kInfo, "auth", "certificate_reloaded", {{"file", auth.tls_certificate}});
  }
}

void Service::State::reload_keys() {
  if (auth.policy.scheme == auth::Scheme::kInsecureDev) return;
  auto keys = auth::load_keys(auth.policy.scheme, auth.keys_file);
  if (!keys) {
    log(LogLevel::kError, "auth", "keys_not_reloaded",
        {{"error", keys.error().message}, {"in_force", "the last ones"}});
    return;
  }
  for (auto& worker : workers) worker->use(*keys);
  log(LogLevel::kInfo, "auth", "keys_reloaded",
      {{"gateway_keys", (*keys)->gateway.size()}, {"token_keys", (*keys)->jwt.size()}});
}

/// SO_REUSEPORT would share the port with another engine of the same user without a word: so it is tried alone first,
/// unless that is what is wanted.
Result<void> Service::State::start_workers(const ServiceOptions& options) {
  auto setup = TRY(make_auth());
  auto tls = TRY(load_tls());
  int alone = -1;
  if (!options.share_port) {
    alone = TRY(http::listen_on(options.listen, http::PortSharing::kExclusive));
  }
  const bool shared_descriptor = options.listen.is_unix();  // there is no SO_REUSEPORT for these
  if (shared_descriptor) {
    unix_path = options.listen.unix_path;
  } else if (alone >= 0) {
    close(std::exchange(alone, -1));
  }
  WorkerOptions wanted;
  wanted.listen = options.listen;
  wanted.listen_descriptor = alone;
  wanted.redis_url = options.redis_url;
  wanted.auth = setup;
  wanted.tls = tls;
  wanted.patience_ms = options.share_port ? kConnectPatienceMs : 0;
  wanted.cors = options.cors;
  wanted.archive = archive.get();
  const int connections = connections_possible(options.connections);
  wanted.limits.connections = static_cast<std::size_t>(std::max(1, connections / options.threads));
  for (int i = 0; i < options.threads; ++i) {
    auto worker = TRY(Worker::start(wanted));
    workers.push_back(std::move(worker));
    if (!shared_descriptor) wanted.listen.port = workers.front()->port();
  }
  if (alone >= 0) close(alone);
  log(LogLevel::kInfo, "engine", "listening",
      {{"address", wanted.listen.text()}, {"threads", options.threads}, {"connections", connections}});
  return {};
}

Result<void> Service::State::start_archive(const ServiceOptions& options) {
  if (options.pg_url.empty() || options.archive_threads == 0) {
    log(LogLevel::kInfo, "archive", "none",
        {{"meaning", "claims are not found an hour after their end, and /users/me/coupons answers NOT_READY"}});
    return {};
  }
  archive = TRY(archive::Pool::start({.pg_url = options.pg_url, .threads = options.archive_threads}));
  return {};
}

void Service::State::make_mirror(const ServiceOptions& options) {
  mirror::Options wanted;
  wanted.redis_url = options.mirror_redis_url;
  wanted.amqp_url = options.amqp_url;
  wanted.name = options.mirror_name;
  wanted.republish_after_ms = options.republish_after_ms;
  mirror = std::make_unique<mirror::Mirror>(wanted);
}

void Service::State::set_phase(Phase next) {
  log(LogLevel::kInfo, "engine", "phase", {{"from", phase_name(phase)}, {"to", phase_name(next)}});
  phase = next;
}

void Service::State::on_signal() {
  if (phase != Phase::kAccepting) {
    log(LogLevel::kWarn, "engine", "ended_at_once", {{"reason", "second signal"}});
    _exit(1);
  }
  set_phase(Phase::kDraining);
  for (auto& worker : workers) worker->drain();
  drain_until_ms = loop::now_ms() + kDrainDeadlineMs;
  drain_poll.every_ms(kDrainPollMs);
}

void Service::State::on_drain_poll() {
  bool drained = true;
  for (auto& worker : workers) drained = drained && worker->drained();
  if (!drained && loop::now_ms() < drain_until_ms) return;
  drain_poll.stop();
  set_phase(Phase::kClosing);
  if (mirror) mirror->stop();
  loop.stop();
}

std::vector<http::Check> Service::State::checks() const {
  std::vector<http::Check> all = probe->checks();
  for (const auto& login : rights) all.push_back(login->check());
  bool accepting = phase == Phase::kAccepting;
  all.push_back({"engine", accepting, true, std::string(phase_name(phase))});
  if (!workers.empty()) all.push_back(workers_check());
  if (archive) {
    all.push_back(archive_check());
    const std::string denied = archive->counters().denied.get();
    all.push_back({"archive_rights", denied.empty(), true, denied.empty() ? "ok" : denied});
  }
  if (mirror) {
    mirror::MirrorStats stats = mirror->stats();
    std::string detail = !stats.amqp_connected ? "not connected: claims are kept in the stream"
                         : stats.amqp_blocked  ? "connected, but blocked by an alarm of the broker"
                                               : "connected";
    // Claims are accepted without RabbitMQ, up to maxInflight: it does not make the engine unready.
    all.push_back({"rabbitmq", stats.amqp_connected && !stats.amqp_blocked, false, detail});
    // A login that may not publish never will: nothing that this engine accepts would be carried.
    all.push_back({"rabbitmq_rights", stats.amqp_denied.empty(), true,
                   amqp::rights_text(amqp::User::kMirror, stats.amqp_denied)});
  }
  return all;
}

http::Check Service::State::workers_check() const {
  std::size_t connected = 0;
  for (const auto& worker : workers) connected += worker->redis_counters().ready.load() ? 1 : 0;
  return {"workers", connected == workers.size(), true,
          fmt::format("{} of {} threads connected to redis", connected, workers.size())};
}

/// Claims need no PostgreSQL: it does not make the engine unready.
http::Check Service::State::archive_check() const {
  const auto connected = archive->counters().connected.load();
  return {"archive", connected > 0, false,
          fmt::format("{} of {} threads connected to postgresql", connected, archive->threads())};
}

std::string Service::State::metrics() const {
  const archive::PoolCounters* archived = archive ? &archive->counters() : nullptr;
  if (!mirror) return metrics_text(workers, archived, nullptr, checks());
  mirror::MirrorStats stats = mirror->stats();
  return metrics_text(workers, archived, &stats, checks());
}

Service::Service(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Service>> Service::start(const ServiceOptions& options) {
  auto state = std::make_unique<State>();
  TRY(state->start(options));
  return std::unique_ptr<Service>(new Service(std::move(state)));
}

Service::~Service() {
  State& state = *state_;
  state.admin.reset();
  state.workers.clear();
  if (state.mirror) state.mirror->stop();
  if (state.mirror_thread.joinable()) state.mirror_thread.join();
}

void Service::run() {
  state_->loop.run();
  for (auto& worker : state_->workers)
    worker->stop();  // not destroyed: the admin's thread may be reading their counters
  if (state_->mirror_thread.joinable()) state_->mirror_thread.join();
  flush_repeated(true);
  if (!state_->unix_path.empty()) unlink(state_->unix_path.c_str());
  state_->set_phase(Phase::kStopped);
}

int Service::port() const { return state_->workers.empty() ? 0 : state_->workers.front()->port(); }
int Service::admin_port() const { return state_->admin->port(); }

}  // namespace flashclaim
