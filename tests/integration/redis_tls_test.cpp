// rediss:// against a real Redis, by both clients: who is refused and with which words, and that no call waits for ever
// inside TLS either.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "engine/loop/loop.h"
#include "engine/redis/async.h"
#include "engine/redis/client.h"
#include "engine/redis/resp.h"
#include "engine/redis/subscriber.h"
#include "tests/harness/folder.h"
#include "tests/harness/gate.h"
#include "tests/harness/logins.h"
#include "tests/harness/services.h"
#include "tests/harness/wait.h"

namespace flashclaim::redis {
namespace {

using harness::CertificateAuthority;
using harness::Gate;
using harness::GateMode;
using harness::PrivateRedis;
using harness::ServerTls;
using harness::wait_until;
using std::chrono::milliseconds;

bool says(const std::string& said, const std::string& words) { return said.find(words) != std::string::npos; }
#define EXPECT_SAYS(said, words) EXPECT_PRED2(says, said, words)

/// The loop's client, driven by hand: everything that it says is written down.
struct OnLoop final : Call, Listener {
  explicit OnLoop(const std::string& url, const AsyncOptions& options = {})
      : client(must(AsyncClient::create(loop, url, options))),
        subscriber(must(Subscriber::create(loop, url, *this))),
        tick(loop, [this] { loop.stop(); }) {}
  template <class T>
  static T must(Result<T> made) {
    if (!made) throw std::runtime_error(made.error().message);
    return std::move(*made);
  }
  void answered(const ReplyView& reply) noexcept override { answers.emplace_back(reply.text()); }
  void lost() noexcept override { ++losses; }
  void subscribed(std::string_view) noexcept override { ++subscriptions; }
  void message(std::string_view, std::string_view payload) noexcept override { messages.emplace_back(payload); }
  void missing() noexcept override { ++gaps; }

  template <class Condition>
  [[nodiscard]] bool reaches(Condition condition) {
    return wait_until([&] {
      tick.start_ms(5);
      loop.run();
      return condition();
    });
  }
  [[nodiscard]] bool ready() {
    return reaches([this] { return client->ready(); });
  }
  void send(const std::vector<std::string>& command) {
    std::string resp;
    append_resp(resp, command);
    ASSERT_EQ(client->send(resp, *this), Sent::kYes);
  }

  loop::Loop loop;
  std::unique_ptr<AsyncClient> client;
  std::unique_ptr<Subscriber> subscriber;
  loop::Timer tick;
  std::vector<std::string> answers;
  std::vector<std::string> messages;
  int losses = 0;
  int subscriptions = 0;
  int gaps = 0;
};

class RedisTls : public ::testing::Test {
 protected:
  static const CertificateAuthority& authority() {
    static const CertificateAuthority kAuthority(harness::run_folder(), "redis-ca");
    return kAuthority;
  }
  static PrivateRedis& redis() {
    static PrivateRedis redis({.tls = ServerTls{authority().issue("redis"), authority().path()}});
    return redis;
  }
  static std::string url_of(const std::string& host, int port, const std::string& trusted) {
    return std::string("rediss://") + harness::kTester + ":" + harness::tester_password() + "@" + host + ":" +
           std::to_string(port) + "/0" + (trusted.empty() ? "" : "?cacertfile=" + trusted);
  }
  /// The words with which both clients are refused; they never repeat the password.
  static std::string refusal(const std::string& url, milliseconds timeout = milliseconds(60'000)) {
    const auto none = Client::connect(url, timeout);
    if (none) return "it was connected";
    OnLoop loop(url, {.connect_ms = static_cast<int>(timeout.count())});
    EXPECT_TRUE(loop.reaches([&] { return !loop.client->trouble().empty(); }));
    EXPECT_FALSE(loop.client->ready());
    const std::string& blocking = none.error().message;
    for (const auto& said : {blocking, loop.client->trouble()})
      EXPECT_EQ(said.find(harness::tester_password()), std::string::npos) << said;
    return blocking + " | " + loop.client->trouble();
  }
  static void expect_both_say(const std::string& said, const std::string& words) {
    EXPECT_SAYS(said.substr(0, said.find(" | ")), words);
    EXPECT_SAYS(said.substr(said.find(" | ") + 3), words);
  }
  static void expect_works(const std::string& url) {
    auto client = Client::connect(url, milliseconds(60'000));
    ASSERT_TRUE(client) << client.error().message;
    EXPECT_EQ(client->command({"ECHO", "works"}).value().text(), "works");
    OnLoop loop(url);
    ASSERT_TRUE(loop.ready()) << loop.client->trouble();
    loop.send({"ECHO", "works"});
    EXPECT_TRUE(loop.reaches([&] { return loop.answers == std::vector<std::string>{"works"}; }));
  }
  /// A server of its own with this certificate.
  static std::unique_ptr<PrivateRedis> with(const harness::CertificateFiles& certificate) {
    return std::make_unique<PrivateRedis>(harness::Setup{.tls = ServerTls{certificate, authority().path()}});
  }
};

// Around a record of TLS and the buffers of both clients.
const std::size_t kSizes[] = {0, 1, 16300, 16384, 16400, 65535, 65536, 131064, 1 << 20, 3 << 20};

TEST_F(RedisTls, CarriesBytesOfEverySizeBothWays) {
  auto client = Client::connect(redis().url(), milliseconds(60'000)).value();
  for (const auto size : kSizes) client.append({"ECHO", std::string(size, 'x')});
  for (const auto size : kSizes) EXPECT_EQ(client.read().value().text(), std::string(size, 'x'));
  OnLoop loop(redis().url());
  ASSERT_TRUE(loop.ready());
  for (const auto size : kSizes) loop.send({"ECHO", std::string(size, 'y')});
  ASSERT_TRUE(loop.reaches([&] { return loop.answers.size() == std::size(kSizes); }));
  for (std::size_t i = 0; i < std::size(kSizes); ++i) EXPECT_EQ(loop.answers[i], std::string(kSizes[i], 'y'));
  EXPECT_EQ(loop.losses, 0);
}

TEST_F(RedisTls, TellsWhatIsPublished) {
  OnLoop loop(redis().url());
  loop.subscriber->subscribe("coupon:finished:{1}");
  ASSERT_TRUE(loop.reaches([&] { return loop.subscriptions == 1; }));
  auto client = Client::connect(redis().url(), milliseconds(60'000)).value();
  ASSERT_EQ(client.command({"SPUBLISH", "coupon:finished:{1}", std::string(100'000, 'm')}).value().integer(), 1);
  EXPECT_TRUE(loop.reaches([&] { return loop.messages == std::vector<std::string>{std::string(100'000, 'm')}; }));
  EXPECT_EQ(loop.gaps, 0);
}

TEST_F(RedisTls, RefusesAServerThatNoTrustedAuthoritySigned) {
  const CertificateAuthority other(harness::run_folder(), "other-redis-ca");
  expect_both_say(refusal(url_of("127.0.0.1", redis().port(), other.path())), "no authority that is trusted here");
  expect_both_say(refusal(url_of("127.0.0.1", redis().port(), "")), "no authority that is trusted here");
  expect_works(redis().url());
}

TEST_F(RedisTls, RefusesAServerOfAnotherNameOrTime) {
  const auto named = with(authority().issue("redis-named", {.names = "DNS:localhost"}));
  const auto of = [&](const char* host, const PrivateRedis& server) {
    return url_of(host, server.port(), authority().path());
  };
  expect_both_say(refusal(of("127.0.0.1", *named)), "is not for the host 127.0.0.1");
  expect_works(of("localhost", *named));
  named->use({authority().issue("redis-expired", {.days = -1}), authority().path()});
  named->take_certificates();
  expect_both_say(refusal(of("127.0.0.1", *named)), "has expired");
}

TEST_F(RedisTls, SaysWhenOneSideSpeaksTlsAndTheOtherDoesNot) {
  const auto plain_port = PrivateRedis::shared().port();  // which waits for the end of a line
  expect_both_say(refusal(url_of("127.0.0.1", plain_port, authority().path()), milliseconds(300)), "TLS on this port");
  const std::string plain = "redis://127.0.0.1:" + std::to_string(redis().port());
  expect_both_say(refusal(plain), "rediss://");
  expect_works(redis().url());
}

TEST_F(RedisTls, ShowsItsOwnCertificateToAServerThatAsksForIt) {
  const CertificateAuthority clients(harness::run_folder(), "redis-clients-ca");
  PrivateRedis asking({.tls = ServerTls{authority().issue("redis-asking"), authority().path(), clients.path()}});
  const auto ours = clients.issue("redis-client");
  const auto showing = [&](const harness::CertificateFiles& files) {
    return asking.url() + "&certfile=" + files.certificate + "&keyfile=" + files.key;
  };
  expect_works(showing(ours));
  expect_both_say(refusal(asking.url()), "certificate required");
  expect_both_say(refusal(showing(authority().issue("redis-stranger"))), "TLS: ");
  const auto anothers = authority().issue("of-another-client");
  expect_both_say(refusal(showing({ours.certificate, anothers.key})), "is not the private key of");
}

TEST_F(RedisTls, AServerThatIsSilentInTheHandshakeIsGivenUp) {
  Gate gate(redis().port());
  for (const auto mode : {GateMode::kStall, GateMode::kBlackHole}) {
    gate.set(mode);
    const auto said = refusal(gate.through(redis().url()), milliseconds(300));
    expect_both_say(said, "in time");
  }
  gate.pass();
  expect_works(gate.through(redis().url()));
}

TEST_F(RedisTls, AnEndAnywhereInTheDialogueIsAnErrorAndNothingElse) {
  Gate gate(redis().port());
  const auto url = gate.through(redis().url());
  const auto before = gate.forwarded();
  ASSERT_TRUE(Client::connect(url, milliseconds(60'000)));
  const auto whole = gate.forwarded() - before;
  ASSERT_GT(whole, 1000);
  for (std::int64_t amount = 1; amount < whole - 200; amount += whole / 13) {
    const auto cut = [&] {
      EXPECT_TRUE(wait_until([&] { return gate.connections() == 0; }));  // or the farewell of the last one would be cut
      gate.set(GateMode::kCut, amount);
    };
    cut();
    const auto none = Client::connect(url, milliseconds(60'000));
    ASSERT_FALSE(none) << amount;
    EXPECT_SAYS(none.error().message, "redis 127.0.0.1:") << amount;
    cut();
    OnLoop loop(url);
    ASSERT_TRUE(loop.ready()) << amount << ": the second connection is whole";
    for (const auto& said : {none.error().message, loop.client->trouble()}) {
      EXPECT_FALSE(said.empty()) << amount;
      EXPECT_FALSE(says(said, "certificate")) << amount << ": " << said;
    }
  }
  gate.pass();
  expect_works(url);
}

TEST_F(RedisTls, AStallInTheMiddleOfAnAnswerIsUnknownAndHeals) {
  Gate gate(redis().port());
  const auto url = gate.through(redis().url());
  auto client = Client::connect(url, milliseconds(2000)).value();
  OnLoop loop(url, {.deadline_ms = 2000});
  ASSERT_TRUE(loop.ready());
  gate.set(GateMode::kStall);
  const auto none = client.command({"ECHO", std::string(100'000, 'x')});
  ASSERT_FALSE(none);
  EXPECT_TRUE(none.error().unknown());
  EXPECT_FALSE(client.connected());
  loop.send({"ECHO", std::string(100'000, 'x')});
  EXPECT_TRUE(loop.reaches([&] { return loop.losses == 1; }));
  EXPECT_TRUE(loop.answers.empty());
  gate.pass();
  ASSERT_TRUE(loop.ready());
  expect_works(url);
}

TEST_F(RedisTls, DamageOnTheWayIsFound) {
  Gate gate(redis().port());
  const auto url = gate.through(redis().url());
  auto client = Client::connect(url, milliseconds(60'000)).value();
  OnLoop loop(url);
  ASSERT_TRUE(loop.ready());
  gate.set(GateMode::kCorrupt, 20);
  EXPECT_FALSE(client.command({"ECHO", "damaged"}));
  EXPECT_FALSE(client.connected());
  if (loop.client->ready()) loop.send({"ECHO", "damaged"});
  EXPECT_TRUE(loop.reaches([&] { return loop.client->counters().disconnects.value() > 0; }));
  EXPECT_TRUE(loop.answers.empty());
  gate.pass();
  expect_works(url);
}

TEST_F(RedisTls, EveryConnectionReadsTheFilesAnew) {
  const auto server = with(authority().issue("redis-first"));
  const auto url = server->url();  // its file is replaced below
  OnLoop loop(url);
  ASSERT_TRUE(loop.ready());
  const CertificateAuthority next(harness::run_folder(), "next-redis-ca");
  server->stop();
  server->use({next.issue("redis-next"), next.path()});
  server->start();
  EXPECT_TRUE(loop.ready()) << loop.client->trouble();
  const auto trust = [&](const CertificateAuthority& one) {
    std::filesystem::copy_file(one.path(), server->folder() + "/tls/ca.pem",
                               std::filesystem::copy_options::overwrite_existing);
  };
  trust(authority());
  expect_both_say(refusal(url), "no authority that is trusted here");
  EXPECT_TRUE(loop.client->ready()) << "what is open stays open";
  trust(next);
  expect_works(url);
}

TEST_F(RedisTls, FilesThatCannotServeAreNamed) {
  const auto said = [&](const std::string& query) { return refusal(url_of("127.0.0.1", redis().port(), query)); };
  expect_both_say(said("/nowhere.pem"), "cacertfile /nowhere.pem holds no certificates in PEM: No such file");
  expect_both_say(said(authority().path() + "&certfile=/nowhere.pem&keyfile=/nowhere.key"),
                  "/nowhere.key cannot be read");
}

}  // namespace
}  // namespace flashclaim::redis
