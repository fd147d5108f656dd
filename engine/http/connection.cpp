// Reads, parses, keeps answers in the order of the requests, and closes by state and deadline.
#include "engine/http/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "engine/base/test_point.h"

namespace flashclaim::http {

struct DeadlineLists {
  static void remove(DeadlineList& list, Connection* c) {
    (c->older_ ? c->older_->younger_ : list.head) = c->younger_;
    (c->younger_ ? c->younger_->older_ : list.tail) = c->older_;
    c->older_ = c->younger_ = nullptr;
  }
  static void append(DeadlineList& list, Connection* c) {
    c->older_ = list.tail;
    (list.tail ? list.tail->younger_ : list.head) = c;
    list.tail = c;
  }
};

namespace {

/// A string that once held much is not kept by an idle connection.
void release_if_large(std::string& text) {
  constexpr std::size_t kKept = 2048;
  text.clear();
  if (text.capacity() > kKept) text.shrink_to_fit();
}

bool sane_request_id(std::string_view id) {
  for (char c : id) {
    bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!alnum && c != '.' && c != '_' && c != '-') return false;
  }
  return !id.empty() && id.size() <= 64;
}

/// 16 hex digits from a counter, mixed (splitmix64) so that neighbours look unrelated.
std::string_view make_request_id(std::uint64_t& counter, char (&text)[16]) {
  std::uint64_t z = counter += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  for (int i = 15; i >= 0; --i, z >>= 4) text[i] = "0123456789abcdef"[z & 15];
  return {text, sizeof text};
}

}  // namespace

Connection::Connection(Shared& shared, std::uint32_t index)
    : shared_(shared),
      index_(index),
      owed_(1),
      readable_(shared.loop, loop::FdEvent::Kind::kRead, [this] { on_readable(); }),
      writable_(shared.loop, loop::FdEvent::Kind::kWrite, [this] { flush(); }) {}

void Connection::open(int fd, const Peer& peer) {
  assert(state_ == ConnectionState::kClosed && first_ == next_);
  fd_ = fd;
  peer_ = peer;
  last_request_seen_ = held_back_ = continue_said_ = false;
  if (shared_.tls) tls_ = std::make_unique<TlsSession>(*shared_.tls, fd);
  set_state(tls_ ? ConnectionState::kReading : ConnectionState::kIdle);  // a handshake has a request's deadline
  readable_.watch(fd);
  shared_.counters.connections.add();
}

void Connection::close(CloseReason reason) {
  if (state_ == ConnectionState::kClosed) return;
  if (tls_) {
    if (shaking_hands()) shared_.counters.tls_failed.add();
    if (reason != CloseReason::kClientError) tls_->say_goodbye();
    tls_.reset();
  }
  readable_.forget();
  writable_.forget();
  ::close(fd_);
  fd_ = -1;
  ++generation_;
  shared_.owed -= owed_count();
  first_ = next_ = 0;
  owed_.resize(1);
  owed_[0] = Owed{};
  release_if_large(in_);
  release_if_large(out_);
  set_state(ConnectionState::kClosed);
  shared_.counters.connections.sub(1);
  shared_.handler.left(peer_);
  shared_.closed.push_back(this);
  shared_.end_of_turn.schedule();
}

void Connection::set_state(ConnectionState state) {
  if (state == state_) return;
  if (state_ != ConnectionState::kClosed) DeadlineLists::remove(shared_.by_state[static_cast<int>(state_)], this);
  state_ = state;
  since_ms_ = shared_.now_ms;
  if (state_ != ConnectionState::kClosed) DeadlineLists::append(shared_.by_state[static_cast<int>(state_)], this);
}

/// The state follows from what is here and what is owed.
void Connection::settle_state() {
  if (state_ == ConnectionState::kClosed || state_ == ConnectionState::kLingering) return;
  if (!out_.empty() && writable_.active()) {
    set_state(ConnectionState::kWriting);
  } else if (owed_count() > 0) {
    set_state(ConnectionState::kAnswering);
  } else {
    set_state(in_.empty() && !shaking_hands() ? ConnectionState::kIdle : ConnectionState::kReading);
  }
}

/// Draining: a request that has come in this very moment is answered, otherwise the client is idle indeed.
void Connection::end_idle() {
  on_readable();
  if (state_ == ConnectionState::kIdle && !out_.empty()) flush();
  if (state_ == ConnectionState::kIdle) close(CloseReason::kDrained);
}

void Connection::expire() {
  if (state_ == ConnectionState::kIdle && shared_.draining) return end_idle();
  if (state_ == ConnectionState::kLingering) return close(CloseReason::kSaidClose);  // what ended it was counted
  shared_.counters.timed_out.add();
  if (state_ == ConnectionState::kReading && out_.empty()) {
    last_request_seen_ = true;
    linger();  // a drip gets no answer: there is no request to answer
    return;
  }
  close(CloseReason::kTimedOut);
}

void Connection::on_readable() noexcept {
  std::vector<char>& buffer = shared_.buffer;
  std::size_t kept = state_ == ConnectionState::kLingering ? 0 : in_.size();
  std::memcpy(buffer.data(), in_.data(), kept);
  ssize_t got = receive(buffer.data() + kept, buffer.size() - kept);
  if (got < 0) {
    if (errno != EAGAIN && errno != EINTR) return close(CloseReason::kClientError);
    if (tls_) shake_hands_later();
    return;
  }
  if (state_ == ConnectionState::kLingering) {
    if (got == 0) close(CloseReason::kSaidClose);
    return;
  }
  if (got == 0) {
    if (owed_count() == 0 && out_.empty()) return close(CloseReason::kClientClosed);
    readable_.pause();  // half-closed: it still wants its answers
    last_request_seen_ = true;
    return;
  }
  in_.clear();
  consume(buffer.data(), kept + static_cast<std::size_t>(got));
}

/// What lingers is thrown away as it comes.
ssize_t Connection::receive(char* data, std::size_t size) {
  if (tls_ && state_ != ConnectionState::kLingering) return tls_->read(data, size);
  return recv(fd_, data, size, 0);
}

ssize_t Connection::transmit(const char* data, std::size_t size) {
  return tls_ ? tls_->write(data, size) : send(fd_, data, size, MSG_NOSIGNAL);
}

/// There was no request in what came: part of a handshake, or the whole of it.
void Connection::shake_hands_later() {
  if (tls_->waits_to_write()) wait_until_writable();
  settle_state();
}

void Connection::wait_until_writable() {
  if (writable_.active()) return;
  if (!writable_.assigned()) writable_.watch(fd_);
  writable_.resume();
}

/// Hands on every complete request; keeps what is incomplete, or beyond the bound of answers owed.
void Connection::consume(const char* data, std::size_t size) {
  std::size_t at = 0;
  held_back_ = false;
  while (at < size && !last_request_seen_) {
    if (owed_count() >= shared_.limits.pipeline || writable_.active()) {
      held_back_ = true;
      break;
    }
    Parsed parsed = shared_.parser.parse({data + at, size - at}, shared_.request);
    if (parsed.outcome == ParseOutcome::kIncomplete) {
      if (size - at > shared_.parser.bytes_max()) reject(Problem::kPayloadTooLarge);
      if (parsed.wants_continue && !continue_said_) say_continue();
      break;
    }
    switch (parsed.outcome) {
      case ParseOutcome::kRequest:
        at += parsed.consumed;
        shared_.request.peer = &peer_;
        begin_exchange(shared_.request);
        break;
      case ParseOutcome::kMalformed:
        reject(Problem::kInvalidRequest);
        break;
      case ParseOutcome::kHeadersTooLarge:
        reject(Problem::kHeadersTooLarge);
        break;
      case ParseOutcome::kBodyTooLarge:
        reject(Problem::kPayloadTooLarge);
        break;
      case ParseOutcome::kIncomplete:
        break;
    }
    if (state_ == ConnectionState::kClosed) return;
  }
  if (!last_request_seen_) in_.assign(data + at, size - at);
  if (held_back_) readable_.pause();
  settle_state();
}

void Connection::begin_exchange(const Request& request) {
  shared_.counters.requests.add();
  continue_said_ = false;
  if (owed_count() == owed_.size()) grow_owed();
  Exchange exchange{index_, generation_, next_};
  Owed& owed = owed_at(next_++);
  ++shared_.owed;
  owed.answered = false;
  owed.omit_body = request.method == Method::kHead;
  owed.keep_alive = request.keep_alive;
  owed.http10 = request.http10;
  owed.cors = shared_.cors.match(request);
  owed.request_id_n = 0;
  if (HeaderMatch id = request.header("x-request-id"); id.count == 1 && sane_request_id(id.value)) {
    owed.request_id_n = static_cast<std::uint8_t>(id.value.size());
    std::memcpy(owed.request_id, id.value.data(), id.value.size());
  }
  if (!request.keep_alive) last_request_seen_ = true;
  shared_.handler.handle(request, exchange);
}

/// Refuses what is no request: nothing after it can be trusted, so the connection closes once it was said.
void Connection::reject(Problem problem) {
  shared_.counters.malformed.add();
  shared_.request.headers_n = 0;
  if (owed_count() == owed_.size()) grow_owed();
  Exchange exchange{index_, generation_, next_};
  Owed& owed = owed_at(next_++);
  ++shared_.owed;
  owed.answered = false;
  owed.omit_body = false;
  owed.keep_alive = false;
  owed.request_id_n = 0;
  owed.cors = 0;
  last_request_seen_ = true;
  answer(exchange, problem_answer(problem));
}

void Connection::say_continue() {
  if (owed_count() > 0) {
    held_back_ = true;  // said when it is this request's turn
    return;
  }
  continue_said_ = true;
  out_.append("HTTP/1.1 100 Continue\r\n\r\n");
  mark_dirty();
}

void Connection::grow_owed() {
  std::vector<Owed> larger(owed_.size() * 2);
  for (std::uint32_t s = first_; s != next_; ++s) larger[s & (larger.size() - 1)] = std::move(owed_at(s));
  owed_ = std::move(larger);
}

bool Connection::answer(Exchange exchange, const Answer& answer) {
  if (exchange.generation != generation_ || state_ == ConnectionState::kClosed) return false;
  assert(exchange.sequence - first_ < owed_count());
  Owed& owed = owed_at(exchange.sequence);
  assert(!owed.answered);
  owed.answered = true;
  --shared_.owed;
  shared_.counters.answers_1xx_5xx[static_cast<int>(answer.status) / 100].add();
  if (shared_.draining && exchange.sequence + 1 == next_ &&
      !held_back_) {  // the last that is here, and the last that is read
    owed.keep_alive = false;
    last_request_seen_ = true;
  }
  if (exchange.sequence == first_) {
    render(out_, owed, answer);
    if (!owed.keep_alive) last_request_seen_ = true;
    ++first_;
    release_answered();
  } else {
    render(owed.text, owed, answer);
  }
  mark_dirty();
  return true;
}

void Connection::render(std::string& out, const Owed& owed, const Answer& answer) {
  char made[16];
  std::string_view request_id = owed.request_id_n > 0 ? std::string_view(owed.request_id, owed.request_id_n)
                                                      : make_request_id(shared_.next_request_id, made);
  const Persistence persistence = !owed.keep_alive ? Persistence::kClose
                                  : owed.http10    ? Persistence::kSaid
                                                   : Persistence::kImplied;
  append_answer(out, answer, {shared_.date, request_id, persistence, owed.omit_body, shared_.cors.lines(owed.cors)});
}

/// Answers that came before those ahead of them follow now.
void Connection::release_answered() {
  for (; first_ != next_ && owed_at(first_).answered; ++first_) {
    Owed& owed = owed_at(first_);
    out_.append(owed.text);
    owed.text.clear();
    if (!owed.keep_alive) last_request_seen_ = true;
  }
}

void Connection::mark_dirty() {
  if (dirty_) return;
  dirty_ = true;
  shared_.dirty.push_back(this);
  shared_.end_of_turn.schedule();
}

/// False when the connection was closed.
bool Connection::write_out() {
  std::size_t written = 0;
  while (written < out_.size()) {
    ssize_t sent = transmit(out_.data() + written, out_.size() - written);
    if (sent > 0) {
      written += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      close(CloseReason::kClientError);
      return false;
    }
  }
  test_point("engine.answer.written");
  if (written == out_.size()) {
    release_if_large(out_);
  } else {
    out_.erase(0, written);
  }
  return true;
}

void Connection::flush() {
  dirty_ = false;
  if (state_ == ConnectionState::kClosed || state_ == ConnectionState::kLingering) return;
  if (shaking_hands()) {
    writable_.pause();
    return on_readable();
  }
  if (!write_out()) return;
  if (!out_.empty()) {
    wait_until_writable();
    return settle_state();
  }
  writable_.pause();
  after_flush();
}

void Connection::after_flush() {
  if (owed_count() == 0 && last_request_seen_) return linger();
  if (held_back_ && owed_count() < shared_.limits.pipeline / 2 + 1) {
    readable_.resume();
    std::size_t size = in_.size();
    std::memcpy(shared_.buffer.data(), in_.data(), size);
    in_.clear();
    return consume(shared_.buffer.data(), size);
  }
  settle_state();
}

void Connection::linger() {
  if (tls_) tls_->say_goodbye();
  ::shutdown(fd_, SHUT_WR);
  release_if_large(in_);
  readable_.resume();
  set_state(ConnectionState::kLingering);
}

}  // namespace flashclaim::http
