// Owns the listener, the limits and the list of connections; connection.cpp does the work of each.
#include "engine/http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <random>
#include <vector>

#include "engine/base/log_repeated.h"
#include "engine/base/try.h"
#include "engine/http/connection.h"

namespace flashclaim::http {
namespace {

constexpr int kTickMs = 100;
constexpr int kLingerMs = 2000;
constexpr int kAcceptsPerTurn = 64;
constexpr int kAcceptPauseMs = 100;  // after the descriptors have run out
constexpr int kHandshakeMs = 200;    // draining: connections that had begun to come arrive within it

std::size_t receive_buffer_size(const Parser& parser) {
  constexpr std::size_t kMin = 64 * 1024;
  return std::max(kMin, 2 * parser.bytes_max());
}

std::uint64_t random_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

Shared::Shared(loop::Loop& l, Handler& h, const Limits& m)
    : loop(l),
      handler(h),
      limits(m),
      parser(m.header_bytes, m.body_bytes),
      buffer(receive_buffer_size(parser)),
      date(http_date(std::time(nullptr))),
      now_ms(loop::now_ms()),
      next_request_id(random_seed()),
      end_of_turn(l, [this] { at_end_of_turn(); }) {}

struct Server::State {
  State(loop::Loop& l, Handler& handler, const Limits& limits)
      : shared(l, handler, limits),
        acceptable(l, loop::FdEvent::Kind::kRead, [this] { on_acceptable(); }),
        accept_again(l, [this] { acceptable.resume(); }),
        tick(l, [this] { on_tick(); }) {
    shared.at_end_of_turn = [this] { on_end_of_turn(); };
    tick.every_ms(kTickMs);
  }
  ~State() {
    stop_listening();
    close_all();
  }

  void stop_listening() {
    if (listen_fd < 0) return;
    accept_again.stop();
    acceptable.forget();
    ::close(listen_fd);
    listen_fd = -1;
    shared.counters.listening.store(false);
  }

  void close_all() {
    for (auto& connection : all) connection->close(CloseReason::kDrained);
    on_end_of_turn();
  }

  void on_acceptable() noexcept { accept_some(); }

  /// False when nobody waits any more.
  bool accept_some() {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
      sockaddr_storage from{};
      socklen_t from_size = sizeof from;
      int fd = accept4(listen_fd, reinterpret_cast<sockaddr*>(&from), &from_size, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
          log_repeated(LogLevel::kWarn, "http", "cannot_accept", {{"error", std::strerror(errno)}});
          acceptable.pause();
          accept_again.start_ms(kAcceptPauseMs);
        }
        return false;
      }
      shared.counters.accepted.add();
      const Peer peer = peer_of(reinterpret_cast<const sockaddr&>(from));
      if (open_connections() >= shared.limits.connections && !make_room()) {
        turn_away(fd, Problem::kBusy);
      } else if (!shared.handler.admits(peer)) {
        turn_away(fd, Problem::kRateLimited);
      } else {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        take_from_pool().open(fd, peer);
      }
    }
    return true;
  }

  /// Idle clients and drips must not keep honest ones out until their deadlines: the oldest of them goes.
  bool make_room() {
    for (ConnectionState state : {ConnectionState::kReading, ConnectionState::kIdle}) {
      Connection* oldest = shared.by_state[static_cast<int>(state)].head;
      if (!oldest || shared.now_ms - oldest->since_ms() < shared.limits.yield_ms) continue;
      shared.counters.yielded.add();
      oldest->close(CloseReason::kTurnedAway);
      return true;
    }
    return false;
  }

  /// Says so if the socket takes it at once; a client beyond the bound gets no memory of ours, and no handshake.
  void turn_away(int fd, Problem problem) {
    shared.counters.turned_away.add();
    if (!shared.tls) {
      std::string text;
      append_answer(text, problem_answer(problem), {shared.date, "none", Persistence::kClose, false, {}});
      [[maybe_unused]] ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    }
    ::shutdown(fd, SHUT_WR);
    ::close(fd);
  }

  [[nodiscard]] std::size_t open_connections() const { return all.size() - pool.size() - shared.closed.size(); }

  Connection& take_from_pool() {
    if (pool.empty()) {
      all.push_back(std::make_unique<Connection>(shared, static_cast<std::uint32_t>(all.size())));
      return *all.back();
    }
    Connection* connection = pool.back();
    pool.pop_back();
    return *connection;
  }

  void on_end_of_turn() noexcept {
    flushing.swap(shared.dirty);
    for (Connection* connection : flushing) connection->flush();
    flushing.clear();
    // Only now may an object be used again: nothing that is still to run in this turn refers to its last client.
    if (shared.dirty.empty()) {
      pool.insert(pool.end(), shared.closed.begin(), shared.closed.end());
      shared.closed.clear();
    }
  }

  /// Nobody is turned away who had begun to come, and nobody is cut who was about to speak: a request that comes within
  /// last_request_ms is answered with `Connection: close`, so that client and server agree which was the last.
  void begin_to_drain() {
    shared.draining = true;
    drain_began_ms = loop::now_ms();
    if (listen_fd >= 0) let_newcomers_pass(listen_fd);
  }

  void go_on_draining() {
    const std::int64_t lasted_ms = shared.now_ms - drain_began_ms;
    if (listen_fd >= 0 && lasted_ms >= kHandshakeMs) {
      while (accept_some()) continue;
      stop_listening();
    }
    if (lasted_ms >= shared.limits.last_request_ms) expire(ConnectionState::kIdle, 0);
  }

  void on_tick() noexcept {
    shared.now_ms = loop::now_ms();
    if (shared.draining) go_on_draining();
    if (std::time_t now = std::time(nullptr); now != date_s) {
      date_s = now;
      shared.date = http_date(now);
    }
    expire(ConnectionState::kIdle, shared.limits.idle_ms);
    expire(ConnectionState::kReading, shared.limits.request_ms);
    expire(ConnectionState::kWriting, shared.limits.write_ms);
    expire(ConnectionState::kLingering, kLingerMs);
  }

  void expire(ConnectionState state, std::int64_t after_ms) {
    DeadlineList& list = shared.by_state[static_cast<int>(state)];
    while (list.head && shared.now_ms - list.head->since_ms() >= after_ms) {
      [[maybe_unused]] Connection* head = list.head;
      list.head->expire();
      assert(list.head != head);
    }
  }

  Shared shared;
  int listen_fd = -1;
  std::int64_t drain_began_ms = 0;
  std::time_t date_s = 0;
  std::vector<std::unique_ptr<Connection>> all;  ///< by index
  std::vector<Connection*> pool;                 ///< closed ones, to be used again
  std::vector<Connection*> flushing;
  loop::FdEvent acceptable;
  loop::Timer accept_again;
  loop::Timer tick;
};

Server::Server(loop::Loop& loop, Handler& handler, const Limits& limits)
    : state_(std::make_unique<State>(loop, handler, limits)) {}
Server::~Server() = default;

Result<void> Server::listen(const Address& address, PortSharing sharing) {
  auto fd = TRY(listen_on(address, sharing));
  listen_on_descriptor(fd);
  return {};
}

void Server::listen_on_descriptor(int fd) {
  assert(state_->listen_fd < 0);
  state_->listen_fd = fd;
  state_->shared.counters.listening.store(true);
  state_->acceptable.watch(fd);
}

void Server::use(std::shared_ptr<const TlsContext> tls) { state_->shared.tls = std::move(tls); }

int Server::port() const { return bound_port(state_->listen_fd); }

bool Server::answer(Exchange exchange, const Answer& answer) {
  assert(exchange.connection < state_->all.size());
  return state_->all[exchange.connection]->answer(exchange, answer);
}

bool Server::refuse(Exchange exchange, Problem problem, std::string_view allow) {
  return answer(exchange, problem_answer(problem, allow));
}

void Server::allow(const Cors& cors) { state_->shared.cors = cors; }

void Server::drain() { state_->begin_to_drain(); }

void Server::close_all() { state_->close_all(); }

std::size_t Server::connections() const { return state_->open_connections(); }
std::size_t Server::owed() const { return state_->shared.owed; }
const ServerCounters& Server::counters() const { return state_->shared.counters; }

}  // namespace flashclaim::http
