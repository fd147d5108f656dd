// See world.h.
#include "tests/browser/world.h"

#include <chrono>

namespace flashclaim {

void BrowserWorld::SetUp() {
  WholePath::SetUp();
  start_programs();
}

void BrowserWorld::node(const std::string& script, const std::vector<std::string>& arguments,
                        harness::Environment environment) {
  std::vector<std::string> all{std::string(FLASHCLAIM_SOURCE_DIR) + "/tests/browser/" + script};
  all.insert(all.end(), arguments.begin(), arguments.end());
  environment["HTTP_URL"] = "http://127.0.0.1:" + std::to_string(http_port_);
  environment["BROWSER_NPM"] = std::string(FLASHCLAIM_SOURCE_DIR) + "/build/browser";
  const harness::Finished finished = harness::run_program("/usr/bin/node", all, environment);
  EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
}

std::int64_t BrowserWorld::coupon(std::int64_t total, std::int64_t begins_in_ms, std::int64_t ends_in_ms) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  admin::NewCoupon coupon;
  coupon.id = 1 + postgres::highest_coupon_id(pg()).value();
  coupon.name = "Half price · 半价券";
  coupon.total = total;
  coupon.user_limit = 1;
  coupon.begin_ms = now_ms + begins_in_ms;
  coupon.end_ms = now_ms + ends_in_ms;
  const auto created = admin::create_coupon(pg(), coupon);
  EXPECT_TRUE(created && created->ok());
  const auto published = admin::publish_coupon(redis(), pg(), coupon.id);
  EXPECT_TRUE(published && published->ok()) << (published ? published->message : published.error().message);
  coupons_.push_back(coupon.id);
  return coupon.id;
}

}  // namespace flashclaim
