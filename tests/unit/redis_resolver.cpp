// The address of a host is looked up again for each connection, beside the loop.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/net/resolve.h"
#include "engine/redis/resolver.h"

namespace flashclaim::redis {
namespace {

/// What the next look-ups say, one after the other.
std::vector<std::string> look_ups(const std::string& host, const std::vector<std::string>& known, int count) {
  loop::Loop loop;
  Resolver resolver(loop, host, known);
  std::vector<std::string> said;
  std::function<void(const std::string&)> next = [&](const std::string& address) {
    said.push_back(address);
    if (static_cast<int>(said.size()) == count) return loop.stop();
    resolver.look_up(next);
  };
  resolver.look_up(next);
  loop.run();
  return said;
}

TEST(RedisResolver, LooksANameUpAgain) {
  const auto now = net::addresses_of("localhost");
  ASSERT_TRUE(now) << now.error().message;
  const auto said = look_ups("localhost", {"192.0.2.1"}, static_cast<int>(now->size()));
  EXPECT_TRUE(std::is_permutation(said.begin(), said.end(), now->begin(), now->end())) << said.front();
}

TEST(RedisResolver, TakesTheAddressesInTurnAndKeepsThemWhileTheNameIsUnknown) {
  EXPECT_EQ(look_ups("no such name", {"192.0.2.1", "192.0.2.2"}, 3),
            (std::vector<std::string>{"192.0.2.1", "192.0.2.2", "192.0.2.1"}));
  EXPECT_EQ(look_ups("192.0.2.7", {"192.0.2.7"}, 2), (std::vector<std::string>{"192.0.2.7", "192.0.2.7"}));
}

TEST(RedisResolver, ForgetsALookUpThatItsOwnerDoesNotWaitFor) {
  loop::Loop loop;
  bool called = false;
  {
    Resolver(loop, "localhost", {"192.0.2.1"}).look_up([&](const std::string&) { called = true; });
  }
  loop::Timer later(loop, [&] { loop.stop(); });
  later.start_ms(50);
  loop.run();
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace flashclaim::redis
