// flashctl as a program: exit codes, output, what asks, what a dry run leaves alone.
#include "tests/integration/admin_flashctl.h"

#include <set>

#include "engine/cli/command.h"
#include "tests/harness/folder.h"
#include "tests/harness/paths.h"

namespace flashclaim::operations {
namespace {

TEST_F(Flashctl, IsTheWayIn) {
  expect_exit(0, {"coupon", "create", "--id", "42", "--name", "Half price, 1 a head", "--total", "1000", "--user-limit",
                  "1", "--begin", "now", "--end", "+1h"});
  EXPECT_EQ(status_of(42), "draft");
  expect_exit(0, {"coupon", "publish", "42"});
  EXPECT_EQ(claim(42, {7}).size(), 1U);
  expect_exit(0, {"coupon", "show", "42", "--output", "json"});
  EXPECT_EQ(json(last_.out, "couponId"), "42");
  EXPECT_EQ(json(last_.out, "name"), "Half price, 1 a head");
  EXPECT_EQ(json(last_.out, "left"), "999");
  EXPECT_EQ(json(last_.out, "inFlight"), "1");
  EXPECT_EQ(json(last_.out, "events,0,operation"), "publish");
  expect_exit(0, {"coupon", "list"});
  EXPECT_NE(last_.out.find("Half price"), std::string::npos);
  expect_exit(0, {"coupon", "pause", "42"});
  expect_exit(0, {"coupon", "pause", "42", "--output", "json"});
  EXPECT_EQ(json(last_.out, "changed"), "false");
  expect_exit(0, {"coupon", "resume", "42"});
  expect_exit(0, {"coupon", "update", "42", "--total", "2000", "--end", "+48h", "--user-limit", "2"});
  EXPECT_EQ(stock(42), 1999);
  expect_exit(0, {"coupon", "end", "42", "--yes"});
  expect_exit(4, {"coupon", "purge", "42", "--yes"});
  settle(42);
  expect_exit(0, {"coupon", "purge", "42", "--yes"});
  EXPECT_EQ(status_of(42), "purged");
}

TEST_F(Flashctl, RepeatsACreateWithRelativeTimes) {
  const std::vector<std::string> create = {"coupon",  "create", "--id",    "5",   "--name", "a",
                                           "--total", "9",      "--begin", "now", "--end",  "+1h"};
  expect_exit(0, create);
  expect_exit(0, create);
  expect_exit(4, {"coupon", "create", "--id", "5", "--name", "a", "--total", "9", "--begin", "now", "--end", "+2h"});
  expect_exit(4, {"coupon", "create", "--id", "5", "--name", "b", "--total", "9", "--begin", "now", "--end", "+1h"});
}

TEST_F(Flashctl, BadInputIsUsageAndChangesNothing) {
  const auto id = issue(10);
  const std::string before = sql("SELECT * FROM coupon; SELECT count(*) FROM coupon_event");
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {},
           {"nonsense"},
           {"help", "nonsense"},
           {"coupon"},
           {"coupon", "nonsense"},
           {"coupon", "publish"},
           {"coupon", "publish", "1", "2"},
           {"coupon", "publish", "01"},
           {"coupon", "publish", "+1"},
           {"coupon", "publish", "0"},
           {"coupon", "publish", "9223372036854775808"},
           {"coupon", "publish", "1", "--nonsense"},
           {"coupon", "publish", "1", "--output", "xml"},
           {"coupon", "publish", "1", "--output"},
           {"coupon", "show", "1", "--yes"},
           {"coupon", "create", "--id", "9"},
           {"coupon", "create", "--id", "9", "--name", "a", "--total", "0", "--end", "+1h"},
           {"coupon", "create", "--id", "9", "--name", "a", "--total", "-5", "--end", "+1h"},
           {"coupon", "create", "--id", "9", "--name", "a", "--total", "1e3", "--end", "+1h"},
           {"coupon", "create", "--id", "9", "--name", "", "--total", "5", "--end", "+1h"},
           {"coupon", "create", "--id", "9", "--name", "a\nb", "--total", "5", "--end", "+1h"},
           {"coupon", "create", "--id", "9", "--name", "a", "--total", "5", "--end", "1h"},
           {"coupon", "create", "--id", "9", "--name", "a", "--total", "5", "--end", "1795510800"},
           {"coupon", "create", "--id", "9", "--name", "a", "--total", "5", "--end", "2020-01-01T00:00:00Z"},
           {"coupon", "create", "--id", "9", "--name", "a", "--total", "5", "--total", "6", "--end", "+1h"},
           {"coupon", "update", "1"},
           {"coupon", "update", "1", "--total", "x"},
           {"coupon", "list", "--status", "open"},
           {"claim", "show", "1-1-1-1"},
           {"dlq", "replay", "--coupon", "x"},
           {"dlq", "replay", "--entry", "5"},
           {"check", "--acknowledged", "/no/such/file"},
           {"rebuild", "1", "--if-new"},
           {"rebuild", "1", "--drain", "-1", "--yes"},
           {"completion", "zsh"},
       }) {
    expect_exit(2, words);
    EXPECT_NE(last_.err, "");
  }
  EXPECT_EQ(sql("SELECT * FROM coupon; SELECT count(*) FROM coupon_event"), before);
  EXPECT_EQ(stock(id), 10);
}

TEST_F(Flashctl, WhatAsksNeedsATerminalOrYes) {
  const auto id = issue(10);
  const std::string text = std::to_string(id);
  declare();
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{"coupon", "end", text},
                                                                                     {"coupon", "purge", text},
                                                                                     {"rebuild", text},
                                                                                     {"reconcile", text, "--fix"},
                                                                                     {"dlq", "reject"}}) {
    expect_exit(2, words);
    EXPECT_NE(last_.err.find("--yes"), std::string::npos);
  }
  EXPECT_EQ(status_of(id), "issuing");
  expect_exit(0, {"rebuild", text, "--yes"});
  expect_exit(0, {"reconcile", text, "--fix", "--yes"});
  expect_exit(0, {"dlq", "reject", "--yes"});
  expect_exit(0, {"coupon", "end", text, "--yes"});
}

TEST_F(Flashctl, AsksOnATerminal) {
  const auto id = issue(10);
  const std::string end = "coupon end " + std::to_string(id);
  const auto no = on_terminal(end, "n\n");
  EXPECT_EQ(no.exit_code, 1) << no.out << no.err;
  EXPECT_NE(no.out.find("[y/N]"), std::string::npos);
  EXPECT_EQ(status_of(id), "issuing");
  EXPECT_EQ(on_terminal(end, "y\n").exit_code, 0);
  EXPECT_EQ(status_of(id), "ended");
}

TEST_F(Flashctl, ColoursOnlyOnATerminalThatWantsThem) {
  issue(10);
  EXPECT_NE(on_terminal("coupon list", "").out.find("\033[1m"), std::string::npos);
  EXPECT_EQ(on_terminal("coupon list", "", {{"NO_COLOR", "1"}}).out.find("\033["), std::string::npos);
  expect_exit(0, {"coupon", "list"});
  EXPECT_EQ(last_.out.find('\033'), std::string::npos);
}

TEST_F(Flashctl, ADryRunChangesNothing) {
  const auto id = issue(10);
  const std::string text = std::to_string(id);
  const auto dead = claim(id, {1});
  ASSERT_TRUE(redis::mark_dead(redis(), id, dead[0].claim.entry));
  redis_raw({"INCR", redis::CouponKeys(id).stock});
  declare();
  const auto everything = [&] {
    std::string dump = sql("SELECT * FROM coupon; SELECT count(*) FROM coupon_event");
    const auto keys = redis::ok(tester().command({"KEYS", "*"}));
    EXPECT_TRUE(keys);
    std::set<std::string> values;
    for (std::size_t i = 0; keys && i < keys->size(); ++i) {
      const auto value = redis::ok(tester().command({"DUMP", (*keys)[i].text()}));
      EXPECT_TRUE(value);
      if (value) values.insert(std::string((*keys)[i].text()) + "=" + std::string(value->text()));
    }
    EXPECT_GE(values.size(), 5U);
    for (const std::string& value : values) dump += value + "\n";
    return dump;
  };
  const std::string before = everything();
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"coupon", "create", "--id", "9", "--name", "a", "--total", "5", "--end", "+1h"},
           {"coupon", "publish", text},
           {"coupon", "pause", text},
           {"coupon", "end", text},
           {"coupon", "update", text, "--total", "50"},
           {"coupon", "purge", text},
           {"rebuild", text},
           {"rebuild"},
           {"rebuild", "--if-new"},
           {"mirror", "replay"},
           {"dlq", "replay"},
           {"dlq", "reject"},
           {"db", "migrate"},
           {"mq", "declare"},
           {"lua", "load"}}) {
    auto dry = words;
    dry.emplace_back("--dry-run");
    expect_exit(0, dry);
  }
  expect_exit(6, {"reconcile", text, "--fix", "--dry-run"});
  expect_exit(4, {"lua", "rollback", "--dry-run"});
  EXPECT_EQ(everything(), before);
}

TEST_F(Flashctl, NotFoundIsThreeAndRefusedIsFour) {
  expect_exit(3, {"coupon", "show", "77"});
  expect_exit(3, {"coupon", "publish", "77"});
  expect_exit(3, {"coupon", "publish", "77", "--dry-run"});
  expect_exit(3, {"coupon", "purge", "77", "--yes"});
  expect_exit(3, {"reconcile", "77"});
  expect_exit(3, {"rebuild", "77", "--yes"});
  expect_exit(3, {"claim", "show", "77-1-5-0-0"});
  expect_exit(3, {"check", "77", "--selling"});
  const NewCoupon draft{78, "draft", 5, 1, 1'795'380'024'805, 4'000'000'000'000, 10};
  ASSERT_TRUE(create_coupon(pg(), draft));
  expect_exit(4, {"coupon", "resume", "78"});
  expect_exit(4, {"rebuild", "78", "--yes"});
  expect_exit(3, {"reconcile", "78"});
}

TEST_F(Flashctl, AServiceThatIsAwayIsFive) {
  const auto id = issue(10);
  const std::string nowhere = std::to_string(harness::free_ports(1));
  const harness::Environment no_redis = {{"REDIS_URL", "redis://127.0.0.1:" + nowhere + "/0"}};
  const harness::Environment no_pg = {
      {"PG_URL", "postgresql://flashclaim:secret@127.0.0.1:" + nowhere + "/flashclaim"}};
  const harness::Environment no_amqp = {{"AMQP_URL", "amqp://guest:secret@127.0.0.1:" + nowhere + "/%2F"}};
  EXPECT_EQ(run({"coupon", "pause", std::to_string(id)}, no_redis).exit_code, 5);
  EXPECT_EQ(run({"coupon", "show", std::to_string(id)}, no_pg).exit_code, 5);
  EXPECT_EQ(run({"mq", "status"}, no_amqp).exit_code, 5);
  for (const auto& environment : {no_redis, no_pg, no_amqp}) {
    const auto status = run({"status"}, environment);
    EXPECT_EQ(status.exit_code, 5);
    EXPECT_NE(status.out.find("failing"), std::string::npos) << "the others are shown nevertheless";
    EXPECT_EQ((status.out + status.err).find("secret"), std::string::npos);
  }
  EXPECT_EQ(run({"status"}, {{"REDIS_URL", ""}}).exit_code, 5);
}

TEST_F(Flashctl, JsonIsOneObjectAlsoWhenThingsGoWrong) {
  expect_exit(3, {"coupon", "show", "77", "--output", "json"});
  EXPECT_EQ(json(last_.out, "ok"), "false");
  EXPECT_EQ(json(last_.out, "exit"), "3");
  expect_exit(2, {"--output", "json", "coupon", "publish", "x"});
  EXPECT_EQ(json(last_.out, "exit"), "2");
  expect_exit(2, {"nonsense", "--output", "json"});
  EXPECT_EQ(json(last_.out, "exit"), "2");
  declare();
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{"status"},
                                                                                     {"coupon", "list"},
                                                                                     {"db", "status"},
                                                                                     {"mq", "status"},
                                                                                     {"lua", "list"},
                                                                                     {"lua", "verify"},
                                                                                     {"lua", "diff"},
                                                                                     {"dlq", "list"},
                                                                                     {"reconcile"},
                                                                                     {"check"},
                                                                                     {"mirror", "replay"}}) {
    auto as_json = words;
    as_json.insert(as_json.begin(), {"--output", "json"});
    expect_exit(0, as_json);
    EXPECT_EQ(json(last_.out, "ok"), "true");
  }
}

TEST_F(Flashctl, HelpNamesEveryVerbAndTheExitCodes) {
  expect_exit(0, {"help"});
  for (const cli::Verb& verb : cli::verbs()) {
    EXPECT_NE(last_.out.find(verb.name()), std::string::npos) << verb.name();
  }
  EXPECT_NE(last_.out.find("5 a service is unreachable"), std::string::npos);
  for (const cli::Verb& verb : cli::verbs()) {
    std::vector<std::string> words = {std::string(verb.noun)};
    if (!verb.verb.empty()) words.emplace_back(verb.verb);
    words.emplace_back("--help");
    expect_exit(0, words);
    EXPECT_NE(last_.out.find("Exit codes"), std::string::npos);
    EXPECT_EQ(last_.out.find("\n  --yes") != std::string::npos, verb.changes) << verb.name();
  }
}

TEST_F(Flashctl, CompletesInBash) {
  const std::string source = "eval \"$(" + harness::bin_dir() + "/flashctl completion bash)\"; ";
  const auto complete = [&](const std::string& words, int at) {
    const auto finished = harness::run_program(
        "/bin/bash", {"-c", source + "COMP_WORDS=(" + words + "); COMP_CWORD=" + std::to_string(at) +
                                "; _flashctl; echo \"${COMPREPLY[@]}\""});
    EXPECT_EQ(finished.err, "");
    return finished.out;
  };
  EXPECT_EQ(complete("flashctl coup", 1), "coupon\n");
  EXPECT_EQ(complete("flashctl coupon p", 2), "publish pause purge\n");
  EXPECT_EQ(complete("flashctl coupon create --to", 3), "--total\n");
  EXPECT_EQ(complete("flashctl reconcile --f", 2), "--fix\n");
  EXPECT_EQ(complete("flashctl coupon show 1 --output ''", 5), "text json\n");
}

}  // namespace
}  // namespace flashclaim::operations
