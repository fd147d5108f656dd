// Parses the terms of a coupon from a command line, within the bounds of the database and Redis.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/cli/command.h"

namespace flashclaim::cli {

// The bounds of sql/0002_coupon.sql and lua/10_arguments.lua: checked here first, for a message in words.
constexpr std::int64_t kTotalMax = 1'000'000'000'000;
constexpr std::int64_t kUserLimitMax = 1'000'000;
constexpr std::int64_t kMaxInflightMax = 999'999'999'999'999;
constexpr std::size_t kNameCharactersMax = 200;
constexpr std::int64_t kTimeMaxMs = 100'000'000'000'000;  ///< in the year 5138

/// An absolute total (`--total 1500`), or a change of the present total (`--total +500`, `--total -500`).
struct TotalArgument {
  std::int64_t units = 0;
  bool relative = false;
};

/// Collects numbers, times and texts from options, and remembers the first wrong one.
class Values {
 public:
  explicit Values(const Arguments& arguments) : arguments_(arguments) {}

  std::optional<std::int64_t> number(std::string_view name, std::int64_t least, std::int64_t most);
  std::optional<TotalArgument> total_change();
  std::optional<std::string> name();
  /// RFC 3339, `now`, or counted from now: `+2m`.
  std::optional<std::int64_t> begin(std::int64_t now_ms);
  /// RFC 3339, or counted from `from_ms`.
  std::optional<std::int64_t> end(std::int64_t from_ms, std::string_view from);

  void wrong(std::string message);
  [[nodiscard]] const std::optional<CommandResult>& is_wrong() const { return wrong_; }

 private:
  std::optional<std::int64_t> time(std::string_view name, std::optional<std::int64_t> value,
                                   const std::string& expected);

  const Arguments& arguments_;
  std::optional<CommandResult> wrong_;
};

/// Why a coupon cannot have this window: its end is not after its begin, or it is over. Empty when it can.
std::string window_problem(std::int64_t begin_ms, std::int64_t end_ms, std::int64_t now_ms);

}  // namespace flashclaim::cli
