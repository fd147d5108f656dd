// A long backlog: consumers are away for many times the mirror's patience, under load, and come back.
#include <gtest/gtest.h>

#include <chrono>

#include "engine/amqp/topology.h"
#include "tests/harness/whole_path.h"

namespace flashclaim {
namespace {

class BacklogPath : public WholePath {
 protected:
  /// The value of a line of a program's /metrics; 0 when it is not there.
  static std::int64_t metric(int port, const std::string& line) {
    const std::string text = "\n" + harness::raw_request(port, "GET", "/metrics").body;
    const auto at = text.find("\n" + line + " ");
    return at == std::string::npos ? 0 : std::stoll(text.substr(at + line.size() + 2));
  }
  /// Entries that this coupon's stream ever got.
  std::int64_t entries(std::int64_t coupon) {
    const auto info = redis::ok(redis().command({"XINFO", "STREAM", redis::CouponKeys(coupon).claims})).value();
    for (std::size_t i = 0; i + 1 < info.size(); i += 2)
      if (info[i].text() == "entries-added") return info[i + 1].integer();
    return 0;
  }
  std::int64_t unfinished(std::int64_t coupon) { return redis_number({"XLEN", redis::CouponKeys(coupon).claims}); }
};

TEST_F(BacklogPath, OfConsumersThatWereAwayIsSettledWithoutDuplicatesAndTheNextSaleDoesNotWaitForAny) {
  constexpr int kConnections = 12;
  constexpr std::chrono::seconds kAway(12);  // with a patience of one second: twelve minutes, compressed
  engine_ = engine({"--republish-after=1"});
  const auto coupon = open_coupon(10'000'000, 1);
  std::int64_t user = 0;
  bench::ClaimRunReport run;
  const auto began = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - began < kAway) {
    std::vector<bench::ClaimOrder> orders;
    for (int i = 0; i < 2'000; ++i) orders.push_back({coupon, ++user});
    run = fire(orders, kConnections);
    told_.acknowledged.insert(told_.acknowledged.end(), run.acknowledged.begin(), run.acknowledged.end());
  }
  EXPECT_EQ(metric(admin_port_, "flashclaim_mirror_republished_total"), 0) << "nobody consumes: nothing is known lost";
  consumer_ = consumer();
  const auto all = entries(coupon);
  const auto next = open_coupon(1000, 1);
  EXPECT_TRUE(wait_until([&] { return unfinished(coupon) == 0; }, std::chrono::minutes(5)));
  // Duplicates would stand before the next sale in the queue.
  const auto duplicates = metric(admin_port_, "flashclaim_mirror_republished_total");
  EXPECT_LT(duplicates * 100, all) << "of " << all << " entries";
  accept(next, 1, 1);
  EXPECT_TRUE(wait_until([&] { return counts(next).rows == 1; }));
  EXPECT_LT(metric(consumer_admin_port_, "flashclaim_consumer_finishes_total{reply=\"ABSENT\"}") * 100, all);
  std::printf("%lld claims in %lld entries: %lld published again\n", static_cast<long long>(told_.acknowledged.size()),
              static_cast<long long>(all), static_cast<long long>(duplicates));
  await_rest();
  expect_invariants(told_);
}

}  // namespace
}  // namespace flashclaim
