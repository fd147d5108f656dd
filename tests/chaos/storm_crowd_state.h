// The inside of the crowd: every claim from the first attempt to its final answer. Belongs to the loop's thread.
#pragma once

#include <deque>
#include <functional>
#include <queue>
#include <random>

#include "bench/claim_http.h"
#include "bench/http_client.h"
#include "engine/loop/loop.h"
#include "tests/chaos/storm_crowd.h"

namespace flashclaim::chaos {

inline constexpr std::int64_t kTickMs = 5;
inline constexpr std::int64_t kAttemptDeadlineMs = 4000;
inline constexpr std::int64_t kFirstUser = 1'000'000'000'000'000;  // long ids: no digit may get lost
inline constexpr std::uint64_t kPollTag = std::uint64_t{1} << 63;

/// One claim that somebody wants.
struct Order {
  std::int64_t coupon = 0;
  std::int64_t user = 0;
  std::uint64_t key = 0;  ///< 0: sent without an Idempotency-Key
  std::int64_t sent_ms = 0;
  int attempts = 0;
  bool doubtful = false;  ///< an earlier attempt may have been applied
  bool replay = false;    ///< accepted before: must get `claim` again
  ClaimId claim;
};

struct Retry {
  std::int64_t due_ms;
  std::size_t order;
  bool operator>(const Retry& other) const { return due_ms > other.due_ms; }
};

struct Users {
  std::int64_t next = kFirstUser;
  std::deque<std::int64_t> recent;
};

struct Crowd::State {
  State(const CrowdOptions& given, Sale& the_sale, StormLog& the_log, Crowd& owner)
      : options(given), sale(the_sale), log(the_log), crowd(owner), dice(given.seed), tick(loop, [this] {
          on_tick();
        }) {
    for (const http::Address& address : options.engines) {
      bench::HttpClientOptions client;
      client.address = address;
      client.connections = options.connections;
      client.pipeline = options.pipeline;
      client.deadline_ms = kAttemptDeadlineMs;
      hosts.push_back(address.text());
      clients.push_back(std::make_unique<bench::HttpClient>(
          loop, client, [this](std::uint64_t tag, const bench::Response& response) { ended(tag, response); }, [] {}));
    }
    last_ms = loop::now_ms();
    tick.every_ms(kTickMs);
  }

  void on_tick();
  void wish();
  std::int64_t some_user(const Sale::Coupon& coupon);
  std::size_t room_for(Order order);
  bench::HttpClient* client_for(const Order* order);
  void send(std::size_t index);
  void send_poll();
  void ended(std::uint64_t tag, const bench::Response& response);
  void polled(const bench::Response& response);
  void accepted(Order& order, const ClaimId& claim);
  void refused(const Order& order, http::Problem problem);
  void lost(std::size_t index, const bench::Response& response);
  void retry(std::size_t index, int retry_after_s);
  void final_answer(std::size_t index);
  void unexpected(const std::string& what, const Order& order);
  void count_answer(const bench::ClaimAnswer& answer, const bench::Response& response);

  CrowdOptions options;
  Sale& sale;
  StormLog& log;
  Crowd& crowd;
  std::mt19937_64 dice;
  CrowdReport report;
  std::vector<Order> orders;
  std::vector<std::size_t> free;
  std::priority_queue<Retry, std::vector<Retry>, std::greater<>> retries;
  std::map<std::int64_t, Users> users;
  std::map<std::int64_t, std::int64_t> quiet_until;  ///< coupons that are sold out, and when somebody asks again
  std::deque<ClaimId> to_poll;
  std::vector<std::string> hosts;
  std::string request;
  std::uint64_t keys = 0;
  double tokens = 0;
  std::int64_t last_ms = 0;
  std::int64_t finish_by_ms = 0;  ///< 0: the sale goes on
  loop::Loop loop;
  loop::Timer tick;
  std::vector<std::unique_ptr<bench::HttpClient>> clients;
};

}  // namespace flashclaim::chaos
