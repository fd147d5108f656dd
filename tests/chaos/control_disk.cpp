// Negative control of appendfsync: a disk stalls, claims go on, and Redis is killed.
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "engine/base/assets.h"
#include "engine/operations/rebuild.h"
#include "engine/redis/library.h"
#include "tests/chaos/control_world.h"
#include "tests/harness/folder.h"
#include "tests/harness/paths.h"

namespace flashclaim::chaos {
namespace {

/// While it is made, what is started gets a disk that can stall.
class StallingDisk {
 public:
  StallingDisk() {
    setenv("LD_PRELOAD", (harness::bin_dir() + "/stalled_disk.so").c_str(), 1);
    setenv("FLASHCLAIM_STALL", file_.c_str(), 1);
  }
  static void for_no_other_program() {
    unsetenv("LD_PRELOAD");
    unsetenv("FLASHCLAIM_STALL");
  }
  void stall() const { std::ofstream(file_) << "stalled"; }
  void heal() const { std::filesystem::remove(file_); }

 private:
  const std::string file_ = harness::run_folder() + "/disk-is-stalled";
};

class ControlDisk : public Control {
 protected:
  void use(harness::PrivateRedis& server) {
    Control::use("REDIS_URL", server.url());
    ASSERT_TRUE(redis::load_library(admin_redis(), kLuaLibrary));
    ASSERT_TRUE(operations::mark_ready_if_new(admin_redis(), admin_pg()));
  }
  /// Whether Redis holds accepted claims that it has not even written, waiting for the disk.
  bool holds_back() {
    const auto info = redis_text({"INFO", "persistence"});
    return info.find("aof_pending_bio_fsync:0") == std::string::npos &&
           info.find("aof_buffer_length:0") == std::string::npos;
  }
};

TEST_P(ControlDisk, SyncsEachClaimBeforeItsAnswer) {
  StallingDisk disk;
  harness::PrivateRedis server(removed() ? "--appendfsync everysec" : "--appendfsync always");
  StallingDisk::for_no_other_program();
  use(server);
  without("");
  engine_ = engine({"--role=http"});  // no mirror: what is lost here, no other store has
  const auto coupon = open_coupon(1'000'000, 1'000'000);
  accept(coupon, 1);
  const int pid = server.pid();
  disk.stall();
  if (removed()) {
    ASSERT_TRUE(wait_until([&] { return accept(coupon, 2).coupon_id == coupon && holds_back(); },
                           std::chrono::seconds(60), std::chrono::milliseconds(1)));
  } else {
    EXPECT_EQ(claim(coupon, 2, "in-doubt").status, 503);
  }
  ::kill(pid, SIGKILL);
  disk.heal();
  server.start();
  ASSERT_TRUE(wait_until([&] { return accepted(claim(coupon, 2, "in-doubt"), 2); }));
  engine_.reset();
  engine_ = engine();
  consume_everything(coupon);
  verdict(3, "acknowledged claims are nowhere");
  redis().close();
}

/// Redis 7.0 that may truncate cuts inside the transaction: its first command runs at the next start but one.
TEST_P(ControlDisk, CutsATornClaimOffWhole) {
  harness::PrivateRedis server(removed() ? "--aof-load-truncated yes" : "");
  use(server);
  without("", "consumer.reconciler");
  engine_ = engine({"--threads=1"});
  const auto coupon = open_coupon(100, 1);
  for (int user = 1; user <= 3; ++user) {
    ASSERT_TRUE(wait_until([&] { return get("/coupons/" + std::to_string(coupon)).status == 200; }));
    accept(coupon, user);
    server.kill();
    if (user == 1) server.tear_claim(coupon, 77);
    server.start();
  }
  ASSERT_TRUE(wait_until([&] { return get("/coupons/" + std::to_string(coupon)).status == 200; }));
  consume_everything(coupon);
  verdict(4, "the total is 100");
  redis().close();
}

FLASHCLAIM_CONTROL(ControlDisk);

}  // namespace
}  // namespace flashclaim::chaos
