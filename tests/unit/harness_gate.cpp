// The gate does what each of its modes says, between a client and a server that echoes.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

#include "tests/harness/folder.h"
#include "tests/harness/gate.h"
#include "tests/harness/wait.h"

namespace flashclaim::harness {
namespace {

using Clock = std::chrono::steady_clock;

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

/// Echoes on every connection until the test ends.
class EchoServer {
 public:
  EchoServer() : port_(free_ports()), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = loopback(port_);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    listen(listener_, 16);
    thread_ = std::thread([this] {
      int client;
      while ((client = accept(listener_, nullptr, nullptr)) >= 0) std::thread(echo, client).detach();
    });
  }
  ~EchoServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  [[nodiscard]] int port() const { return port_; }

 private:
  static void echo(int client) {
    char bytes[4096];
    ssize_t size;
    while ((size = recv(client, bytes, sizeof bytes, 0)) > 0)
      if (send(client, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL) < 0) break;
    close(client);
  }
  int port_;
  int listener_;
  std::thread thread_;
};

class GateModes : public ::testing::Test {
 protected:
  ~GateModes() override {
    if (fd_ >= 0) close(fd_);
  }
  bool connect_to_gate() {
    if (fd_ >= 0) close(fd_);
    fd_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = loopback(gate_.port());
    return connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  void say(const std::string& text) const { send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
  /// What comes back within `patience_ms`; "" for silence, "<end>" for a connection that ended.
  [[nodiscard]] std::string hear(std::size_t size, int patience_ms = 30000) const {
    std::string heard;
    while (heard.size() < size) {
      pollfd polled{fd_, POLLIN, 0};
      if (poll(&polled, 1, patience_ms) == 0) return heard;
      char bytes[4096];
      auto got = recv(fd_, bytes, sizeof bytes, 0);
      if (got <= 0) return heard + "<end>";
      heard.append(bytes, static_cast<std::size_t>(got));
    }
    return heard;
  }
  EchoServer server_;
  Gate gate_{server_.port()};
  int fd_ = -1;
};

TEST_F(GateModes, PassesWhatItGets) {
  ASSERT_TRUE(connect_to_gate());
  say("hello");
  EXPECT_EQ(hear(5), "hello");
  EXPECT_TRUE(wait_until([&] { return gate_.forwarded() == 10; }));
}

TEST_F(GateModes, RefusesAndComesBack) {
  ASSERT_TRUE(connect_to_gate());
  gate_.set(GateMode::kRefuse);
  EXPECT_EQ(hear(1), "<end>");
  EXPECT_FALSE(connect_to_gate());
  gate_.pass();
  ASSERT_TRUE(wait_until([&] { return connect_to_gate(); }));
  say("again");
  EXPECT_EQ(hear(5), "again");
}

TEST_F(GateModes, StallsAndThenForwardsWhatWaited) {
  ASSERT_TRUE(connect_to_gate());
  say("a");
  ASSERT_EQ(hear(1), "a");
  gate_.set(GateMode::kStall);
  ASSERT_TRUE(wait_until([&] { return gate_.connections() == 1; }));
  say("b");
  EXPECT_EQ(hear(1, 300), "");
  gate_.pass();
  EXPECT_EQ(hear(1), "b");
}

TEST_F(GateModes, SwallowsAsABlackHole) {
  gate_.set(GateMode::kBlackHole);
  ASSERT_TRUE(connect_to_gate());
  say("lost");
  EXPECT_EQ(hear(4, 300), "");
  gate_.pass();
  EXPECT_EQ(hear(1), "<end>") << "a stream with a hole does not go on";
  ASSERT_TRUE(connect_to_gate());
  say("kept");
  EXPECT_EQ(hear(4), "kept");
}

TEST_F(GateModes, DamagesWhatStandsBehindAText) {
  ASSERT_TRUE(connect_to_gate());
  gate_.damage_after("id:");
  say("id:4,5 id:6");
  EXPECT_EQ(hear(11), "id:4,5 id:6") << "the same bit twice, on the way there and back";
  EXPECT_EQ(gate_.damaged(), 4);
  gate_.pass();
  say("id:4");
  EXPECT_EQ(hear(4), "id:4");
}

TEST_F(GateModes, CutsAfterSoManyBytesAndPassesAgain) {
  gate_.set(GateMode::kCut, 6);
  ASSERT_TRUE(connect_to_gate());
  say("1234");
  EXPECT_EQ(hear(4).substr(0, 2), "12");
  say("5");
  EXPECT_EQ(hear(1), "<end>");
  ASSERT_TRUE(connect_to_gate());
  say("on");
  EXPECT_EQ(hear(2), "on");
}

TEST_F(GateModes, Closes) {
  gate_.set(GateMode::kClose);
  ASSERT_TRUE(connect_to_gate());
  EXPECT_EQ(hear(1), "<end>");
}

TEST_F(GateModes, DelaysOnTheWayThereAndOnTheWayBack) {
  ASSERT_TRUE(connect_to_gate());
  gate_.set(GateMode::kDelay, 150);
  const auto start = Clock::now();
  say("late");
  EXPECT_EQ(hear(4), "late");
  EXPECT_GE(Clock::now() - start, 300ms);
}

/// A second's worth may have been saved up before: what comes beyond it has to wait.
TEST_F(GateModes, SlowsToSoManyBytesASecond) {
  ASSERT_TRUE(connect_to_gate());
  gate_.set(GateMode::kSlow, 2000);
  const auto start = Clock::now();
  say(std::string(3000, 's'));
  EXPECT_EQ(hear(3000), std::string(3000, 's'));
  EXPECT_GE(Clock::now() - start, 500ms);
}

TEST_F(GateModes, CorruptsSomeBits) {
  ASSERT_TRUE(connect_to_gate());
  gate_.set(GateMode::kCorrupt, 10);
  const std::string sent(2000, 'c');
  say(sent);
  const std::string heard = hear(2000);
  EXPECT_EQ(heard.size(), sent.size());
  EXPECT_NE(heard, sent);
}

TEST_F(GateModes, GivesAUrlThroughItself) {
  const std::string port = std::to_string(gate_.port());
  EXPECT_EQ(gate_.through("redis://127.0.0.1:1/0"), "redis://127.0.0.1:" + port + "/0");
  EXPECT_EQ(gate_.through("amqp://guest:guest@127.0.0.1:1/%2F"), "amqp://guest:guest@127.0.0.1:" + port + "/%2F");
  EXPECT_EQ(gate_.through("postgresql://u:p@127.0.0.1:1/db?x=y"), "postgresql://u:p@127.0.0.1:" + port + "/db?x=y");
  EXPECT_EQ(gate_.through("http://127.0.0.1:1"), "http://127.0.0.1:" + port);
}

}  // namespace
}  // namespace flashclaim::harness
