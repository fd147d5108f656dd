// The production shape from the click to the row: signed requests inside TLS, limits on, keys changed, proxies in
// front.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <ctime>
#include <fstream>
#include <optional>

#include "engine/auth/gateway.h"
#include "tests/door/proxies.h"
#include "tests/harness/folder.h"
#include "tests/harness/tokens.h"
#include "tests/harness/whole_path.h"
#include "tests/harness/witness.h"

namespace flashclaim {
namespace {

using harness::RawAnswer;
using harness::RawConnection;
using harness::TlsClient;
using harness::TokenMint;

class WholeDoor : public WholePath {
 protected:
  void SetUp() override {
    WholePath::SetUp();
    signal(SIGPIPE, SIG_IGN);
    certificate_ = harness::make_certificate(harness::run_folder(), "engine");
    keys_file_ = write_private("keys", key_line("k1", secret_));
    socket_ = harness::run_folder() + "/engine.sock";
  }

  static std::string write_private(const std::string& name, const std::string& text) {
    std::string path = harness::run_folder() + "/door-" + name;
    std::ofstream(path) << text;
    EXPECT_EQ(chmod(path.c_str(), 0600), 0);
    return path;
  }
  static std::string key_line(const std::string& id, const std::string& secret) {
    static constexpr char kHex[] = "0123456789abcdef";
    std::string line = id + " ";
    for (unsigned char byte : secret) line.append({kHex[byte >> 4], kHex[byte & 15]});
    return line + "\n";
  }
  [[nodiscard]] std::vector<std::string> production() const {
    return {"--auth=gateway", "--auth-keys=" + keys_file_, "--gateways=127.0.0.1",
            "--tls-certificate=" + certificate_.certificate, "--tls-key=" + certificate_.key};
  }
  [[nodiscard]] TlsClient tls() const { return {.trusted = certificate_.certificate}; }

  static std::string path_of(std::int64_t coupon) { return "/coupons/" + std::to_string(coupon) + "/receive"; }
  /// What a gateway sends for one claim.
  static std::string signed_claim(std::int64_t coupon, std::int64_t user, const std::string& key_id,
                                  const std::string& secret, const std::optional<std::string>& idempotency = {}) {
    const std::string time = std::to_string(std::time(nullptr));
    const std::string name = std::to_string(user);
    const auto signature =
        auth::gateway_signature(auth::HmacSha256(secret), {"POST", path_of(coupon), name, time, idempotency});
    return "POST " + path_of(coupon) + " HTTP/1.1\r\nHost: a\r\nX-User-Id: " + name + "\r\nX-Auth-Time: " + time +
           "\r\nX-Auth-Key: " + key_id + "\r\nX-Auth-Signature: " + auth::hex_of(signature) +
           (idempotency ? "\r\nIdempotency-Key: " + *idempotency : "") + "\r\n\r\n";
  }
  static std::string plain_claim(std::int64_t coupon, const std::string& headers) {
    return "POST " + path_of(coupon) + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
  }
  static RawAnswer exchange(RawConnection& connection, const std::string& request) {
    connection.send(request);
    return connection.answer().value_or(RawAnswer{});
  }
  /// Waits until the engine is connected: NOT_READY passes by itself.
  template <class Ask>
  static RawAnswer when_ready(Ask ask) {
    RawAnswer answer;
    EXPECT_TRUE(wait_until([&] { return (answer = ask()).status != 503; })) << answer.body;
    return answer;
  }
  [[nodiscard]] bool metrics_have(const std::string& line) const {
    return harness::raw_request(admin_port_, "GET", "/metrics").body.find(line) != std::string::npos;
  }
  /// A token of the mint for this service.
  static std::string bearer(const TokenMint& mint, const std::string& user, const std::string& audience = "flashclaim",
                            std::int64_t exp_in_s = 300) {
    return "Authorization: Bearer " +
           mint.token(R"({"sub":")" + user + R"(","aud":")" + audience + R"(","exp":)" +
                      std::to_string(std::time(nullptr) + exp_in_s) + "}") +
           "\r\n";
  }

  static std::string bearer_of(const std::string& token) { return "Authorization: Bearer " + token + "\r\n"; }
  /// The claims of a good token of user 11, and more members.
  static std::string claims_with(const std::string& more) {
    return R"({"sub":"11","aud":"flashclaim","exp":)" + std::to_string(std::time(nullptr) + 300) + more + "}";
  }
  /// A claim that nobody settles is asked about for longer than a proxy's usual patience.
  static void expect_a_long_wait(RawConnection& connection, const RawAnswer& accepted, const std::string& token) {
    ASSERT_EQ(accepted.status, 202) << accepted.body;
    const auto told = exchange(
        connection, "GET " + accepted.headers.at("location") + "?wait=17s HTTP/1.1\r\nHost: a\r\n" + token + "\r\n");
    EXPECT_EQ(told.status, 200) << told.body;
    EXPECT_NE(told.body.find("pending"), std::string::npos) << told.body;
  }

  std::string secret_ = std::string(32, 's');
  std::string keys_file_;
  std::string socket_;
  harness::CertificateFiles certificate_;
};

TEST_F(WholeDoor, SettlesSignedClaimsInsideTlsAndNobodyElses) {
  engine_ = engine(production());
  consumer_ = consumer();
  const auto coupon = open_coupon(30, 1);
  RawConnection connection(http_port_, tls());
  when_ready([&] { return exchange(connection, signed_claim(coupon, 1, "k1", secret_)); });
  int accepted = 1;
  for (int user = 2; user <= 40; ++user)
    accepted += exchange(connection, signed_claim(coupon, user, "k1", secret_)).status == 202 ? 1 : 0;
  EXPECT_EQ(accepted, 30);
  EXPECT_EQ(exchange(connection, plain_claim(coupon, "X-User-Id: 50\r\n")).status, 401);
  EXPECT_EQ(exchange(connection, plain_claim(coupon, "")).status, 401);
  EXPECT_EQ(exchange(connection, signed_claim(coupon, 50, "k1", std::string(32, 'x'))).status, 401);
  EXPECT_EQ(exchange(connection, "GET /claims/1-1-1-0-0 HTTP/1.1\r\nHost: a\r\n\r\n").status, 401);
  EXPECT_EQ(exchange(connection, "GET /coupons/" + std::to_string(coupon) + " HTTP/1.1\r\nHost: a\r\n\r\n").status,
            200);
  await_rest();
  EXPECT_EQ(counts(coupon).rows, 30);
  expect_invariants();
}

TEST_F(WholeDoor, LimitsAUserAndTakesNothingForWhatItRefuses) {
  auto flags = production();
  flags.emplace_back("--user-rate=2");
  engine_ = engine(flags);
  consumer_ = consumer();
  const auto coupon = open_coupon(100, 100);
  RawConnection connection(http_port_, tls());
  when_ready([&] { return exchange(connection, signed_claim(coupon, 1, "k1", secret_)); });
  int accepted = 0;
  int limited = 0;
  while (limited == 0 && accepted < 90) {
    const int status = exchange(connection, signed_claim(coupon, 7, "k1", secret_)).status;
    ASSERT_TRUE(status == 202 || status == 429) << status;
    ++(status == 202 ? accepted : limited);
  }
  EXPECT_EQ(limited, 1);
  EXPECT_EQ(exchange(connection, signed_claim(coupon, 8, "k1", secret_)).status, 202) << "another user";
  EXPECT_TRUE(metrics_have("flashclaim_auth_limited_total{limit=\"user\"} 1"));
  await_rest();
  EXPECT_EQ(counts(coupon).rows, accepted + 2);
  expect_invariants();
}

TEST_F(WholeDoor, ReadsKeysAndCertificateAgainAtSighupAndKeepsTheOldOnesWhenTheyAreWrong) {
  harness::announce_error("keys_not_reloaded");
  engine_ = engine(production());
  const auto coupon = open_coupon(100, 100);
  RawConnection connection(http_port_, tls());
  when_ready([&] { return exchange(connection, signed_claim(coupon, 1, "k1", secret_)); });
  const std::string next(32, 'n');
  EXPECT_EQ(exchange(connection, signed_claim(coupon, 2, "k2", next)).status, 401);

  write_private("keys", "nonsense\n");
  engine_->signal(SIGHUP);
  ASSERT_TRUE(wait_until([&] { return engine_->output().find("keys_not_reloaded") != std::string::npos; }));
  EXPECT_EQ(exchange(connection, signed_claim(coupon, 3, "k1", secret_)).status, 202);

  write_private("keys", key_line("k2", next));
  certificate_ = harness::make_certificate(harness::run_folder(), "engine");  // the same files
  engine_->signal(SIGHUP);
  ASSERT_TRUE(wait_until([&] { return exchange(connection, signed_claim(coupon, 4, "k2", next)).status == 202; }));
  EXPECT_TRUE(wait_until([&] { return exchange(connection, signed_claim(coupon, 5, "k1", secret_)).status == 401; }));
  EXPECT_TRUE(wait_until([&] {
    try {
      RawConnection fresh(http_port_, tls());
      return exchange(fresh, signed_claim(coupon, 6, "k2", next)).status == 202;
    } catch (const std::runtime_error&) {
      return false;
    }
  })) << "new connections get the new certificate";
  EXPECT_EQ(engine_->output().find(key_line("k2", next).substr(3, 64)), std::string::npos) << "a secret in the log";
  consumer_ = consumer();
  await_rest();
  expect_invariants();
}

TEST_F(WholeDoor, MakesOneClaimOfASignedRequestThatIsRepeatedWithOtherKeys) {
  engine_ = engine(production());
  consumer_ = consumer();
  const auto coupon = open_coupon(30, 3);
  RawConnection connection(http_port_, tls());
  const std::string request = signed_claim(coupon, 1, "k1", secret_, "k-1");
  const RawAnswer first = when_ready([&] { return exchange(connection, request); });
  EXPECT_EQ(first.status, 202) << first.body;
  EXPECT_EQ(exchange(connection, request).body, first.body) << "the same claim again";
  std::string other = request;
  other.replace(other.find("k-1\r\n"), 3, "k-2");
  EXPECT_EQ(exchange(connection, other).status, 401);
  other.erase(other.find("Idempotency-Key"), std::string("Idempotency-Key: k-2\r\n").size());
  EXPECT_EQ(exchange(connection, other).status, 401);
  await_rest();
  EXPECT_EQ(counts(coupon).rows, 1);
  expect_invariants();
}

TEST_F(WholeDoor, BelievesWhoMayOpenItsUnixSocket) {
  engine_ = engine({"--auth=gateway", "--auth-keys=" + keys_file_, "--listen=unix:" + socket_});
  consumer_ = consumer();
  const auto coupon = open_coupon(10, 1);
  struct stat about {};
  ASSERT_EQ(stat(socket_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0660U);
  RawConnection connection(socket_);
  EXPECT_EQ(when_ready([&] { return exchange(connection, signed_claim(coupon, 1, "k1", secret_)); }).status, 202);
  await_rest();
  expect_invariants();
  engine_->signal(SIGKILL);
  engine_->wait();
  engine_ = engine({"--auth=gateway", "--auth-keys=" + keys_file_, "--listen=unix:" + socket_});
  RawConnection again(socket_);
  EXPECT_EQ(when_ready([&] { return exchange(again, signed_claim(coupon, 2, "k1", secret_)); }).status, 202)
      << "the socket that was left behind is replaced";
  EXPECT_EQ(engine_->stop(), 0);
  EXPECT_NE(stat(socket_.c_str(), &about), 0) << "and removed at the end";
}

TEST_F(WholeDoor, SaysLoudlyThatItBelievesEverybodyAndOnlyOnLoopback) {
  engine_ = engine();
  EXPECT_NE(engine_->output().find("EVERY X-USER-ID IS BELIEVED"), std::string::npos);
  const auto refused = harness::run_program("flashclaim-engine", {"--listen=0.0.0.0:1"}, environment_);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("insecure-dev"), std::string::npos) << refused.err;
}

TEST_F(WholeDoor, IsServedByHaproxyWhichKnowsTheUserAndSigns) {
  engine_ = engine({"--auth=gateway", "--auth-keys=" + keys_file_, "--listen=unix:" + socket_});
  const TokenMint mint("ES256", "k");
  const int port = harness::free_ports();
  const auto proxy =
      start_haproxy({port, socket_, certificate_, write_private("token.pem", mint.pem()), "k1", secret_});
  const auto coupon = open_coupon(10, 1);
  RawConnection connection(port, tls());
  const auto claim_as = [&](const std::string& headers) { return exchange(connection, plain_claim(coupon, headers)); };
  const auto accepted = when_ready([&] { return claim_as(bearer(mint, "7")); });
  expect_a_long_wait(connection, accepted, bearer(mint, "7"));
  consumer_ = consumer();
  EXPECT_EQ(claim_as(bearer(mint, "8") + "X-User-Id: 9\r\nX-Auth-Key: k1\r\n").status, 202);
  EXPECT_EQ(claim_as(bearer(mint, "9")).status, 202) << "what a client says about itself was not believed";
  EXPECT_EQ(claim_as("X-User-Id: 10\r\n").status, 401);
  const RawAnswer keyed = claim_as(bearer(mint, "7") + "Idempotency-Key: k-1\r\n");
  EXPECT_NE(keyed.body.find("LIMIT_REACHED"), std::string::npos) << "the proxy signs the key: " << keyed.body;
  for (const std::string& bad :
       {bearer(mint, "11", "flashclaim", -60), bearer(mint, "11", "other"), bearer(mint, "alice"),
        bearer(TokenMint("ES256", "k"), "11"), bearer(TokenMint("HS256", "k"), "11"),
        bearer_of(mint.token(claims_with(",\"nbf\":" + std::to_string(std::time(nullptr) + 300)))),
        bearer_of(mint.token(claims_with(R"(,"nbf":"9999999999")"))),
        bearer_of(mint.token(R"({"alg":"ES256","typ":"JWT","kid":"k","crit":["x"],"x":1})", claims_with("")))}) {
    RawConnection fresh(port, tls());
    EXPECT_EQ(exchange(fresh, plain_claim(coupon, bad)).status, 401) << bad;
  }
  RawConnection begun(port, tls());
  EXPECT_EQ(
      exchange(begun, plain_claim(coupon,
                                  bearer_of(mint.token(claims_with(",\"nbf\":" + std::to_string(std::time(nullptr)))))))
          .status,
      202)
      << "a token that holds from now on";
  RawConnection alike(port, tls());
  EXPECT_EQ(exchange(alike, plain_claim(coupon, bearer(mint, "12") + "X_User_Id: 13\r\n")).status, 403);
  await_rest();
  EXPECT_EQ(counts(coupon).rows, 4);
  expect_invariants();
}

/// A query of HAProxy gives a list and a string as text, and reads 1e30 as 1. What this engine refuses by itself (jwt),
/// and what a library of an issuer may write, is right and wrong here as well.
TEST_F(WholeDoor, HaproxyRefusesClaimsOfAnotherKindThanTheirOwn) {
  engine_ = engine({"--auth=gateway", "--auth-keys=" + keys_file_, "--listen=unix:" + socket_});
  const TokenMint mint("ES256", "k");
  const int port = harness::free_ports();
  const auto proxy =
      start_haproxy({port, socket_, certificate_, write_private("token.pem", mint.pem()), "k1", secret_});
  const std::string now = std::to_string(std::time(nullptr));
  const std::string later = std::to_string(std::time(nullptr) + 300);
  const auto status = [&](const std::string& header, const std::string& claims) {
    RawConnection fresh(port, tls());
    return exchange(fresh,
                    "GET /users/me/coupons HTTP/1.1\r\nHost: a\r\n" + bearer_of(mint.token(header, claims)) + "\r\n")
        .status;
  };
  const std::string sound = R"("sub":"11","aud":"flashclaim","exp":)" + later;
  const std::string begun = R"(,"nbf":)" + now;
  // Without a database the engine knows no coupons of anybody: 503 is its answer to who is known, 401 to who is not.
  const int known = status(mint.header(), "{" + sound + "}");
  ASSERT_NE(known, 401);
  for (const std::string& right :
       {"{" + sound + begun + "}", "{" + sound + begun + ".5}", "{ \n " + sound + " , \"iat\" : [1] }",
        "{" + sound + R"(,"scope":"nbf crit sub","list":["exp","nbf"]})"})
    EXPECT_EQ(status(mint.header(), right), known) << right;
  const std::string names = R"("sub":"11","aud":"flashclaim")";
  std::vector<std::string> wrong;
  for (const char* nbf : {"[]", "[1]", "[9999999999]", "\"1\"", "\"\"", "-1", "1e30", "99999999999999999999", "null",
                          "true", "false", "{}", R"({"nbf":1})", "9999999999"})
    wrong.push_back("{" + sound + R"(,"nbf":)" + nbf + "}");
  wrong.push_back("{" + sound + begun + R"(,"nbf":9999999999})");
  for (const std::string& exp :
       {"[" + later + "]", "\"" + later + "\"", std::string("-1"), std::string("1e30"),
        std::string("99999999999999999999"), std::string("null"), std::string("true"), std::string("{}"), now})
    wrong.push_back("{" + names + R"(,"exp":)" + exp + "}");
  wrong.push_back("{" + names + "}");
  wrong.push_back("{" + names + R"(,"other":{"exp":)" + later + "}}");
  for (const char* sub : {"11", "[\"11\"]", "1.1e1", "null", "true", "{}", "\"11 \"", "\"011\"", "\"\"", "\"-1\""})
    wrong.push_back(R"({"aud":"flashclaim","exp":)" + later + R"(,"sub":)" + sub + "}");
  for (const char* aud : {"[]", "[\"other\"]", "null", "true", "{}", "7", "\"\"", "\"flashclaim \""})
    wrong.push_back(R"({"sub":"11","exp":)" + later + R"(,"aud":)" + aud + "}");
  wrong.insert(wrong.end(), {"", "{}", "[]", "7", "null"});
  for (const std::string& claims : wrong) EXPECT_EQ(status(mint.header(), claims), 401) << claims;
  for (const char* more :
       {R"("crit":["x"],"x":1)", R"("crit":[])", R"("crit":null)", R"("typ":"logout+jwt")", R"("typ":7)"})
    EXPECT_EQ(status(R"({"alg":"ES256","kid":"k",)" + std::string(more) + "}", "{" + sound + "}"), 401) << more;
  EXPECT_EQ(status(R"({"alg":"ES256","kid":"k","typ":"at+jwt"})", "{" + sound + "}"), known);
}

TEST_F(WholeDoor, IsServedByNginxWhichLeavesTokensToTheEngine) {
  const TokenMint mint("RS256", "k");
  const auto jwks = write_private("jwks.json", harness::jwk_set({mint.jwk()}));
  engine_ = engine({"--auth=jwt", "--auth-keys=" + jwks, "--audience=flashclaim", "--listen=unix:" + socket_});
  const int port = harness::free_ports();
  const auto proxy = start_nginx({port, socket_, certificate_, "", "", ""});
  const auto coupon = open_coupon(10, 1);
  RawConnection connection(port, tls());
  const auto claim_as = [&](const std::string& headers) { return exchange(connection, plain_claim(coupon, headers)); };
  const auto accepted = when_ready([&] { return claim_as(bearer(mint, "7")); });
  expect_a_long_wait(connection, accepted, bearer(mint, "7"));
  consumer_ = consumer();
  EXPECT_EQ(claim_as(bearer(mint, "8") + "X-User-Id: 9\r\nX_User_Id: 9\r\n").status, 202);
  EXPECT_EQ(claim_as("X-User-Id: 10\r\n").status, 401);
  for (const std::string& bad : {bearer(mint, "11", "flashclaim", -60), bearer(mint, "11", "other"),
                                 bearer(TokenMint("RS256", "k"), "11"), bearer(TokenMint("HS256", "k"), "11")})
    EXPECT_EQ(claim_as(bad).status, 401) << bad;
  await_rest();
  EXPECT_EQ(counts(coupon).rows, 2);
  expect_invariants();
}

}  // namespace
}  // namespace flashclaim
