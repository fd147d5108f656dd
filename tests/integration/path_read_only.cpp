// PostgreSQL that answers and takes no writes: nothing is lost, it is named, and all settles by itself when it is over.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/harness/whole_path.h"

namespace flashclaim {
namespace {

class ReadOnlyPath : public WholePath {
 protected:
  void SetUp() override {
    WholePath::SetUp();
    use("PG_URL", own_.migrated_database());
  }
  void TearDown() override {
    WholePath::TearDown();
    own_.stop();
  }

  /// As the superuser, in a session that may write whatever the database is set to.
  void sql(const std::string& statement) const {
    const auto done = harness::run_program("/usr/bin/env", {"psql", own_.url(), "-qAtc", statement},
                                           {{"PGOPTIONS", "-c default_transaction_read_only=off"}});
    ASSERT_EQ(done.exit_code, 0) << done.err;
  }
  [[nodiscard]] std::string database() const {
    const auto& url = environment_.at("PG_URL");
    const auto at = url.rfind('/') + 1;
    return url.substr(at, url.find('?', at) - at);
  }
  void cut_sessions() const {
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + database() + "'");
  }
  static bool ready(int admin_port) { return harness::raw_request(admin_port, "GET", "/readyz").status == 200; }
  static bool names(int admin_port, const std::string& reason) {
    const auto answer = harness::raw_request(admin_port, "GET", "/readyz");
    return answer.status == 503 && answer.body.find(reason) != std::string::npos;
  }

  harness::PrivatePostgres own_;
};

TEST_F(ReadOnlyPath, IsNamedAndSettlesWhenTheDatabaseIsWritableAgain) {
  start_programs();
  const auto coupon = open_coupon(1000, 1);
  accept(coupon, 1, 10);
  await_rest();
  sql("ALTER DATABASE " + database() + " SET default_transaction_read_only = on");
  cut_sessions();
  accept(coupon, 11, 30);
  EXPECT_TRUE(wait_until([&] { return names(consumer_admin_port_, "default_transaction_read_only is on"); }));
  EXPECT_EQ(counts(coupon).rows, 10);
  // Who only reads is well.
  EXPECT_TRUE(wait_until([&] { return ready(admin_port_); }));
  sql("ALTER DATABASE " + database() + " RESET default_transaction_read_only");
  EXPECT_TRUE(wait_until([&] { return counts(coupon).rows == 30; })) << consumer_->output();
  EXPECT_TRUE(wait_until([&] { return ready(consumer_admin_port_); }));
  await_rest();
  EXPECT_EQ(expect_invariants(told_).settled, 30);
}

// Restored as a standby, say, and promoted late or never: no session stays with it.
TEST_F(ReadOnlyPath, IsNamedAndSettlesWhenTheStandbyIsPromoted) {
  start_programs();
  const auto coupon = open_coupon(1000, 1);
  accept(coupon, 1, 10);
  await_rest();
  own_.stop();
  std::ofstream(own_.folder() + "/data/standby.signal").close();
  own_.start();
  accept(coupon, 11, 30);
  EXPECT_TRUE(wait_until([&] { return names(consumer_admin_port_, "hot standby"); }))
      << harness::raw_request(consumer_admin_port_, "GET", "/readyz").body << consumer_->output();
  sql("SELECT pg_promote()");
  EXPECT_TRUE(wait_until([&] { return counts(coupon).rows == 30; })) << consumer_->output();
  EXPECT_TRUE(wait_until([&] { return ready(consumer_admin_port_); }));
  await_rest();
  EXPECT_EQ(expect_invariants(told_).settled, 30);
}

}  // namespace
}  // namespace flashclaim
