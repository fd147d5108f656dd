// `flashbench load`: the coupons of a load, the load itself, the backlog beside it, and what is reported.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/load.h"
#include "bench/progress.h"
#include "bench/settlement.h"
#include "engine/base/result.h"
#include "engine/cli/output.h"

namespace flashclaim::bench {

struct LoadCommand {
  LoadPlan plan;  ///< without address and, when coupons are made for it, without coupon ids
  /// Coupons to make for this load when the plan names none; with them the backlog is watched.
  std::int64_t coupons = 1;
  std::int64_t total = 1'000'000'000;
  std::int64_t user_limit = 1;
  bool settle = false;    ///< afterwards: wait for settlement and check every invariant
  bool timeline = false;  ///< report every second
  std::int64_t stall_ms = 60'000;
  Progress::Style progress = Progress::Style::kQuiet;
};

struct BacklogSample {
  std::int64_t at_ms = 0;  ///< after the load's beginning (its connections are made within the first of them)
  Backlog backlog;
};

struct LoadCommandReport {
  LoadReport load;
  std::vector<std::int64_t> coupon_ids;
  std::vector<BacklogSample> backlog;  ///< one a second; empty when the coupons are somebody else's
  std::int64_t drain_us = -1;          ///< from the last answer to the last row; -1: not waited for
  operations::CheckReport check;       ///< with settle
  std::string problem;                 ///< why the run is not to be trusted; empty: it is
  [[nodiscard]] bool passed() const {
    return problem.empty() && load.tally.unexpected == 0 && load.all.without_retry_after == 0 && check.holds();
  }
};

/// Needs HTTP_URL; without coupon ids in the plan also REDIS_URL, AMQP_URL and PG_URL. Blocks.
Result<LoadCommandReport> run_load_command(const LoadCommand& command);

cli::Document load_document(const LoadCommand& command, const LoadCommandReport& report);

}  // namespace flashclaim::bench
