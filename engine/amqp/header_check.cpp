// Lengths and kinds as librabbitmq 0.11 reads them (amqp_table.c).
#include "engine/amqp/header_check.h"

#include <array>
#include <cstdint>
#include <optional>

namespace flashclaim::amqp {
namespace {

constexpr std::size_t kBeforeFlags = 12;  // class, weight, size of the body
constexpr unsigned kContentType = 1U << 15;
constexpr unsigned kContentEncoding = 1U << 14;
constexpr unsigned kHeaders = 1U << 13;

/// Reads from the front; `good` is false from the first byte that is not there.
struct Bytes {
  std::string_view text;
  std::size_t at = 0;
  bool good = true;

  std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      if (at == text.size()) good = false;
      value = value << 8 | (good ? static_cast<unsigned char>(text[at++]) : 0);
    }
    return value;
  }
  void skip(std::uint64_t size) {
    good = good && size <= text.size() - at;
    if (good) at += static_cast<std::size_t>(size);
  }
};

/// The bytes of a value of this kind; of a string, that of its length first; nullopt: no such kind.
std::optional<std::size_t> size_of(std::uint64_t kind) {
  switch (kind) {
    case 'V':
      return 0;
    case 't':
    case 'b':
    case 'B':
      return 1;
    case 's':
    case 'u':
      return 2;
    case 'I':
    case 'i':
    case 'f':
      return 4;
    case 'D':
      return 5;
    case 'l':
    case 'L':
    case 'd':
    case 'T':
      return 8;
    default:
      return std::nullopt;
  }
}

}  // namespace

bool may_be_decoded(std::string_view header_payload) {
  Bytes bytes{header_payload};
  bytes.skip(kBeforeFlags);
  const auto flags = bytes.number(2);
  if (!bytes.good) return false;
  if ((flags & 1U) != 0) return false;  // more flags than basic has properties
  if ((flags & kHeaders) == 0) return true;
  for (const unsigned text : {kContentType, kContentEncoding})
    if ((flags & text) != 0) bytes.skip(bytes.number(1));
  struct Open {
    std::size_t end;
    bool table;
  };
  std::array<Open, kNestingMax> open{};
  std::size_t depth = 0;
  const auto enter = [&](bool table) {
    const auto size = bytes.number(4);
    const std::size_t outer = depth == 0 ? header_payload.size() : open.at(depth - 1).end;
    if (!bytes.good || bytes.at > outer || size > outer - bytes.at || depth == open.size()) return false;
    open.at(depth++) = {bytes.at + static_cast<std::size_t>(size), table};
    return true;
  };
  if (!enter(true)) return false;
  while (depth > 0) {
    const Open& inner = open.at(depth - 1);
    if (bytes.at >= inner.end) {
      if (bytes.at > inner.end) return false;
      --depth;
      continue;
    }
    if (inner.table) bytes.skip(bytes.number(1));  // the field's name
    const auto kind = bytes.number(1);
    if (kind == 'F' || kind == 'A') {
      if (!enter(kind == 'F')) return false;
    } else if (kind == 'S' || kind == 'x') {
      bytes.skip(bytes.number(4));
    } else if (const auto size = size_of(kind)) {
      bytes.skip(*size);
    } else {
      return false;
    }
    if (!bytes.good) return false;
  }
  return true;
}

std::string without_properties(std::string_view header_payload) {
  return std::string(header_payload.substr(0, kBeforeFlags)) + std::string(2, '\0');
}

}  // namespace flashclaim::amqp
