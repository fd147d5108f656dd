// Sums the streams' lengths and the queue's messages until they are empty or time is up.
#include "bench/settlement.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "engine/amqp/connection.h"
#include "engine/amqp/topology.h"
#include "engine/base/ids.h"
#include "engine/base/try.h"
#include "engine/loop/loop.h"
#include "engine/redis/client.h"
#include "engine/redis/keys.h"

namespace flashclaim::bench {
namespace {

constexpr std::size_t kPipelineCoupons = 1000;
constexpr auto kPause = std::chrono::milliseconds(50);

Result<std::int64_t> read_integer(redis::Client& redis) {
  auto reply = TRY(redis::ok(redis.read()));
  if (reply.kind() == redis::ReplyKind::kInteger) return reply.integer();
  return parse_number(reply.text()).value_or(0);  // a hash field; absent: nothing in flight
}

Result<void> add_chunk(redis::Client& redis, std::span<const std::int64_t> coupon_ids, Backlog& sum) {
  for (std::int64_t id : coupon_ids) {
    redis::CouponKeys keys(id);
    redis.append({"HGET", keys.coupon, "inflight"});
    redis.append({"XLEN", keys.claims});
    redis.append({"SCARD", keys.dead});
  }
  for (std::size_t i = 0; i < coupon_ids.size(); ++i) {
    auto claims = read_integer(redis);
    auto entries = read_integer(redis);
    auto dead = read_integer(redis);
    for (const auto* answer : {&claims, &entries, &dead})
      if (!*answer) return answer->error();
    sum.claims += *claims;
    sum.entries += std::max<std::int64_t>(*entries - *dead, 0);
  }
  return {};
}

}  // namespace

Result<Backlog> backlog(redis::Client& redis, amqp::Connection* broker, std::span<const std::int64_t> coupon_ids) {
  Backlog sum;
  for (std::size_t begin = 0; begin < coupon_ids.size(); begin += kPipelineCoupons) {
    auto size = std::min(kPipelineCoupons, coupon_ids.size() - begin);
    TRY(add_chunk(redis, coupon_ids.subspan(begin, size), sum));
  }
  if (!broker) return sum;
  sum.queued = TRY(broker->queue_depth(amqp::kQueue));
  return sum;
}

Result<std::int64_t> wait_settled(redis::Client& redis, amqp::Connection& broker,
                                  std::span<const std::int64_t> coupon_ids, const SettlementOptions& options) {
  std::int64_t start = loop::now_us();
  std::int64_t last_progress_ms = loop::now_ms();
  std::int64_t least = INT64_MAX;
  for (;;) {
    auto left = TRY(backlog(redis, &broker, coupon_ids));
    if (options.progress) options.progress(left);
    if (left.entries == 0 && left.queued == 0) return loop::now_us() - start;
    if (options.interrupted && *options.interrupted) return failure("interrupted");
    if (left.claims + left.queued < least) {
      least = left.claims + left.queued;
      last_progress_ms = loop::now_ms();
    }
    if (loop::now_ms() - last_progress_ms > options.stall_ms)
      return failure(fmt::format(
          "settlement stands still for {} s: {} entries ({} claims) in the streams, {} messages in {}. Are the mirror "
          "and a consumer running (flashctl status)?",
          options.stall_ms / 1000, left.entries, left.claims, left.queued, amqp::kQueue));
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace flashclaim::bench
