// URLs of the services: taken apart exactly, and never repeated where a password could be.
#include <gtest/gtest.h>

#include "engine/base/url.h"

namespace flashclaim {
namespace {

TEST(ServiceUrl, IsTakenApartAndDecoded) {
  const auto url = parse_url("amqp://us%65r:p%40ss@[::1]:5672/%2F");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, "amqp");
  EXPECT_EQ(url->user, "user");
  EXPECT_EQ(url->password, "p@ss");
  EXPECT_EQ(url->host, "[::1]");
  EXPECT_EQ(url->port, 5672);
  EXPECT_EQ(url->path, "/");
  EXPECT_EQ(url->redacted(), "amqp://[::1]:5672//");
}

TEST(ServiceUrl, KeepsItsParametersApart) {
  const auto url = parse_url("amqps://h:5671/%2F?cacertfile=/a%20b&flag&x=1/2");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->path, "/");
  const std::vector<std::pair<std::string, std::string>> expected{{"cacertfile", "/a b"}, {"flag", ""}, {"x", "1/2"}};
  EXPECT_EQ(url->parameters(), expected);
  EXPECT_EQ(url->redacted(), "amqps://h:5671//");
  EXPECT_EQ(parse_url("redis://h?x=/y")->path, "");
}

// Found by tests/fuzz/text.cpp: what stood before `://` was repeated, whatever it was.
TEST(ServiceUrl, ErrorsRepeatNothingThatMayBeAPassword) {
  for (const char* text : {"hunter2:secret@host://x:0", "secret word://", "SECRET://host:1x", "redis://u:secret@:1",
                           "redis://u:secret@host:secret", "secretsecretsecret://", "://secret", "secret"}) {
    const auto url = parse_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().message.find("secret"), std::string::npos) << url.error().message;
    EXPECT_EQ(url.error().message.find("SECRET"), std::string::npos) << url.error().message;
  }
}

}  // namespace
}  // namespace flashclaim
