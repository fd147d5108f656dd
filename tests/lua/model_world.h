// Random calls on one coupon in a real Redis and on its model: the same words, the same keys, the same law after each.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/redis/client.h"
#include "engine/redis/keys.h"
#include "tests/harness/sequences.h"
#include "tests/lua/model.h"

namespace flashclaim {

/// What a person's reconcile remembers between its look and its correction.
struct RememberedLook {
  std::int64_t epoch = 1, fix_seq = 0, suspect = 0, stock_delta = 0, inflight_delta = 0;
};

class RandomCoupon {
 public:
  /// The Redis is this object's alone and has the library, whichever version of it.
  explicit RandomCoupon(redis::Client& client);
  /// Empties the Redis and runs the steps of the seed; the first difference, or "".
  std::string run(std::uint64_t seed, const std::vector<int>& steps);

 private:
  using Words = std::vector<std::string>;
  using Step = void (RandomCoupon::*)(harness::Dice&);
  struct Choice {
    int weight;
    Step step;
  };

  void publish(harness::Dice& dice);
  void step(harness::Dice& dice);
  void pick_step(const std::vector<Choice>& choices, harness::Dice& dice);

  // The claim path.
  void claim(harness::Dice& dice);
  void finish(harness::Dice& dice);
  void finish_again(harness::Dice& dice);
  void finish_wrongly(harness::Dice& dice);
  void finish_entry(EntryId entry, std::int64_t epoch, std::size_t n, bool fresh, const CouponModel::Refusals& refused);
  // Operations.
  void apply(harness::Dice& dice);
  void retire(harness::Dice& dice);
  void purge(harness::Dice& dice);
  // Repairs.
  void inject_drift(harness::Dice& dice);
  void mend(harness::Dice& dice);
  void measure_by_walk(harness::Dice& dice);
  void mend_users(harness::Dice& dice);
  void fix_late(harness::Dice& dice);
  void fix_users_wrongly(harness::Dice& dice);
  // Rebuild.
  void lose_something(harness::Dice& dice);
  void freeze(harness::Dice& dice);
  void begin(harness::Dice& dice);
  void clear_users(harness::Dice& dice);
  void load_stock(harness::Dice& dice);
  void load_users(harness::Dice& dice);
  void open(harness::Dice& dice);
  void rebuild(harness::Dice& dice);
  // Marks and views.
  void mark(harness::Dice& dice);
  void look(harness::Dice& dice);
  void look_at_claim(harness::Dice& dice);

  ModelSettings some_settings(harness::Dice& dice);
  Words settings_args(const ModelSettings& settings) const;
  EntryId some_entry(harness::Dice& dice) const;
  std::int64_t about_epoch(harness::Dice& dice) const;
  [[nodiscard]] std::int64_t sold() const;

  /// One FCALL; in the same round trip, the keys as they are after it.
  std::string call(const std::string& function, const Words& keys, const Words& args);
  /// Any other command, as a fault of the world; changes are the test's.
  void tamper(const Words& argv);
  /// The reply, the keys and the law are those of the model, which has made the same step.
  void expect(const std::string& reply, const std::string& expected);
  std::string read_shown();
  std::vector<Words> state_commands();
  [[nodiscard]] std::string model_state() const;

  redis::Client& client_;
  const redis::CouponKeys keys_{42};
  const std::string ready_{redis::kReady}, issuing_{redis::kIssuing};
  std::int64_t now_ms_ = 0;
  CouponModel model_;
  std::optional<RememberedLook> remembered_;
  std::optional<std::pair<EntryId, std::size_t>> finished_;  ///< the last finished entry and its claims
  std::string called_;                                       ///< the last call, for a person
  std::vector<EntryId> results_read_;
  std::string seen_;  ///< the keys after it
};

}  // namespace flashclaim
