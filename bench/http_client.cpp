// One shared read buffer; writes are gathered per connection and go out at the end of the loop's turn.
#include "bench/http_client.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <spdlog/fmt/fmt.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <deque>
#include <random>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/log.h"
#include "engine/http/parser.h"
#include "engine/http/response_reader.h"
#include "engine/loop/loop.h"

namespace flashclaim::bench {
namespace {

constexpr std::int64_t kTickMs = 20;  ///< how often deadlines and due reconnects are looked at
constexpr std::int64_t kBackoffFirstMs = 20;
constexpr std::int64_t kBackoffMaxMs = 1000;
constexpr std::size_t kReadBytes = 65'536;

/// kLast: its last answer is read or being read; it takes no request any more and is closed at once.
enum class ConnectionState { kClosed, kConnecting, kOpen, kLast };

/// A request on the wire. `begin` is its first byte's position in all that the connection ever sent.
struct Owed {
  std::uint64_t tag;
  std::uint64_t begin;
  std::int64_t deadline_ms;
};

struct Connection final : http::ResponseReader::Listener {
  Connection(HttpClient::State& owner, loop::Loop& loop);

  bool begins() noexcept override;
  void header(std::string_view name, std::string_view value) noexcept override;
  bool body(std::string_view part) noexcept override;
  void complete(int status, bool keep_alive) noexcept override;

  HttpClient::State& owner;
  ConnectionState state = ConnectionState::kClosed;
  int fd = -1;
  loop::FdEvent readable;
  loop::FdEvent writable;
  std::int64_t connect_at_ms = 0;
  std::int64_t connect_deadline_ms = 0;
  std::int64_t backoff_ms = kBackoffFirstMs;

  std::string out;  ///< bytes to write, from out_begin on
  std::size_t out_begin = 0;
  std::uint64_t written = 0;
  bool dirty = false;   ///< waits for the end of the turn to be written
  bool queued = false;  ///< stands in the line of connections with free slots
  std::deque<Owed> owed;

  http::ResponseReader reader{*this};
  std::string text;  ///< the body so far
  int retry_after_s = -1;
};

}  // namespace

struct HttpClient::State {
  State(loop::Loop& event_loop, const HttpClientOptions& client_options, Done on_done, Ready on_ready);
  ~State();

  void connect(Connection& connection);
  void on_writable(Connection& connection);
  void on_readable(Connection& connection);
  void opened(Connection& connection);
  void finished(Connection& connection, int status, bool keep_alive);
  void close(Connection& connection, std::string_view reason);
  void flush(Connection& connection);
  void offer(Connection& connection);
  void retire(Connection& connection);
  void turn_over();
  void tick();

  loop::Loop& loop;
  HttpClientOptions options;
  Done done;
  Ready ready;
  std::string error;
  sockaddr_storage peer{};
  socklen_t peer_size = 0;
  std::vector<std::unique_ptr<Connection>> connections;
  std::deque<Connection*> free_line;  ///< connections with at least one free slot, longest idle first
  std::vector<Connection*> dirty;
  std::vector<char> buffer;
  std::size_t slots = 0;
  std::size_t owed = 0;
  int connected = 0;
  bool freed = false;  ///< slots became free in this turn
  std::minstd_rand jitter{std::random_device{}()};
  loop::EndOfTurn end_of_turn;
  loop::Timer timer;
};

namespace {

bool Connection::begins() noexcept {
  if (owed.empty()) return false;
  text.clear();
  retry_after_s = -1;
  return true;
}

void Connection::header(std::string_view name, std::string_view value) noexcept {
  if (http::equals_ignoring_case(name, "retry-after"))
    retry_after_s = static_cast<int>(parse_number(value, 86'400).value_or(-1));
}

bool Connection::body(std::string_view part) noexcept {
  if (text.size() + part.size() > owner.options.answer_bytes_max) return false;
  text.append(part);
  return true;
}

void Connection::complete(int status, bool keep_alive) noexcept { owner.finished(*this, status, keep_alive); }

Connection::Connection(HttpClient::State& client, loop::Loop& loop)
    : owner(client),
      readable(loop, loop::FdEvent::Kind::kRead, [this] { owner.on_readable(*this); }),
      writable(loop, loop::FdEvent::Kind::kWrite, [this] { owner.on_writable(*this); }) {}

}  // namespace

HttpClient::State::State(loop::Loop& event_loop, const HttpClientOptions& client_options, Done on_done, Ready on_ready)
    : loop(event_loop),
      options(client_options),
      done(std::move(on_done)),
      ready(std::move(on_ready)),
      buffer(kReadBytes),
      end_of_turn(event_loop, [this] { turn_over(); }),
      timer(event_loop, [this] { tick(); }) {
  peer_size = http::fill_sockaddr(options.address, peer);
  assert(peer_size > 0 && options.connections > 0 && options.pipeline > 0);
  for (int i = 0; i < options.connections; ++i) {
    connections.push_back(std::make_unique<Connection>(*this, loop));
    connect(*connections.back());
  }
  timer.every_ms(kTickMs);
}

HttpClient::State::~State() {
  for (auto& connection : connections) {
    if (connection->fd < 0) continue;
    connection->readable.forget();
    connection->writable.forget();
    ::close(connection->fd);
  }
}

void HttpClient::State::connect(Connection& connection) {
  connection.fd = ::socket(peer.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connection.fd < 0) return close(connection, std::strerror(errno));
  int on = 1;
  setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connection.state = ConnectionState::kConnecting;
  connection.connect_deadline_ms = loop::now_ms() + options.deadline_ms;
  if (::connect(connection.fd, reinterpret_cast<const sockaddr*>(&peer), peer_size) == 0) return opened(connection);
  if (errno != EINPROGRESS) return close(connection, std::strerror(errno));
  connection.writable.watch(connection.fd);
}

void HttpClient::State::opened(Connection& connection) {
  connection.state = ConnectionState::kOpen;
  connection.backoff_ms = kBackoffFirstMs;
  connection.written = 0;
  connection.reader.reset();
  connection.readable.watch(connection.fd);
  ++connected;
  slots += static_cast<std::size_t>(options.pipeline);
  offer(connection);
}

void HttpClient::State::on_writable(Connection& connection) {
  if (connection.state == ConnectionState::kOpen) return flush(connection);
  int failure_code = 0;
  socklen_t size = sizeof failure_code;
  getsockopt(connection.fd, SOL_SOCKET, SO_ERROR, &failure_code, &size);
  if (failure_code != 0) return close(connection, std::strerror(failure_code));
  connection.writable.forget();
  opened(connection);
}

void HttpClient::State::on_readable(Connection& connection) {
  ssize_t got = ::read(connection.fd, buffer.data(), buffer.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got < 0) return close(connection, std::strerror(errno));
  if (got == 0) {
    connection.reader.end();
    return close(connection, "the server closed the connection");
  }
  const std::string wrong = connection.reader.read({buffer.data(), static_cast<std::size_t>(got)});
  if (!wrong.empty()) return close(connection, wrong);
  if (connection.state != ConnectionState::kOpen) close(connection, "the server said Connection: close");
}

/// The oldest request of the connection has its answer.
void HttpClient::State::finished(Connection& connection, int status, bool keep_alive) {
  std::uint64_t tag = connection.owed.front().tag;
  connection.owed.pop_front();
  --owed;
  ++slots;
  if (keep_alive) {
    offer(connection);
  } else {
    retire(connection);
  }
  done(tag, Response{Fate::kAnswered, status, connection.text, connection.retry_after_s, {}});
}

/// Puts the connection into the line of those that can take a request; tells the owner at the end of the turn.
void HttpClient::State::offer(Connection& connection) {
  if (!connection.queued) {
    connection.queued = true;
    free_line.push_back(&connection);
  }
  freed = true;
  end_of_turn.schedule();
}

/// Takes an open connection out of the line, and its slots out of the count.
void HttpClient::State::retire(Connection& connection) {
  connection.state = ConnectionState::kLast;
  --connected;
  slots -= static_cast<std::size_t>(options.pipeline) - connection.owed.size();
  if (connection.queued) std::erase(free_line, &connection);
  connection.queued = false;
}

/// Everything owed on it ends as kNotSent or kUnknown; it is connected again after the back-off.
void HttpClient::State::close(Connection& connection, std::string_view reason) {
  error = fmt::format("{}: {}", options.address.text(), reason);
  if (connection.state == ConnectionState::kOpen) retire(connection);
  connection.readable.forget();
  connection.writable.forget();
  if (connection.fd >= 0) ::close(connection.fd);
  connection.fd = -1;
  connection.state = ConnectionState::kClosed;
  connection.out.clear();
  connection.out_begin = 0;
  std::int64_t spread = static_cast<std::int64_t>(jitter() % static_cast<unsigned>(connection.backoff_ms));
  connection.connect_at_ms = loop::now_ms() + connection.backoff_ms / 2 + spread;
  connection.backoff_ms = std::min(connection.backoff_ms * 2, kBackoffMaxMs);

  std::deque<Owed> ended;
  ended.swap(connection.owed);
  owed -= ended.size();
  for (const Owed& request : ended) {
    Fate fate = request.begin >= connection.written ? Fate::kNotSent : Fate::kUnknown;
    done(request.tag, Response{fate, 0, {}, -1, error});
  }
}

void HttpClient::State::flush(Connection& connection) {
  connection.dirty = false;
  if (connection.state != ConnectionState::kOpen) return;
  while (connection.out_begin < connection.out.size()) {
    ssize_t sent = ::send(connection.fd, connection.out.data() + connection.out_begin,
                          connection.out.size() - connection.out_begin, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      if (!connection.writable.active()) connection.writable.watch(connection.fd);
      return;
    }
    if (sent < 0) return close(connection, std::strerror(errno));
    connection.out_begin += static_cast<std::size_t>(sent);
    connection.written += static_cast<std::uint64_t>(sent);
  }
  connection.out.clear();
  connection.out_begin = 0;
  connection.writable.pause();
}

void HttpClient::State::turn_over() {
  if (freed) {
    freed = false;
    if (ready) ready();
  }
  // close() inside flush() may call done(), which may send: the list grows while it is walked.
  for (std::size_t i = 0; i < dirty.size(); ++i) flush(*dirty[i]);
  dirty.clear();
}

void HttpClient::State::tick() {
  std::int64_t now = loop::now_ms();
  for (auto& connection : connections) {
    switch (connection->state) {
      case ConnectionState::kClosed:
        if (connection->connect_at_ms <= now) connect(*connection);
        break;
      case ConnectionState::kConnecting:
        if (connection->connect_deadline_ms <= now) close(*connection, "no connection within the deadline");
        break;
      case ConnectionState::kOpen:
      case ConnectionState::kLast:
        if (!connection->owed.empty() && connection->owed.front().deadline_ms <= now)
          close(*connection, fmt::format("no answer within {} ms", options.deadline_ms));
        break;
    }
  }
}

HttpClient::HttpClient(loop::Loop& loop, const HttpClientOptions& options, Done done, Ready ready)
    : state_(std::make_unique<State>(loop, options, std::move(done), std::move(ready))) {}
HttpClient::~HttpClient() = default;

std::size_t HttpClient::slots() const { return state_->slots; }
std::size_t HttpClient::owed() const { return state_->owed; }
int HttpClient::connected() const { return state_->connected; }
const std::string& HttpClient::last_error() const { return state_->error; }

void HttpClient::send(std::uint64_t tag, std::string_view request) {
  State& state = *state_;
  assert(!state.free_line.empty());
  Connection& connection = *state.free_line.front();
  std::uint64_t begin = connection.written + (connection.out.size() - connection.out_begin);
  connection.owed.push_back({tag, begin, loop::now_ms() + state.options.deadline_ms});
  connection.out.append(request);
  ++state.owed;
  --state.slots;
  state.free_line.pop_front();
  connection.queued = connection.owed.size() < static_cast<std::size_t>(state.options.pipeline);
  if (connection.queued) state.free_line.push_back(&connection);
  if (connection.dirty) return;
  connection.dirty = true;
  state.dirty.push_back(&connection);
  state.end_of_turn.schedule();
}

Result<http::Address> resolve(const Url& url) {
  if (url.scheme != "http") return failure(fmt::format("{}: only http:// is spoken here", url.redacted()));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  int code = getaddrinfo(url.host.c_str(), nullptr, &hints, &found);
  if (code != 0) return failure(fmt::format("{}: {}", url.redacted(), gai_strerror(code)));
  std::array<char, NI_MAXHOST> host{};
  code = getnameinfo(found->ai_addr, found->ai_addrlen, host.data(), host.size(), nullptr, 0, NI_NUMERICHOST);
  freeaddrinfo(found);
  if (code != 0) return failure(fmt::format("{}: {}", url.redacted(), gai_strerror(code)));
  return http::Address{host.data(), url.port == 0 ? 80 : url.port};
}

}  // namespace flashclaim::bench
