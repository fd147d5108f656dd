// flashctl coupon: what changes is shown, a cut asks, bounds are told in words before anything is asked, and the log
// says who it was.
#include "tests/integration/admin_flashctl.h"

namespace flashclaim::operations {
namespace {

class FlashctlUpdate : public Flashctl {
 protected:
  std::string total_of(std::int64_t id) {
    return sql("SELECT target_total FROM coupon WHERE id = " + std::to_string(id));
  }
  std::string change(const std::string& member, int row = 0) const {
    return json(last_.out, "changes," + std::to_string(row) + "," + member);
  }
};

TEST_F(FlashctlUpdate, ShowsWhatChangesFromAndTo) {
  const auto id = std::to_string(issue(1500));
  expect_exit(0, {"coupon", "update", id, "--total", "2000", "--user-limit", "3", "--output", "json"});
  EXPECT_EQ(change("what") + " " + change("before") + " " + change("after"), "total 1500 2000");
  EXPECT_EQ(change("what", 1) + " " + change("before", 1) + " " + change("after", 1), "userLimit 1 3");
  EXPECT_NE(json(last_.out, "message").find("total 1500 -> 2000, userLimit 1 -> 3"), std::string::npos) << last_.out;
  expect_exit(0, {"coupon", "update", id, "--name", "Winter"});
  EXPECT_NE(last_.out.find("name test -> Winter"), std::string::npos) << last_.out;
  expect_exit(0, {"coupon", "update", id, "--name", "Winter"});
  EXPECT_EQ(last_.out.find("->"), std::string::npos) << last_.out;
}

TEST_F(FlashctlUpdate, ACutOfACouponOnSaleAsks) {
  const auto id = issue(1500);
  const auto text = std::to_string(id);
  for (const char* total : {"1", "-1499"}) {
    expect_exit(2, {"coupon", "update", text, "--total", total});
    EXPECT_NE(last_.err.find("--yes"), std::string::npos) << last_.err;
    EXPECT_EQ(total_of(id), "1500\n");
  }
  const auto no = on_terminal("coupon update " + text + " --total 1", "n\n");
  EXPECT_EQ(no.exit_code, 1);
  EXPECT_NE(no.out.find("total 1500 -> 1."), std::string::npos) << no.out;
  EXPECT_NE(no.out.find("1499 units"), std::string::npos) << no.out;
  EXPECT_EQ(total_of(id), "1500\n");
  expect_exit(0, {"coupon", "pause", text});
  expect_exit(2, {"coupon", "update", text, "--total", "1"});
  EXPECT_EQ(on_terminal("coupon update " + text + " --total 1", "y\n").exit_code, 0);
  EXPECT_EQ(total_of(id), "1\n");
  EXPECT_EQ(stock(id), 1);
}

TEST_F(FlashctlUpdate, ACutBelowWhatIsSettledIsRefusedWithoutAQuestion) {
  const auto id = issue(10);
  claim(id, {1, 2, 3});
  settle(id);
  expect_exit(4, {"coupon", "update", std::to_string(id), "--total", "2"});
  EXPECT_NE(last_.err.find("3 claims"), std::string::npos) << last_.err;
  expect_exit(2, {"coupon", "update", std::to_string(id), "--total", "-10"});
}

TEST_F(FlashctlUpdate, ADryRunShowsBeforeAndAfter) {
  const auto id = issue(1500);
  expect_exit(0, {"coupon", "update", std::to_string(id), "--total", "-500", "--dry-run", "--output", "json"});
  EXPECT_EQ(change("before") + " " + change("after"), "1500 1000");
  EXPECT_NE(json(last_.out, "message").find("it is a cut, and asks"), std::string::npos) << last_.out;
  EXPECT_EQ(total_of(id), "1500\n");
}

TEST_F(FlashctlUpdate, AddsToTheTotalAndTakesFromIt) {
  const auto id = issue(1500);
  expect_exit(0, {"coupon", "update", std::to_string(id), "--total", "+500"});
  EXPECT_EQ(total_of(id), "2000\n");
  expect_exit(0, {"coupon", "update", std::to_string(id), "--total", "-700", "--yes"});
  EXPECT_EQ(total_of(id), "1300\n");
  expect_exit(0, {"coupon", "update", std::to_string(id), "--total=-300", "--yes"});
  EXPECT_EQ(total_of(id), "1000\n");
}

TEST_F(FlashctlUpdate, ADraftIsFreeAndItsBeginCanBeMended) {
  expect_exit(0, {"coupon", "create", "--id", "7", "--name", "a", "--total", "10", "--begin", "+2m", "--end", "+1h"});
  const auto begin = [&] { return std::stoll(sql("SELECT begin_ms FROM coupon_state WHERE id = 7")); };
  const auto first = begin();
  expect_exit(0, {"coupon", "update", "7", "--begin", "+5m", "--total", "5"});
  EXPECT_GE(begin(), first + 180'000);
  EXPECT_EQ(total_of(7), "5\n") << "a draft's cut takes nothing from anybody";
  expect_exit(2, {"coupon", "update", "7", "--begin", "+2h"});  // behind its end
  EXPECT_NE(last_.err.find("must be after the begin"), std::string::npos) << last_.err;
  expect_exit(0, {"coupon", "publish", "7"});
  expect_exit(4, {"coupon", "update", "7", "--begin", "+30m"});
  expect_exit(0, {"coupon", "update", "7", "--begin", "now"});
  EXPECT_EQ(claim(7, {1}).size(), 1U);
}

TEST_F(FlashctlUpdate, AWindowThatIsOverIsRefused) {
  expect_exit(2, {"coupon", "create", "--id", "7", "--name", "a", "--total", "10", "--begin", "2026-01-01T00:00:00Z",
                  "--end", "2026-01-02T00:00:00Z"});
  EXPECT_NE(last_.err.find("over already"), std::string::npos) << last_.err;
  EXPECT_EQ(status_of(7), "none");
  const auto id = issue(10);
  sql("UPDATE coupon SET issue_begin_time = '2026-01-01', issue_end_time = '2026-01-02' WHERE id = " +
      std::to_string(id));
  expect_exit(2, {"coupon", "update", std::to_string(id), "--end", "2026-01-03T00:00:00Z"});
  EXPECT_NE(last_.err.find("over already"), std::string::npos) << last_.err;
}

TEST_F(FlashctlUpdate, BoundsAreToldInWordsBeforeAnythingIsAsked) {
  const harness::Environment nobody = {{"REDIS_URL", "redis://127.0.0.1:1"}, {"PG_URL", "postgresql://127.0.0.1:1/x"}};
  const std::vector<std::string> create = {"coupon", "create", "--id", "7"};
  const std::vector<std::string> update = {"coupon", "update", "7"};
  const std::map<std::string, std::string> good = {{"--name", "a"}, {"--total", "10"}, {"--end", "+1h"}};
  const std::pair<std::string, std::string> bad[] = {
      {"--user-limit", "1000001"},
      {"--user-limit", "0"},
      {"--name", std::string(300, 'n')},
      {"--name", ""},
      {"--total", "1000000000001"},
      {"--total", "0"},
      {"--max-inflight", "0"},
      {"--max-inflight", "1000000000000000"},
      {"--begin", "9000-01-01T00:00:00Z"},
      {"--end", "9000-01-01T00:00:00Z"},
      {"--end", "yesterday"},
      {"--by", std::string(300, 'b')},
      {"--by", ""},
  };
  for (const auto& [option, value] : bad) {
    for (const auto& command : {create, update}) {
      auto words = command;
      auto options = command == create ? good : std::map<std::string, std::string>{{"--total", "10"}};
      options[option] = value;
      for (const auto& [name, text] : options) words.insert(words.end(), {name, text});
      const auto refused = run(words, nobody);
      EXPECT_EQ(refused.exit_code, 2) << command[1] << " " << option << " " << value << "\n" << refused.err;
      EXPECT_NE(refused.err.find(option), std::string::npos) << refused.err;
      EXPECT_EQ(refused.err.find("coupon_"), std::string::npos) << "a constraint's name: " << refused.err;
    }
  }
  expect_exit(2, {"coupon", "update", "7", "--total", "5", "--drain", "86401"});
}

TEST_F(FlashctlUpdate, TheBoundsAreThoseOfTheDatabaseAndOfRedis) {
  const std::string name = "ü" + std::string(199, 'n');
  expect_exit(0, {"coupon", "create", "--id", "7", "--name", name, "--total", "1000000000000", "--user-limit",
                  "1000000", "--max-inflight", "999999999999999", "--begin", "now", "--end", "5138-11-16T09:46:39Z"});
  expect_exit(0, {"coupon", "publish", "7"});
  EXPECT_EQ(claim(7, {1}).size(), 1U);
}

TEST_F(FlashctlUpdate, TheLogSaysWhoItWas) {
  const auto id = std::to_string(issue(10));
  const auto last = [&] {
    expect_exit(0, {"coupon", "show", id, "--output", "json"});
    return json(last_.out, "events,0,by");
  };
  expect_exit(0, {"coupon", "pause", id, "--by", "Zoë, night shift"});
  EXPECT_EQ(last(), "Zoë, night shift");
  ASSERT_EQ(run({"coupon", "resume", id}, {{"FLASHCLAIM_BY", "deploy-bot"}}).exit_code, 0);
  EXPECT_EQ(last(), "deploy-bot");
  ASSERT_EQ(run({"coupon", "pause", id}, {{"FLASHCLAIM_BY", ""}, {"SUDO_USER", ""}}).exit_code, 0);
  const auto me = harness::run_program("/usr/bin/id", {"-un"});
  EXPECT_EQ(last() + "\n", me.out);
}

TEST_F(FlashctlUpdate, JsonHasASchemaAndOneMeaningForCoupons) {
  issue(10);
  declare();
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"status"}, {"coupon", "list"}, {"reconcile"}, {"rebuild", "--yes"}, {"check"}}) {
    auto asked = words;
    asked.insert(asked.end(), {"--output", "json"});
    expect_exit(0, asked);
    EXPECT_EQ(json(last_.out, "schema"), "1") << words[0];
    EXPECT_EQ(sql("SELECT coalesce(json_typeof($json$" + last_.out + "$json$::json -> 'coupons'), 'array')"), "array\n")
        << words[0];
  }
  expect_exit(2, {"nonsense", "--output", "json"});
  EXPECT_EQ(json(last_.out, "schema"), "1");
}

}  // namespace
}  // namespace flashclaim::operations
