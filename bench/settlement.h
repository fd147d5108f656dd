// Waits until what was claimed is settled: the streams empty but for dead entries, the work queue empty.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "engine/base/result.h"

namespace flashclaim::redis {
class Client;
}
namespace flashclaim::amqp {
class Connection;
}

namespace flashclaim::bench {

/// What is still on its way to PostgreSQL.
struct Backlog {
  std::int64_t claims = 0;   ///< in flight, those of dead entries included
  std::int64_t entries = 0;  ///< in the streams and not dead
  std::int64_t queued = 0;   ///< messages ready in the work queue
};
/// One round trip per 1,000 coupons. `broker` may be null: then `queued` is 0.
Result<Backlog> backlog(redis::Client& redis, amqp::Connection* broker, std::span<const std::int64_t> coupon_ids);

struct SettlementOptions {
  std::int64_t stall_ms = 60'000;  ///< without any progress: give up
  const std::atomic<bool>* interrupted = nullptr;
  std::function<void(const Backlog& left)> progress;
};
/// The error says what is stuck and what to look at. Returns the microseconds waited.
Result<std::int64_t> wait_settled(redis::Client& redis, amqp::Connection& broker,
                                  std::span<const std::int64_t> coupon_ids, const SettlementOptions& options);

}  // namespace flashclaim::bench
