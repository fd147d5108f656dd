// hiredis keeps the buffer of a reader that has read all, up to kKept bytes; its own bound would give it back each
// time.
#include "engine/redis/resp.h"

#include <hiredis/hiredis.h>

#include <vector>

#include "engine/net/tls_client.h"

namespace flashclaim::redis {
namespace {

constexpr std::size_t kKept = std::size_t{1} << 20;

}  // namespace

void ReplyReader::Free::operator()(redisReader* reader) const noexcept { redisReaderFree(reader); }

ReplyReader::ReplyReader() { reset(); }

void ReplyReader::reset() {
  reader_.reset(redisReaderCreate());
  reader_->maxbuf = kKept;
}

void ReplyReader::feed(std::string_view bytes) {
  tls_alert_ = net::is_tls_alert(bytes);
  redisReaderFeed(reader_.get(), bytes.data(), bytes.size());
}

Result<std::optional<Reply>> ReplyReader::next() {
  void* raw = nullptr;
  if (redisReaderGetReply(reader_.get(), &raw) != REDIS_OK)
    return tls_alert_ ? failure("the server speaks TLS on this port: use rediss://")
                      : failure(std::string("what came is not Redis' protocol: ") + reader_->errstr);
  if (raw == nullptr) return std::optional<Reply>();
  return std::optional<Reply>(Reply(static_cast<redisReply*>(raw)));
}

Reply reply_of_bytes(std::string_view resp) {
  ReplyReader reader;
  reader.feed(resp);
  auto reply = reader.next();
  return reply && *reply ? std::move(**reply) : Reply();
}

void append_resp(std::string& out, std::span<const std::string_view> words) {
  out.append("*").append(std::to_string(words.size())).append("\r\n");
  for (std::string_view word : words)
    out.append("$").append(std::to_string(word.size())).append("\r\n").append(word).append("\r\n");
}

void append_resp(std::string& out, const std::vector<std::string>& words) {
  append_resp(out, std::vector<std::string_view>(words.begin(), words.end()));
}

}  // namespace flashclaim::redis
