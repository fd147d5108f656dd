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

TEST(Problem, IsADocumentOfItsRow) {
  for (const ProblemRow& row : kProblems) {
    EXPECT_EQ(problem_code(row.problem), row.code);
    EXPECT_EQ(static_cast<int>(problem_status(row.problem)), row.status) << row.code;
    const Answer answer = problem_answer(row.problem);
    EXPECT_EQ(static_cast<int>(answer.status), row.status) << row.code;
    EXPECT_EQ(answer.content_type, "application/problem+json");
    EXPECT_NE(answer.body.find("\"status\":" + std::to_string(row.status)), std::string::npos);
    EXPECT_NE(answer.body.find("\"code\":\"" + std::string(row.code) + '"'), std::string::npos);
    EXPECT_EQ(answer.headers.empty(), row.cause != Cause::kMoment) << row.code << ": " << answer.headers;
    std::string line;  // a status without its phrase would be a broken status line
    append_answer(line, answer, {"DATE", "ID", Persistence::kClose});
    EXPECT_GT(line.find('\r'), std::string_view("HTTP/1.1 409 ").size()) << line.substr(0, line.find('\r'));
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
