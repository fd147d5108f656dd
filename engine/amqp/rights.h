// Whether a login at RabbitMQ may publish what its program publishes: asked beside the work, on a short connection.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/amqp/connection.h"
#include "engine/base/backoff.h"

namespace flashclaim::amqp {

/// The programs' users (`flashctl access users`).
enum class User { kMirror, kConsumer };
std::string_view word(User user);

/// What the user must be allowed to publish.
struct Publishing {
  std::string_view exchange;  ///< "": the default exchange
  std::string_view routing_key;
};
const std::vector<Publishing>& publishings(User user);

/// The first publish of the user's that is denied, like `publish to promotion.topic by coupon.receive`; "" when all are
/// allowed. No queue hears of it. As Connection::may_publish: not for a connection that has other work.
Result<std::string> missing_right(Connection& connection, User user);
/// What the /readyz of a program says of it; "ok" when nothing is denied.
std::string rights_text(User user, const std::string& missing);

/// Asks when told to, until there is an answer, and goes on asking while something is denied. One thread.
class RightsWatch {
 public:
  RightsWatch(std::string amqp_url, std::string name, User user);

  /// There is a new connection: the broker may be another, and the rights too.
  void ask_again() { known_ = false; }
  /// Asks if that is due, and takes about a second at most. True when the answer is another than before.
  bool look_if_due();
  /// What is known to be denied; "": nothing. What cannot be asked (no broker, an alarm) stays as it was.
  [[nodiscard]] const std::string& denied() const { return denied_; }

 private:
  Result<std::string> ask();

  const std::string amqp_url_;
  const std::string name_;
  const User user_;
  bool known_ = false;
  std::string denied_;
  Backoff unknown_{1000, 30000};  ///< a link that is slow for good must not take a second of every ten
  Backoff again_{1000, 5000};
};

}  // namespace flashclaim::amqp
