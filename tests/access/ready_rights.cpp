// /readyz proves that a login may do what its program does: what is asked, that asking does nothing, that each right
// that is taken away is named; and that the programs say so.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "engine/access/access.h"
#include "engine/redis/rights.h"
#include "tests/access/world.h"
#include "tests/harness/folder.h"
#include "tests/harness/logins.h"
#include "tests/harness/raw_http.h"
#include "tests/harness/wait.h"
#include "tests/harness/witness.h"

namespace flashclaim::access {
namespace {

using redis::Client;
using Words = std::vector<std::string>;
const std::map<std::string, redis::User> kPrograms = {
    {"engine", redis::User::kEngine}, {"mirror", redis::User::kMirror}, {"consumer", redis::User::kConsumer}};

/// What the ACL file gives to a user, a rule an element: `+get`, or `(~coupon:stock:* +incrby)`.
Words rules_of(const std::string& user) {
  const std::string text = access::redis_access(harness::keys_folder()).value();
  const std::string begin = "user " + user + " on ";
  const auto at = text.find(begin);
  const std::string line = text.substr(at, text.find('\n', at) - at);
  Words rules;
  std::string rule;
  int depth = 0;
  for (const char c : line.substr(line.find("-@all ") + 6) + ' ') {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == ' ' && depth == 0) {
      rules.push_back(std::exchange(rule, {}));
    } else {
      rule += c;
    }
  }
  return rules;
}

/// The rules without one of them; or, of one that stands in parentheses, without one word of it.
std::vector<std::pair<std::string, Words>> with_one_less(const Words& rules) {
  std::vector<std::pair<std::string, Words>> all;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    Words less = rules;
    less.erase(less.begin() + static_cast<std::ptrdiff_t>(i));
    all.emplace_back(rules[i], less);
    if (rules[i].front() != '(') continue;
    for (std::size_t from = rules[i].find(" +"); from != std::string::npos; from = rules[i].find(" +", from + 1)) {
      const auto end = std::min(rules[i].find(' ', from + 1), rules[i].size() - 1);
      less = rules;
      less[i].erase(from, end - from);
      all.emplace_back(rules[i].substr(from, end - from) + " of " + rules[i], less);
    }
  }
  return all;
}

class ReadyRights : public ::testing::Test {
 protected:
  void SetUp() override { harness::announce_denial("NOPERM"); }
  void set_user(const std::string& name, const Words& rules) {
    Words command = {"ACL", "SETUSER", name, "reset", "on", ">pw", "resetkeys", "resetchannels", "-@all"};
    command.insert(command.end(), rules.begin(), rules.end());
    const auto set = tester_.command(command);
    ASSERT_EQ(set->text(), "OK");
  }
  [[nodiscard]] std::string changes() {
    const auto info = tester_.command({"INFO", "persistence"});
    const std::string text(info->text());
    const auto at = text.find("rdb_changes_since_last_save:");
    return text.substr(at, text.find('\r', at) - at);
  }

  Client tester_ = World::get().redis_superuser();
};

// The admin's login was ready once, and answered every claim with 500.
TEST_F(ReadyRights, AreThoseOfTheProgramsUserAndOfNoOther) {
  const std::string before = changes();
  for (const auto& [program, user] : kPrograms) {
    for (const std::string role : {"engine", "mirror", "consumer", "admin"}) {
      auto client = World::get().redis(role);
      const auto missing = redis::missing_right(client, user);
      ASSERT_TRUE(missing) << missing.error().message;
      EXPECT_EQ(missing->empty(), program == role) << program << "'s questions as " << role << ": " << *missing;
      EXPECT_EQ(client.command({"PING"})->text(), "PONG") << "it is in no transaction";
    }
    EXPECT_EQ(redis::missing_right(tester_, user).value(), "");
  }
  EXPECT_EQ(changes(), before) << "a question was carried out";
}

TEST_F(ReadyRights, OfRedisAreNamedWhenOneIsTakenAway) {
  // Without these there is no connection (SELECT), or a program goes on without (ROLE, with an older ACL file).
  const std::set<std::string> not_asked = {"+ping", "+select", "+role"};
  for (const auto& [program, user] : kPrograms) {
    set_user("less", rules_of(program));
    const std::string url = World::get().redis_url("");
    auto client = Client::connect("redis://less:pw@" + url.substr(url.find('@') + 1), std::chrono::seconds(60));
    ASSERT_TRUE(client) << client.error().message;
    EXPECT_EQ(redis::missing_right(*client, user).value(), "") << program;
    for (const auto& [rule, rules] : with_one_less(rules_of(program))) {
      set_user("less", rules);
      const auto missing = redis::missing_right(*client, user);
      ASSERT_TRUE(missing) << rule << ": " << missing.error().message;
      // What the version before sent is not asked for.
      const bool old = rule.starts_with("+fcall|") && rule.ends_with("_view") && program == "engine";
      const bool reads = rule == "+fcall|coupon_view" || rule == "+fcall|reconcile_snapshot" ||
                         rule == "+fcall|user_counts" || rule == "+fcall|flashclaim_version";
      EXPECT_EQ(missing->empty(), not_asked.contains(rule) || old || reads) << program << " without " << rule;
      if (!missing->empty()) {
        EXPECT_EQ(redis::rights_text(user, *missing), "this login may not " + *missing + ": log in as the user " +
                                                          program +
                                                          ", with the rights that this version's `flashctl access "
                                                          "redis` prints");
      }
    }
  }
  (void)tester_.command({"ACL", "DELUSER", "less"});
}

/// A program on services that deny it something.
class ReadyRightsOfPrograms : public ReadyRights {
 protected:
  void SetUp() override {
    harness::announce_denial("");
    harness::announce_error("rights_missing");
    harness::announce_error("not_answered");
    auto rabbit = World::get().rabbit_server.get();
    const std::string url = rabbit->fresh_vhost();
    vhost_ = url.substr(url.rfind('/') + 1);
    environment_ = World::get().environment();
    environment_["AMQP_URL"] = url;
    const auto declared = harness::run_program("flashctl", {"mq", "declare", "--yes"}, environment_);
    ASSERT_EQ(declared.exit_code, 0) << declared.err;
    port_ = harness::free_ports(2);
  }
  void start(const std::string& program, Words words) {
    words.push_back("--admin-listen=127.0.0.1:" + std::to_string(port_));
    program_ = std::make_unique<harness::Process>(program, words, environment_);
  }
  [[nodiscard]] harness::RawAnswer readyz() const {
    try {
      return harness::raw_request(port_, "GET", "/readyz");
    } catch (const std::runtime_error&) {
      return {};
    }
  }
  void expect_said(const Words& texts) {
    EXPECT_TRUE(harness::wait_until([&] {
      const auto answer = readyz();
      return answer.status == 503 && std::all_of(texts.begin(), texts.end(), [&](const std::string& text) {
               return answer.body.find(text) != std::string::npos;
             });
    })) << readyz().body
        << program_->output().substr(0, 4000);
  }
  void expect_ready() {
    EXPECT_TRUE(harness::wait_until([&] { return readyz().status == 200; })) << readyz().body;
  }

  std::string vhost_;
  harness::Environment environment_;
  int port_ = 0;
  std::unique_ptr<harness::Process> program_;
};

TEST_F(ReadyRightsOfPrograms, OfTheEngineNameWhatEachServiceDenies) {
  allow_to_publish(vhost_, "mirror", "^$", "^coupon.receive$");
  ASSERT_EQ(run_sql_for_good("REVOKE EXECUTE ON FUNCTION archived_coupons FROM flashclaim_engine"), "");
  (void)tester_.command({"ACL", "SETUSER", "engine", "-ssubscribe"});
  start("flashclaim-engine", {"--listen=127.0.0.1:" + std::to_string(port_ + 1), "--threads=1"});
  expect_said({"this login may not SSUBSCRIBE coupon:finished:{0}: log in as the user engine",
               "this login may not publish to promotion.topic by coupon.receive: log in as the user mirror",
               "this login may not EXECUTE archived_coupons: log in as flashclaim_engine"});
  // Given back, it needs no restart.
  allow_to_publish(vhost_, "mirror", "^promotion.topic$", "^coupon.receive$");
  ASSERT_EQ(run_sql_for_good("GRANT EXECUTE ON FUNCTION archived_coupons TO flashclaim_engine"), "");
  (void)tester_.command({"ACL", "SETUSER", "engine", "+ssubscribe"});
  expect_ready();
}

TEST_F(ReadyRightsOfPrograms, OfTheConsumerNameWhatEachServiceDenies) {
  allow_to_publish(vhost_, "consumer", "^promotion.topic$", "^coupon");
  ASSERT_EQ(run_sql_for_good("REVOKE SELECT ON coupon_state FROM flashclaim_consumer"), "");
  (void)tester_.command({"ACL", "SETUSER", "consumer", "-spublish"});
  start("flashclaim-consumer", {"--workers=1"});
  expect_said({"redis: this login may not SPUBLISH coupon:finished:{0}: log in as the user consumer",
               "postgres: this login may not SELECT coupon_state: log in as flashclaim_consumer",
               "this login may not publish to the default exchange by promotion.coupon.receive.dlq: log in as the user "
               "consumer"});
  allow_to_publish(vhost_, "consumer", "^(amq.default|promotion.topic)$", "^coupon");
  ASSERT_EQ(run_sql_for_good("GRANT SELECT ON coupon_state TO flashclaim_consumer"), "");
  (void)tester_.command({"ACL", "SETUSER", "consumer", "+spublish"});
  expect_ready();
}

// Who may not read the queue subscribes with no worker: the broker's words stand beside the number.
TEST_F(ReadyRightsOfPrograms, OfTheConsumerSayWhyNoWorkerSubscribed) {
  World::get().rabbit_server->ctl({"set_permissions", "-p", vhost_, "consumer", "^$", ".*", "^$"});
  start("flashclaim-consumer", {"--workers=1"});
  expect_said({"0 of 1 workers: ", "ACCESS_REFUSED"});
}

}  // namespace
}  // namespace flashclaim::access
