// Answers as bytes: the problem documents, their statuses, the admin listener.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "engine/base/json.h"
#include "engine/http/admin_server.h"
#include "engine/http/problem.h"
#include "tests/harness/raw_http.h"

namespace flashclaim::http {
namespace {

TEST(Answer, ConsistsOfItsPartsInOrder) {
  std::string out;
  append_answer(out, {Status::kAccepted, kJson, "Location: /x\r\n", "{}"}, {"DATE", "ID", Persistence::kClose});
  EXPECT_EQ(out,
            "HTTP/1.1 202 Accepted\r\nServer: flashclaim\r\nCache-Control: no-store\r\n"
            "X-Content-Type-Options: nosniff\r\nDate: DATE\r\nX-Request-Id: ID\r\nContent-Type: application/json\r\n"
            "Content-Length: 2\r\nLocation: /x\r\nConnection: close\r\n\r\n{}");
}

TEST(Answer, DateIsAnImfFixdate) { EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT"); }

TEST(Problem, HasTheStatusThatTheApiPromises) {
  const std::pair<const char*, int> promised[] = {
      {"INVALID_REQUEST", 400}, {"UNAUTHENTICATED", 401},    {"NOT_FOUND", 404},   {"COUPON_NOT_FOUND", 404},
      {"CLAIM_NOT_FOUND", 404}, {"METHOD_NOT_ALLOWED", 405}, {"NOT_STARTED", 409}, {"PAUSED", 409},
      {"SOLD_OUT", 409},        {"LIMIT_REACHED", 409},      {"ENDED", 410},       {"PAYLOAD_TOO_LARGE", 413},
      {"RATE_LIMITED", 429},    {"HEADERS_TOO_LARGE", 431},  {"INTERNAL", 500},    {"BUSY", 503},
      {"NOT_READY", 503},       {"OUTCOME_UNKNOWN", 503}};
  ASSERT_EQ(std::size(promised), static_cast<std::size_t>(kProblemCount));
  for (int i = 0; i < kProblemCount; ++i) {
    const auto problem = static_cast<Problem>(i);
    EXPECT_EQ(problem_code(problem), promised[i].first);
    EXPECT_EQ(static_cast<int>(problem_status(problem)), promised[i].second) << promised[i].first;
    const Answer answer = problem_answer(problem);
    EXPECT_EQ(answer.content_type, "application/problem+json");
    EXPECT_NE(answer.body.find("\"status\":" + std::to_string(promised[i].second)), std::string::npos);
    EXPECT_NE(answer.body.find(std::string("\"code\":\"") + promised[i].first + '"'), std::string::npos);
  }
}

TEST(Problem, WorthARetrySaysWhenAndWhetherAnythingWasApplied) {
  for (Problem problem : {Problem::kBusy, Problem::kNotReady, Problem::kOutcomeUnknown, Problem::kRateLimited}) {
    std::set<std::string> seen;
    for (int i = 0; i < 200; ++i) seen.insert(std::string(problem_answer(problem).headers));
    EXPECT_GT(seen.size(), 1u) << "Retry-After is not jittered";
    for (const std::string& headers : seen) EXPECT_EQ(headers.rfind("Retry-After: ", 0), 0u);
    const bool unknown = problem == Problem::kOutcomeUnknown;
    EXPECT_NE(problem_answer(problem).body.find(unknown ? R"("applied":"unknown")" : R"("applied":"no")"),
              std::string::npos);
  }
  EXPECT_EQ(problem_answer(Problem::kSoldOut).headers, "");
  EXPECT_EQ(problem_answer(Problem::kMethodNotAllowed, "POST").headers, "Allow: POST\r\n");
}

TEST(JsonText, EscapesWhatMustBe) {
  std::string out;
  append_json_string(out, "a\"b\\c\n\x01\x7f券");
  EXPECT_EQ(out, R"("a\"b\\c\u000a\u0001\u007f券")");
}

class AdminServerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = AdminServer::start({"127.0.0.1", 0}, {[this] { return checks_; }, [] { return "metric 1\n"; }});
    ASSERT_TRUE(started) << started.error().message;
    server_ = std::move(*started);
  }
  harness::RawAnswer get(std::string_view path) { return harness::raw_request(server_->port(), "GET", path); }
  std::vector<Check> checks_{{"redis", true, true, "connected"}, {"rabbitmq", false, false, "say \"no\""}};
  std::unique_ptr<AdminServer> server_;
};

TEST_F(AdminServerTest, IsHealthyAndServesMetrics) {
  EXPECT_EQ(get("/healthz").status, 200);
  EXPECT_EQ(get("/metrics").body, "metric 1\n");
  EXPECT_EQ(get("/metrics").headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(get("/other").status, 404);
  EXPECT_EQ(harness::raw_request(server_->port(), "POST", "/healthz").status, 405);
}

TEST_F(AdminServerTest, SaysSoWhenItKeepsAConnectionOfHttp10) {
  harness::RawConnection client(server_->port());
  for (const char* path : {"/healthz", "/readyz", "/metrics", "/nothing"}) {
    client.send("GET " + std::string(path) + " HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const auto answer = client.answer();
    ASSERT_TRUE(answer) << path;
    EXPECT_EQ(answer->headers.at("connection"), "keep-alive") << path;
  }
}

TEST_F(AdminServerTest, IsReadyWithoutWhatIsNotRequired) {
  const auto answer = get("/readyz");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"status":"ready","checks":{"redis":{"ok":true,"required":true,"detail":"connected"},)"
                         R"("rabbitmq":{"ok":false,"required":false,"detail":"say \"no\""}}})"
                         "\n");
}

TEST_F(AdminServerTest, IsNotReadyWithoutWhatIsRequired) {
  server_.reset();
  checks_[0].ok = false;
  SetUp();
  EXPECT_EQ(get("/readyz").status, 503);
  EXPECT_EQ(get("/healthz").status, 200);
}

}  // namespace
}  // namespace flashclaim::http
