// The operator of a storm: flashctl commands at random while everything breaks, repeated until they are carried out.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/chaos/storm_log.h"
#include "tests/chaos/storm_sale.h"
#include "tests/harness/process.h"

namespace flashclaim::chaos {

/// Two threads: one that runs the sale, one that looks (reconcile, check --selling, status).
class Operator {
 public:
  Operator(harness::Environment environment, std::uint64_t seed, Sale& sale, StormLog& log);
  ~Operator();
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  /// Before the storm: coupons that are large enough for `claims` claims, and two that are soon sold out. Throws when
  /// they cannot be opened.
  void open_first_coupons(std::int64_t claims);
  void begin();
  /// Ends the threads, then carries out what is still owed: everything is healed.
  void finish();

 private:
  void run_sale();
  void run_looks(std::uint64_t seed);
  void one_step();
  int flashctl(const std::vector<std::string>& words);
  /// Repeats until flashctl says done (0) or refused (4); other exits mean a service is away.
  int insist(const std::vector<std::string>& words);
  bool open_coupon(std::int64_t total, std::int64_t limit, int weight);
  void pause(std::int64_t id);
  void restock(std::int64_t id, std::int64_t by);
  void set_total(std::int64_t id, std::int64_t total);
  void raise_limit(const Sale::Coupon& coupon);
  void rest(std::int64_t most_ms);

  harness::Environment environment_;
  std::mt19937_64 dice_;
  Sale& sale_;
  StormLog& log_;
  std::int64_t last_id_ = 0;
  std::atomic<bool> finishing_{false};
  std::thread sale_thread_;
  std::thread looks_thread_;
};

}  // namespace flashclaim::chaos
