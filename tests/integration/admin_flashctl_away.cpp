// flashctl while a service is there and serves nobody yet.
#include <signal.h>

#include "tests/harness/folder.h"
#include "tests/harness/wait.h"
#include "tests/integration/admin_flashctl.h"

namespace flashclaim::operations {
namespace {

using harness::wait_until;

TEST_F(Flashctl, ARedisThatReadsItsDataIsAwayToo) {
  const std::string port = std::to_string(harness::free_ports(1));
  const std::string url = "redis://127.0.0.1:" + port + "/0";
  const auto redis_with_delay = [&](const char* microseconds_a_key) {
    return std::make_unique<harness::Process>(
        "/usr/bin/redis-server",
        std::vector<std::string>{"--port", port, "--dir", harness::run_folder(), "--appendonly", "yes",
                                 "--appenddirname", "slow-start", "--key-load-delay", microseconds_a_key});
  };
  const auto connect = [&] { return redis::Client::connect(url, std::chrono::seconds(60)); };
  auto server = redis_with_delay("0");
  ASSERT_TRUE(wait_until([&] { return connect().has_value(); }));
  auto filling = connect().value();
  constexpr int kKeys = 50'000;
  for (int key = 0; key < kKeys; ++key) filling.append({"SET", std::to_string(key), "1"});
  for (int key = 0; key < kKeys; ++key) ASSERT_TRUE(filling.read());
  server->signal(SIGKILL);
  server->wait();
  server = redis_with_delay("1000");
  harness::Finished last;
  const std::string id = std::to_string(issue(10));
  EXPECT_TRUE(wait_until([&] {
    last = run({"coupon", "pause", id}, {{"REDIS_URL", url}});
    return last.err.find("LOADING") != std::string::npos;
  })) << last.err;
  EXPECT_EQ(last.exit_code, 5) << last.err;
  last = run({"status"}, {{"REDIS_URL", url}});
  EXPECT_EQ(last.exit_code, 5) << last.err;
  EXPECT_NE(last.err.find("LOADING"), std::string::npos) << last.err;
  EXPECT_EQ(last.out.find("NOT LOADED"), std::string::npos) << "no coupon is lost: " << last.out;
}

}  // namespace
}  // namespace flashclaim::operations
