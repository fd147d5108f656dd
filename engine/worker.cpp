// Creates the parts of the thread and connects them, runs its loop, and drains it.
#include "engine/worker.h"

#include <fcntl.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <future>
#include <optional>
#include <thread>

#include "engine/archive/loop_client.h"
#include "engine/auth/auth_filter.h"
#include "engine/base/try.h"
#include "engine/claim/claim_handler.h"
#include "engine/loop/loop.h"
#include "engine/pages/refusal.h"
#include "engine/pages/site.h"
#include "engine/redis/subscriber.h"

namespace flashclaim {

struct Worker::State {
  explicit State(const WorkerOptions& options)
      : auth(options.auth), handler(loop), server(loop, auth, options.limits) {}

  // In this order: the client's pending answers refer to the handler and the site, theirs to the server; the server
  // tells the auth.
  loop::Loop loop;
  auth::AuthFilter auth;
  pages::Site site;
  claim::ClaimHandler handler;
  http::Server server;
  std::optional<archive::LoopClient> archive;
  std::unique_ptr<redis::AsyncClient> client;
  std::unique_ptr<redis::Subscriber> subscriber;
  int port = 0;
  std::atomic<bool> draining{false};
  std::thread thread;
};

Worker::Worker(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Worker>> Worker::start(const WorkerOptions& options) {
  auto state = std::make_unique<State>(options);
  state->client = TRY(redis::AsyncClient::create(state->loop, options.redis_url));
  state->subscriber = TRY(redis::Subscriber::create(state->loop, options.redis_url, state->handler.listener()));
  state->client->when_left([of = state->subscriber.get()] { of->renew(); });
  state->site.bind(state->server, *state->client, state->auth, options.cors);
  state->handler.bind(state->server, *state->client, *state->subscriber, state->auth, state->site);
  if (options.archive) {
    state->archive.emplace(state->loop, state->server, *options.archive);
    state->handler.bind(*state->archive);
    state->site.bind(*state->archive);
  }
  if (options.tls) state->server.use(options.tls);
  state->auth.bind(state->server, state->handler, pages::refusal_page);
  state->server.allow(options.cors);
  state->thread = std::thread([raw = state.get()] { raw->loop.run(); });
  std::unique_ptr<Worker> worker(new Worker(std::move(state)));
  const std::int64_t give_up_ms = loop::now_ms() + options.patience_ms;
  while (!worker->redis_counters().ready.load() && loop::now_ms() < give_up_ms)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  TRY(worker->listen(options));
  return worker;
}

Result<void> Worker::listen(const WorkerOptions& options) {
  std::promise<Result<void>> listening;
  state_->loop.post([&] {
    if (options.listen_descriptor < 0) {
      listening.set_value(state_->server.listen(options.listen, http::PortSharing::kShared));
    } else if (const int copy = fcntl(options.listen_descriptor, F_DUPFD_CLOEXEC, 0); copy >= 0) {
      state_->server.listen_on_descriptor(copy);
      listening.set_value({});
    } else {
      listening.set_value(failure(std::string("no descriptor to listen with: ") + std::strerror(errno)));
    }
  });
  auto result = listening.get_future().get();
  state_->port = state_->server.port();
  return result;
}

Worker::~Worker() { stop(); }

void Worker::stop() {
  if (!state_->thread.joinable()) return;
  state_->loop.post([this] { state_->server.close_all(); });
  state_->loop.stop();
  state_->thread.join();
}

void Worker::use(std::shared_ptr<const auth::Keys> keys) {
  state_->loop.post([this, keys = std::move(keys)] { state_->auth.use(keys); });
}

void Worker::use(std::shared_ptr<const http::TlsContext> tls) {
  state_->loop.post([this, tls = std::move(tls)] { state_->server.use(tls); });
}

void Worker::drain() {
  state_->loop.post([this] {
    state_->server.drain();
    state_->handler.drain();
    state_->draining.store(true);
  });
}

bool Worker::drained() const {
  const http::ServerCounters& counters = http_counters();
  return state_->draining.load() && !counters.listening.load() && counters.connections.value() == 0;
}

const http::ServerCounters& Worker::http_counters() const { return state_->server.counters(); }
const claim::ClaimCounters& Worker::claim_counters() const { return state_->handler.counters(); }
const auth::AuthCounters& Worker::auth_counters() const { return state_->auth.counters(); }
const redis::AsyncCounters& Worker::redis_counters() const { return state_->client->counters(); }
int Worker::port() const { return state_->port; }

}  // namespace flashclaim
