// REDIS_URL: what is not spoken is refused by both connections, with the way out.
#include <gtest/gtest.h>

#include "engine/redis/client.h"
#include "engine/redis/handshake.h"

namespace flashclaim::redis {
namespace {

std::string refusal(const char* url) {
  const auto loop = handshake_of(url);
  const auto blocking = Client::connect(url, Milliseconds(1000));
  if (loop || blocking) return "it was taken";
  EXPECT_EQ(loop.error().message, "REDIS_URL: " + blocking.error().message.substr(sizeof "redis: " - 1));
  EXPECT_EQ(loop.error().message.find("secret"), std::string::npos) << loop.error().message;
  return loop.error().message;
}

TEST(RedisUrl, SaysThatThereIsNoTlsAndWhatToDoInstead) {
  const auto said = refusal("rediss://u:secret@redis.example:6380/0");
  EXPECT_NE(said.find("stunnel or a private network"), std::string::npos) << said;
  EXPECT_NE(refusal("http://u:secret@127.0.0.1/").find("redis://"), std::string::npos);
  EXPECT_NE(refusal("redis://u:secret@127.0.0.1/0?ssl=true").find("no parameters"), std::string::npos);
}

}  // namespace
}  // namespace flashclaim::redis
