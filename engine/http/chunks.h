// The chunked coding of a request's body (RFC 9112, 7.1), read strictly.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/http/parser.h"

namespace flashclaim::http {

/// Chunk extensions and trailer lines of one body, together: more is refused as a body that is too large.
inline constexpr std::size_t kChunkExtrasMax = 1024;

/// Decodes `rest`, which begins with the first chunk, into `body`. kRequest: `used` bytes were the body's. Extensions
/// and trailers are passed over, as the RFC wants; a size has at most 8 hex digits, every line ends with CRLF.
ParseOutcome decode_chunks(std::string_view rest, std::size_t body_bytes_max, std::string& body, std::size_t& used);

}  // namespace flashclaim::http
