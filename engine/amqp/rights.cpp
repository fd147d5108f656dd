// Lists what each program publishes, and asks the broker whether the login may; looks again with back-off.
#include "engine/amqp/rights.h"

#include "engine/amqp/topology.h"
#include "engine/base/try.h"

namespace flashclaim::amqp {
namespace {

constexpr int kDeadlineMs = 1000;

}  // namespace

std::string_view word(User user) { return user == User::kMirror ? "mirror" : "consumer"; }

const std::vector<Publishing>& publishings(User user) {
  static const std::vector<Publishing> kMirror = {{kExchange, kRoutingKey}};
  static const std::vector<Publishing> kConsumer = {
      {"", kDeadLetterQueue}, {kExchange, kSettledKey}, {kExchange, kRefusedKey}};
  return user == User::kMirror ? kMirror : kConsumer;
}

Result<std::string> missing_right(Connection& connection, User user) {
  for (const Publishing& publishing : publishings(user)) {
    const auto may = TRY(connection.may_publish(publishing.exchange, publishing.routing_key));
    const std::string_view to = publishing.exchange.empty() ? "the default exchange" : publishing.exchange;
    if (!may) return "publish to " + std::string(to) + " by " + std::string(publishing.routing_key);
  }
  return std::string();
}

std::string rights_text(User user, const std::string& missing) {
  if (missing.empty()) return "ok";
  return "this login may not " + missing + ": log in as the user " + std::string(word(user)) +
         ", with the permissions that this version's `flashctl access rabbitmq` prints";
}

RightsWatch::RightsWatch(std::string amqp_url, std::string name, User user)
    : amqp_url_(std::move(amqp_url)), name_(std::move(name)), user_(user) {}

Result<std::string> RightsWatch::ask() {
  auto opened = TRY(Connection::open(amqp_url_, {.name = name_ + " rights", .deadline_ms = kDeadlineMs}));
  return missing_right(*opened, user_);
}

bool RightsWatch::look_if_due() {
  if ((known_ && denied_.empty()) || !unknown_.due() || !again_.due()) return false;
  auto missing = ask();
  known_ = missing.has_value();
  if (!known_) {
    unknown_.next_ms();
    return false;
  }
  unknown_.reset();
  if (missing->empty())
    again_.reset();
  else
    again_.next_ms();
  if (*missing == denied_) return false;
  denied_ = std::move(missing).value();
  return true;
}

}  // namespace flashclaim::amqp
