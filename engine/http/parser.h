// Strict parsing of one HTTP/1.1 request out of contiguous bytes: llhttp for the grammar, our checks for what it lets
// by.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/http/request.h"

namespace flashclaim::http {

enum class ParseOutcome {
  kIncomplete,       ///< ask again with more bytes
  kRequest,          ///< one request; `consumed` bytes were its own
  kMalformed,        ///< answer 400 and close: where the next request begins cannot be known
  kHeadersTooLarge,  ///< answer 431 and close
  kBodyTooLarge,     ///< answer 413 and close
};

struct Parsed {
  ParseOutcome outcome = ParseOutcome::kIncomplete;
  std::size_t consumed = 0;
  bool wants_continue = false;  ///< incomplete: the head is here, the client waits for `100 Continue`
};

/// Keeps nothing between calls: an incomplete request is parsed again from its first byte, which the size limits make
/// cheap, and which lets every view of the Request point into the caller's bytes. One thread.
class Parser {
 public:
  Parser(std::size_t header_bytes_max, std::size_t body_bytes_max);

  /// The views in `request` point into `bytes`, or, for a chunked body and a target with percent-encoding, into this
  /// parser until its next call.
  Parsed parse(std::string_view bytes, Request& request);

  /// No incomplete request is longer than this.
  [[nodiscard]] std::size_t bytes_max() const;

 private:
  void normalise(Request& request);

  std::size_t header_bytes_max_;
  std::size_t body_bytes_max_;
  std::string chunked_body_;
  std::string target_;
};

/// ASCII comparison without regard to case; `lower` is in lower case.
bool equals_ignoring_case(std::string_view text, std::string_view lower);

}  // namespace flashclaim::http
