// One thread per client claims, reads the answer, and notes it.
#include "tests/links/witnesses.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>

#include "engine/base/ids.h"
#include "tests/harness/wait.h"
#include "tests/harness/whole_path.h"

namespace flashclaim::links {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kRest = 10ms;
constexpr std::size_t kComplaintsMax = 10;

/// Ten digits, the first of which becomes another one when its lowest bit flips: what only a checksum can tell.
std::int64_t next_user() {
  static std::atomic<std::int64_t> user{2'000'000'000};
  return ++user;
}

std::string claim_request(std::int64_t coupon, const Order& order) {
  return "POST /coupons/" + std::to_string(coupon) +
         "/receive HTTP/1.1\r\nHost: test\r\nX-User-Id: " + std::to_string(order.user_id) +
         "\r\nIdempotency-Key: " + order.key + "\r\n\r\n";
}

std::int64_t ms_since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count();
}

}  // namespace

std::int64_t Answered::answers() const {
  return accepted + busy + not_ready + views + static_cast<std::int64_t>(unknown.size());
}

Witnesses::Witnesses(int http_port, std::int64_t coupon, int clients) : port_(http_port), coupon_(coupon) {
  for (int i = 0; i < clients; ++i) clients_.emplace_back([this] { live(); });
}

Witnesses::~Witnesses() { stop(); }

Answered& Witnesses::stop() {
  stopping_ = true;
  for (std::thread& client : clients_) client.join();
  clients_.clear();
  return told_;
}

void Witnesses::live() {
  std::unique_ptr<harness::RawConnection> connection;
  const std::string view = "GET /coupons/" + std::to_string(coupon_) + " HTTP/1.1\r\nHost: test\r\n\r\n";
  for (int n = 1; !stopping_; ++n) {
    try {
      if (!connection) connection = std::make_unique<harness::RawConnection>(port_);
      const Order order{next_user(), "key"};
      const bool reads = n % 5 == 0;
      request(*connection, reads ? view : claim_request(coupon_, order), reads ? nullptr : &order);
    } catch (const std::runtime_error& silence) {
      connection.reset();
      const std::lock_guard lock(mutex_);
      if (told_.dishonest.size() < kComplaintsMax) told_.dishonest.emplace_back(silence.what());
    }
    std::this_thread::sleep_for(kRest);
  }
}

void Witnesses::request(harness::RawConnection& connection, const std::string& text, const Order* order) {
  const auto start = Clock::now();
  connection.send(text);
  const auto answer = connection.answer();
  if (!answer) throw std::runtime_error("no answer within " + std::to_string(ms_since(start)) + " ms to " + text);
  const std::lock_guard lock(mutex_);
  note(*answer, order, ms_since(start));
  ++answers_;
}

void Witnesses::note(const harness::RawAnswer& answer, const Order* order, std::int64_t took_ms) {
  told_.slowest_ms = std::max(told_.slowest_ms, took_ms);
  const std::string code = json_field(answer.body, "code");
  const auto claim = parse_claim_id(json_field(answer.body, "claimId"));
  const bool later = answer.status == 503 && answer.headers.contains("retry-after");
  if (order != nullptr && answer.status == 202 && claim && claim->coupon_id == coupon_) {
    told_.acknowledged.push_back({*claim, order->user_id});
    told_.slowest_accepted_ms = std::max(told_.slowest_accepted_ms, took_ms);
    ++told_.accepted;
    ++accepted_;
  } else if (order == nullptr && answer.status == 200 && json_field(answer.body, "status") == "issuing") {
    ++told_.views;
  } else if (later && code == "BUSY") {
    ++told_.busy;
  } else if (later && code == "NOT_READY") {
    ++told_.not_ready;
  } else if (later && code == "OUTCOME_UNKNOWN" && order != nullptr) {
    told_.unknown.push_back(*order);
  } else if (told_.dishonest.size() < kComplaintsMax) {
    told_.dishonest.push_back(answer.head + answer.body);
  }
}

std::int64_t Witnesses::ask_again() {
  std::int64_t had_been_accepted = 0;
  for (const Order& order : told_.unknown) {
    const bool stands = harness::wait_until([&] {
      harness::RawConnection connection(port_);
      connection.send(claim_request(coupon_, order));
      const auto answer = connection.answer();
      const auto claim = answer ? parse_claim_id(json_field(answer->body, "claimId")) : std::nullopt;
      if (!answer || answer->status != 202 || !claim) return false;
      had_been_accepted += answer->headers.contains("idempotent-replayed") ? 1 : 0;
      told_.acknowledged.push_back({*claim, order.user_id});
      return true;
    });
    EXPECT_TRUE(stands) << "the claim of user " << order.user_id << " never got a definite answer";
  }
  told_.unknown.clear();
  return had_been_accepted;
}

}  // namespace flashclaim::links
