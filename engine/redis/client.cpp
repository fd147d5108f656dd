// The blocking client over hiredis.
#include "engine/redis/client.h"

#include <hiredis/hiredis.h>

#include <cassert>
#include <csignal>

#include "engine/base/ids.h"
#include "engine/base/try.h"
#include "engine/base/url.h"
#include "engine/redis/errors.h"
#include "engine/redis/handshake.h"
#include "engine/redis/role.h"

namespace flashclaim::redis {

namespace {

timeval to_timeval(Milliseconds timeout) {
  const auto ms = timeout.count();
  return {static_cast<time_t>(ms / 1000), static_cast<suseconds_t>(ms % 1000 * 1000)};
}

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

Reply reply_of_bytes(std::string_view resp) {
  redisReader* reader = redisReaderCreate();
  void* reply = nullptr;
  redisReaderFeed(reader, resp.data(), resp.size());
  if (redisReaderGetReply(reader, &reply) != REDIS_OK) reply = nullptr;
  redisReaderFree(reader);
  return Reply(static_cast<redisReply*>(reply));
}

void Client::Free::operator()(redisContext* context) const noexcept { redisFree(context); }

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
  auto url = TRY(parse_url(url_));
  if (auto fits = check_scheme(url); !fits) return failure("redis: " + fits.error().message);
  const auto login = login_commands(url);
  if (!login) return failure("redis: " + login.error().message);

  std::signal(SIGPIPE, SIG_IGN);
  const int port = url.port == 0 ? 6379 : url.port;
  context_.reset(redisConnectWithTimeout(url.host.c_str(), port, to_timeval(timeout_)));
  const std::string where = url.host + ":" + std::to_string(port);
  if (context_ == nullptr || context_->err != 0) {
    const std::string why = context_ == nullptr ? "out of memory" : context_->errstr;
    context_.reset();
    return failure("redis " + where + ": " + why);
  }
  redisSetTimeout(context_.get(), to_timeval(timeout_));
  redisEnableKeepAlive(context_.get());

  const auto greeted = greet(*login);
  if (greeted) return {};
  close();
  lost_ = unsent_ = 0;
  return failure("redis " + where + ": " + greeted.error().message);
}

Result<void> Client::greet(const std::vector<std::vector<std::string>>& hello) {
  for (const auto& argv : hello)
    if (auto reply = ok(command(argv)); !reply) return failure(argv.front() + ": " + reply.error().message);
  if (wanted_ == Server::kAny) return {};
  auto role = command({"ROLE"});
  if (!role) return failure("ROLE: " + role.error().message);
  const auto why = not_the_primary(role->view());
  return why ? failure(*why) : Result<void>();
}

void Client::close() {
  context_.reset();
  lost_ += owed_;
  owed_ = 0;
  leaving_ = false;
}

Error Client::lose(std::string_view what) {
  const std::string why = context_->errstr;
  close();
  return unknown("redis: " + std::string(what) + ": " + (why.empty() ? "connection lost" : why));
}

void Client::append(std::span<const std::string_view> argv) {
  assert(!argv.empty());
  if (context_ == nullptr) {
    ++unsent_;
    return;
  }
  std::vector<const char*> data(argv.size());
  std::vector<std::size_t> sizes(argv.size());
  for (std::size_t i = 0; i < argv.size(); ++i) {
    data[i] = argv[i].data() == nullptr ? "" : argv[i].data();
    sizes[i] = argv[i].size();
  }
  ++owed_;
  if (redisAppendCommandArgv(context_.get(), static_cast<int>(argv.size()), data.data(), sizes.data()) != REDIS_OK) {
    close();
  }
}

void Client::append(std::initializer_list<std::string_view> argv) {
  append(std::span<const std::string_view>(argv.begin(), argv.size()));
}

void Client::append(const std::vector<std::string>& argv) { append(std::span<const std::string_view>(views(argv))); }

void Client::send() {
  int done = 0;
  while (context_ != nullptr && done == 0)
    if (redisBufferWrite(context_.get(), &done) != REDIS_OK) return;  // the context keeps the error for read()
}

Result<Reply> Client::read() {
  if (lost_ > 0) {
    --lost_;
    return unknown("redis: connection lost before the answer");
  }
  if (context_ == nullptr || owed_ == 0) {
    assert(unsent_ > 0 && "read() without append()");
    --unsent_;
    return failure("redis: not connected");
  }
  void* raw = nullptr;
  if (redisGetReply(context_.get(), &raw) != REDIS_OK || raw == nullptr) {
    --owed_;
    return lose("no answer");
  }
  --owed_;
  Reply reply(static_cast<redisReply*>(raw));
  if (is_about_the_session(reply.view())) leaving_ = true;
  if (leaving_ && owed_ == 0) close();
  return reply;
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
