// Fixed text per status; the few variable parts are appended between.
#include "engine/http/answer.h"

#include <array>
#include <charconv>
#include <ctime>

namespace flashclaim::http {
namespace {

constexpr std::string_view kCommon =
    "\r\nServer: flashclaim\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nDate: ";
constexpr std::string_view kCacheable = "\r\nServer: flashclaim\r\nX-Content-Type-Options: nosniff\r\nCache-Control: ";

std::string_view status_line(Status status) {
  switch (status) {
    case Status::kOk:
      return "HTTP/1.1 200 OK";
    case Status::kAccepted:
      return "HTTP/1.1 202 Accepted";
    case Status::kNoContent:
      return "HTTP/1.1 204 No Content";
    case Status::kNotModified:
      return "HTTP/1.1 304 Not Modified";
    case Status::kBadRequest:
      return "HTTP/1.1 400 Bad Request";
    case Status::kUnauthorized:
      return "HTTP/1.1 401 Unauthorized";
    case Status::kNotFound:
      return "HTTP/1.1 404 Not Found";
    case Status::kMethodNotAllowed:
      return "HTTP/1.1 405 Method Not Allowed";
    case Status::kConflict:
      return "HTTP/1.1 409 Conflict";
    case Status::kGone:
      return "HTTP/1.1 410 Gone";
    case Status::kPayloadTooLarge:
      return "HTTP/1.1 413 Content Too Large";
    case Status::kTooManyRequests:
      return "HTTP/1.1 429 Too Many Requests";
    case Status::kHeadersTooLarge:
      return "HTTP/1.1 431 Request Header Fields Too Large";
    case Status::kInternal:
      return "HTTP/1.1 500 Internal Server Error";
    case Status::kUnavailable:
      return "HTTP/1.1 503 Service Unavailable";
  }
  return "HTTP/1.1 500 Internal Server Error";
}

}  // namespace

void append_answer(std::string& out, const Answer& answer, const Envelope& envelope) {
  char length[20];
  auto [length_end, error] = std::to_chars(length, length + sizeof length, answer.body.size());
  out.append(status_line(answer.status));
  if (answer.cache_control.empty()) {
    out.append(kCommon);
  } else {
    out.append(kCacheable).append(answer.cache_control).append("\r\nDate: ");
  }
  out.append(envelope.date);
  out.append("\r\nX-Request-Id: ").append(envelope.request_id);
  if (answer.status != Status::kNoContent && answer.status != Status::kNotModified) {
    out.append("\r\nContent-Type: ").append(answer.content_type);
    out.append("\r\nContent-Length: ").append(length, static_cast<std::size_t>(length_end - length));
  }
  out.append("\r\n").append(answer.headers).append(envelope.headers);
  if (envelope.persistence == Persistence::kClose) out.append("Connection: close\r\n");
  if (envelope.persistence == Persistence::kSaid) out.append("Connection: keep-alive\r\n");
  out.append("\r\n");
  if (!envelope.omit_body) out.append(answer.body);
}

std::string http_date(std::int64_t unix_seconds) {
  std::time_t seconds = unix_seconds;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  std::size_t size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text, size};
}

}  // namespace flashclaim::http
