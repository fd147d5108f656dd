// An HTTP/1.1 request as the parser hands it on: views into the connection's buffer, valid inside the handler only.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "engine/http/peer.h"

namespace flashclaim::http {

enum class Method { kGet, kHead, kPost, kOptions, kOther };

struct Header {
  std::string_view name;   ///< as sent; compare without regard to case
  std::string_view value;  ///< without surrounding blanks
};

/// How often a header was sent, and its first value: whoever needs exactly one looks at `count`.
struct HeaderMatch {
  int count = 0;
  std::string_view value;
};

struct Request {
  static constexpr std::size_t kHeadersMax = 64;

  Method method = Method::kOther;
  std::string_view path;          ///< begins with '/'; percent-decoded where that changes no meaning (RFC 3986, 2.3)
  std::string_view query;         ///< without the '?'; decoded likewise
  std::string_view path_as_sent;  ///< not decoded: what a gateway has signed
  std::string_view body;
  bool keep_alive = true;
  bool http10 = false;  ///< the client must be told that its connection is kept
  std::array<Header, kHeadersMax> headers;
  std::size_t headers_n = 0;
  const Peer* peer = nullptr;  ///< of the connection; the parser leaves it alone

  /// `name` in lower case.
  [[nodiscard]] HeaderMatch header(std::string_view name) const;
};

}  // namespace flashclaim::http
