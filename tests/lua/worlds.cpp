// The table of calls and how the situations come about.
#include "tests/lua/worlds.h"

namespace flashclaim {

namespace {

using Words = std::vector<std::string>;

bool odd_from_3(std::size_t n) { return n >= 3 && n % 2 == 1; }
bool even_from_4(std::size_t n) { return n >= 4 && n % 2 == 0; }
bool from_1(std::size_t n) { return n >= 1; }
bool from_4(std::size_t n) { return n >= 4; }

const Words kSettings{"1", "7", "paused", "n", "100", "50", "1700000000000", "1900000000000", "1000"};

Words with(Words list, const std::string& first, const std::string& last) {
  list.front() = first;
  if (!last.empty()) {
    list.push_back(last);
  }
  return list;
}

std::vector<Call> path_calls() {
  return {
      {"claim",
       World::kOpen,
       {"coupon", "stock", "claims", "ready"},
       {"7", "8:j", "7:k"},
       "ccc",
       "",
       {"coupon", "stock", "claims", "user", "other", "key"},
       0,
       from_1},
      {"finish",
       World::kOpen,
       {"coupon", "stock", "claims", "dead", "live"},
       {"1", "@live", "2", "0", "0=rejected", "1=over_limit"},
       "nenfrr",
       "FINISHED",
       {"coupon", "stock", "claims", "dead", "user", "other"},
       0,
       from_4},
      {"apply_state",
       World::kOpen,
       {"coupon", "stock", "claims", "ready", "issuing"},
       with(kSettings, "1", "0"),
       "nnwtznmmnf",
       "APPLIED",
       {"coupon", "stock", "issuing"}},
  };
}

std::vector<Call> repair_calls() {
  return {
      {"reconcile_counters",
       World::kOpen,
       {"coupon", "stock", "claims"},
       {"0"},
       "z",
       "",
       {"coupon", "stock", "claims"},
       0,
       [](std::size_t n) { return n <= 1; }},
      {"reconcile_snapshot", World::kOpen, {"coupon", "stock", "claims"}, {}, "", "", {"coupon", "stock", "claims"}},
      {"reconcile_fix",
       World::kOpen,
       {"coupon", "stock"},
       {"1", "0", "1", "-2", "3"},
       "nzzss",
       "FIXED",
       {"coupon", "stock"}},
      {"user_counts",
       World::kOpen,
       {"coupon", "claims"},
       {"@done", "2", "7", "8", "@done"},
       "eniie",
       "",
       {"coupon", "claims", "user", "other"},
       0,
       [](std::size_t n) { return n == 4 || n == 5; }},
      {"user_counts_fix",
       World::kOpen,
       {"coupon"},
       {"1", "0", "7", "-1", "8", "1"},
       "nzisis",
       "FIXED",
       {"coupon", "user", "other"},
       0,
       even_from_4},
      {"rebuild_freeze", World::kOpen, {"coupon", "claims"}, {}, "", "FROZEN", {"coupon", "claims"}},
      {"rebuild_begin",
       World::kLoading,
       {"coupon", "stock", "claims", "dead"},
       {"3"},
       "n",
       "BEGUN",
       {"coupon", "claims"}},
      {"rebuild_clear_users", World::kLoading, {"coupon", "user", "other"}, {"2"}, "n", "CLEARED", {"coupon"}, 2},
      {"rebuild_load_stock", World::kLoading, {"coupon", "stock"}, {"2", "50"}, "nz", "LOADED", {"coupon"}},
      {"rebuild_load_users",
       World::kLoading,
       {"coupon"},
       {"2", "7", "1", "8", "3"},
       "ninin",
       "LOADED",
       {"coupon"},
       0,
       odd_from_3},
      {"rebuild_open",
       World::kLoading,
       {"coupon", "stock", "claims", "issuing"},
       with(kSettings, "2", ""),
       "nnwtznmmn",
       "OPEN",
       {"coupon", "stock", "claims", "issuing"}},
  };
}

std::vector<Call> mark_and_view_calls() {
  return {
      {"mark_ready", World::kOpen, {"ready"}, {}, "", "READY", {}},
      {"mark_dead", World::kOpen, {"claims", "dead"}, {"@live"}, "e", "MARKED", {"claims", "dead"}},
      {"unmark_dead", World::kOpen, {"claims", "dead"}, {"@live"}, "e", "UNMARKED", {"dead"}},
      {"mark_suspect", World::kOpen, {"coupon"}, {}, "", "MARKED", {"coupon"}},
      {"retire_coupon",
       World::kEnded,
       {"coupon", "claims", "issuing"},
       {"42"},
       "i",
       "RETIRED",
       {"coupon", "claims", "issuing"}},
      {"purge_coupon",
       World::kEnded,
       {"coupon", "stock", "claims", "dead", "issuing"},
       {"42"},
       "i",
       "PURGED",
       {"coupon", "claims", "issuing"}},
      {"entry_view",
       World::kOpen,
       {"claims", "done"},
       {"1", "@done", "0123456789abcdef"},
       "neh",
       "OTHER",
       {"claims", "done"}},
      {"claim_view",
       World::kOpen,
       {"coupon", "claims", "done", "ready"},
       {"1", "@done", "0"},
       "nez",
       "SETTLED",
       {"claims", "done"}},
      {"coupon_view",
       World::kOpen,
       {"coupon", "stock", "ready"},
       {"7"},
       "i",
       "",
       {"coupon", "stock", "user"},
       0,
       [](std::size_t n) { return n <= 1; }},
      {"flashclaim_version", World::kOpen, {}, {}, "", "", {}},

  };
}

}  // namespace

const std::vector<Call>& all_calls() {
  static const std::vector<Call> kCalls = [] {
    auto all = path_calls();
    for (const auto& more : {repair_calls(), mark_and_view_calls()}) {
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }();
  return kCalls;
}

std::vector<std::string> fields_read(const Call& call) {
  if (call.function == "claim") {
    return {"status", "epoch", "issueBeginTime", "issueEndTime", "userLimit", "inflight", "maxInflight"};
  }
  if (call.reads.empty() || call.reads.front() != "coupon" || call.function == "rebuild_freeze") {
    return {};
  }
  std::vector<std::string> fields{"status", "epoch", "version", "inflight", "suspect", "fixSeq", "totalNum"};
  if (call.function == "coupon_view") {
    fields.insert(fields.end(), {"issueBeginTime", "issueEndTime", "userLimit"});
  } else if (call.function == "reconcile_counters" || call.function == "reconcile_snapshot") {
    fields.emplace_back("returns");
  } else if (call.function == "retire_coupon") {
    fields.emplace_back("issueEndTime");
  }
  return fields;
}

std::string LuaWorldTest::key(const std::string& role) const {
  const std::map<std::string, std::string> names{
      {"coupon", keys.coupon},
      {"stock", keys.stock},
      {"claims", keys.claims},
      {"dead", keys.dead},
      {"ready", ready},
      {"issuing", issuing},
      {"user", keys.user(7)},
      {"other", keys.user(8)},
      {"key", keys.idempotency(7, "k")},
      {"live", keys.result(live_)},
      {"done", keys.result(done_)},
  };
  return names.at(role);
}

std::vector<std::string> LuaWorldTest::key_names(const Call& call) const {
  Words names;
  for (const auto& role : call.keys) {
    names.push_back(key(role));
  }
  return names;
}

std::vector<std::string> LuaWorldTest::arguments(const Call& call) const {
  Words args = call.args;
  for (auto& arg : args) {
    arg = arg == "@live" ? live_.text() : arg == "@done" ? done_.text() : arg;
  }
  return args;
}

void LuaWorldTest::build(World world) {
  ASSERT_EQ(command({"FLUSHALL"}), "OK");
  auto coupon = settings(100, 50);
  publish(coupon);
  ASSERT_EQ(claim({"7:k"}), "ACCEPTED");
  done_ = last_entry();
  ASSERT_EQ(finish(done_, 1), "FINISHED");
  live_ = accept({"7", "8"});
  if (world == World::kOpen) {
    ASSERT_EQ(call("mark_dead", {keys.claims, keys.dead}, {live_.text()}), "MARKED");
    ASSERT_EQ(call("mark_suspect", {keys.coupon}, {}), "MARKED");
    return;
  }
  ASSERT_EQ(finish(live_, 2), "FINISHED");
  if (world == World::kEnded) {
    coupon.version = 2;
    coupon.status = "ended";
    ASSERT_EQ(apply(coupon), "APPLIED");
  } else {
    ASSERT_EQ(call("rebuild_freeze", {keys.coupon, keys.claims}, {}), "FROZEN 0");
    ASSERT_EQ(call("rebuild_begin", {keys.coupon, keys.stock, keys.claims, keys.dead}, {"2"}), "BEGUN");
    ASSERT_EQ(call("rebuild_load_stock", {keys.coupon, keys.stock}, {"2", "97"}), "LOADED");
  }
  command({"SADD", keys.dead, "1-1"});  // left behind
}

}  // namespace flashclaim
