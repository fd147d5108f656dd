// The closed-loop run of a list and the load generator, against a server of a few lines in a thread of its own.
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "bench/claim_run.h"
#include "bench/load.h"
#include "engine/base/ids.h"
#include "tests/unit/bench_tiny_server.h"

namespace flashclaim::bench {
namespace {

/// Coupon and user of a claim request.
ClaimOrder order_in(const std::string& request) {
  auto number_after = [&](const std::string& word) {
    std::size_t begin = request.find(word) + word.size();
    return parse_id(request.substr(begin, request.find_first_not_of("0123456789", begin) - begin)).value_or(0);
  };
  return {number_after("/coupons/"), number_after("X-User-Id: ")};
}

TinyServer::Reply accepted(const ClaimOrder& order, int sequence) {
  std::string id = ClaimId{order.coupon_id, 1, {1795380024805, sequence}, 0}.text();
  return {TinyServer::response(202, R"({"claimId":")" + id + R"(","status":"pending"})")};
}
TinyServer::Reply problem(int status, const std::string& code) {
  return {TinyServer::response(status, R"({"code":")" + code + R"("})")};
}

/// Runs a server until destroyed; what `answer` wrote may be read after stop().
class ServerThread {
 public:
  explicit ServerThread(TinyServer::Answer answer) {
    std::promise<http::Address> listening;
    auto address = listening.get_future();
    thread_ = std::thread([this, answer = std::move(answer), &listening] {
      TinyServer server(loop_, answer);
      listening.set_value(server.address());
      loop_.run();
    });
    address_ = address.get();
  }
  ~ServerThread() { stop(); }
  void stop() {
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
  }
  [[nodiscard]] const http::Address& address() const { return address_; }

 private:
  loop::Loop loop_;
  http::Address address_;
  std::thread thread_;
};

ClaimRunReport run(const ServerThread& server, const std::vector<ClaimOrder>& orders, int connections) {
  ClaimRunOptions options;
  options.address = server.address();
  options.host = "tiny";
  options.connections = connections;
  return run_claims(orders, options);
}

TEST(ClaimRun, EndsAtOnceWithNothingToDo) {
  ServerThread server([](int, const std::string&) { return TinyServer::Reply{}; });
  auto report = run(server, {}, 4);
  EXPECT_EQ(report.tally.attempts(), 0);
  EXPECT_EQ(report.stopped, "");
}

TEST(ClaimRun, KeepsWhatEveryClaimWasTold) {
  int sequence = 0;
  ServerThread server([&](int, const std::string& request) {
    ClaimOrder order = order_in(request);
    if (order.user_id % 10 == 1) return problem(409, "SOLD_OUT");
    if (order.user_id % 10 == 2) return problem(409, "LIMIT_REACHED");
    if (order.user_id % 10 == 3) return problem(410, "ENDED");
    return accepted(order, ++sequence);
  });
  std::vector<ClaimOrder> orders;
  for (std::int64_t user = 1; user <= 1000; ++user) orders.push_back({user % 3 + 1, user});
  auto report = run(server, orders, 16);
  EXPECT_EQ(report.tally.accepted, 700);
  EXPECT_EQ(report.tally.of(http::Problem::kSoldOut), 100);
  EXPECT_EQ(report.tally.of(http::Problem::kLimitReached), 100);
  EXPECT_EQ(report.tally.of(http::Problem::kEnded), 100);
  EXPECT_EQ(report.latency_us.count(), 1000u);
  ASSERT_EQ(report.acknowledged.size(), 700u);
  for (const auto& claim : report.acknowledged) EXPECT_EQ(claim.claim.coupon_id, claim.user_id % 3 + 1);
  ASSERT_EQ(report.told.size(), 200u);
  for (const auto& told : report.told)
    EXPECT_EQ(told.kind == operations::ReportedRefusal::Kind::kSoldOut, told.user_id % 10 == 1) << told.user_id;
  EXPECT_TRUE(report.unlearnt.empty());
  EXPECT_EQ(report.stopped, "");
}

TEST(ClaimRun, TriesAgainWhatPassesAndNeverWhatMayHaveBeenApplied) {
  std::map<std::int64_t, int> seen;
  ServerThread server([&](int, const std::string& request) {
    ClaimOrder order = order_in(request);
    int times = ++seen[order.user_id];
    if (order.user_id == 1 && times < 3) return problem(503, "BUSY");
    if (order.user_id == 2 && times < 2) return problem(503, "NOT_READY");
    if (order.user_id == 3) return problem(503, "OUTCOME_UNKNOWN");
    if (order.user_id == 4) return TinyServer::Reply{"", true};
    if (order.user_id == 5) return problem(500, "SOMETHING_ELSE");
    return accepted(order, static_cast<int>(order.user_id));
  });
  auto report = run(server, {{9, 1}, {9, 2}, {9, 3}, {9, 4}, {9, 5}, {9, 6}}, 2);
  server.stop();
  EXPECT_EQ(report.tally.accepted, 3);
  EXPECT_EQ(report.retries, 3);
  EXPECT_EQ(report.tally.outcome_unknown, 1);
  EXPECT_EQ(report.tally.unanswered, 1);
  EXPECT_EQ(report.tally.unexpected, 1);
  EXPECT_EQ(report.unlearnt, (std::map<std::int64_t, std::int64_t>{{9, 3}}));
  EXPECT_EQ(seen, (std::map<std::int64_t, int>{{1, 3}, {2, 2}, {3, 1}, {4, 1}, {5, 1}, {6, 1}}));
}

TEST(ClaimRun, GivesUpWhenNobodyAnswers) {
  std::optional<ServerThread> server([](int, const std::string&) { return TinyServer::Reply{}; });
  ClaimRunOptions options;
  options.address = server->address();
  options.connections = 2;
  options.give_up_after_ms = 300;
  server.reset();
  std::vector<ClaimOrder> orders = {{9, 1}};
  auto report = run_claims(orders, options);
  EXPECT_NE(report.stopped.find("no final answer"), std::string::npos) << report.stopped;
  EXPECT_NE(report.stopped.find("refused"), std::string::npos) << report.stopped;
}

LoadPlan plan_for(const ServerThread& server) {
  LoadPlan plan;
  plan.address = server.address();
  plan.host = "tiny";
  plan.coupon_ids = {9};
  plan.drain_s = 60;
  plan.deadline_ms = 60'000;
  return plan;
}

TEST(Load, SendsTheScheduleOnceWhateverTheThreads) {
  for (int threads : {1, 3}) {
    std::multiset<std::int64_t> users;
    std::map<std::int64_t, int> coupons;
    ServerThread server([&](int, const std::string& request) {
      ClaimOrder order = order_in(request);
      users.insert(order.user_id);
      ++coupons[order.coupon_id];
      return accepted(order, static_cast<int>(order.user_id));
    });
    LoadPlan plan = plan_for(server);
    plan.coupon_ids = {9, 10};
    plan.rate = 2000;
    plan.warmup_s = 0.1;
    plan.seconds = 0.4;
    plan.threads = threads;
    plan.connections = 7;
    plan.first_user = 100;
    plan.keep_acknowledged = true;
    auto report = run_load(plan);
    server.stop();
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->problem, "");
    EXPECT_EQ(report->all.accepted, 1000);
    EXPECT_EQ(report->tally.accepted, 800);
    EXPECT_EQ(report->due, 800);
    EXPECT_EQ(report->unsent, 0);
    EXPECT_EQ(report->measured_us, 400'000);
    for (const Histogram* histogram : {&report->latency, &report->service, &report->lag, &report->accepted})
      EXPECT_EQ(histogram->count(), 800u);
    EXPECT_EQ(report->acknowledged.size(), 1000u);
    EXPECT_EQ(users.size(), 1000u);
    EXPECT_EQ(std::set<std::int64_t>(users.begin(), users.end()).size(), 1000u);
    EXPECT_EQ(*users.begin(), 100);
    EXPECT_EQ(*users.rbegin(), 1099);
    EXPECT_EQ(coupons, (std::map<std::int64_t, int>{{9, 500}, {10, 500}}));
    std::int64_t sent = 0;
    for (const LoadSecond& second : report->timeline) sent += second.sent;
    EXPECT_EQ(sent, 1000);
  }
}

TEST(Load, DrawsRepeatedUsersFromItsRange) {
  std::map<std::int64_t, int> users;
  ServerThread server([&](int, const std::string& request) {
    ++users[order_in(request).user_id];
    return problem(409, "LIMIT_REACHED");
  });
  LoadPlan plan = plan_for(server);
  plan.rate = 4000;
  plan.seconds = 0.25;
  plan.users = 10;
  plan.first_user = 5;
  auto report = run_load(plan);
  server.stop();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->tally.of(http::Problem::kLimitReached), 1000);
  EXPECT_EQ(report->refused.count(), 1000u);
  EXPECT_EQ(report->accepted.count(), 0u);
  ASSERT_EQ(users.size(), 10u);
  EXPECT_EQ(users.begin()->first, 5);
  for (const auto& [user, times] : users) EXPECT_GT(times, 50) << user;
}

TEST(Load, AStallOfTheServerCountsForEveryClaimThatWasDueInIt) {
  int requests = 0;
  ServerThread server([&](int, const std::string& request) {
    if (++requests == 100) std::this_thread::sleep_for(std::chrono::milliseconds(400));  // the fault under test
    return accepted(order_in(request), requests);
  });
  LoadPlan plan = plan_for(server);
  plan.rate = 1000;
  plan.seconds = 1;
  plan.connections = 1;
  auto report = run_load(plan);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->tally.accepted, 1000);
  // 300 claims were due in the first 300 ms of the stall: each of them has waited for 100 ms at least, although only
  // one was on the wire.
  EXPECT_GE(report->latency.percentile(75), 100'000);
  EXPECT_GE(report->service.max(), 400'000);
  EXPECT_GE(report->answering_us, report->measured_us);
  EXPECT_GE(report->lag.percentile(75), 100'000 - 1000);
}

TEST(Load, WhatWasNeverSentOrAnsweredIsCountedWithTheTimeItWaited) {
  ServerThread server([](int, const std::string&) { return TinyServer::Reply{}; });
  LoadPlan plan = plan_for(server);
  plan.rate = 100;
  plan.seconds = 0.5;
  plan.drain_s = 0.2;
  plan.connections = 1;
  auto report = run_load(plan);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_NE(report->problem.find("overloaded"), std::string::npos) << report->problem;
  EXPECT_EQ(report->due, 50);
  EXPECT_EQ(report->unsent, 49);
  EXPECT_EQ(report->tally.unanswered, 1);
  EXPECT_EQ(report->latency.count(), 50u);
  EXPECT_GE(report->latency.min(), 200'000);
  EXPECT_GE(report->latency.max(), 690'000);
}

TEST(Load, AsAClosedLoopSendsAsAnswersCome) {
  int requests = 0;
  ServerThread server([&](int, const std::string& request) { return accepted(order_in(request), ++requests); });
  LoadPlan plan = plan_for(server);
  plan.seconds = 3;
  plan.connections = 4;
  plan.pipeline = 4;
  plan.threads = 2;
  auto report = run_load(plan);
  server.stop();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_GT(report->tally.accepted, 0);
  EXPECT_EQ(report->tally.accepted, requests);
  EXPECT_EQ(report->due, requests);
  EXPECT_EQ(report->unsent, 0);
  EXPECT_EQ(report->lag.max(), 0);
}

TEST(Load, IsAnErrorWithoutAnEngine) {
  std::optional<ServerThread> server([](int, const std::string&) { return TinyServer::Reply{}; });
  LoadPlan plan = plan_for(*server);
  server.reset();
  plan.rate = 10;
  plan.connect_ms = 300;
  auto report = run_load(plan);
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().message.find("refused"), std::string::npos) << report.error().message;
}

}  // namespace
}  // namespace flashclaim::bench
