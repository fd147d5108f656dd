// PostgreSQL over TLS, as PG_URL asks for it: who is refused and with which words, and our own deadline inside TLS.
#include "tests/harness/folder.h"
#include "tests/harness/gate.h"
#include "tests/harness/services.h"
#include "tests/harness/wait.h"
#include "tests/sql/world.h"

namespace flashclaim::postgres {
namespace {

using harness::CertificateAuthority;
using harness::Gate;
using harness::GateMode;
using harness::PrivatePostgres;
using harness::ServerTls;
using harness::wait_until;

class SessionTls : public SqlTest {
 protected:
  static const CertificateAuthority& authority() {
    static const CertificateAuthority kAuthority(harness::run_folder(), "postgres-ca");
    return kAuthority;
  }
  static PrivatePostgres& server() {
    static PrivatePostgres server({.tls = ServerTls{authority().issue("postgres"), authority().path()}});
    return server;
  }
  static std::string with(const std::string& url, const std::string& host, const std::string& query) {
    std::string text = url.substr(0, url.find('?')) + query;
    return text.replace(text.find("127.0.0.1"), 9, host);
  }
  static std::string verified(const std::string& trusted) { return "?sslmode=verify-full&sslrootcert=" + trusted; }
  /// The words with which a connection is refused.
  static std::string refusal(const std::string& url) {
    auto none = Session::connect(url, "refused");
    if (none) return "it was opened";
    EXPECT_EQ(none.error().fault, SqlFault::kConnection);
    const auto password = url.substr(url.find("://") + 14, 20);
    EXPECT_EQ(none.error().message.find(password), std::string::npos) << none.error().message;
    return none.error().message;
  }
  static std::unique_ptr<Session> must_connect(const std::string& url,
                                               std::chrono::milliseconds patience = std::chrono::seconds(60)) {
    auto session = Session::connect(url, "tls", patience);
    if (!session) throw std::runtime_error(session.error().message);
    return std::move(*session);
  }
  static void give(const harness::CertificateFiles& certificate, const CertificateAuthority& signer) {
    server().use({certificate, signer.path()});
    query(*must_connect(with(server().url(), "127.0.0.1", "?sslmode=require")), "SELECT pg_reload_conf()");
  }
};

bool says(const std::string& said, const std::string& words) { return said.find(words) != std::string::npos; }

TEST_F(SessionTls, IsVerifiedInFull) {
  auto session = must_connect(server().url());
  EXPECT_EQ(query(*session, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"), "t");
}

TEST_F(SessionTls, RefusesAnotherAuthorityAnotherNameAndNoTlsAtAll) {
  const CertificateAuthority other(harness::run_folder(), "postgres-other-ca");
  EXPECT_PRED2(says, refusal(with(server().url(), "127.0.0.1", verified(other.path()))), "certificate verify failed");
  EXPECT_PRED2(says, refusal(with(server().url(), "127.0.0.1", verified("/nowhere.pem"))), "/nowhere.pem");
  EXPECT_PRED2(says, refusal(with(server().url(), "127.0.0.1", "?sslmode=disable")), "no encryption");
  EXPECT_PRED2(says, refusal(with(PrivatePostgres::shared().url(), "127.0.0.1", verified(authority().path()))),
               "server does not support SSL");
  give(authority().issue("named", {.names = "DNS:postgres.example"}), authority());
  ASSERT_TRUE(wait_until([] { return says(refusal(server().url()), "does not match host name \"127.0.0.1\""); }));
  give(authority().issue("postgres"), authority());
  ASSERT_TRUE(wait_until([] { return Session::connect(server().url(), "again").has_value(); }));
}

TEST_F(SessionTls, EverySessionReadsTheAuthorityAnew) {
  const CertificateAuthority next(harness::run_folder(), "postgres-next-ca");
  const auto url = server().url();  // its file is replaced below
  auto living = must_connect(url);
  give(next.issue("postgres-next"), next);
  ASSERT_TRUE(wait_until([&] { return Session::connect(url, "next").has_value(); }));
  EXPECT_TRUE(living->ping()) << "what is open stays open";
  give(authority().issue("postgres"), authority());
  ASSERT_TRUE(wait_until([&] { return Session::connect(url, "again").has_value(); }));
}

// Our own deadline shuts the socket under libpq, which is then in the middle of a record.
TEST_F(SessionTls, ASilentServerIsGivenUpByTheDeadline) {
  Gate gate(server().port());
  auto session = must_connect(gate.through(server().url()), std::chrono::milliseconds(500));
  ASSERT_TRUE(session->ping());
  gate.set(GateMode::kStall);
  const auto late = session->ping();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().fault, SqlFault::kUnknown) << late.error().message;
  EXPECT_FALSE(session->open());
  gate.pass();
  EXPECT_TRUE(must_connect(gate.through(server().url()))->ping());
}

TEST_F(SessionTls, AnEndInTheMiddleIsUnknownAndTheSameIdsTell) {
  Gate gate(server().port());
  const auto url = server().migrated_database();
  auto direct = must_connect(url);
  ASSERT_TRUE(create_coupon(*direct, {1, "tls", 1000, 1, kBeginMs, kEndMs, 1000}));
  int rows = 0;
  for (std::int64_t amount : {1, 200, 400, 700, 1000}) {
    auto session = must_connect(gate.through(url));
    ASSERT_TRUE(session->ping());
    gate.set(GateMode::kCut, amount);
    ++rows;
    const SettleClaim one[] = {claim(1, rows, 1000 + rows)};
    // A cut may come behind the answer: then the next call meets it.
    const auto settled = settle_claims(*session, one);
    const auto lost = settled ? session->ping().error() : settled.error();
    EXPECT_TRUE(lost.fault == SqlFault::kUnknown || settled) << word(lost.fault) << ": " << lost.message;
    gate.pass();
    auto told = settle_claims(*direct, one);
    ASSERT_TRUE(told);
    EXPECT_TRUE(is_settled(told->front().outcome));
  }
  EXPECT_EQ((*coupon_counts(*direct, 1))->rows, rows);
}

}  // namespace
}  // namespace flashclaim::postgres
