// What an HTTP answer consists of, and its bytes. No request reaches an answer but for the checked X-Request-Id.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace flashclaim::http {

enum class Status {
  kOk = 200,
  kAccepted = 202,
  kNoContent = 204,
  kNotModified = 304,
  kBadRequest = 400,
  kUnauthorized = 401,
  kNotFound = 404,
  kMethodNotAllowed = 405,
  kConflict = 409,
  kGone = 410,
  kPayloadTooLarge = 413,
  kTooManyRequests = 429,
  kHeadersTooLarge = 431,
  kInternal = 500,
  kUnavailable = 503,
};

inline constexpr std::string_view kJson = "application/json";
inline constexpr std::string_view kProblemJson = "application/problem+json";
inline constexpr std::string_view kText = "text/plain; charset=utf-8";

/// Views: they need to live only until Server::answer returns.
struct Answer {
  Status status = Status::kOk;
  std::string_view content_type = kJson;
  std::string_view headers;  ///< further header lines, each ended by CRLF
  std::string_view body;
  std::string_view cache_control = {};  ///< empty: no-store
};

/// What an answer says of its connection.
enum class Persistence {
  kImplied,  ///< nothing: HTTP/1.1 keeps it
  kSaid,     ///< `Connection: keep-alive`: a client of HTTP/1.0 waits for the end unless it is told
  kClose,    ///< `Connection: close`
};

/// What the connection adds to an answer.
struct Envelope {
  std::string_view date;        ///< IMF-fixdate
  std::string_view request_id;  ///< already checked
  Persistence persistence = Persistence::kImplied;
  bool omit_body = false;         ///< HEAD: the headers of the body, without it
  std::string_view headers = {};  ///< lines that every answer to this client carries
};

/// Appends the answer's bytes.
void append_answer(std::string& out, const Answer& answer, const Envelope& envelope);

/// The current time as an IMF-fixdate (`Tue, 24 Nov 2026 09:00:00 GMT`).
std::string http_date(std::int64_t unix_seconds);

}  // namespace flashclaim::http
