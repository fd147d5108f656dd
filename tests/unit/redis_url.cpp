// REDIS_URL: what is not spoken is refused by both clients, with the way out.
#include <gtest/gtest.h>

#include "engine/loop/loop.h"
#include "engine/redis/async.h"
#include "engine/redis/client.h"
#include "engine/redis/endpoint.h"

namespace flashclaim::redis {
namespace {

std::string refusal(const char* url) {
  loop::Loop loop;
  const auto on_loop = AsyncClient::create(loop, url);
  const auto blocking = Client::connect(url, Milliseconds(1000));
  if (on_loop || blocking) return "it was taken";
  EXPECT_EQ(on_loop.error().message, "REDIS_URL: " + blocking.error().message.substr(sizeof "redis: " - 1));
  EXPECT_EQ(on_loop.error().message.find("secret"), std::string::npos) << on_loop.error().message;
  return on_loop.error().message;
}

#define EXPECT_SAYS(said, words) EXPECT_PRED2(says, said, words)
bool says(const std::string& said, const std::string& words) { return said.find(words) != std::string::npos; }

TEST(RedisUrl, SaysWhatItMayBe) {
  EXPECT_SAYS(refusal("http://u:secret@127.0.0.1/"), "must begin with redis:// or, for TLS, rediss://");
  EXPECT_SAYS(refusal("redis://u:secret@127.0.0.1/0?ssl=true"), "belong to rediss://");
  EXPECT_SAYS(refusal("rediss://u:secret@127.0.0.1/0?ssl=true"), "cacertfile, certfile and keyfile");
  EXPECT_SAYS(refusal("rediss://u:secret@127.0.0.1/0?verify=verify_none"), "always verified");
  EXPECT_SAYS(refusal("rediss://u:secret@127.0.0.1/0?certfile=secret.pem"), "certfile and keyfile go together");
  EXPECT_SAYS(refusal("rediss://u:secret@127.0.0.1/zero"), "must be a database number");
}

TEST(RedisUrl, NamesTheServerTheLoginAndTheFiles) {
  const auto tls = parse_endpoint("rediss://u:p@[::1]:6380/2?cacertfile=/etc/a%20ca.pem&verify=verify_peer");
  ASSERT_TRUE(tls) << tls.error().message;
  EXPECT_EQ(tls->where(), "::1:6380");
  EXPECT_TRUE(tls->tls);
  EXPECT_EQ(tls->files.trusted, "/etc/a ca.pem");
  EXPECT_EQ(tls->login, (std::vector<std::vector<std::string>>{{"AUTH", "u", "p"}, {"SELECT", "2"}}));
  const auto plain = parse_endpoint("redis://:p@redis.example");
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(plain->where(), "redis.example:6379");
  EXPECT_FALSE(plain->tls);
  EXPECT_EQ(plain->login, (std::vector<std::vector<std::string>>{{"AUTH", "p"}, {"SELECT", "0"}}));
}

}  // namespace
}  // namespace flashclaim::redis
