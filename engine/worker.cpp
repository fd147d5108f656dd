// See worker.h.
#include "engine/worker.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <thread>

#include "engine/claim/desk.h"
#include "engine/door/door.h"
#include "engine/loop/loop.h"
#include "engine/pages/site.h"
#include "engine/redis/subscriber.h"

namespace flashclaim {

struct Worker::State {
  explicit State(const http::Limits& limits) : desk(loop), server(loop, door, limits) {}

  // In this order: the client's pending answers refer to the desk and the site, theirs to the server; the server tells
  // the door.
  loop::Loop loop;
  door::Door door;
  pages::Site site;
  claim::Desk desk;
  http::Server server;
  std::unique_ptr<redis::AsyncClient> client;
  std::unique_ptr<redis::Subscriber> subscriber;
  int port = 0;
  std::atomic<bool> draining{false};
  std::thread thread;
};

Worker::Worker(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Worker>> Worker::start(const http::Address& listen, const std::string& redis_url,
                                              const http::Limits& limits, int patience_ms, const http::Cors& cors) {
  auto state = std::make_unique<State>(limits);
  auto client = redis::AsyncClient::create(state->loop, redis_url);
  if (!client) return client.error();
  state->client = std::move(*client);
  auto subscriber = redis::Subscriber::create(state->loop, redis_url, state->desk.listener());
  if (!subscriber) return subscriber.error();
  state->subscriber = std::move(*subscriber);
  state->site.bind(state->server, *state->client, state->door, cors);
  state->desk.bind(state->server, *state->client, *state->subscriber, state->door, state->site);
  state->door.bind(state->server, state->desk);
  state->server.allow(cors);
  state->thread = std::thread([raw = state.get()] { raw->loop.run(); });
  std::unique_ptr<Worker> worker(new Worker(std::move(state)));
  const std::int64_t give_up_ms = loop::now_ms() + patience_ms;
  while (!worker->redis_counters().ready.load() && loop::now_ms() < give_up_ms)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  if (auto listening = worker->listen(listen); !listening) return listening.error();
  return worker;
}

Result<void> Worker::listen(const http::Address& address) {
  std::promise<Result<void>> listening;
  state_->loop.post([&] { listening.set_value(state_->server.listen(address, http::PortSharing::kShared)); });
  auto result = listening.get_future().get();
  state_->port = state_->server.port();
  return result;
}

Worker::~Worker() {
  state_->loop.post([this] { state_->server.close_all(); });
  state_->loop.stop();
  state_->thread.join();
}

void Worker::drain() {
  state_->loop.post([this] {
    state_->server.drain();
    state_->desk.drain();
    state_->draining.store(true);
  });
}

bool Worker::drained() const {
  const http::ServerCounters& counters = http_counters();
  return state_->draining.load() && !counters.listening.load() && counters.connections.load() == 0;
}

const http::ServerCounters& Worker::http_counters() const { return state_->server.counters(); }
const claim::DeskCounters& Worker::claim_counters() const { return state_->desk.counters(); }
const redis::AsyncCounters& Worker::redis_counters() const { return state_->client->counters(); }
int Worker::port() const { return state_->port; }

}  // namespace flashclaim
