// The blocking client: replies of every kind, pipelining, and what is known after each kind of loss.
#include "engine/redis/client.h"

#include <gtest/gtest.h>

#include "tests/harness/services.h"
#include "tests/harness/wait.h"
#include "tests/harness/witness.h"
#include "tests/lua/fixture.h"

namespace flashclaim {

using redis::Client;
using redis::ReplyKind;
using std::chrono::milliseconds;

class BlockingClient : public ::testing::Test {
 protected:
  Client client_ = connect_to(harness::PrivateRedis::shared().url());
};

TEST_F(BlockingClient, ReadsEveryKindOfReply) {
  EXPECT_EQ(client_.command({"PING"})->kind(), ReplyKind::kStatus);
  EXPECT_EQ(client_.command({"GET", "nothing"})->kind(), ReplyKind::kNil);
  EXPECT_EQ(client_.command({"DEL", "list"})->kind(), ReplyKind::kInteger);
  EXPECT_EQ(client_.command({"RPUSH", "list", "a", ""})->integer(), 2);
  const auto list = client_.command({"LRANGE", "list", "0", "-1"});
  ASSERT_TRUE(list);
  ASSERT_EQ(list->kind(), ReplyKind::kArray);
  ASSERT_EQ(list->size(), 2U);
  EXPECT_EQ((*list)[0].text(), "a");
  EXPECT_EQ((*list)[1].kind(), ReplyKind::kString);
  EXPECT_EQ((*list)[1].text(), "");
  const auto error = client_.command({"GET", "list"});
  ASSERT_TRUE(error) << "an error reply is an answer";
  EXPECT_TRUE(error->is_error());
  EXPECT_EQ(error->error_code(), "WRONGTYPE");
  EXPECT_EQ(client_.command({"DEL", "list"})->integer(), 1);
}

TEST_F(BlockingClient, IsSafeOnTheWrongKindAndOnNothing) {
  const auto status = client_.command({"PING"});
  EXPECT_EQ(status->integer(), 0);
  EXPECT_EQ(status->size(), 0U);
  EXPECT_TRUE((*status)[3].is_nil());
  EXPECT_EQ((*status)[3][1].text(), "");
  EXPECT_EQ(status->error_code(), "");
  const redis::ReplyView nothing;
  EXPECT_EQ(nothing.kind(), ReplyKind::kNil);
  EXPECT_EQ(nothing.text(), "");
  EXPECT_EQ(redis::Reply().kind(), ReplyKind::kNil);
}

TEST_F(BlockingClient, CarriesAnyBytes) {
  const std::string bytes("a\0b\r\n$5 \xff", 9);
  ASSERT_TRUE(client_.command({"SET", bytes, bytes}));
  EXPECT_EQ(client_.command({"GET", bytes})->text(), bytes);
  EXPECT_EQ(client_.command({"SET", bytes, std::string_view()})->text(), "OK");
  EXPECT_EQ(client_.command({"GET", bytes})->text(), "");
  EXPECT_EQ(client_.command({"DEL", bytes})->integer(), 1);
}

TEST_F(BlockingClient, AnswersAPipelineInOrder) {
  for (int i = 0; i < 1000; ++i) {
    client_.append({"ECHO", std::to_string(i)});
  }
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(client_.read()->text(), std::to_string(i));
  }
}

TEST_F(BlockingClient, TurnsAnErrorReplyIntoAFailureOnRequest) {
  const auto bad = ok(client_.command({"NOSUCH"}));
  ASSERT_FALSE(bad);
  EXPECT_FALSE(bad.error().unknown());
  EXPECT_EQ(bad.error().message.substr(0, 3), "ERR");
  EXPECT_EQ(ok(client_.command({"PING"}))->text(), "PONG");
}

TEST_F(BlockingClient, SelectsTheDatabaseOfTheUrlAlsoAfterAReconnect) {
  auto url = harness::PrivateRedis::shared().url();
  url = url.substr(0, url.find('/', 8)) + "/3";
  Client third = connect_to(url);
  EXPECT_NE(third.command({"CLIENT", "INFO"})->text().find(" db=3 "), std::string_view::npos);
  ASSERT_TRUE(third.reconnect());
  EXPECT_NE(third.command({"CLIENT", "INFO"})->text().find(" db=3 "), std::string_view::npos);
}

TEST(BlockingClientUrl, IsCheckedAndNeverRepeated) {
  for (const std::string url : {"http://h:1/0", "redis://127.0.0.1:1/x", "redis://127.0.0.1:1/-1", "nonsense"}) {
    const auto client = Client::connect(url, milliseconds(1000));
    ASSERT_FALSE(client) << url;
    EXPECT_FALSE(client.error().unknown());
  }
  const auto refused = Client::connect("redis://:secret@127.0.0.1:1/0", milliseconds(1000));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message.find("secret"), std::string::npos);
}

TEST(BlockingClientPassword, IsGivenAndAWrongOneIsAFailure) {
  harness::announce_denial("NOPERM shop: auth");
  harness::PrivateRedis server;
  auto admin = connect_to(server.url());
  ASSERT_EQ(admin.command({"ACL", "SETUSER", "shop", "on", ">s3cret", "+@all", "~*"})->text(), "OK");
  const std::string place = "127.0.0.1:" + std::to_string(server.port()) + "/0";
  auto shop = Client::connect("redis://shop:s3cret@" + place, milliseconds(60'000));
  ASSERT_TRUE(shop) << shop.error().message;
  EXPECT_EQ(shop->command({"ACL", "WHOAMI"})->text(), "shop");
  const auto wrong = Client::connect("redis://shop:wr0ng@" + place, milliseconds(60'000));
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("WRONGPASS"), std::string::npos);
  EXPECT_EQ(wrong.error().message.find("wr0ng"), std::string::npos);
}

// READONLY and the like say that the address leads elsewhere by now: the connection is closed, once all is answered.
TEST(BlockingClientSession, IsLeftWhenItsServerBecomesAReplica) {
  harness::PrivateRedis one;
  harness::PrivateRedis two;
  auto client = connect_to(one.url());
  auto tester = Client::connect(one.url(), milliseconds(60'000), redis::Server::kAny).value();
  ASSERT_TRUE(redis::ok(tester.command({"REPLICAOF", "127.0.0.1", std::to_string(two.port())})));
  client.append({"GET", "n"});
  client.append({"SET", "n", "1"});
  client.append({"PING"});
  EXPECT_FALSE(client.read()->is_error());
  EXPECT_EQ(client.read()->error_code(), "READONLY");
  EXPECT_EQ(client.read()->text(), "PONG");
  EXPECT_FALSE(client.connected());
  const auto again = client.reconnect();
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("it is a replica of 127.0.0.1:" + std::to_string(two.port())), std::string::npos)
      << again.error().message;
  ASSERT_TRUE(redis::ok(tester.command({"REPLICAOF", "NO", "ONE"})));
  ASSERT_TRUE(client.reconnect());
  EXPECT_EQ(client.command({"SET", "n", "1"})->text(), "OK");
}

class BrokenRedis : public ::testing::Test {
 protected:
  void reconnects() {
    ASSERT_TRUE(harness::wait_until([&] { return client_.reconnect().has_value(); }));
    EXPECT_TRUE(client_.connected());
    EXPECT_EQ(client_.command({"PING"})->text(), "PONG");
  }

  harness::PrivateRedis server_;
  Client client_ = connect_to(server_.url());
};

TEST_F(BrokenRedis, ALostAnswerIsUnknownAndLaterCommandsAreFailures) {
  ASSERT_EQ(client_.command({"PING"})->text(), "PONG");
  server_.kill();
  const auto lost = client_.command({"INCR", "n"});
  ASSERT_FALSE(lost);
  EXPECT_TRUE(lost.error().unknown());
  EXPECT_FALSE(client_.connected());
  const auto unsent = client_.command({"INCR", "n"});
  ASSERT_FALSE(unsent);
  EXPECT_FALSE(unsent.error().unknown()) << "it was never sent";
  EXPECT_FALSE(client_.reconnect());
  server_.start();
  reconnects();
}

TEST_F(BrokenRedis, EveryOwedAnswerOfALostPipelineIsUnknown) {
  for (int i = 0; i < 3; ++i) {
    client_.append({"INCR", "n"});
  }
  server_.kill();
  for (int i = 0; i < 2; ++i) {
    const auto lost = client_.read();
    ASSERT_FALSE(lost);
    EXPECT_TRUE(lost.error().unknown());
  }
  client_.append({"INCR", "n"});
  EXPECT_TRUE(client_.read().error().unknown()) << "the third";
  EXPECT_FALSE(client_.read().error().unknown()) << "appended after the loss";
  server_.start();
  reconnects();
}

TEST_F(BrokenRedis, AServerThatHangsIsUnknownAfterTheTimeout) {
  auto impatient = Client::connect(server_.url(), milliseconds(200));
  ASSERT_TRUE(impatient);
  server_.pause();
  const auto reply = impatient->command({"INCR", "n"});
  server_.resume();
  ASSERT_FALSE(reply);
  EXPECT_TRUE(reply.error().unknown());
  EXPECT_FALSE(impatient->connected()) << "a late answer must not be taken for the next one's";
  ASSERT_TRUE(harness::wait_until([&] { return impatient->reconnect().has_value(); }));
  EXPECT_EQ(shown(impatient->command({"PING"})->view()), "PONG");
}

TEST_F(BrokenRedis, ClosingForgetsNothingThatIsOwed) {
  client_.append({"PING"});
  client_.close();
  EXPECT_TRUE(client_.read().error().unknown());
  reconnects();
  client_.append({"PING"});
  reconnects();
}

}  // namespace flashclaim
