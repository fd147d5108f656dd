// The load generator: constant arrivals whatever the answers (open loop), or as fast as answers come (closed loop).
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/claim_http.h"
#include "bench/histogram.h"
#include "engine/base/result.h"
#include "engine/http/address.h"
#include "engine/operations/checker.h"

namespace flashclaim::bench {

struct LoadPlan {
  http::Address address;
  std::string host;                      ///< the header's value
  std::vector<std::int64_t> coupon_ids;  ///< taken in turn; at least one
  double rate = 0;                       ///< claims per second, all threads together; 0: closed loop
  double warmup_s = 0;                   ///< loaded before it, not measured
  double seconds = 10;                   ///< measured
  double drain_s = 10;                   ///< how long claims that are late, and answers, are waited for afterwards
  int connections = 64;
  int pipeline = 1;
  int threads = 1;
  std::int64_t users = 0;             ///< 0: every claim another user; else drawn from so many
  std::int64_t first_user = 1;        ///< ids count up from here
  std::int64_t deadline_ms = 10'000;  ///< of one claim
  std::int64_t connect_ms = 15'000;   ///< until all connections stand
  bool keep_acknowledged = false;
  const std::atomic<bool>* interrupted = nullptr;
};

/// One second of the run, by the clock: what was sent and answered in it.
struct LoadSecond {
  std::int64_t sent = 0;
  std::int64_t accepted = 0;
  std::int64_t refused = 0;
  std::int64_t other = 0;  ///< unknown, not sent, unexpected
  std::int64_t latency_max_us = 0;
};

/// Durations in microseconds. In an open loop `latency` counts from the moment at which the claim was *due*: what a
/// slow server makes wait behind others is part of it. `service` counts from the moment it was sent, `lag` is the
/// difference. In a closed loop lag is 0 and both are the same. Claims that were due and never sent, or never answered,
/// stand in `latency` with the time that they had waited when the run ended: a lower bound, never left out.
struct LoadReport {
  Tally tally;                    ///< of the measured claims
  std::int64_t due = 0;           ///< measured claims that the schedule had (closed loop: that were sent)
  std::int64_t unsent = 0;        ///< of those, never sent: no connection was free in time
  std::int64_t measured_us = 0;   ///< from the first measured claim due to the end of the schedule
  std::int64_t answering_us = 0;  ///< measured_us, or longer where the last measured answer came after it: rates use it
  Histogram latency;
  Histogram accepted;  ///< latency of the accepted
  Histogram refused;   ///< latency of the refused
  Histogram service;
  Histogram lag;
  std::int64_t started_at_ms = 0;                      ///< the warm-up did, by the clock on the wall
  std::vector<LoadSecond> timeline;                    ///< from the start of the warm-up
  Tally all;                                           ///< warm-up included
  std::vector<operations::Acknowledged> acknowledged;  ///< warm-up included; only with keep_acknowledged
  std::string problem;                                 ///< why it ended early; empty: it did not

  void merge(const LoadReport& other);
};

/// Connects, waits until every connection stands, and runs. Blocks. An error: no connection could be made.
Result<LoadReport> run_load(const LoadPlan& plan);

}  // namespace flashclaim::bench
