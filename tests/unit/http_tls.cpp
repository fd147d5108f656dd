// The server inside TLS: the same requests and answers, the handshake's bounds, and a certificate that is changed.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <future>
#include <memory>
#include <thread>

#include "engine/http/server.h"
#include "engine/http/tls.h"
#include "engine/loop/loop.h"
#include "tests/harness/folder.h"
#include "tests/harness/raw_http.h"
#include "tests/harness/wait.h"

namespace flashclaim::http {
namespace {

using harness::CertificateFiles;
using harness::RawConnection;
using harness::TlsClient;
using harness::TlsVersion;
using harness::wait_until;

/// The query as the body; `/large` is a megabyte.
class Echo final : public Handler {
 public:
  void handle(const Request& request, Exchange exchange) noexcept override {
    const std::string large = request.path == "/large" ? std::string(1 << 20, 'x') : std::string();
    server->answer(exchange, {Status::kOk, kText, {}, large.empty() ? request.query : std::string_view(large)});
  }
  Server* server = nullptr;
};

class TlsServer : public testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);  // as the engine does
    first_ = harness::make_certificate(harness::run_folder(), "first");
  }
  void start(const Limits& limits = {}) {
    server_ = std::make_unique<Server>(loop_, echo_, limits);
    echo_.server = server_.get();
    server_->use(load(first_));
    ASSERT_TRUE(server_->listen({"127.0.0.1", 0}, PortSharing::kExclusive));
    thread_ = std::thread([this] { loop_.run(); });
  }
  void TearDown() override {
    if (thread_.joinable()) {
      loop_.stop();
      thread_.join();
    }
    server_.reset();
  }
  static std::shared_ptr<const TlsContext> load(const CertificateFiles& files) {
    auto context = TlsContext::load(files.certificate, files.key);
    if (!context) throw std::runtime_error(context.error().message);
    return *context;
  }
  [[nodiscard]] TlsClient trusting(const CertificateFiles& files) const { return {.trusted = files.certificate}; }
  [[nodiscard]] TlsClient client() const { return trusting(first_); }
  static std::string ask(RawConnection& connection, const std::string& word) {
    connection.send("GET /?" + word + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const auto answer = connection.answer();
    return answer ? answer->body : "no answer";
  }

  CertificateFiles first_;
  loop::Loop loop_;
  Echo echo_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

TEST_F(TlsServer, AnswersRequestAfterRequestInBothVersions) {
  start();
  for (TlsVersion version : {TlsVersion::k12, TlsVersion::k13}) {
    TlsClient wanted = client();
    wanted.newest = version;
    RawConnection connection(server_->port(), wanted);
    for (const char* word : {"one", "two", "three"}) EXPECT_EQ(ask(connection, word), word);
  }
}

TEST_F(TlsServer, AnswersAPipelineAndARequestThatComesByteByByte) {
  start();
  RawConnection connection(server_->port(), client());
  std::string pipeline;
  for (int i = 0; i < 200; ++i) pipeline += "GET /?" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  connection.send(pipeline);
  for (int i = 0; i < 200; ++i) ASSERT_EQ(connection.answer()->body, std::to_string(i));
  for (char byte : std::string("GET /?slow HTTP/1.1\r\nHost: a\r\n\r\n")) connection.send({&byte, 1});
  EXPECT_EQ(connection.answer()->body, "slow");
}

TEST_F(TlsServer, SendsALargeAnswerWhole) {
  start();
  RawConnection connection(server_->port(), client());
  connection.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(connection.answer()->body, std::string(1 << 20, 'x'));
  EXPECT_EQ(ask(connection, "after"), "after");
}

TEST_F(TlsServer, SaysGoodbyeAfterTheLastAnswer) {
  start();
  RawConnection connection(server_->port(), client());
  connection.send("GET /?x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(connection.answer()->body, "x");
  EXPECT_TRUE(connection.closed_by_server());
}

TEST_F(TlsServer, RefusesOldVersionsAndOtherProtocols) {
  start();
  TlsClient old = client();
  old.newest = TlsVersion::k11;
  EXPECT_THROW(RawConnection(server_->port(), old), std::runtime_error);
  TlsClient http2 = client();
  http2.protocols = "\x02h2";
  EXPECT_THROW(RawConnection(server_->port(), http2), std::runtime_error);
  http2.protocols = "\x02h2\x08http/1.1";
  RawConnection both(server_->port(), http2);
  EXPECT_EQ(ask(both, "x"), "x");
  http2.protocols.clear();
  RawConnection neither(server_->port(), http2);
  EXPECT_EQ(ask(neither, "x"), "x");
  EXPECT_TRUE(wait_until([&] { return server_->counters().tls_failed.value() == 2; }));
}

TEST_F(TlsServer, ClosesOnWhoSpeaksPlainly) {
  start();
  RawConnection plain(server_->port());
  plain.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_FALSE(plain.answer());
  RawConnection good(server_->port(), client());
  EXPECT_EQ(ask(good, "x"), "x");
}

TEST_F(TlsServer, EndsAHandshakeThatDrips) {
  Limits limits;
  limits.request_ms = 300;
  start(limits);
  RawConnection silent(server_->port());
  RawConnection drip(server_->port());
  drip.send("\x16\x03\x01");
  EXPECT_TRUE(silent.closed_by_server());
  EXPECT_TRUE(drip.closed_by_server());
}

TEST_F(TlsServer, ChangesItsCertificateForNewConnectionsOnly) {
  start();
  RawConnection before(server_->port(), client());
  EXPECT_EQ(ask(before, "x"), "x");
  const auto second = harness::make_certificate(harness::run_folder(), "second");
  std::promise<void> changed;
  loop_.post([&] {
    server_->use(load(second));
    changed.set_value();
  });
  changed.get_future().wait();
  RawConnection after(server_->port(), trusting(second));
  EXPECT_EQ(ask(after, "y"), "y");
  EXPECT_THROW(RawConnection(server_->port(), client()), std::runtime_error) << "the first one is gone";
  EXPECT_EQ(ask(before, "z"), "z");
}

TEST_F(TlsServer, DoesNotTakeAFileThatIsNoCertificateOrNoKey) {
  const auto second = harness::make_certificate(harness::run_folder(), "second");
  EXPECT_FALSE(TlsContext::load(first_.certificate, second.key));
  EXPECT_FALSE(TlsContext::load(first_.key, first_.key));
  EXPECT_FALSE(TlsContext::load("/nowhere.pem", first_.key));
  EXPECT_FALSE(TlsContext::load(first_.certificate, "/nowhere.key"));
  ASSERT_EQ(chmod(second.key.c_str(), 0644), 0);
  auto open_key = TlsContext::load(second.certificate, second.key);
  ASSERT_FALSE(open_key);
  EXPECT_NE(open_key.error().message.find("chmod 600"), std::string::npos) << open_key.error().message;
}

}  // namespace
}  // namespace flashclaim::http
