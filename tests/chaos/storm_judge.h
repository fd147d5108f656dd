// The judgement of a storm: the one checker, and what only the crowd can know (duplicates, refusals and their time).
#pragma once

#include <atomic>

#include "tests/chaos/storm.h"

namespace flashclaim::chaos {

/// One claim that the database decided.
struct Decided {
  std::int64_t user = 0;
  std::int64_t at_ms = 0;  ///< its entry's id: Redis' clock
};

/// How many of the refusals of one coupon were wrong. Sold out is right when, by the time of the answer, at least the
/// lowest total that may have been in force was given out; "limit reached" when the user had at least the lowest limit.
/// Never a false alarm: returned units and returned counts only make it milder. `decided`: all claims ever, in any
/// order.
std::int64_t wrong_refusals(const std::vector<Refusal>& refusals, std::vector<Decided> decided, const Terms& terms,
                            std::string* example);

/// Claims of (coupon, user) beyond those acknowledged and those in doubt.
std::int64_t duplicates(std::int64_t coupon, const std::vector<Decided>& decided, const CrowdReport& crowd);

/// Until its end every right that a service denies, whenever and to whom, is a promise broken; one at a time. Programs
/// may well say that a person must act.
class Denials {
 public:
  explicit Denials(StormLog& log);
  ~Denials();
  Denials(const Denials&) = delete;
  Denials& operator=(const Denials&) = delete;
  [[nodiscard]] std::int64_t count() const { return count_; }  ///< any thread

 private:
  std::atomic<std::int64_t> count_ = 0;
};

struct Stores {
  redis::Client& redis;
  postgres::Session& pg;
  amqp::Connection& amqp;
};
/// At rest. Fills the report.
void judge(Stores stores, const Sale& sale, CrowdReport crowd, StormLog& log, StormReport& report);

}  // namespace flashclaim::chaos
