// Fires a list of claims at the engine as fast as it goes over N connections, and keeps what each was told.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "bench/claim_http.h"
#include "bench/histogram.h"
#include "engine/http/address.h"
#include "engine/operations/checker.h"

namespace flashclaim::bench {

struct ClaimOrder {
  std::int64_t coupon_id = 0;
  std::int64_t user_id = 0;
};

struct ClaimRunOptions {
  http::Address address;
  std::string host;  ///< the header's value
  int connections = 64;
  std::int64_t deadline_ms = 10'000;       ///< of one attempt
  std::int64_t give_up_after_ms = 60'000;  ///< without one final answer
  const std::atomic<bool>* interrupted = nullptr;
  std::function<void(std::int64_t done)> progress;
};

/// `tally` counts the final word on each claim; those answered BUSY, NOT_READY or RATE_LIMITED and those never sent are
/// tried again and counted in `retries`. A claim that may have been applied is never sent again.
struct ClaimRunReport {
  Tally tally;
  std::int64_t retries = 0;
  std::vector<operations::Acknowledged> acknowledged;
  std::vector<operations::ReportedRefusal> told;
  std::map<std::int64_t, std::int64_t> unlearnt;  ///< by coupon: claims that may have been accepted, nobody knows
  Histogram latency_us;                           ///< of every answered attempt
  std::int64_t elapsed_us = 0;
  std::string stopped;  ///< why the list was not gone through to its end; empty: it was
};

/// Closed loop: the next claim goes out when a connection is free, in the order of the list. Blocks; runs a loop of its
/// own.
ClaimRunReport run_claims(std::span<const ClaimOrder> orders, const ClaimRunOptions& options);

}  // namespace flashclaim::bench
