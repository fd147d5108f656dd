// amqps:// against a real broker: who is refused and with which words, and that no call waits for ever inside TLS
// either.
#include <gtest/gtest.h>

#include "engine/amqp/connection.h"
#include "tests/harness/folder.h"
#include "tests/harness/gate.h"
#include "tests/harness/logins.h"
#include "tests/harness/services.h"
#include "tests/harness/wait.h"

namespace flashclaim::amqp {
namespace {

using harness::CertificateAuthority;
using harness::Gate;
using harness::GateMode;
using harness::PrivateRabbit;
using harness::ServerTls;
using harness::wait_until;

std::unique_ptr<Connection> must_open(const std::string& url, const Options& options = {.name = "test"}) {
  auto connection = Connection::open(url, options);
  if (!connection) throw std::runtime_error(connection.error().message);
  return std::move(*connection);
}

class AmqpTls : public ::testing::Test {
 protected:
  static const CertificateAuthority& authority() {
    static const CertificateAuthority kAuthority(harness::run_folder(), "broker-ca");
    return kAuthority;
  }
  static PrivateRabbit& rabbit() {
    static PrivateRabbit rabbit({.tls = ServerTls{authority().issue("broker"), authority().path()}});
    return rabbit;
  }
  static std::string url_of(const std::string& host, int port, const std::string& trusted) {
    return std::string("amqps://") + harness::kTester + ":" + harness::tester_password() + "@" + host + ":" +
           std::to_string(port) + "/%2F?cacertfile=" + trusted;
  }
  /// The words with which a connection is refused; they never repeat the password.
  static std::string refusal(const std::string& url, int deadline_ms = 60'000) {
    const auto none = Connection::open(url, {.deadline_ms = deadline_ms});
    if (none) return "it was opened";
    EXPECT_EQ(none.error().message.find(harness::tester_password()), std::string::npos) << none.error().message;
    return none.error().message;
  }
  /// The broker takes the certificate for its next connections.
  static void give(const harness::CertificateFiles& certificate) { rabbit().use({certificate, authority().path()}); }
  static void expect_works(const std::string& url) {
    auto connection = must_open(url);
    ASSERT_TRUE(connection->declare_queue("works", {}));
    EXPECT_EQ(connection->queue_depth("works").value(), 0);
  }
};

#define EXPECT_SAYS(said, words) EXPECT_PRED2(says, said, words)
bool says(const std::string& said, const std::string& words) { return said.find(words) != std::string::npos; }

TEST_F(AmqpTls, CarriesMessagesOfEverySizeBothWays) {
  auto connection = must_open(rabbit().url());
  ASSERT_TRUE(connection->declare_queue("sizes", {}));
  ASSERT_TRUE(connection->enable_confirms());
  // Around a record of TLS, a frame of AMQP and the buffer of the wire.
  const std::size_t sizes[] = {0, 1, 16300, 16384, 16400, 131064, 262144, 1 << 20};
  for (const auto size : sizes) ASSERT_TRUE(connection->publish({"", "sizes", std::string(size, 'x'), "m"}));
  std::uint64_t confirmed = 0;
  ASSERT_TRUE(wait_until([&] {
    auto event = connection->poll(100);
    if (!event || !*event) return false;
    if (const auto* answer = std::get_if<Confirmed>(&**event); answer && answer->ack)
      confirmed = answer->multiple ? answer->sequence : confirmed + 1;
    return confirmed == std::size(sizes);
  }));
  for (const auto size : sizes) {
    auto got = connection->get("sizes");
    ASSERT_TRUE(got && *got);
    EXPECT_EQ((*got)->body, std::string(size, 'x'));
    ASSERT_TRUE(connection->ack((*got)->delivery_tag, false));
  }
  connection.reset();
  EXPECT_EQ(must_open(rabbit().url())->queue_depth("sizes").value(), 0) << "acknowledgements arrive before the end";
}

TEST_F(AmqpTls, RefusesABrokerThatNoTrustedAuthoritySigned) {
  const CertificateAuthority other(harness::run_folder(), "other-ca");
  EXPECT_SAYS(refusal(url_of("127.0.0.1", rabbit().port(), other.path())), "no authority that is trusted here");
  const std::string system = url_of("127.0.0.1", rabbit().port(), "");
  EXPECT_SAYS(refusal(system.substr(0, system.find('?'))), "no authority that is trusted here");
  expect_works(rabbit().url());
}

TEST_F(AmqpTls, RefusesABrokerOfAnotherNameOrTime) {
  const auto here = url_of("127.0.0.1", rabbit().port(), authority().path());
  const auto named = url_of("localhost", rabbit().port(), authority().path());
  give(authority().issue("named", {.names = "DNS:localhost"}));
  EXPECT_SAYS(refusal(here), "is not for the host 127.0.0.1");
  expect_works(named);
  give(authority().issue("numbered", {.names = "DNS:other.example,IP:127.0.0.1"}));
  EXPECT_SAYS(refusal(named), "is not for the host localhost");
  expect_works(here);
  give(authority().issue("expired", {.days = -1}));
  EXPECT_SAYS(refusal(here), "has expired");
  give(authority().issue("broker"));
  expect_works(here);
}

TEST_F(AmqpTls, SaysWhenOneSideSpeaksTlsAndTheOtherDoesNot) {
  const auto plain_port = PrivateRabbit::shared().port();
  EXPECT_SAYS(refusal(url_of("127.0.0.1", plain_port, authority().path())), "speaks no TLS on this port");
  EXPECT_SAYS(refusal("amqp://guest:guest@127.0.0.1:" + std::to_string(rabbit().port()) + "/%2F"), "use amqps://");
  expect_works(rabbit().url());
}

TEST_F(AmqpTls, ShowsItsOwnCertificateToABrokerThatAsksForIt) {
  const CertificateAuthority clients(harness::run_folder(), "clients-ca");
  PrivateRabbit asking({.tls = ServerTls{authority().issue("asking"), authority().path(), clients.path()}});
  const auto ours = clients.issue("client");
  const auto with = [&](const harness::CertificateFiles& files) {
    return asking.url() + "&certfile=" + files.certificate + "&keyfile=" + files.key;
  };
  expect_works(with(ours));
  EXPECT_SAYS(refusal(asking.url()), "certificate required");
  EXPECT_SAYS(refusal(with(authority().issue("stranger"))), "TLS: ");
  EXPECT_SAYS(refusal(with({ours.certificate, authority().issue("of-another").key})), "is not the private key of");
}

TEST_F(AmqpTls, APeerThatIsSilentInTheHandshakeIsGivenUp) {
  Gate gate(rabbit().port());
  gate.set(GateMode::kStall);
  EXPECT_SAYS(refusal(gate.through(rabbit().url()), 300), "in time");
  gate.set(GateMode::kBlackHole);
  EXPECT_SAYS(refusal(gate.through(rabbit().url()), 300), "in time");
  gate.pass();
  expect_works(gate.through(rabbit().url()));
}

TEST_F(AmqpTls, AnEndAnywhereInTheDialogueIsAnErrorAndNothingElse) {
  Gate gate(rabbit().port());
  const auto url = gate.through(rabbit().url());
  const auto before = gate.forwarded();
  auto opened = must_open(url);
  const auto whole = gate.forwarded() - before;  // without the farewell
  opened.reset();
  ASSERT_GT(whole, 1500);
  for (std::int64_t amount = 1; amount < whole - 200; amount += whole / 23) {
    ASSERT_TRUE(wait_until([&] { return gate.connections() == 0; }));  // or the farewell of the last one would be cut
    gate.set(GateMode::kCut, amount);
    const auto said = refusal(url);
    EXPECT_SAYS(said, "RabbitMQ at amqps://127.0.0.1:") << amount;
    EXPECT_FALSE(says(said, "certificate")) << amount << ": " << said;
  }
  gate.pass();
  expect_works(url);
}

TEST_F(AmqpTls, AStallInTheMiddleOfARecordEndsByItsDeadline) {
  Gate gate(rabbit().port());
  ASSERT_TRUE(must_open(rabbit().url())->declare_queue("stall", {}));  // which takes long on a busy machine
  auto connection = must_open(gate.through(rabbit().url()), {.name = "r1", .heartbeat_s = 60, .deadline_ms = 10'000});
  ASSERT_TRUE(connection->enable_confirms());
  const std::string body(200'000, 'x');
  gate.set(GateMode::kStall);
  std::string reason;  // the buffers on the way fill up first; they end in the middle of a record
  for (int i = 0; i < 2000 && reason.empty(); ++i)
    if (auto published = connection->publish({"", "stall", body, "m"}); !published) reason = published.error().message;
  EXPECT_FALSE(reason.empty());
  EXPECT_FALSE(connection->open());
}

TEST_F(AmqpTls, PollingASilentPeerEndsByItsMissingHeartbeats) {
  Gate gate(rabbit().port());
  auto connection = must_open(gate.through(rabbit().url()), {.name = "quiet", .heartbeat_s = 1});
  gate.set(GateMode::kStall);
  Result<std::optional<Event>> event = std::optional<Event>();
  ASSERT_TRUE(wait_until([&] { return !(event = connection->poll(100)); }));
  EXPECT_SAYS(event.error().message, "silent");
}

// A record takes four times as long as the silence that is accepted: its bytes count as life, as they do without TLS.
TEST_F(AmqpTls, DamageOnTheWayIsFoundByTls) {
  Gate gate(rabbit().port());
  auto connection = must_open(gate.through(rabbit().url()), {.name = "damage", .heartbeat_s = 1});
  gate.set(GateMode::kCorrupt, 20);
  Result<std::int64_t> depth = 0;
  ASSERT_TRUE(wait_until([&] { return !(depth = connection->queue_depth("works")) && !connection->open(); }));
  gate.pass();
  expect_works(gate.through(rabbit().url()));
}

TEST_F(AmqpTls, EveryConnectionReadsTheFilesAnew) {
  const CertificateAuthority next(harness::run_folder(), "next-ca");
  const auto url = rabbit().url();  // its file is replaced below
  const auto living = must_open(url);
  rabbit().use({next.issue("broker-next"), authority().path()});
  EXPECT_SAYS(refusal(url), "no authority that is trusted here");
  rabbit().use({next.issue("broker-next"), next.path()});
  expect_works(url);
  EXPECT_TRUE(living->exchange_state("amq.topic")) << "what is open stays open";
  give(authority().issue("broker"));
  expect_works(url);
}

TEST_F(AmqpTls, FilesThatCannotServeAreNamed) {
  const auto with = [&](const std::string& query) { return refusal(url_of("127.0.0.1", rabbit().port(), query)); };
  EXPECT_SAYS(with("/nowhere.pem"), "cacertfile /nowhere.pem holds no certificates in PEM: No such file");
  EXPECT_SAYS(with(authority().issue("k").key), "holds no certificates");
  EXPECT_SAYS(with(authority().path() + "&certfile=/nowhere.pem&keyfile=/nowhere.key"), "/nowhere.key cannot be read");
}

}  // namespace
}  // namespace flashclaim::amqp
