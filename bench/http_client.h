// The asynchronous HTTP/1.1 client of flashbench: N keep-alive connections to one server, on one loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/base/url.h"
#include "engine/http/address.h"

namespace flashclaim::loop {
class Loop;
}

namespace flashclaim::bench {

/// How a request ended.
enum class Fate {
  kAnswered,  ///< status and body are the server's
  kNotSent,   ///< no byte of it left this process: it may be sent again
  kUnknown,   ///< the server may have carried it out: connection lost, deadline passed, or an answer that is no HTTP
};

/// Views: valid inside the callback only.
struct Response {
  Fate fate = Fate::kUnknown;
  int status = 0;
  std::string_view body;
  int retry_after_s = -1;   ///< the header Retry-After, in seconds; -1: absent or no number
  std::string_view reason;  ///< why there is no answer
};

struct HttpClientOptions {
  http::Address address;
  int connections = 1;
  int pipeline = 1;                          ///< requests in flight on one connection
  std::int64_t deadline_ms = 10'000;         ///< from send() to the last byte of the answer
  std::size_t answer_bytes_max = 1'048'576;  ///< a longer body ends the connection
};

/// Belongs to its loop's thread. Connections are made at once and made again, with capped and jittered back-off, when
/// they are lost. Nothing is ever sent twice: whoever gets kNotSent may send it again, whoever gets kUnknown has to
/// know why that would be safe.
class HttpClient {
 public:
  /// Once for every send(), from the loop, in the order of the answers. May call send(); must not destroy the client.
  using Done = std::function<void(std::uint64_t tag, const Response& response)>;
  /// At the end of every turn in which slots became free.
  using Ready = std::function<void()>;

  HttpClient(loop::Loop& loop, const HttpClientOptions& options, Done done, Ready ready);
  /// Closes everything. What is owed is dropped without a callback.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// How many requests may be sent now.
  [[nodiscard]] std::size_t slots() const;
  /// Sent and not ended.
  [[nodiscard]] std::size_t owed() const;
  [[nodiscard]] int connected() const;
  /// Why the last connection could not be made or was lost; empty: none was.
  [[nodiscard]] const std::string& last_error() const;

  /// Precondition: slots() > 0. `request` is a whole request, copied; it is written at the end of the turn, together
  /// with what else goes to its connection. Connections take turns.
  void send(std::uint64_t tag, std::string_view request);

  struct State;  ///< client.cpp's own

 private:
  std::unique_ptr<State> state_;
};

/// The address of an `http://host[:port]` URL; a name is resolved, blocking: at start-up only.
Result<http::Address> resolve(const Url& url);

}  // namespace flashclaim::bench
