// What each error reply of Redis means: the table, and the questions that callers ask it.
#include <gtest/gtest.h>

#include <string>

#include "engine/redis/errors.h"

namespace flashclaim::redis {
namespace {

Reply error_reply(const std::string& text) { return reply_of_bytes("-" + text + "\r\n"); }

TEST(RedisErrors, AreKnownByWholeWords) {
  EXPECT_EQ(meaning_of("OOM command not allowed when used memory > 'maxmemory'.")->code, ErrorCode::kOverloaded);
  EXPECT_EQ(meaning_of("LOADING")->about, About::kSession);
  EXPECT_EQ(meaning_of("ERR Function not found")->code, ErrorCode::kMissing);
  EXPECT_EQ(meaning_of("MOVED 3999 127.0.0.1:6381")->about, About::kElsewhere);
  for (const char* unknown :
       {"", "OOMPH", "ERR", "ERR syntax error", "loading", "ERR user_function: index a nil value"})
    EXPECT_FALSE(meaning_of(unknown)) << unknown;
}

TEST(RedisErrors, BecomeErrorsThatKeepTheirCodeAndText) {
  const auto damaged = error_of(error_reply("DAMAGED stock").view());
  EXPECT_TRUE(is_damaged(damaged));
  EXPECT_TRUE(is_about_the_call(damaged));
  EXPECT_EQ(damaged.message, "DAMAGED stock");
  EXPECT_TRUE(is_about_the_call(error_of(error_reply("ARGUMENT coupon").view())));
  EXPECT_TRUE(is_about_the_call(error_of(error_reply("WRONGTYPE Operation against a key").view())));
  for (const char* of_the_server : {"OOM x", "BUSY x", "LOADING x", "READONLY x", "NOPERM x", "ERR Function not found"})
    EXPECT_FALSE(is_about_the_call(error_of(error_reply(of_the_server).view()))) << of_the_server;
  EXPECT_FALSE(is_about_the_call(error_of(error_reply("ERR what a newer Redis says").view()))) << "nobody knows";
  EXPECT_EQ(ok(error_reply("NOGROUP No such key")).error().code, ErrorCode::kMissing);
}

TEST(RedisErrors, TellTheSessionFromTheServerAndTheLogin) {
  for (const char* session : {"READONLY x", "LOADING x", "MASTERDOWN x", "NOREPLICAS x", "NOAUTH x"})
    EXPECT_TRUE(is_about_the_session(error_reply(session).view())) << session;
  for (const char* other : {"OOM x", "NOPERM x", "MOVED 1 a:1", "DAMAGED x", "ERR x"})
    EXPECT_FALSE(is_about_the_session(error_reply(other).view())) << other;
  for (const char* all : {"OOM x", "MISCONF x", "NOPERM x", "TRYAGAIN x", "MOVED 1 a:1", "ASK 1 a:1", "READONLY x"})
    EXPECT_TRUE(is_about_all(error_reply(all).view())) << all;
  for (const char* call : {"WRONGTYPE x", "DAMAGED x", "NOGROUP x", "UNBLOCKED x", "ERR x"})
    EXPECT_FALSE(is_about_all(error_reply(call).view())) << call;
  EXPECT_TRUE(is_denied(error_reply("NOPERM x").view()));
  EXPECT_FALSE(is_denied(error_reply("NOAUTH x").view())) << "nobody is logged in";
  EXPECT_FALSE(is_denied(reply_of_bytes("+OK\r\n").view())) << "no error at all";
}

}  // namespace
}  // namespace flashclaim::redis
