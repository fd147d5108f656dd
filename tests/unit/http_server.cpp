// The HTTP server over real sockets, with a handler that answers when and in the order the test wants.
#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/http/server.h"
#include "engine/loop/loop.h"
#include "tests/harness/raw_http.h"
#include "tests/harness/wait.h"

namespace flashclaim::http {
namespace {

using harness::RawAnswer;
using harness::RawConnection;
using harness::wait_until;

/// Answers `/now` at once, with the path's query as the body; keeps the exchanges of `/later` for the test.
class TestHandler final : public Handler {
 public:
  void handle(const Request& request, Exchange exchange) noexcept override {
    if (request.path == "/now") {
      server->answer(exchange, {Status::kOk, kText, {}, request.query});
    } else if (request.path == "/refuse") {
      server->refuse(exchange, Problem::kSoldOut);
    } else if (request.path == "/large") {
      server->answer(exchange, {Status::kOk, kText, {}, std::string(1 << 20, 'x')});
    } else {
      std::lock_guard lock(mutex);
      kept.push_back(exchange);
    }
  }
  std::size_t kept_count() {
    std::lock_guard lock(mutex);
    return kept.size();
  }
  Server* server = nullptr;
  std::mutex mutex;
  std::vector<Exchange> kept;
};

class ServerTest : public testing::Test {
 protected:
  void start(const Limits& limits = {}) {
    server_ = std::make_unique<Server>(loop_, handler_, limits);
    handler_.server = server_.get();
    auto listening = server_->listen({"127.0.0.1", 0}, PortSharing::kShared);
    ASSERT_TRUE(listening) << listening.error().message;
    port_ = server_->port();
    thread_ = std::thread([this] { loop_.run(); });
  }
  void TearDown() override {
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
    server_.reset();
  }

  /// Runs in the loop's thread and waits for the result.
  template <class Task>
  auto in_loop(Task task) {
    std::promise<decltype(task())> done;
    loop_.post([&] { done.set_value(task()); });
    return done.get_future().get();
  }
  bool answer_kept(std::size_t i, std::string_view body) {
    return in_loop([&] {
      std::lock_guard lock(handler_.mutex);
      return server_->answer(handler_.kept.at(i), {Status::kOk, kText, {}, body});
    });
  }
  static std::string get(const std::string& target, const std::string& headers = "") {
    return "GET " + target + " HTTP/1.1\r\nHost: test\r\n" + headers + "\r\n";
  }

  loop::Loop loop_;
  TestHandler handler_;
  std::unique_ptr<Server> server_;
  int port_ = 0;
  std::thread thread_;
};

TEST_F(ServerTest, KeepsTheConnectionBetweenRequests) {
  start();
  RawConnection client(port_);
  for (const char* word : {"a", "b", "c"}) {
    client.send(get(std::string("/now?") + word));
    EXPECT_EQ(client.answer()->body, word);
  }
  EXPECT_EQ(server_->counters().accepted.value(), 1u);
}

/// A client of HTTP/1.0 that is not told so waits for the end of the connection: `ab -k` hung.
TEST_F(ServerTest, SaysSoWhenItKeepsAConnectionOfHttp10) {
  start();
  const std::string kept = " HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
  RawConnection client(port_);
  for (const char* request : {"GET /now?a", "HEAD /now?a", "POST /refuse", "OPTIONS /now"}) {
    client.send(request + kept);
    const auto answer = client.answer(request[0] == 'H');
    ASSERT_TRUE(answer) << request;
    EXPECT_EQ(answer->headers.at("connection"), "keep-alive") << request;
  }
  client.send("POST /now HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}" +
              ("GET /later" + kept) + "GET /now?b" + kept);
  EXPECT_EQ(client.answer()->headers.at("connection"), "keep-alive") << "and no 100 Continue before it";
  ASSERT_TRUE(wait_until([&] { return handler_.kept_count() == 1; }));
  EXPECT_TRUE(answer_kept(0, "late"));
  EXPECT_EQ(client.answer()->headers.at("connection"), "keep-alive");
  EXPECT_EQ(client.answer()->headers.at("connection"), "keep-alive") << "it waited for the one before it";
  client.send("GET /now HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.answer()->headers.at("connection"), "close");
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(ServerTest, ClosesWhatItDoesNotSayItKeeps) {
  start();
  for (const char* request :
       {"GET /now HTTP/1.0\r\n\r\n", "GET /now HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
        "GET /now HTTP/1.0\r\nConnection: TE\r\n\r\n", "GET /now HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET now HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "POST /now HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5000\r\n\r\n"}) {
    RawConnection client(port_);
    client.send(request);
    const auto answer = client.answer();
    ASSERT_TRUE(answer) << request;
    EXPECT_EQ(answer->headers.at("connection"), "close") << request;
    EXPECT_TRUE(client.closed_by_server()) << request;
  }
  RawConnection client(port_);
  client.send(get("/now"));
  EXPECT_EQ(client.answer()->headers.count("connection"), 0U) << "HTTP/1.1 is kept without a word";
}

TEST_F(ServerTest, TakesARequestByteByByte) {
  start();
  RawConnection client(port_);
  for (char c : get("/now?slow")) client.send({&c, 1});
  auto answer = client.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "slow");
}

TEST_F(ServerTest, AnswersAPipelineInOrderHoweverTheAnswersCome) {
  start();
  RawConnection client(port_);
  client.send(get("/later") + get("/later") + get("/now?third") + get("/later") + get("/now?fifth"));
  ASSERT_TRUE(wait_until([&] { return handler_.kept_count() == 3; }));
  EXPECT_TRUE(answer_kept(2, "fourth"));
  EXPECT_TRUE(answer_kept(1, "second"));
  EXPECT_TRUE(answer_kept(0, "first"));
  for (const char* body : {"first", "second", "third", "fourth", "fifth"}) {
    auto answer = client.answer();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, body);
  }
}

TEST_F(ServerTest, HoldsBackWhatIsBeyondThePipelineBoundAndGoesOnLater) {
  Limits limits;
  limits.pipeline = 4;
  start(limits);
  RawConnection client(port_);
  std::string requests;
  for (int i = 0; i < 20; ++i) requests += get("/later");
  client.send(requests);
  for (std::size_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(wait_until([&] { return handler_.kept_count() > i; }));
    EXPECT_LE(handler_.kept_count(), i + 4);
    EXPECT_TRUE(answer_kept(i, std::to_string(i)));
    auto answer = client.answer();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, std::to_string(i));
  }
}

TEST_F(ServerTest, RefusesWhatIsNoRequestAndClosesAfterTheAnswersBeforeIt) {
  start();
  RawConnection client(port_);
  client.send(get("/now?good") + "GET / HTTP/1.1\nHost: x\n\n" + get("/now?never"));
  EXPECT_EQ(client.answer()->body, "good");
  auto refusal = client.answer();
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->status, 400);
  EXPECT_EQ(refusal->headers["connection"], "close");
  EXPECT_EQ(refusal->headers["content-type"], "application/problem+json");
  EXPECT_NE(refusal->body.find("\"code\":\"INVALID_REQUEST\""), std::string::npos);
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(ServerTest, RefusesTooMuchWithItsOwnStatus) {
  start();
  RawConnection headers(port_);
  headers.send("GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(9000, 'a'));
  EXPECT_EQ(headers.answer()->status, 431);
  EXPECT_TRUE(headers.closed_by_server());
  RawConnection body(port_);
  body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + std::string(5000, 'a'));
  EXPECT_EQ(body.answer()->status, 413);
  EXPECT_TRUE(body.closed_by_server());
}

TEST_F(ServerTest, SaysContinueOnceAndOnlyWhenAsked) {
  start();
  RawConnection client(port_);
  client.send("POST /now?c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  auto interim = client.answer();
  ASSERT_TRUE(interim);
  EXPECT_EQ(interim->status, 100);
  client.send("{");
  client.send("}");
  EXPECT_EQ(client.answer()->status, 200);
}

TEST_F(ServerTest, SaysContinueToAPipelinedRequestAfterTheAnswersBeforeIt) {
  start();
  RawConnection client(port_);
  client.send(get("/later") + "POST /now?c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  ASSERT_TRUE(wait_until([&] { return handler_.kept_count() == 1; }));
  EXPECT_TRUE(answer_kept(0, "first"));
  EXPECT_EQ(client.answer()->body, "first");
  EXPECT_EQ(client.answer()->status, 100);
  client.send("{}");
  EXPECT_EQ(client.answer()->body, "c");
}

TEST_F(ServerTest, EchoesASaneRequestIdAndMakesOneElse) {
  start();
  auto id_for = [&](const std::string& headers) {
    RawConnection client(port_);
    client.send(get("/now?x", headers));
    return client.answer()->headers["x-request-id"];
  };
  EXPECT_EQ(id_for("X-Request-Id: a.B_9-\r\n"), "a.B_9-");
  EXPECT_EQ(id_for("X-Request-Id: " + std::string(64, 'a') + "\r\n"), std::string(64, 'a'));
  for (const char* bad : {"", "X-Request-Id: \r\n", "X-Request-Id: a b\r\n", "X-Request-Id: <x>\r\n",
                          "X-Request-Id: a\r\nX-Request-Id: b\r\n"})
    EXPECT_EQ(id_for(bad).size(), 16u) << bad;
  EXPECT_EQ(id_for("X-Request-Id: " + std::string(65, 'a') + "\r\n").size(), 16u);
  EXPECT_NE(id_for(""), id_for(""));
}

TEST_F(ServerTest, AnswersHeadWithoutTheBody) {
  start();
  RawConnection client(port_);
  client.send("HEAD /now?body HTTP/1.1\r\nHost: x\r\n\r\n" + get("/now?next"));
  auto head = client.answer(true);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->headers["content-length"], "4");
  EXPECT_EQ(client.answer()->body, "next");
}

TEST_F(ServerTest, ClosesWhenTheClientAsksForIt) {
  start();
  RawConnection client(port_);
  client.send(get("/now?a", "Connection: close\r\n") + get("/now?never"));
  auto answer = client.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->headers["connection"], "close");
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(ServerTest, AnswersAClientThatHasClosedItsSide) {
  start();
  RawConnection client(port_);
  client.send(get("/later"));
  client.half_close();
  ASSERT_TRUE(wait_until([&] { return handler_.kept_count() == 1; }));
  EXPECT_TRUE(answer_kept(0, "still here"));
  EXPECT_EQ(client.answer()->body, "still here");
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(ServerTest, DropsTheAnswerOfAClientThatIsGoneAndNeverGivesItToTheNext) {
  start();
  {
    RawConnection client(port_);
    client.send(get("/later"));
    ASSERT_TRUE(wait_until([&] { return handler_.kept_count() == 1; }));
    client.reset();
  }
  ASSERT_TRUE(wait_until([&] { return server_->counters().connections.value() == 0; }));
  RawConnection next(port_);  // takes the same place in the pool
  next.send(get("/later"));
  ASSERT_TRUE(wait_until([&] { return handler_.kept_count() == 2; }));
  EXPECT_EQ(handler_.kept[0].connection, handler_.kept[1].connection);
  EXPECT_FALSE(answer_kept(0, "for the first"));
  EXPECT_TRUE(answer_kept(1, "for the second"));
  EXPECT_EQ(next.answer()->body, "for the second");
  EXPECT_EQ(in_loop([&] { return server_->owed(); }), 0u);
}

TEST_F(ServerTest, ClosesADripThatNeverCompletesItsRequest) {
  Limits limits;
  limits.request_ms = 300;
  start(limits);
  RawConnection client(port_);
  client.send("GET /now HTTP/1.1\r\n");
  ASSERT_TRUE(wait_until([&] { return server_->counters().connections.value() == 1; }));
  ASSERT_TRUE(wait_until([&] {  // each byte is in time, the request is not
    client.send("a");
    return server_->counters().connections.value() == 0;
  }));
  EXPECT_EQ(server_->counters().timed_out.value(), 1u);
}

TEST_F(ServerTest, CountsADripThoughItLeavesAsSoonAsItIsTold) {
  Limits limits;
  limits.request_ms = 300;
  start(limits);
  RawConnection client(port_);
  client.send("GET /now HTTP/1.1\r\n");
  EXPECT_TRUE(client.closed_by_server());
  client.reset();
  ASSERT_TRUE(wait_until([&] { return server_->counters().connections.value() == 0; }));
  EXPECT_EQ(server_->counters().timed_out.value(), 1u);
}

TEST_F(ServerTest, ClosesAnIdleConnection) {
  Limits limits;
  limits.idle_ms = 200;
  start(limits);
  RawConnection client(port_);
  EXPECT_TRUE(client.closed_by_server());
  EXPECT_EQ(server_->counters().timed_out.value(), 1u);
}

TEST_F(ServerTest, GivesUpOnAClientThatDoesNotReadItsAnswers) {
  Limits limits;
  limits.write_ms = 300;
  start(limits);
  RawConnection client(port_);
  std::string requests;
  for (int i = 0; i < 60; ++i) requests += get("/large");
  client.send(requests);
  ASSERT_TRUE(wait_until([&] { return server_->counters().timed_out.value() == 1; }));
}

TEST_F(ServerTest, SendsALargeAnswerWhole) {
  start();
  RawConnection client(port_);
  client.send(get("/large") + get("/large") + get("/now?end"));
  EXPECT_EQ(client.answer()->body, std::string(1 << 20, 'x'));
  EXPECT_EQ(client.answer()->body, std::string(1 << 20, 'x'));
  EXPECT_EQ(client.answer()->body, "end");
}

TEST_F(ServerTest, TurnsAwayConnectionsBeyondTheBound) {
  Limits limits;
  limits.connections = 2;
  start(limits);
  RawConnection first(port_);
  RawConnection second(port_);
  ASSERT_TRUE(wait_until([&] { return server_->counters().connections.value() == 2; }));
  RawConnection third(port_);
  auto refusal = third.answer();
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->status, 503);
  EXPECT_NE(refusal->body.find("BUSY"), std::string::npos);
  first.send(get("/now?fine"));
  EXPECT_EQ(first.answer()->body, "fine");
}

TEST_F(ServerTest, TheLongestSilentClientGivesWayWhenAllPlacesAreTaken) {
  Limits limits;
  limits.connections = 2;
  limits.yield_ms = 0;
  start(limits);
  RawConnection busy(port_);
  busy.send(get("/later"));
  ASSERT_TRUE(wait_until([&] { return handler_.kept_count() == 1; }));
  RawConnection silent(port_);
  ASSERT_TRUE(wait_until([&] { return server_->counters().connections.value() == 2; }));
  RawConnection honest(port_);
  honest.send(get("/now?served"));
  EXPECT_EQ(honest.answer()->body, "served");
  EXPECT_TRUE(silent.closed_by_server());
  EXPECT_EQ(server_->counters().yielded.value(), 1u);
  EXPECT_TRUE(answer_kept(0, "kept"));
  EXPECT_EQ(busy.answer()->body, "kept");
}

TEST_F(ServerTest, DrainsByAnsweringWhatIsOwedAndTakingNoMore) {
  start();
  RawConnection idle(port_);
  RawConnection busy(port_);
  busy.send(get("/later"));
  ASSERT_TRUE(wait_until([&] { return handler_.kept_count() == 1; }));
  in_loop([&] { return server_->drain(), true; });
  EXPECT_TRUE(idle.closed_by_server());
  EXPECT_THROW(RawConnection late(port_), std::runtime_error);
  EXPECT_TRUE(answer_kept(0, "last"));
  auto answer = busy.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "last");
  EXPECT_EQ(answer->headers["connection"], "close");
  EXPECT_TRUE(busy.closed_by_server());
}

TEST_F(ServerTest, DrainsWithoutCuttingAnIdleClientThatSpeaksOnceMore) {
  Limits limits;
  limits.last_request_ms = 600'000;
  start(limits);
  RawConnection idle(port_);
  idle.send(get("/now?first"));
  EXPECT_EQ(idle.answer()->headers.count("connection"), 0U);
  in_loop([&] { return server_->drain(), true; });
  ASSERT_TRUE(wait_until([&] { return !server_->counters().listening.load(); }));
  idle.send(get("/now?last"));
  auto answer = idle.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "last");
  EXPECT_EQ(answer->headers["connection"], "close");
  EXPECT_TRUE(idle.closed_by_server());
}

TEST_F(ServerTest, DrainsByAnsweringAllThatWasPipelinedAndSaysCloseLast) {
  start();
  RawConnection busy(port_);
  busy.send(get("/later") + get("/later") + get("/later"));
  ASSERT_TRUE(wait_until([&] { return handler_.kept_count() == 3; }));
  in_loop([&] { return server_->drain(), true; });
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(answer_kept(i, std::to_string(i)));
  for (int i = 0; i < 3; ++i) {
    auto answer = busy.answer();
    ASSERT_TRUE(answer) << i;
    EXPECT_EQ(answer->body, std::to_string(i));
    EXPECT_EQ(answer->headers.count("connection"), i == 2 ? 1U : 0U);
  }
  EXPECT_TRUE(busy.closed_by_server());
}

TEST_F(ServerTest, SurvivesItsDestructionWithAnswersOwed) {
  start();
  RawConnection client(port_);
  client.send(get("/later"));
  ASSERT_TRUE(wait_until([&] { return handler_.kept_count() == 1; }));
  TearDown();
  EXPECT_TRUE(client.closed_by_server());
}

}  // namespace
}  // namespace flashclaim::http
