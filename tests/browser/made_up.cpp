// What `make up` itself has started, with the door off and on: its answers and its page, as a client and a browser see
// them.
#include <memory>

#include "tests/browser/world.h"
#include "tests/harness/folder.h"
#include "tests/harness/gate.h"
#include "tests/harness/stack_folder.h"

namespace flashclaim {
namespace {

using harness::Environment;
using harness::Process;
using harness::StackFolder;

/// One stack for the tests of a fixture.
class MadeUp : public ::testing::Test {
 protected:
  static void up(const std::string& door) {
    harness::run_folder();  // made first, so that it goes last
    made = std::make_unique<StackFolder>(door);
    const auto done = made->make("up");
    ASSERT_EQ(done.exit_code, 0) << done.out << done.err;
  }
  static void TearDownTestSuite() { made.reset(); }

  /// A coupon that is published now, for an hour or as `window` says.
  static std::string coupon(int total, int user_limit, const std::string& window = "--begin now --end +1h") {
    static int last = 100;
    const std::string id = std::to_string(++last);
    (void)made->printed("flashctl coupon create --id " + id + " --name 'Half price · 半价券' --total " +
                        std::to_string(total) + " --user-limit " + std::to_string(user_limit) + " " + window +
                        " --yes && flashctl coupon publish " + id + " --yes");
    return id;
  }
  static void claim(const std::string& coupon, const std::string& user) {
    const auto answer = made->ask("POST", "/coupons/" + coupon + "/receive", user);
    ASSERT_EQ(answer.status, 202) << answer.body;
  }
  static bool has_door() { return made->door() == "on"; }

  static void node(const std::string& script, const std::vector<std::string>& arguments, Environment environment) {
    environment["HTTP_URL"] = made->printed("echo $HTTP_URL");
    if (has_door()) {
      environment["NODE_EXTRA_CA_CERTS"] = made->path("door/engine.pem");
      environment["GATEWAY_KEYS"] = made->path("door/gateway.keys");
    }
    run_node(script, arguments, std::move(environment));
  }
  static void play(const std::string& scenario, const std::string& coupon) {
    node("sale.mjs", {scenario}, {{"COUPON", coupon}});
  }

  struct Other {
    std::unique_ptr<Process> program;
    std::string url;
  };
  /// One more engine of this stack, as its login and behind the same door; `changed`: a line of the shell before it.
  static Other other(const std::string& changed, const std::string& flags, bool gateway = has_door()) {
    const int port = harness::free_ports(2);
    const std::string door = made->path("door/");
    std::string line = ". \"$0/env.engine\"; " + changed + " exec \"$(. \"$0/env\" && type -P flashclaim-engine)\"" +
                       " --role=http --listen=127.0.0.1:" + std::to_string(port) +
                       " --admin-listen=127.0.0.1:" + std::to_string(port + 1) + " " + flags;
    if (gateway) line += " --auth=gateway --gateways=127.0.0.1 --auth-keys=" + keys();
    if (has_door()) line += " --tls-certificate=" + door + "engine.pem --tls-key=" + door + "engine.key";
    Other one{std::make_unique<Process>("/bin/bash", std::vector<std::string>{"-c", line, made->path()}),
              std::string(has_door() ? "https" : "http") + "://127.0.0.1:" + std::to_string(port)};
    EXPECT_TRUE(wait_until([&] {
      try {
        return !one.program->running() || harness::raw_request(port + 1, "GET", "/healthz").status == 200;
      } catch (const std::runtime_error&) {
        return false;
      }
    }));
    EXPECT_TRUE(one.program->running()) << one.program->output();
    return one;
  }

  static void walk() {
    const std::string open = coupon(10, 1);
    const std::string sold_out = coupon(1, 1);
    const std::string later = coupon(1, 1, "--begin +1h --end +2h");
    const std::string paused = coupon(1, 1);
    const std::string ended = coupon(1, 1);
    const std::string behind_gate = coupon(10'000, 1);
    claim(sold_out, "1");
    (void)made->printed("flashctl coupon pause " + paused + " --yes && flashctl coupon end " + ended + " --yes");
    harness::Gate gate(made->base() + 2);
    const Other down = other("export REDIS_URL=redis://127.0.0.1:1/0;", "--archive-threads=0");
    const Other stalled = other(
        "export REDIS_URL=${REDIS_URL/:" + std::to_string(made->base() + 2) + "/:" + std::to_string(gate.port()) + "};",
        "--threads=1");
    const Other limited = other("", "--address-rate=1 --user-rate=1");
    const Other gateway = other("", "", true);
    auto stalling = std::make_unique<Stalling>(gate);
    node("openapi.mjs", {},
         environment_of({{down.url, stalled.url, limited.url, gateway.url},
                         {open, later, behind_gate},
                         {{"LIMIT_REACHED", open},
                          {"SOLD_OUT", sold_out},
                          {"NOT_STARTED", later},
                          {"PAUSED", paused},
                          {"ENDED", ended}}}));
    stalling.reset();
    expect_rest({open, sold_out, later, paused, ended, behind_gate});
  }
  static void sell() {
    const std::string one = coupon(10, 1);
    const std::string last = coupon(1, 2);
    play("claim", one);           // and a reload
    play("winnerReloads", last);  // of the last unit
    play("soldOut", last);
    expect_rest({one, last});
  }
  static void expect_rest(const std::vector<std::string>& coupons) {
    for (const std::string& id : coupons) {
      harness::Finished checked;
      EXPECT_TRUE(wait_until([&] {
        checked = made->operate("flashctl check " + id);
        return checked.exit_code == 0;
      })) << checked.out
          << checked.err;
    }
  }

  static inline std::unique_ptr<StackFolder> made;

 private:
  static std::string keys() { return has_door() ? made->path("door/gateway.keys") : walk_keys(); }
};

class MadeUpWithoutDoor : public MadeUp {
 protected:
  static void SetUpTestSuite() { up("off"); }
};
TEST_F(MadeUpWithoutDoor, GivesEveryAnswerOfItsDocumentAndNoOther) { walk(); }
TEST_F(MadeUpWithoutDoor, SellsOnItsPage) { sell(); }

class MadeUpBehindTheDoor : public MadeUp {
 protected:
  static void SetUpTestSuite() { up("on"); }
};
TEST_F(MadeUpBehindTheDoor, GivesEveryAnswerOfItsDocumentAndNoOther) { walk(); }
TEST_F(MadeUpBehindTheDoor, SellsOnItsPageToWhomAGatewayLetsIn) { sell(); }

}  // namespace
}  // namespace flashclaim
