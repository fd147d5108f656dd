// Addresses to listen on, as they are written, and a port that is taken.
#include <gtest/gtest.h>
#include <unistd.h>

#include "engine/http/address.h"

namespace flashclaim::http {
namespace {

TEST(ListenOn, SaysThatAPortIsTaken) {
  auto first = listen_on({"127.0.0.1", 0}, PortSharing::kExclusive);
  ASSERT_TRUE(first);
  auto second = listen_on({"127.0.0.1", bound_port(*first)}, PortSharing::kExclusive);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("is taken by another program"), std::string::npos);
  close(*first);
}

TEST(ParseAddress, TakesLiteralsOnly) {
  EXPECT_EQ(parse_address("127.0.0.1:8080")->text(), "127.0.0.1:8080");
  EXPECT_EQ(parse_address("[::1]:1")->text(), "[::1]:1");
  for (const char* bad :
       {"", "8080", "localhost:1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "[::1]", "1.2.3:4"})
    EXPECT_FALSE(parse_address(bad)) << bad;
}

}  // namespace
}  // namespace flashclaim::http
