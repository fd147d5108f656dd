// The messages of stream entries, as the mirror would publish them.
#include "engine/operations/publish.h"

#include "engine/amqp/confirmed_publish.h"
#include "engine/amqp/topology.h"
#include "engine/base/digest.h"
#include "engine/base/try.h"

namespace flashclaim::operations {
Result<std::vector<bool>> publish_confirmed(amqp::Connection& amqp, std::span<const mirror::EntryMessage> messages) {
  std::vector<std::string> bodies;
  std::vector<std::string> ids;
  for (const mirror::EntryMessage& message : messages) {
    bodies.push_back(mirror::encode(message));
    ids.push_back(message.message_id());
  }
  std::vector<amqp::Publication> publications(messages.size());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    publications[i].exchange = amqp::kExchange;
    publications[i].routing_key = amqp::kRoutingKey;
    publications[i].body = bodies[i];
    publications[i].message_id = ids[i];
    publications[i].headers = {{std::string(amqp::kChecksumHeader), checksum(bodies[i])},
                               {std::string(amqp::kAttemptsHeader), "0"}};
  }
  const auto why_not = TRY(amqp::publish_confirmed(amqp, publications, {.sent_point = "admin.publish.sent"}));
  std::vector<bool> held;
  for (const std::string& why : why_not) held.push_back(why.empty());
  return held;
}

}  // namespace flashclaim::operations
