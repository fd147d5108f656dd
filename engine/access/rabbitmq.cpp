// The definitions of RabbitMQ: users, permissions, and the topology. No program may declare queues: a broker that lost
// everything gets them from here at its next start.
#include "engine/access/access.h"
#include "engine/access/secret.h"
#include "engine/amqp/topology.h"
#include "engine/base/json.h"
#include "engine/base/try.h"

namespace flashclaim::access {
namespace {

/// Regular expressions over names; `topics` over the routing keys written to promotion.topic. The default exchange is
/// amq.default: a user who may write to it may publish into every queue by its name.
struct Permissions {
  std::string_view login;
  std::string_view configure;
  std::string_view write;
  std::string_view read;
  std::string_view topics;
};
constexpr std::string_view kOurs = R"(^(promotion\..*|amq\.default)$)";
constexpr Permissions kPermissions[] = {
    {"mirror", "^$", R"(^promotion\.topic$)", "^$", R"(^coupon\.receive$)"},
    {"consumer", "^$", R"(^(amq\.default|promotion\.topic)$)", R"(^promotion\.coupon\.receive\.queue$)",
     R"(^coupon\.(settled|refused)$)"},
    {"admin", kOurs, kOurs, kOurs, ".*"},
};

/// Builds a JSON object.
class Object {
 public:
  Object& text(std::string_view name, std::string_view value) { return bare(name, json_string(value)); }
  Object& bare(std::string_view name, std::string_view value) {
    members_ += (members_.empty() ? "" : ",") + json_string(name) + ':' + std::string(value);
    return *this;
  }
  [[nodiscard]] std::string json() const { return '{' + members_ + '}'; }

 private:
  std::string members_;
};

std::string list(const std::vector<Object>& objects) {
  std::string text;
  for (const Object& object : objects) text += (text.empty() ? "\n  " : ",\n  ") + object.json();
  return '[' + text + ']';
}

Object queue(const amqp::QueueDeclaration& declaration) {
  Object arguments;
  for (const auto& [name, value] : declaration.arguments.table()) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) arguments.bare(name, std::to_string(*number));
    if (const auto* text = std::get_if<std::string>(&value)) arguments.text(name, *text);
  }
  return Object()
      .text("name", declaration.name)
      .text("vhost", "/")
      .bare("durable", "true")
      .bare("auto_delete", "false")
      .bare("arguments", arguments.json());
}

/// The permissions on a vhost, without the braces around them.
std::string permissions_on(std::string_view vhost) {
  std::vector<Object> permissions;
  std::vector<Object> topics;
  for (const Permissions& user : kPermissions) {
    permissions.push_back(Object()
                              .text("user", user.login)
                              .text("vhost", vhost)
                              .text("configure", user.configure)
                              .text("write", user.write)
                              .text("read", user.read));
    topics.push_back(Object()
                         .text("user", user.login)
                         .text("vhost", vhost)
                         .text("exchange", amqp::kExchange)
                         .text("write", user.topics)
                         .text("read", user.login == "admin" ? ".*" : "^$"));
  }
  return "\"permissions\":" + list(permissions) + ",\n\"topic_permissions\":" + list(topics);
}

std::string topology() {
  const Object exchange = Object()
                              .text("name", amqp::kExchange)
                              .text("vhost", "/")
                              .text("type", "topic")
                              .bare("durable", "true")
                              .bare("auto_delete", "false")
                              .bare("internal", "false")
                              .bare("arguments", "{}");
  const Object binding = Object()
                             .text("source", amqp::kExchange)
                             .text("vhost", "/")
                             .text("destination", amqp::kQueue)
                             .text("destination_type", "queue")
                             .text("routing_key", amqp::kRoutingKey)
                             .bare("arguments", "{}");
  std::vector<Object> queues;
  for (const auto& declaration : amqp::topology_queues()) queues.push_back(queue(declaration));
  return ",\n\"exchanges\":" + list({exchange}) + ",\n\"queues\":" + list(queues) +
         ",\n\"bindings\":" + list({binding});
}

}  // namespace

Result<std::string> rabbitmq_access(const std::string& folder) {
  std::vector<Object> users;
  for (const Permissions& user : kPermissions) {
    const auto password = TRY(read_password(folder + "/rabbitmq-" + std::string(user.login)));
    users.push_back(Object()
                        .text("name", user.login)
                        .text("password_hash", rabbitmq_hash(user.login, password))
                        .text("hashing_algorithm", "rabbit_password_hashing_sha256")
                        .bare("tags", "[]"));
  }
  return "{\"vhosts\":" + list({Object().text("name", "/")}) + ",\n\"users\":" + list(users) + ",\n" +
         permissions_on("/") + topology() + "}\n";
}

std::string rabbitmq_permissions(std::string_view vhost) { return '{' + permissions_on(vhost) + '}'; }

}  // namespace flashclaim::access
