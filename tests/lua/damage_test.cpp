// Damaged keys: wrong type, garbage, missing. The answer is coded and nothing has changed, for every function and key.
#include <algorithm>

#include "engine/base/digest.h"
#include "tests/lua/worlds.h"

namespace flashclaim {

namespace {

const std::vector<std::string> kRoles{"coupon", "stock", "claims", "dead", "ready", "issuing",
                                      "user",   "other", "key",    "live", "done"};
const std::vector<std::string> kGarbage{
    "", "abc", "1.5", " 1", "1 ", "+1", "01", "0x10", "1e3", "-0", "nan", "1000000000000000", "9223372036854775808"};

bool contains(const std::vector<std::string>& list, const std::string& one) {
  return std::find(list.begin(), list.end(), one) != list.end();
}

}  // namespace

class DamagedKey : public LuaWorldTest {
 protected:
  void remember() {
    saved_.clear();
    for (const auto& role : kRoles) {
      saved_[key(role)] = command({"DUMP", key(role)});
    }
  }
  /// Everything as it was remembered.
  void restore() {
    Commands all{{"FLUSHALL"}};
    for (const auto& [name, dump] : saved_) {
      if (dump != "(nil)") {
        all.push_back({"RESTORE", name, "0", dump});
      }
    }
    for (const auto& reply : pipeline(all)) {
      ASSERT_EQ(reply, "OK");
    }
  }
  /// Runs the call on the damage that was just made; it must be refused when `must`, and never half done.
  void expect_coded(const Call& call, const std::string& what, bool must) {
    const auto damaged = picture();
    const auto reply = run(call);
    const auto code = error_code(reply);
    if (must || !code.empty()) {
      EXPECT_EQ(code, "DAMAGED") << call.function << ", " << what << ": " << reply;
      EXPECT_EQ(picture(), damaged) << call.function << ", " << what;
    }
    restore();
  }

  std::map<std::string, std::string> saved_;
};

TEST_F(DamagedKey, OfTheWrongTypeIsRefusedAndChangesNothing) {
  for (const auto& call : all_calls()) {
    build(call.world);
    remember();
    for (const auto& role : kRoles) {
      command({"DEL", key(role)});
      command({"RPUSH", key(role), "x"});
      expect_coded(call, role + " is a list", contains(call.reads, role));
    }
  }
}

TEST_F(DamagedKey, WithAGarbageNumberIsRefusedAndChangesNothing) {
  for (const auto& call : all_calls()) {
    build(call.world);
    remember();
    for (const auto& role : {"stock", "user", "other", "key", "done"}) {
      for (const auto& garbage : kGarbage) {
        command({"SET", key(role), garbage});
        expect_coded(call, std::string(role) + " is \"" + garbage + "\"", contains(call.reads, role));
      }
    }
  }
}

TEST_F(DamagedKey, WithAGarbageFieldIsRefusedAndChangesNothing) {
  const std::vector<std::string> all{"status",       "epoch",     "version",     "inflight",
                                     "suspect",      "fixSeq",    "totalNum",    "issueBeginTime",
                                     "issueEndTime", "userLimit", "maxInflight", "returns"};
  for (const auto& call : all_calls()) {
    build(call.world);
    remember();
    const auto read = fields_read(call);
    for (const auto& name : all) {
      for (const auto& garbage : {"", "abc", "01", "1.5", "1e3", "1000000000000000"}) {
        command({"HSET", keys.coupon, name, garbage});
        expect_coded(call, name + " is \"" + garbage + "\"", contains(read, name));
      }
      command({"HDEL", keys.coupon, name});
      const bool optional = name == "suspect" || name == "fixSeq" || name == "returns" || call.world == World::kLoading;
      expect_coded(call, "no " + name, contains(read, name) && (name == "status" || !optional));
    }
  }
}

TEST_F(DamagedKey, WithADamagedEntryIsRefusedAndChangesNothing) {
  for (const auto& call : all_calls()) {
    if (call.world != World::kOpen) {
      continue;
    }
    build(call.world);
    remember();
    const bool reads_entries = contains({"finish", "reconcile_snapshot", "user_counts"}, call.function);
    const auto h = checksum("1 7,8");
    for (const auto& fields : std::vector<Words>{{"e", "1", "u", "7,9", "h", h},
                                                 {"e", "2", "u", "7,8", "h", h},
                                                 {"e", "1", "u", "7,8"},
                                                 {"e", "1", "u", "7,8", "x", h},
                                                 {"x", "y"}}) {
      command({"DEL", keys.claims});
      Words argv{"XADD", keys.claims, live_.text()};
      argv.insert(argv.end(), fields.begin(), fields.end());
      command(argv);
      expect_coded(call, "entry " + fields.back(), reads_entries);
    }
  }
}

TEST_F(DamagedKey, ThatIsMissingIsAnAnswerAndIsNotMadeUp) {
  const std::map<std::string, std::string> makes{{"rebuild_freeze", "coupon"},
                                                 {"rebuild_begin", "coupon"},
                                                 {"rebuild_load_stock", "stock"},
                                                 {"rebuild_open", "claims"}};
  for (const auto& call : all_calls()) {
    build(call.world);
    remember();
    for (const auto& role : {"coupon", "stock", "claims"}) {
      command({"DEL", key(role)});
      const auto reply = run(call);
      EXPECT_EQ(error_code(reply), "") << call.function << " without " << role;
      if (!makes.contains(call.function) || makes.at(call.function) != role) {
        EXPECT_EQ(command({"EXISTS", key(role)}), "0") << call.function << " made " << role;
      }
      restore();
    }
  }
}

TEST_F(DamagedKey, IsToldApartByTheTypedCalls) {
  build(World::kOpen);
  command({"SET", keys.stock, "many"});
  const redis::ClaimRequest one[] = {{9, {}}};
  const auto reply = redis::claim(client(), kCoupon, one);
  ASSERT_FALSE(reply);
  EXPECT_TRUE(redis::is_damaged(reply.error()));
  EXPECT_FALSE(redis::is_damaged(failure(ErrorCode::kOverloaded, "OOM command not allowed")));
  EXPECT_FALSE(redis::is_damaged(unknown("DAMAGED")));
}

}  // namespace flashclaim
