// Which pages of other origins a browser lets read our answers (the CORS protocol of the Fetch standard).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/http/request.h"

namespace flashclaim::http {

/// A closed list, or every origin. Never with credentials: who a caller is stands in headers that a page must set
/// itself, so a foreign page can do nothing with a cookie. Immutable; any thread.
class Cors {
 public:
  /// Nobody: no header is added to any answer.
  Cors() = default;
  /// `https://shop.example[:port]` each, as browsers send them, or one `*`.
  static Result<Cors> of(const std::vector<std::string>& origins);

  [[nodiscard]] bool empty() const { return lines_.empty(); }
  /// Which lines the answers to this request carry.
  [[nodiscard]] std::uint8_t match(const Request& request) const;
  [[nodiscard]] std::string_view lines(std::uint8_t matched) const {
    return lines_.empty() ? std::string_view() : lines_[matched];
  }
  /// Further lines for the answer to a preflight for a resource with these methods; empty when this is none, or from an
  /// origin that is not allowed. Browsers may keep it for a day (each has a cap of its own, two hours in Chromium).
  [[nodiscard]] std::string preflight(const Request& request, std::string_view methods) const;

 private:
  std::vector<std::string> origins_;  ///< empty with lines: every origin
  std::vector<std::string> lines_;    ///< [0] without an allowed origin, [i + 1] for origins_[i], or [1] for every one
};

}  // namespace flashclaim::http
