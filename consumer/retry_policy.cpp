// The retry queues in order, then the DLQ; a hopeless message goes to the DLQ at once.
#include "consumer/retry_policy.h"

#include <algorithm>

#include "engine/amqp/topology.h"
#include "engine/base/ids.h"

namespace flashclaim::consumer {
namespace {

constexpr int kAttemptsMax = static_cast<int>(amqp::kRetryDelaysMs.size());
constexpr std::size_t kDetailMax = 300;
constexpr std::size_t kChecksumMax = 64;

}  // namespace

RetryDecision plan_retry(const Item& item) {
  const std::int64_t told = parse_number(item.delivery.header(amqp::kAttemptsHeader)).value_or(0);
  const int before = static_cast<int>(std::min<std::int64_t>(told, kAttemptsMax));
  RetryDecision plan;
  plan.dead = hopeless(item.fault) || before >= kAttemptsMax;
  plan.attempts = std::min(before + 1, kAttemptsMax);
  plan.queue = plan.dead ? std::string(amqp::kDeadLetterQueue)
                         : amqp::retry_queue(amqp::kRetryDelaysMs[static_cast<std::size_t>(before)]);
  // The sender chose the length of this header; the copy must fit into the broker's frame.
  const auto sum = item.delivery.header(amqp::kChecksumHeader).substr(0, kChecksumMax);
  plan.headers = {{std::string(amqp::kChecksumHeader), std::string(sum)},
                  {std::string(amqp::kAttemptsHeader), std::to_string(plan.attempts)},
                  {std::string(amqp::kFaultHeader), std::string(word(item.fault))},
                  {std::string(amqp::kFaultDetailHeader), item.fault_detail.substr(0, kDetailMax)}};
  return plan;
}

}  // namespace flashclaim::consumer
