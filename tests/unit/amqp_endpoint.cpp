// AMQP_URL, plain and with TLS: what it may say, and that nothing turns the verification off.
#include <gtest/gtest.h>

#include "engine/amqp/endpoint.h"

namespace flashclaim::amqp {
namespace {

TEST(AmqpEndpoint, IsTakenFromTheUrl) {
  auto plain = parse_endpoint("amqp://u:p@rabbit");
  ASSERT_TRUE(plain);
  EXPECT_FALSE(plain->tls);
  EXPECT_EQ(plain->url.port, 5672);
  EXPECT_EQ(plain->url.path, "/");
  auto tls = parse_endpoint(
      "amqps://u:p@[::1]/shop?cacertfile=/etc/a%20ca.pem&certfile=/c.pem&keyfile=/k.pem&verify=verify_peer");
  ASSERT_TRUE(tls);
  EXPECT_TRUE(tls->tls);
  EXPECT_EQ(tls->host, "::1");
  EXPECT_EQ(tls->url.port, 5671);
  EXPECT_EQ(tls->url.path, "shop");
  EXPECT_EQ(tls->files.trusted, "/etc/a ca.pem");
  EXPECT_EQ(tls->files.certificate, "/c.pem");
  EXPECT_EQ(tls->files.key, "/k.pem");
  EXPECT_TRUE(parse_endpoint("amqps://rabbit?cacertfile=/ca.pem"));
}

TEST(AmqpEndpoint, RefusesWhatItDoesNotMeanAndRepeatsNoSecret) {
  for (const char* url :
       {"http://u:secret@h/", "amqp://u:secret@h/?cacertfile=/ca.pem", "amqps://u:secret@h/?verify=verify_none",
        "amqps://u:secret@h/?insecure=1", "amqps://u:secret@h/?cacertfile=", "amqps://u:secret@h/?certfile=/c.pem",
        "amqps://u:secret@h/?cacertfile=/a&cacertfile=/b", "amqps://u:secret@h/?secret", "secret"}) {
    auto endpoint = parse_endpoint(url);
    ASSERT_FALSE(endpoint) << url;
    EXPECT_EQ(endpoint.error().message.find("secret"), std::string::npos) << endpoint.error().message;
    EXPECT_NE(endpoint.error().message.find("AMQP_URL"), std::string::npos) << endpoint.error().message;
  }
}

}  // namespace
}  // namespace flashclaim::amqp
