// A state machine: set_state is the only place that changes the state, lose() the only way back to kDown.
#include "engine/redis/link.h"

#include <poll.h>

#include <cassert>
#include <utility>

#include "engine/base/log.h"
#include "engine/base/try.h"
#include "engine/net/resolve.h"
#include "engine/net/tls_client.h"

namespace flashclaim::redis {
namespace {

std::string_view word(LinkState state) {
  switch (state) {
    case LinkState::kDown:
      return "down";
    case LinkState::kConnecting:
      return "connecting";
    case LinkState::kSecuring:
      return "securing";
    case LinkState::kGreeting:
      return "greeting";
    case LinkState::kReady:
      return "ready";
    case LinkState::kLeaving:
      return "leaving";
  }
  return "";
}

}  // namespace

Result<std::unique_ptr<Link>> Link::create(loop::Loop& loop, const std::string& redis_url, const LinkOptions& options,
                                           LinkUser& user) {
  auto endpoint = parse_endpoint(redis_url);
  if (!endpoint) return failure("REDIS_URL: " + endpoint.error().message);
  const auto addresses = net::addresses_of(endpoint->host);
  if (!addresses) return failure("REDIS_URL: " + addresses.error().message);
  return std::unique_ptr<Link>(new Link(loop, std::move(*endpoint), *addresses, options, user));
}

Link::Link(loop::Loop& loop, Endpoint endpoint, const std::vector<std::string>& addresses, const LinkOptions& options,
           LinkUser& user)
    : endpoint_(std::move(endpoint)),
      options_(options),
      greeting_(greeting_of(endpoint_, Server::kPrimary)),
      user_(user),
      backoff_(options.backoff_min_ms, options.backoff_max_ms),
      resolver_(loop, endpoint_.host, addresses),
      readable_(loop, loop::FdEvent::Kind::kRead, [this] { on_readable(); }),
      writable_(loop, loop::FdEvent::Kind::kWrite, [this] { on_writable(); }),
      end_of_turn_(loop,
                   [this] {
                     if (up()) flush();
                   }),
      reconnect_(loop, [this] { resolver_.look_up([this](const std::string& address) { connect(address); }); }),
      deadline_(loop, [this] { on_deadline(); }) {}

Link::~Link() { close(); }

void Link::set_state(LinkState next) {
  log(LogLevel::kDebug, "redis", "link_state", {{"link", options_.name}, {"from", word(state_)}, {"to", word(next)}});
  state_ = next;
}

bool Link::older_than_ms(std::int64_t age_ms) const { return ready() && loop::now_ms() - ready_ms_ >= age_ms; }

void Link::start() {
  if (std::exchange(wanted_, true)) return;
  if (state_ == LinkState::kDown) reconnect_.start_ms(0);
}

void Link::stop() {
  wanted_ = false;
  reconnect_.stop();
}

void Link::send(std::string_view resp) {
  assert(ready());
  output_.append(resp);
  end_of_turn_.schedule();
}

// --- Connecting

void Link::connect(const std::string& address) {
  if (!wanted_ || state_ != LinkState::kDown) return;
  auto socket = net::Socket::begin(address, endpoint_.port);
  if (!socket) return lose(socket.error().message);
  socket_ = std::move(*socket);
  socket_.set_unacknowledged_ms(options_.unacknowledged_ms);
  set_state(LinkState::kConnecting);
  readable_.watch(socket_.fd());
  readable_.pause();
  writable_.watch(socket_.fd());  // a connect ends as writability
  deadline_.start_ms(options_.connect_ms);
}

void Link::on_connected() {
  if (auto fine = socket_.connected(); !fine) return lose(fine.error().message);
  if (!endpoint_.tls) return greet();
  if (auto fine = socket_.begin_tls(endpoint_.files, endpoint_.host); !fine) return lose(fine.error().message);
  set_state(LinkState::kSecuring);
  handshake();
}

void Link::handshake() {
  const auto done = socket_.handshake();
  if (!done) return lose(done.error().message);
  if (*done) return greet();
  wait();
}

void Link::greet() {
  greeted_ = 0;
  for (const auto& command : greeting_.commands) append_resp(output_.tail(), command);
  set_state(LinkState::kGreeting);
  flush();
}

void Link::on_greeted() {
  deadline_.stop();
  backoff_.reset();
  ready_ms_ = loop::now_ms();
  set_state(LinkState::kReady);
  if (told_.connected())
    log(LogLevel::kInfo, "redis", "connected", {{"link", options_.name}, {"address", endpoint_.where()}});
  user_.link_ready();
}

// --- Bytes

void Link::on_writable() {
  if (state_ == LinkState::kConnecting) return on_connected();
  if (state_ == LinkState::kSecuring) return handshake();
  flush();
}

void Link::on_readable() {
  if (state_ == LinkState::kSecuring) return handshake();
  receive();
}

void Link::flush() {
  if (auto sent = output_.send(socket_); !sent) {
    receive();  // answers may have come before the server hung up
    if (state_ != LinkState::kDown) broken(sent.error());
    return;
  }
  if (up()) user_.link_written();
  wait();
}

/// Takes all there is: inside TLS, what is left unread would not make the socket readable.
void Link::receive() {
  std::size_t got = 0;
  do {
    auto taken = socket_.receive(buffer_.data(), buffer_.size());
    if (!taken) return broken(taken.error());
    got = *taken;
    reader_.feed({buffer_.data(), got});
    if (!take_replies()) return;
  } while (got == buffer_.size());
  wait();
}

/// False when the link was lost by them.
bool Link::take_replies() {
  while (state_ != LinkState::kDown) {
    auto reply = reader_.next();
    if (!reply)
      lose(reply.error().message);
    else if (!*reply)
      return true;
    else
      on_reply((*reply)->view());
  }
  return false;
}

void Link::on_reply(const ReplyView& reply) {
  if (state_ != LinkState::kGreeting) return user_.link_reply(reply);
  if (const auto refusal = greeting_.refusal(greeted_, reply)) return lose(*refusal);
  if (++greeted_ == greeting_.commands.size()) on_greeted();
}

void Link::wait() {
  const short events = socket_.events(output_.unsent() > 0);
  if (events & POLLIN)
    readable_.resume();
  else
    readable_.pause();
  if (events & POLLOUT)
    writable_.resume();
  else
    writable_.pause();
}

// --- The end

void Link::on_deadline() {
  lose(state_ == LinkState::kSecuring ? net::kNoHandshakeInTime : "no answer while connecting");
}

void Link::broken(const Error& error) {
  const bool unanswered = state_ == LinkState::kGreeting && greeted_ == 0;
  lose(unanswered ? ended_unanswered(endpoint_, error.message) : error.message);
}

void Link::close() {
  readable_.forget();
  writable_.forget();
  deadline_.stop();
  socket_ = net::Socket();
  output_.clear();
  reader_.reset();
}

void Link::leave(std::string why) {
  if (!ready()) return;
  leaving_why_ = std::move(why);
  set_state(LinkState::kLeaving);
}

void Link::lose(std::string why) {
  const bool was_up = up();
  trouble_ = leaving_why_.empty() ? std::move(why) : std::exchange(leaving_why_, {});
  close();
  set_state(LinkState::kDown);
  const int delay_ms = backoff_.next_ms();
  if (told_.lost(trouble_))
    log(LogLevel::kWarn, "redis", "lost", {{"link", options_.name}, {"error", trouble_}, {"retry_ms", delay_ms}});
  if (wanted_) reconnect_.start_ms(delay_ms);
  user_.link_lost(was_up);
}

}  // namespace flashclaim::redis
