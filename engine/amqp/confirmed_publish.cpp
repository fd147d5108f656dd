// A Returned names its message id and comes before its Confirmed, which names a sequence: both are kept until then.
#include "engine/amqp/confirmed_publish.h"

#include <algorithm>
#include <map>
#include <variant>

#include "engine/base/test_point.h"
#include "engine/base/try.h"

namespace flashclaim::amqp {
namespace {

constexpr std::chrono::milliseconds kPoll{100};

/// What is published and not answered yet.
class Outstanding {
 public:
  Outstanding(std::span<const Publication> messages) : messages_(messages), why_not_(messages.size()) {}

  void sent(std::uint64_t sequence, std::size_t index) { indices_[sequence] = index; }

  void on(const Event& event) {
    if (const auto* returned = std::get_if<Returned>(&event)) {
      for (std::size_t i = 0; i < messages_.size(); ++i)
        if (messages_[i].message_id == returned->message_id) why_not_[i] = "no queue took it: " + returned->reply;
    } else if (const auto* confirmed = std::get_if<Confirmed>(&event)) {
      auto at = confirmed->multiple ? indices_.begin() : indices_.find(confirmed->sequence);
      const auto end = indices_.upper_bound(confirmed->sequence);
      while (at != end && at != indices_.end()) {
        if (!confirmed->ack) why_not_[at->second] = "RabbitMQ refused it";
        at = indices_.erase(at);
      }
    }
  }

  [[nodiscard]] bool empty() const { return indices_.empty(); }
  [[nodiscard]] std::vector<std::string> why_not() && { return std::move(why_not_); }

 private:
  std::span<const Publication> messages_;
  std::vector<std::string> why_not_;
  std::map<std::uint64_t, std::size_t> indices_;
};

}  // namespace

Result<std::vector<std::string>> publish_confirmed(Connection& connection, std::span<const Publication> messages,
                                                   const ConfirmOptions& options) {
  Outstanding outstanding(messages);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto sequence = TRY(connection.publish(messages[i]));
    if (options.sent_point != nullptr) test_point(options.sent_point);
    outstanding.sent(sequence, i);
  }
  const auto deadline = std::chrono::steady_clock::now() + options.deadline;
  while (!outstanding.empty()) {
    const bool over = std::chrono::steady_clock::now() >= deadline;
    if (over || (options.interrupted && options.interrupted()))
      return unknown(connection.blocked() ? "RabbitMQ has an alarm and takes no messages (flashctl mq status)"
                                          : "RabbitMQ did not confirm in time");
    const auto event = connection.poll(static_cast<int>(kPoll.count()));
    if (!event) return unknown(event.error().message);
    if (event->has_value()) outstanding.on(**event);
  }
  return std::move(outstanding).why_not();
}

}  // namespace flashclaim::amqp
