// `FLASHCLAIM_DOOR=on make up` in a folder of its own: what an operator gets, twice in a row, and from the data of a
// version that knew neither users nor TLS.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/harness/folder.h"
#include "tests/harness/paths.h"
#include "tests/harness/process.h"
#include "tests/harness/raw_http.h"
#include "tests/harness/stack_folder.h"
#include "tests/harness/wait.h"
#include "tests/harness/whole_path.h"
#include "tests/harness/witness.h"

namespace flashclaim {
namespace {

using harness::Environment;
using harness::Finished;
using harness::RawAnswer;
using harness::RawConnection;
using harness::run_program;
using harness::StackFolder;
using harness::wait_until;

class ProductionStack : public ::testing::Test {
 protected:
  explicit ProductionStack(const std::string& door = "on") : stack_(door) {}

  /// `make` with a goal that must succeed.
  void make(const std::string& goal) {
    const Finished done = stack_.make(goal);
    ASSERT_EQ(done.exit_code, 0) << goal << ": " << done.out << done.err;
  }
  std::string printed(const std::string& line) const { return stack_.printed(line); }
  [[nodiscard]] RawAnswer claim(const std::string& headers) const {
    RawConnection connection = stack_.connect();
    connection.send("POST /coupons/1/receive HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n");
    return connection.answer().value_or(RawAnswer{});
  }
  void expect_a_row_for(const std::string& user) const {
    const RawAnswer accepted = stack_.ask("POST", "/coupons/1/receive", user);
    ASSERT_EQ(accepted.status, 202) << accepted.body;
    EXPECT_TRUE(wait_until([&] {
      return printed("psql -qXAt \"$PG_URL\" -c 'SELECT count(*) FROM user_coupon WHERE user_id = " + user + "'") ==
             "1";
    })) << "the claim did not settle";
  }
  void expect_what_production_promises(const std::string& user) const {
    expect_a_row_for(user);
    EXPECT_EQ(claim("X-User-Id: 99\r\n").status, 401) << "an unsigned name";
    EXPECT_EQ(claim("").status, 401);
    const RawAnswer keyed = stack_.ask("POST", "/coupons/1/receive", user, "k-1");
    EXPECT_NE(keyed.body.find("LIMIT_REACHED"), std::string::npos) << "the key is signed: " << keyed.body;
    EXPECT_EQ(printed("echo \"${HTTP_URL%%:*} ${REDIS_URL%%:*} ${AMQP_URL%%:*} ${PG_URL##*sslmode=}\""),
              "https rediss amqps verify-full&sslrootcert=" + stack_.path("door/ca.pem"));
    const Finished in_the_clear = stack_.operate("redis-cli -p " + std::to_string(stack_.base() + 2) + " ping");
    EXPECT_EQ(in_the_clear.out.find("PONG"), std::string::npos) << in_the_clear.out;
    EXPECT_EQ(in_the_clear.out.find("NOAUTH"), std::string::npos) << in_the_clear.out;
    EXPECT_EQ(printed("psql -qXAt \"$PG_URL\" -c \"SELECT bool_and(ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a "
                      "USING (pid) WHERE a.client_port IS NOT NULL\""),
              "t");
    const Finished plain = stack_.operate("psql -qXAt \"${PG_URL%%\\?*}?sslmode=disable\" -c 'SELECT 1'");
    EXPECT_NE(plain.err.find("no encryption"), std::string::npos) << plain.out << plain.err;
    const Finished checked = stack_.operate("flashctl check 1");
    EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
  }
  /// What `make up` left before there were users: nobody at Redis, guest at RabbitMQ, the superuser at PostgreSQL.
  void leave_a_stack_without_users() const {
    const int base = stack_.base();
    std::filesystem::create_directories(stack_.path());
    std::ofstream(stack_.path("port_base")) << base << "\n";
    for (const char* service : {"redis", "rabbitmq", "postgres"}) stack_.service("start", service);
    const auto port = [&](int n) { return std::to_string(base + n); };
    std::string password;
    std::ifstream(stack_.path("postgres/password")) >> password;
    const std::string postgres = "postgresql://flashclaim:" + password + "@127.0.0.1:" + port(6);
    const Environment old{{"REDIS_URL", "redis://127.0.0.1:" + port(2) + "/0"},
                          {"AMQP_URL", "amqp://guest:guest@127.0.0.1:" + port(3) + "/%2F"},
                          {"PG_URL", postgres + "/flashclaim"},
                          {"DATABASES", postgres + "/postgres"},
                          {"PATH", harness::bin_dir() + ":" + std::getenv("PATH")}};
    const Finished filled = run_program(
        "/bin/bash",
        {"-ec",
         "psql -qX \"$DATABASES\" -c 'CREATE DATABASE flashclaim TEMPLATE template0'; flashctl db migrate --yes; "
         "flashctl mq declare --yes; flashctl lua load --yes; flashctl rebuild --if-new --yes; flashctl coupon create "
         "--id 1 --name Old --total 5 --user-limit 1 --begin now --end +24h --yes; flashctl coupon publish 1 --yes"},
        old);
    ASSERT_EQ(filled.exit_code, 0) << filled.out << filled.err;
  }

  /// One request of user 7, as the door wants it.
  [[nodiscard]] RawAnswer ask(const std::string& method, const std::string& path) const {
    return stack_.ask(method, path, "7");
  }
  /// What the page asks, and what a client that follows the Location of its 202 is told.
  void expect_every_route_to_answer() const {
    const RawAnswer accepted = ask("POST", "/coupons/1/receive");
    ASSERT_EQ(accepted.status, 202) << accepted.body;
    const std::string claim = "/claims/" + json_field(accepted.body, "claimId");
    const RawAnswer settled = ask("GET", claim + "?wait=30s");
    EXPECT_EQ(settled.status, 200) << settled.body;
    EXPECT_EQ(json_field(settled.body, "status"), "settled") << settled.body;
    for (const std::string& path : {std::string("/coupons/1"), std::string("/coupons"),
                                    std::string("/users/me/coupons"), std::string("/sale/1"), claim}) {
      const RawAnswer answer = ask("GET", path);
      EXPECT_EQ(answer.status, 200) << path << ": " << answer.body;
    }
    EXPECT_EQ(ask("GET", "/claims/1-1-1795380024805-0-0").status, 404);  // asked about at PostgreSQL
    EXPECT_EQ(ask("POST", "/coupons/1/receive").status, 409);
  }
  /// The readiness of a program that somebody starts by hand after `. <file>`.
  [[nodiscard]] std::string readiness_by_hand(const std::string& file, const std::string& command) const {
    const int port = harness::free_ports(2);
    const harness::Process program("/bin/bash", {"-c",
                                                 ". \"$0/" + file + "\" && exec \"" + harness::bin_dir() + "/\"" +
                                                     command + " --admin-listen=127.0.0.1:" + std::to_string(port),
                                                 stack_.path()});
    std::string body;
    const auto asked = [&] {
      try {
        body = harness::raw_request(port, "GET", "/readyz").body;
      } catch (const std::runtime_error&) {
        return false;
      }
      return body.find(R"("status":"ready")") != std::string::npos ||
             body.find("log in as the user") != std::string::npos;
    };
    EXPECT_TRUE(wait_until(asked)) << program.output();
    return body;
  }

  StackFolder stack_;
};

class StackWithoutDoor : public ProductionStack {
 protected:
  StackWithoutDoor() : ProductionStack("off") {}
};

TEST_F(ProductionStack, AnswersEveryRouteWithTheDoorOn) {
  make("up");
  expect_every_route_to_answer();
}

TEST_F(StackWithoutDoor, AnswersEveryRouteAndIsReadyAsItselfOnly) {
  make("up");
  expect_every_route_to_answer();
  harness::look_at_everything();  // what is denied up to here is nobody's test
  harness::announce_denial("NOPERM admin");
  harness::announce_denial("NOPERM this user");
  const std::string engine =
      "flashclaim-engine --listen=127.0.0.1:" + std::to_string(harness::free_ports(1)) + " --mirror-name=by-hand";
  EXPECT_NE(readiness_by_hand("env.engine", engine).find(R"("status":"ready")"), std::string::npos);
  EXPECT_NE(readiness_by_hand("env", engine).find("log in as the user engine"), std::string::npos);
  EXPECT_NE(readiness_by_hand("env.consumer", "flashclaim-consumer").find(R"("status":"ready")"), std::string::npos);
  EXPECT_NE(readiness_by_hand("env", "flashclaim-consumer").find("log in as the user consumer"), std::string::npos);
}

TEST_F(ProductionStack, ComesUpTwiceInARowAndSettlesSignedClaimsInsideTls) {
  make("up");
  expect_what_production_promises("7");
  make("up");  // nothing is dead: nothing changes
  make("down");
  make("up");
  expect_what_production_promises("8");
}

/// A day before they expire `make up` makes certificates anew: what runs shows them from then on.
TEST_F(ProductionStack, ShowsRenewedCertificatesThoughNothingWasStopped) {
  make("up");
  expect_a_row_for("7");
  const std::string print = " | openssl x509 -noout -fingerprint -sha256";
  const auto shown = [&](int port, const std::string& more) {
    return printed("openssl s_client -connect 127.0.0.1:" + std::to_string(port) + more + " </dev/null 2>/dev/null" +
                   print);
  };
  const auto made = [&](const std::string& name) {
    return printed("cat \"" + stack_.path("door/") + name + ".pem\"" + print);
  };
  const std::string before = shown(stack_.base() + 6, " -starttls postgres");
  EXPECT_EQ(before, made("postgres"));
  for (const char* name : {"redis", "postgres", "rabbitmq", "engine"})
    std::filesystem::remove(stack_.path("door/") + name + ".pem");
  make("up");
  EXPECT_NE(made("postgres"), before);
  EXPECT_TRUE(wait_until([&] { return shown(stack_.base() + 6, " -starttls postgres") == made("postgres"); }));
  EXPECT_TRUE(wait_until([&] { return shown(stack_.base() + 2, "") == made("redis"); }));
  EXPECT_TRUE(wait_until([&] { return shown(stack_.base() + 3, "") == made("rabbitmq"); }));
  EXPECT_TRUE(wait_until([&] { return shown(stack_.base(), "") == made("engine"); }));
  expect_a_row_for("8");
}

TEST_F(ProductionStack, TakesOverTheDataOfAVersionWithoutUsers) {
  leave_a_stack_without_users();
  make("up");
  EXPECT_NE(printed("flashctl coupon show 1").find("Old"), std::string::npos) << "its coupon is still there";
  expect_what_production_promises("9");
}

}  // namespace
}  // namespace flashclaim
