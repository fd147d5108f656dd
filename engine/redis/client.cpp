// Sends, receives and waits with poll(); hiredis' reader makes replies of what came.
#include "engine/redis/client.h"

#include <hiredis/hiredis.h>

#include <cassert>

#include "engine/base/try.h"
#include "engine/net/output.h"
#include "engine/net/socket.h"
#include "engine/redis/endpoint.h"
#include "engine/redis/errors.h"
#include "engine/redis/resp.h"

namespace flashclaim::redis {

namespace {

std::vector<std::string_view> views(const std::vector<std::string>& argv) { return {argv.begin(), argv.end()}; }

}  // namespace

ReplyKind ReplyView::kind() const {
  if (raw_ == nullptr) return ReplyKind::kNil;
  switch (raw_->type) {
    case REDIS_REPLY_STRING:
      return ReplyKind::kString;
    case REDIS_REPLY_STATUS:
      return ReplyKind::kStatus;
    case REDIS_REPLY_INTEGER:
      return ReplyKind::kInteger;
    case REDIS_REPLY_ARRAY:
      return ReplyKind::kArray;
    case REDIS_REPLY_ERROR:
      return ReplyKind::kError;
    default:
      return ReplyKind::kNil;
  }
}

std::string_view ReplyView::text() const {
  switch (kind()) {
    case ReplyKind::kString:
    case ReplyKind::kStatus:
    case ReplyKind::kError:
      return {raw_->str, raw_->len};
    case ReplyKind::kNil:
    case ReplyKind::kInteger:
    case ReplyKind::kArray:
      break;
  }
  return {};
}

std::int64_t ReplyView::integer() const { return kind() == ReplyKind::kInteger ? raw_->integer : 0; }

std::size_t ReplyView::size() const { return kind() == ReplyKind::kArray ? raw_->elements : 0; }

ReplyView ReplyView::operator[](std::size_t index) const {
  return ReplyView(index < size() ? raw_->element[index] : nullptr);
}

std::string_view ReplyView::error_code() const {
  if (!is_error()) return {};
  return text().substr(0, text().find(' '));
}

void Reply::Free::operator()(redisReply* raw) const noexcept { freeReplyObject(raw); }

struct Client::Wire {
  net::Socket socket;
  net::Output output;
  ReplyReader reader;
  std::vector<char> buffer = std::vector<char>(std::size_t{1} << 16);
};

Client::Client() = default;
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Result<Client> Client::connect(const std::string& redis_url, Milliseconds timeout, Server wanted) {
  Client client;
  client.url_ = redis_url;
  client.wanted_ = wanted;
  client.timeout_ = timeout;
  TRY(client.reconnect());
  return client;
}

Result<void> Client::reconnect() {
  close();
  lost_ = unsent_ = 0;
  const auto endpoint = parse_endpoint(url_);
  if (!endpoint) return failure("redis: " + endpoint.error().message);
  const std::string where = "redis " + endpoint->where() + ": ";
  const auto deadline = net::Clock::now() + timeout_;
  auto socket = net::Socket::connect(endpoint->host, endpoint->port, deadline);
  if (!socket) return failure("redis: " + socket.error().message);
  if (endpoint->tls)
    if (auto secured = socket->secure(endpoint->files, endpoint->host, deadline); !secured)
      return failure(where + secured.error().message);
  wire_ = std::make_unique<Wire>();
  wire_->socket = std::move(*socket);
  auto greeted = greet(*endpoint);
  if (greeted) return {};
  close();
  lost_ = unsent_ = 0;
  return failure(where + greeted.error().message);
}

Result<void> Client::greet(const Endpoint& endpoint) {
  const auto greeting = greeting_of(endpoint, wanted_);
  for (const auto& command : greeting.commands) append(command);
  for (std::size_t i = 0; i < greeting.commands.size(); ++i) {
    const auto reply = read();
    if (!reply) return failure(i == 0 ? ended_unanswered(endpoint, lost_why_) : lost_why_);
    if (const auto why = greeting.refusal(i, reply->view())) return failure(*why);
  }
  return {};
}

void Client::close() {
  wire_.reset();
  lost_ += owed_;
  owed_ = 0;
  leaving_ = false;
}

Error Client::lose(std::string why) {
  close();
  lost_why_ = std::move(why);
  return unknown("redis: no answer: " + lost_why_);
}

void Client::append(std::span<const std::string_view> argv) {
  assert(!argv.empty());
  if (wire_ == nullptr) {
    ++unsent_;
    return;
  }
  ++owed_;
  append_resp(wire_->output.tail(), argv);
}

void Client::append(std::initializer_list<std::string_view> argv) {
  append(std::span<const std::string_view>(argv.begin(), argv.size()));
}

void Client::append(const std::vector<std::string>& argv) { append(std::span<const std::string_view>(views(argv))); }

/// Sends and receives what goes now; when nothing has come, waits for either once.
Result<void> Client::exchange() {
  const auto receive = [this]() -> Result<std::size_t> {
    const std::size_t got = TRY(wire_->socket.receive(wire_->buffer.data(), wire_->buffer.size()));
    wire_->reader.feed({wire_->buffer.data(), got});
    return got;
  };
  const auto unsent = wire_->output.unsent();
  if (auto sent = wire_->output.send(wire_->socket); !sent) {
    TRY(receive());  // the server may have said why before it hung up
    return sent;
  }
  const std::size_t got = TRY(receive());
  if (got > 0 || wire_->output.unsent() < unsent) return {};
  if (!wire_->socket.wait(wire_->output.unsent() > 0, static_cast<int>(timeout_.count())))
    return failure("the server was silent for " + std::to_string(timeout_.count()) + " ms");
  return {};
}

void Client::send() {
  while (wire_ != nullptr && wire_->output.unsent() > 0)
    if (auto sent = exchange(); !sent) (void)lose(sent.error().message);
}

Result<Reply> Client::read() {
  if (lost_ > 0) {
    --lost_;
    return unknown("redis: connection lost before the answer: " + lost_why_);
  }
  if (wire_ == nullptr || owed_ == 0) {
    assert(unsent_ > 0 && "read() without append()");
    --unsent_;
    return failure("redis: not connected");
  }
  --owed_;
  for (;;) {
    auto reply = wire_->reader.next();
    if (!reply) return lose(reply.error().message);
    if (*reply) {
      if (is_about_the_session((*reply)->view())) leaving_ = true;
      if (leaving_ && owed_ == 0) close();
      return std::move(**reply);
    }
    if (auto done = exchange(); !done) return lose(done.error().message);
  }
}

Result<Reply> Client::command(std::span<const std::string_view> argv) {
  assert(owed_ == 0 && lost_ == 0 && unsent_ == 0 && "command() while replies are owed");
  append(argv);
  return read();
}

Result<Reply> Client::command(std::initializer_list<std::string_view> argv) {
  return command(std::span<const std::string_view>(argv.begin(), argv.size()));
}

Result<Reply> Client::command(const std::vector<std::string>& argv) {
  return command(std::span<const std::string_view>(views(argv)));
}

Result<Reply> ok(Result<Reply> reply) {
  if (reply && reply->is_error()) return error_of(reply->view());
  return reply;
}

}  // namespace flashclaim::redis
