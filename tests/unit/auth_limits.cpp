// The limits: token buckets against a plain model, tables that stay as they are, and what a client over a limit is
// told.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <map>
#include <random>
#include <thread>
#include <vector>

#include "engine/pages/refusal.h"
#include "tests/harness/wait.h"
#include "tests/unit/auth_world.h"

namespace flashclaim {
namespace {

using auth::Buckets;
using auth::ConnectionCap;
using auth::Limits;
using auth::Rates;
using harness::RawAnswer;
using harness::RawConnection;

TEST(TokenBuckets, GiveABurstAndThenTheRate) {
  Buckets buckets(10);
  std::int64_t now_us = loop::now_us();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(buckets.take(7, 0, now_us), 0) << i;
  EXPECT_EQ(buckets.take(7, 0, now_us), 100);
  EXPECT_EQ(buckets.take(7, 0, now_us + 99'000), 1);
  EXPECT_EQ(buckets.take(7, 0, now_us + 100'000), 0);
  EXPECT_EQ(buckets.take(7, 0, now_us + 100'000), 100);
  EXPECT_EQ(buckets.take(8, 0, now_us), 0) << "another user";
  now_us += 60'000'000;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(buckets.take(7, 0, now_us), 0) << "full again, and never fuller";
  EXPECT_GT(buckets.take(7, 0, now_us), 0);
}

TEST(TokenBuckets, AreWhatAModelSaysForManyKeysAtRandomTimes) {
  constexpr int kRate = 5;
  Buckets buckets(kRate, std::size_t{1} << 16);
  std::mt19937 random(1);
  std::map<std::uint64_t, double> tokens_at;  // the time at which the bucket will be full
  double now_s = 0;
  const std::int64_t begin_us = loop::now_us();
  int refused = 0;
  for (int i = 0; i < 200'000; ++i) {
    now_s += static_cast<double>(random() % 64) / 1024;  // ticks of 1/64 ms hold these exactly
    const std::uint64_t key = random() % 4;
    double& full_at = tokens_at[key];
    const double base = std::max(full_at, now_s);
    const double ahead = base - now_s;
    const double spare = (kRate - 1.0) / kRate;
    const bool admitted = buckets.take(key, 1, begin_us + static_cast<std::int64_t>(now_s * 1e6)) == 0;
    if (std::abs(ahead - spare) > 0.001) {
      ASSERT_EQ(admitted, ahead <= spare) << i << " ahead " << ahead;
    }
    if (admitted) full_at = base + 1.0 / kRate;
    refused += admitted ? 0 : 1;
  }
  EXPECT_GT(refused, 1000) << "the model was never tried beyond the limit";
}

TEST(TokenBuckets, HoldThoseWhoComeOftenHoweverManyPassBy) {
  Buckets buckets(10, 4096);
  const std::int64_t now_us = loop::now_us();
  for (int i = 0; i < 10; ++i) ASSERT_EQ(buckets.take(1, 0, now_us), 0);
  for (std::uint64_t passer = 1000; passer < 3000; ++passer) EXPECT_EQ(buckets.take(passer, 0, now_us), 0);
  EXPECT_GT(buckets.take(1, 0, now_us), 0) << "whoever has emptied his bucket is the last to be forgotten";
}

TEST(TokenBuckets, AdmitExactlyTheBurstWhenAllThreadsAskAtOnce) {
  Buckets buckets(100);
  const std::int64_t now_us = loop::now_us();
  buckets.take(5, 5, now_us);
  std::atomic<int> admitted{1};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) admitted += buckets.take(5, 5, now_us) == 0 ? 1 : 0;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(admitted, 100);
}

TEST(ConnectionCap, CountsUpAndDown) {
  ConnectionCap cap(3);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(cap.enter(1, 2));
    EXPECT_FALSE(cap.enter(1, 2));
    EXPECT_TRUE(cap.enter(1, 3)) << "another address";
    cap.leave(1, 3);
    cap.leave(1, 2);
    EXPECT_TRUE(cap.enter(1, 2));
    for (int i = 0; i < 3; ++i) cap.leave(1, 2);
  }
}

http::Peer peer(const char* text) {
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  EXPECT_EQ(inet_pton(AF_INET6, text, &v6.sin6_addr), 1) << text;
  return http::peer_of(reinterpret_cast<const sockaddr&>(v6));
}

TEST(AuthLimits, CountIpv6ByTheNetworkOfAHousehold) {
  Limits limits(Rates{0, 1, 1});
  const std::int64_t now_us = loop::now_us();
  EXPECT_EQ(limits.address_waits(peer("2001:db8:0:1::1"), now_us), 0);
  EXPECT_GT(limits.address_waits(peer("2001:db8:0:1:ffff::2"), now_us), 0);
  EXPECT_EQ(limits.address_waits(peer("2001:db8:0:2::1"), now_us), 0);
  EXPECT_EQ(limits.address_waits(peer("::ffff:10.0.0.1"), now_us), 0);
  EXPECT_EQ(limits.address_waits(peer("::ffff:10.0.0.2"), now_us), 0);
  EXPECT_GT(limits.address_waits(peer("::ffff:10.0.0.2"), now_us), 0);
  EXPECT_TRUE(limits.connection_enters(peer("2001:db8:0:1::1")));
  EXPECT_FALSE(limits.connection_enters(peer("2001:db8:0:1::2")));
}

/// One connection, so that the cap on connections never decides; asks until the answer is not 200.
int admitted_at_once(RawConnection& connection, const std::string& headers, RawAnswer& last) {
  for (int asked = 0; asked < 1000; ++asked) {
    connection.send("GET /x HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n");
    last = connection.answer().value_or(RawAnswer{});
    if (last.status != 200) return asked;
  }
  return 1000;
}

TEST(AuthLimits, TellAUserOverTheRateToWait) {
  DoorWorld world(auth::Setup{.limits = std::make_shared<Limits>(Rates{2, 0, 0})});
  RawConnection connection(world.port());
  RawAnswer last;
  EXPECT_GE(admitted_at_once(connection, "X-User-Id: 7\r\n", last), 2);
  EXPECT_EQ(last.status, 429);
  EXPECT_EQ(last.headers.at("retry-after"), "1");
  EXPECT_EQ(last.headers.at("ratelimit-policy"), "\"user\";q=2;w=1");
  EXPECT_EQ(last.headers.at("ratelimit"), "\"user\";r=0;t=1");
  EXPECT_NE(last.body.find("\"code\":\"RATE_LIMITED\""), std::string::npos);
  EXPECT_NE(last.body.find("\"applied\":\"no\""), std::string::npos);
  connection.send("GET /x HTTP/1.1\r\nHost: a\r\nX-User-Id: 8\r\n\r\n");
  EXPECT_EQ(connection.answer()->status, 200) << "another user on the same connection";
  EXPECT_TRUE(harness::wait_until([&] {
    connection.send("GET /x HTTP/1.1\r\nHost: a\r\nX-User-Id: 7\r\n\r\n");
    return connection.answer()->status == 200;
  })) << "the bucket fills again";
}

constexpr const char* kReader = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
constexpr std::string_view kHtml = "text/html; charset=utf-8";

TEST(AuthLimits, ShowAReaderAPageAndAProgramTheProblem) {
  DoorWorld world(auth::Setup{.limits = std::make_shared<Limits>(Rates{1, 0, 0})}, pages::refusal_page);
  RawConnection connection(world.port());
  RawAnswer last;
  admitted_at_once(connection, std::string("X-User-Id: 7\r\n") + kReader, last);
  EXPECT_EQ(last.status, 429);
  EXPECT_EQ(last.headers.at("content-type"), kHtml);
  EXPECT_EQ(last.headers.at("retry-after"), "1");
  EXPECT_TRUE(last.headers.contains("content-security-policy"));
  EXPECT_NE(last.body.find("One moment, please"), std::string::npos) << last.body;
  admitted_at_once(connection, "X-User-Id: 7\r\nAccept: */*\r\n", last);
  EXPECT_EQ(last.headers.at("content-type"), "application/problem+json");
  for (const char* wrong : {"X-User-Id: 007\r\n", "X_User_Id: 7\r\n", "Authorization: Basic x\r\nX-User-Id: 7\r\n"}) {
    const RawAnswer shown = world.ask(std::string(wrong) + kReader);
    EXPECT_EQ(shown.status, 400) << wrong;
    EXPECT_EQ(shown.headers.at("content-type"), kHtml);
    EXPECT_NE(shown.body.find("not in order"), std::string::npos) << shown.body;
    EXPECT_EQ(world.ask(wrong).headers.at("content-type"), "application/problem+json");
    EXPECT_EQ(world.ask(std::string(wrong) + kReader, "POST").headers.at("content-type"), "application/problem+json");
  }
  const RawAnswer unknown = world.ask(std::string("Authorization: Bearer x\r\n") + kReader);
  EXPECT_EQ(unknown.status, 401);
  EXPECT_EQ(unknown.headers.at("content-type"), kHtml);
  EXPECT_EQ(unknown.headers.at("www-authenticate"), "X-User-Id");
}

TEST(AuthLimits, TellAnAddressOverTheRateToWaitWhoeverItsUsersAre) {
  DoorWorld world(auth::Setup{.limits = std::make_shared<Limits>(Rates{0, 3, 0})});
  RawConnection connection(world.port());
  RawAnswer last;
  int user = 0;
  do {
    connection.send("GET /x HTTP/1.1\r\nHost: a\r\nX-User-Id: " + std::to_string(++user) + "\r\n\r\n");
    last = connection.answer().value_or(RawAnswer{});
  } while (last.status == 200 && user < 1000);
  EXPECT_EQ(last.status, 429);
  EXPECT_EQ(last.headers.at("ratelimit-policy"), "\"address\";q=3;w=1");
  EXPECT_GE(world.counters().address_limited.value(), 1U);
}

TEST(AuthLimits, DoNotCountTheAddressOfAGateway) {
  auth::Policy policy;
  policy.gateways = *auth::PeerList::parse("127.0.0.0/8");
  DoorWorld world(auth::Setup{.policy = policy, .limits = std::make_shared<Limits>(Rates{0, 1, 1})});
  RawConnection one(world.port());
  RawConnection two(world.port());
  RawAnswer last;
  EXPECT_EQ(admitted_at_once(one, "", last), 1000);
  EXPECT_EQ(admitted_at_once(two, "", last), 1000);
}

TEST(AuthLimits, TurnAwayConnectionsBeyondTheCapOfAnAddressAndTakeThemAgainLater) {
  DoorWorld world(auth::Setup{.limits = std::make_shared<Limits>(Rates{0, 0, 2})});
  RawAnswer last;
  auto one = std::make_unique<RawConnection>(world.port());
  RawConnection two(world.port());
  one->send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  two.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(one->answer()->status, 200);
  EXPECT_EQ(two.answer()->status, 200);
  RawConnection three(world.port());
  EXPECT_EQ(three.answer()->status, 429) << "it is told so before it says anything";
  EXPECT_TRUE(three.closed_by_server());
  EXPECT_EQ(world.counters().connections_refused.value(), 1U);
  one.reset();
  EXPECT_TRUE(harness::wait_until([&] {
    RawConnection again(world.port());
    again.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto answer = again.answer();
    return answer && answer->status == 200;
  }));
  two.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(two.answer()->status, 200);
}

}  // namespace
}  // namespace flashclaim
