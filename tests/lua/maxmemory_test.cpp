// At maxmemory: claims are refused whole, what frees memory or repairs goes on.
#include <algorithm>

#include "tests/lua/worlds.h"

namespace flashclaim {

class MaxMemory : public LuaWorldTest {
 protected:
  void TearDown() override { command({"CONFIG", "SET", "maxmemory", "0"}); }
  void fill() { ASSERT_EQ(command({"CONFIG", "SET", "maxmemory", "1"}), "OK"); }
};

TEST_F(MaxMemory, RefusesWhatGrowsAndDoesWhatRepairs) {
  const std::vector<std::string> grow{"claim", "rebuild_load_stock", "rebuild_load_users"};
  for (const auto& call : all_calls()) {
    build(call.world);
    const auto before = picture();
    fill();
    const auto reply = run(call);
    if (std::find(grow.begin(), grow.end(), call.function) != grow.end()) {
      EXPECT_EQ(error_code(reply), "OOM") << call.function << ": " << reply;
      EXPECT_EQ(picture(), before) << call.function;
    } else {
      EXPECT_EQ(error_code(reply), "") << call.function << ": " << reply;
      EXPECT_EQ(reply.substr(0, call.reply.size()), call.reply) << call.function;
    }
    command({"CONFIG", "SET", "maxmemory", "0"});
  }
}

TEST_F(MaxMemory, FinishReturnsWhatWasRefused) {
  build(World::kOpen);
  fill();
  EXPECT_EQ(finish(live_, 2, {"0=rejected"}), "FINISHED");
  EXPECT_EQ(stock(), "98");
  EXPECT_EQ(held(7), "1");
  EXPECT_EQ(claim({"9"}), "!OOM command not allowed when used memory > 'maxmemory'.");
}

}  // namespace flashclaim
