// The HTTP client against a server that answers, pipelines, stumbles, hangs up and falls silent.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "bench/http_client.h"
#include "engine/loop/loop.h"
#include "tests/unit/bench_tiny_server.h"

namespace flashclaim::bench {
namespace {

using bench::Fate;

struct Ended {
  Fate fate;
  int status;
  std::string body;
  int retry_after_s;
  std::string reason;
};

/// A client and a server on one loop; `run` goes on until `want` requests have ended (or a generous deadline).
class HttpClient : public testing::Test {
 protected:
  void start(TinyServer::Answer answer, int connections = 1, int pipeline = 1, std::int64_t deadline_ms = 60'000) {
    server_.emplace(loop_, std::move(answer));
    connect(server_->address(), connections, pipeline, deadline_ms);
  }
  void connect(const http::Address& address, int connections, int pipeline, std::int64_t deadline_ms) {
    bench::HttpClientOptions options;
    options.address = address;
    options.connections = connections;
    options.pipeline = pipeline;
    options.deadline_ms = deadline_ms;
    options.answer_bytes_max = 100'000;
    client_.emplace(
        loop_, options, [this](std::uint64_t tag, const bench::Response& response) { ended(tag, response); },
        [this] { fill(); });
  }
  /// Sends requests 0 .. want-1 as slots come free, each once.
  void run(std::size_t want) {
    want_ = want;
    fill();
    run_until([&] { return ended_.size() >= want; });
    ASSERT_EQ(ended_.size(), want);
  }
  template <class Predicate>
  void run_until(Predicate holds) {
    std::int64_t deadline = loop::now_ms() + 120'000;
    loop::Timer check(loop_, [&] {
      if (holds() || loop::now_ms() > deadline) loop_.stop();
    });
    check.every_ms(1);
    loop_.run();
  }
  void fill() {
    while (next_ < want_ && client_->slots() > 0) {
      client_->send(next_, "GET /" + std::to_string(next_) + " HTTP/1.1\r\nHost: tiny\r\n\r\n");
      ++next_;
    }
  }
  void ended(std::uint64_t tag, const bench::Response& response) {
    EXPECT_FALSE(ended_.contains(tag)) << "ended twice: " << tag;
    ended_[tag] = {response.fate, response.status, std::string(response.body), response.retry_after_s,
                   std::string(response.reason)};
  }

  loop::Loop loop_;
  std::optional<TinyServer> server_;
  std::optional<bench::HttpClient> client_;
  std::map<std::uint64_t, Ended> ended_;
  std::size_t want_ = 0;
  std::size_t next_ = 0;
};

std::string path_of(const std::string& request) { return request.substr(4, request.find(' ', 4) - 4); }

TEST_F(HttpClient, GivesEveryRequestItsOwnAnswer) {
  start([](int, const std::string& request) { return TinyServer::Reply{TinyServer::response(200, path_of(request))}; },
        8);
  run(1000);
  for (const auto& [tag, ended] : ended_) {
    EXPECT_EQ(ended.fate, Fate::kAnswered);
    EXPECT_EQ(ended.status, 200);
    EXPECT_EQ(ended.body, "/" + std::to_string(tag));
    EXPECT_EQ(ended.retry_after_s, -1);
  }
  EXPECT_EQ(server_->accepted(), 8);
  EXPECT_EQ(client_->connected(), 8);
  EXPECT_EQ(client_->owed(), 0u);
  EXPECT_EQ(client_->slots(), 8u);
}

TEST_F(HttpClient, PipelinesInOrder) {
  start([](int, const std::string& request) { return TinyServer::Reply{TinyServer::response(202, path_of(request))}; },
        3, 16);
  run(1000);
  for (const auto& [tag, ended] : ended_) EXPECT_EQ(ended.body, "/" + std::to_string(tag));
  EXPECT_EQ(server_->accepted(), 3);
  EXPECT_EQ(client_->slots(), 48u);
}

TEST_F(HttpClient, NeverSendsMoreThanItsSlots) {
  int most = 0;
  std::map<int, int> seen;
  start(
      [&](int connection, const std::string&) {
        most = std::max(most, ++seen[connection]);
        return TinyServer::Reply{};
      },
      2, 5);
  want_ = 100;
  run_until([&] { return seen[0] == 5 && seen[1] == 5; });
  EXPECT_EQ(most, 5);
  EXPECT_EQ(client_->slots(), 0u);
  EXPECT_EQ(client_->owed(), 10u);
}

TEST_F(HttpClient, ReadsChunkedAndEofBodiesAndRetryAfter) {
  start([](int, const std::string& request) {
    if (path_of(request) == "/0")
      return TinyServer::Reply{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"};
    if (path_of(request) == "/1") return TinyServer::Reply{TinyServer::response(503, "busy", "rEtRy-AfTeR: 3\r\n")};
    if (path_of(request) == "/2")
      return TinyServer::Reply{"HTTP/1.1 100 Continue\r\n\r\n" +
                               TinyServer::response(200, "after", "Retry-After: soon\r\n")};
    return TinyServer::Reply{"HTTP/1.1 200 OK\r\n\r\nuntil the end", true};
  });
  run(4);
  EXPECT_EQ(ended_[0].body, "abcde");
  EXPECT_EQ(ended_[1].status, 503);
  EXPECT_EQ(ended_[1].retry_after_s, 3);
  EXPECT_EQ(ended_[2].status, 200);
  EXPECT_EQ(ended_[2].body, "after");
  EXPECT_EQ(ended_[2].retry_after_s, -1);
  EXPECT_EQ(ended_[3].fate, Fate::kAnswered);
  EXPECT_EQ(ended_[3].body, "until the end");
}

TEST_F(HttpClient, ConnectsAnewAfterConnectionClose) {
  start([](int, const std::string& request) {
    return TinyServer::Reply{TinyServer::response(200, path_of(request), "Connection: close\r\n"), true};
  });
  run(5);
  for (const auto& [tag, ended] : ended_) {
    EXPECT_EQ(ended.fate, Fate::kAnswered);
    EXPECT_EQ(ended.body, "/" + std::to_string(tag));
  }
  EXPECT_EQ(server_->accepted(), 5);
}

TEST_F(HttpClient, WhatWasSentBeforeALossIsUnknownAndNeverSentAgain) {
  std::map<std::string, int> seen;
  start(
      [&](int, const std::string& request) {
        ++seen[path_of(request)];
        if (path_of(request) == "/1") return TinyServer::Reply{"", true};
        return TinyServer::Reply{TinyServer::response(200, path_of(request))};
      },
      1, 4);
  run(8);
  EXPECT_EQ(ended_[0].fate, Fate::kAnswered);
  for (std::uint64_t tag : {1, 2, 3}) EXPECT_EQ(ended_[tag].fate, Fate::kUnknown) << tag;
  EXPECT_NE(ended_[1].reason.find(server_->address().text()), std::string::npos) << ended_[1].reason;
  for (std::uint64_t tag : {5, 6, 7}) EXPECT_EQ(ended_[tag].fate, Fate::kAnswered) << tag;
  for (const auto& [path, times] : seen) EXPECT_EQ(times, 1) << path;
}

TEST_F(HttpClient, ASilentServerEndsInUnknownByTheDeadline) {
  start(
      [](int connection, const std::string& request) {
        return connection == 0 ? TinyServer::Reply{} : TinyServer::Reply{TinyServer::response(200, path_of(request))};
      },
      1, 1, 1500);
  run(2);
  EXPECT_EQ(ended_[0].fate, Fate::kUnknown);
  EXPECT_NE(ended_[0].reason.find("no answer within 1500 ms"), std::string::npos) << ended_[0].reason;
  EXPECT_EQ(ended_[1].fate, Fate::kAnswered);
}

TEST_F(HttpClient, AnAnswerThatIsNoHttpEndsInUnknown) {
  start([](int connection, const std::string& request) {
    return TinyServer::Reply{connection == 0 ? "ICY 200 OK\r\n\r\n" : TinyServer::response(200, path_of(request))};
  });
  run(2);
  EXPECT_EQ(ended_[0].fate, Fate::kUnknown);
  EXPECT_NE(ended_[0].reason.find("no HTTP"), std::string::npos) << ended_[0].reason;
  EXPECT_EQ(ended_[1].fate, Fate::kAnswered);
}

TEST_F(HttpClient, AnAnswerBeyondTheBoundEndsInUnknown) {
  start([](int connection, const std::string& request) {
    return TinyServer::Reply{TinyServer::response(200, connection == 0 ? std::string(100'001, 'x') : path_of(request))};
  });
  run(2);
  EXPECT_EQ(ended_[0].fate, Fate::kUnknown);
  EXPECT_EQ(ended_[1].fate, Fate::kAnswered);
}

TEST_F(HttpClient, AnAnswerThatNobodyAskedForEndsTheConnection) {
  start([](int connection, const std::string& request) {
    std::string answer = TinyServer::response(200, path_of(request));
    return TinyServer::Reply{connection == 0 ? answer + answer : answer};
  });
  run(3);
  EXPECT_EQ(ended_[0].fate, Fate::kAnswered);
  EXPECT_EQ(ended_[0].body, "/0");
  for (const auto& [tag, ended] : ended_) {
    if (ended.fate != Fate::kAnswered) continue;
    EXPECT_EQ(ended.body, "/" + std::to_string(tag));
  }
  EXPECT_GE(server_->accepted(), 2);
}

TEST_F(HttpClient, ComesBackWhenTheServerDoes) {
  server_.emplace(loop_, [](int, const std::string&) { return TinyServer::Reply{}; });
  http::Address address = server_->address();
  server_.reset();
  connect(address, 2, 1, 60'000);
  run_until([&] { return client_->last_error().find("refused") != std::string::npos; });
  EXPECT_EQ(client_->connected(), 0);
  EXPECT_EQ(client_->slots(), 0u);
  server_.emplace(
      loop_,
      [](int, const std::string& request) { return TinyServer::Reply{TinyServer::response(200, path_of(request))}; },
      address.port);
  run(10);
  for (const auto& [tag, ended] : ended_) EXPECT_EQ(ended.fate, Fate::kAnswered);
}

TEST_F(HttpClient, WhatNeverLeftMayBeSentAgain) {
  // The server reads nothing of a request far larger than the socket buffers: the second one never leaves.
  start([](int, const std::string&) { return TinyServer::Reply{}; }, 1, 2, 300);
  run_until([&] { return client_->connected() == 1 && server_->accepted() == 1; });
  server_->stop_reading();
  client_->send(0, std::string(64 << 20, 'x'));
  client_->send(1, "GET /1 HTTP/1.1\r\nHost: tiny\r\n\r\n");
  run_until([&] { return ended_.size() == 2; });
  EXPECT_EQ(ended_[0].fate, Fate::kUnknown);
  EXPECT_EQ(ended_[1].fate, Fate::kNotSent);
}

TEST(HttpClientResolve, TakesNamesAndLiterals) {
  auto url = [](const char* text) { return *parse_url(text); };
  auto literal = bench::resolve(url("http://127.0.0.1:8080"));
  ASSERT_TRUE(literal);
  EXPECT_EQ(literal->host, "127.0.0.1");
  EXPECT_EQ(literal->port, 8080);
  auto plain = bench::resolve(url("http://localhost"));
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(plain->port, 80);
  EXPECT_FALSE(bench::resolve(url("redis://127.0.0.1:8080")));
  EXPECT_FALSE(bench::resolve(url("http://no-such-host.invalid:8080")));
}

}  // namespace
}  // namespace flashclaim::bench
