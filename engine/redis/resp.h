// Redis' protocol, both ways: commands into bytes, and replies out of bytes by hiredis' reader.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/redis/client.h"

struct redisReader;

namespace flashclaim::redis {

/// One thread.
class ReplyReader {
 public:
  ReplyReader();

  /// Copies the bytes that came.
  void feed(std::string_view bytes);
  /// The next whole reply; nullopt: none is left. An error: this is not RESP, and nothing can be read behind it.
  Result<std::optional<Reply>> next();
  /// Forgets what it was fed: a new connection begins.
  void reset();

 private:
  struct Free {
    void operator()(redisReader* reader) const noexcept;
  };
  std::unique_ptr<redisReader, Free> reader_;
  bool tls_alert_ = false;  ///< the last bytes were one
};

/// Appends one command as RESP.
void append_resp(std::string& out, std::span<const std::string_view> words);
void append_resp(std::string& out, const std::vector<std::string>& words);

}  // namespace flashclaim::redis
