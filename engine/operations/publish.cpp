#include "engine/operations/publish.h"

#include <algorithm>
#include <map>

#include "engine/amqp/connection.h"
#include "engine/amqp/topology.h"
#include "engine/base/digest.h"
#include "engine/base/test_point.h"
#include "engine/base/try.h"

namespace flashclaim::operations {
namespace {

constexpr int kConfirmWaitMs = 10'000;

/// What is published and not answered yet.
class Outstanding {
 public:
  void sent(std::uint64_t sequence, std::size_t index, std::string message_id) {
    indices_[sequence] = index;
    by_message_[std::move(message_id)].push_back(index);
  }
  void on(const amqp::Event& event, std::vector<bool>& held) {
    if (const auto* returned = std::get_if<amqp::Returned>(&event)) {
      for (const std::size_t index : by_message_[returned->message_id]) refused_.push_back(index);
    } else if (const auto* confirmed = std::get_if<amqp::Confirmed>(&event)) {
      const auto end = indices_.upper_bound(confirmed->sequence);
      auto at = confirmed->multiple ? indices_.begin() : indices_.find(confirmed->sequence);
      while (at != end && at != indices_.end()) {
        held[at->second] = confirmed->ack && std::find(refused_.begin(), refused_.end(), at->second) == refused_.end();
        at = indices_.erase(at);
      }
    }
  }
  [[nodiscard]] bool empty() const { return indices_.empty(); }

 private:
  std::map<std::uint64_t, std::size_t> indices_;
  std::map<std::string, std::vector<std::size_t>> by_message_;
  std::vector<std::size_t> refused_;  // a Returned comes before its Confirmed
};

}  // namespace

Result<std::vector<bool>> publish_confirmed(amqp::Connection& amqp, std::span<const mirror::EntryMessage> messages) {
  std::vector<bool> held(messages.size(), false);
  Outstanding outstanding;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string body = mirror::encode(messages[i]);
    const std::string message_id = messages[i].message_id();
    amqp::Publication publication;
    publication.exchange = amqp::kExchange;
    publication.routing_key = amqp::kRoutingKey;
    publication.body = body;
    publication.message_id = message_id;
    publication.headers = {{std::string(amqp::kChecksumHeader), checksum(body)},
                           {std::string(amqp::kAttemptsHeader), "0"}};
    const auto sequence = TRY(amqp.publish(publication));
    test_point("admin.publish.sent");
    outstanding.sent(sequence, i, message_id);
  }
  while (!outstanding.empty()) {
    const auto event = TRY(amqp.poll(kConfirmWaitMs));
    if (!event.has_value()) return unknown("RabbitMQ did not confirm in time (an alarm? flashctl mq status)");
    outstanding.on(*event, held);
  }
  return held;
}

}  // namespace flashclaim::operations
