// Random sequences on the library and on the pure model: 10,000 seeds. A difference is shrunk and printed with the
// words that run it again (SEED=n STEPS=…). And the test of the test: it finds defects that are planted into the
// library.
#include <algorithm>

#include "engine/base/assets.h"
#include "tests/lua/fixture.h"
#include "tests/lua/model_world.h"

namespace flashclaim {

namespace {

constexpr int kSeeds = 10'000;
constexpr int kSteps = 24;
constexpr int kSeedsForADefect = 1000;

class LuaModel : public LuaTest {
 protected:
  harness::RunSteps runner(RandomCoupon& coupon) {
    return [&coupon](std::uint64_t seed, const std::vector<int>& steps) { return coupon.run(seed, steps); };
  }
};

TEST_F(LuaModel, AgreesWithTheLibraryOverRandomSequences) {
  RandomCoupon coupon(client());
  const auto found = harness::search_as_asked(kSeeds, kSteps, runner(coupon));
  EXPECT_FALSE(found) << found->text();
}

/// One line of the library as it is, and with the defect.
struct Defect {
  const char* name;
  const char* right;
  const char* wrong;
};

std::ostream& operator<<(std::ostream& out, const Defect& defect) { return out << defect.name; }

const Defect kDefects[] = {
    {"OneUnitTooMany", "elseif left <= accepted then", "elseif left < accepted then"},
    {"OneClaimTooManyForAUser", "elseif counts[user] >= limit then", "elseif counts[user] > limit then"},
    {"OneClaimTooManyInFlight", "elseif room <= accepted then", "elseif room < accepted then"},
    {"UsersOfABatchNotCountedInOrder", "      counts[user] = counts[user] + 1\n", ""},
    {"SoldOutWhenTheStockIsMissing", "  if not stock then\n    return 'NOT_READY'\n  elseif status == 'paused'",
     "  if not stock then\n    return 'SOLD_OUT'\n  elseif status == 'paused'"},
    {"StockNotTaken", "redis.call('DECRBY', keys[2], decimal(accepted))",
     "redis.call('DECRBY', keys[2], decimal(math.min(accepted, 3)))"},
    {"InflightNotCounted", "redis.call('HINCRBY', coupon_key, 'inflight', decimal(accepted))", ""},
    {"TheSameKeyTwiceInABatchTakesTwo", "local replay = name and (replays[name] or stored[name])",
     "local replay = name and replays[name]"},
    {"ReplayNamesAnotherIndex", "stored[name] = accepted\n", "stored[name] = accepted + 1\n"},
    {"FinishTrustsItsCaller",
     "  if not fields then\n    return absent_entry(keys, coupon, epoch, entry_id, fresh, n - size_of(refused))",
     "  if not fields then\n    redis.call('INCRBY', keys[2], #args - 4)\n"
     "    return absent_entry(keys, coupon, epoch, entry_id, fresh, n - size_of(refused))"},
    {"FinishOfAnotherSize", "if entry_epoch ~= args[1] or #users ~= n or", "if entry_epoch ~= args[1] or"},
    {"FinishOfAnotherEpochMarks", "suspicious = false -- a message", "suspicious = suspicious -- a message"},
    {"RefusedUsersCountOnce", "times[position[user]] = times[position[user]] + 1", "times[position[user]] = 1"},
    {"ACountOfZeroStays", "if counts[i] > 0 then", "if counts[i] >= 0 then"},
    {"AReturnIsNotLogged", "    log_return(keys[1], tag, entry_id, returned)\n", ""},
    {"DeadMarkStays", "read('dead', 'SREM', keys[4], entry_id)\n", "\n"},
    {"OverLimitIsNotSuspicious", "{ over_limit = true, out_of_stock = true }\n", "{ out_of_stock = true }\n"},
    {"TheSameVersionTwice", "settings.version <= coupon.version", "settings.version < coupon.version"},
    {"AnotherEpochIsApplied", "elseif settings.epoch ~= coupon.epoch then", "elseif settings.epoch < 0 then"},
    {"ACutBelowZero", "if delta < 0 and stock + delta < 0 then", "if delta < 0 and stock + delta < -1 then"},
    {"AFixTwice", "redis.call('HINCRBY', keys[1], 'fixSeq', '1')\n  if coupon.suspect", "  if coupon.suspect"},
    {"ALaterMarkIsForgotten", "if coupon.suspect == suspect then", "if coupon.suspect >= suspect then"},
    {"RebuildWithEntriesInFlight", "  elseif stream_length(keys[3]) > 0 then\n    return 'NOT_DRAINED'\n", ""},
    {"RebuildKeepsTheEpoch", "elseif coupon and coupon.epoch and epoch <= coupon.epoch then",
     "elseif coupon and coupon.epoch and epoch < coupon.epoch then"},
    {"LoadsAtAnyEpoch", "coupon.status == 'loading' and coupon.epoch == epoch", "coupon.status == 'loading'"},
    {"RetiresWithEntriesInFlight", "coupon.suspect > 0 or stream_length(keys[2]) > 0 then", "coupon.suspect > 0 then"},
    {"PurgesWhatIsNotEnded", "if coupon and coupon.status ~= 'ended' and coupon.status ~= 'loading' then",
     "if coupon and coupon.status == 'issuing' then"},
};

class PlantedInLua : public LuaModel, public ::testing::WithParamInterface<Defect> {
 protected:
  void load(const std::string& code) {
    ASSERT_EQ(command({"FUNCTION", "LOAD", "REPLACE", code}), "flashclaim") << code.substr(0, 80);
  }
  void TearDown() override { load(std::string(kLuaLibrary.code)); }
};

TEST_P(PlantedInLua, IsFound) {
  const auto& [name, right, wrong] = GetParam();
  std::string code(kLuaLibrary.code);
  const auto at = code.find(right);
  ASSERT_NE(at, std::string::npos) << "the library has no such line any more: " << right;
  ASSERT_EQ(code.find(right, at + 1), std::string::npos) << "which of them? " << right;
  load(code.replace(at, std::string(right).size(), wrong));
  RandomCoupon coupon(client());
  const auto found = harness::search(1, kSeedsForADefect, kSteps, runner(coupon));
  ASSERT_TRUE(found) << "not found in " << kSeedsForADefect << " seeds";
  RecordProperty("seeds", found->seeds_tried);
  RecordProperty("steps", static_cast<int>(found->steps.size()));
  std::printf("found in seed %d, %zu steps: %s\n", found->seeds_tried, found->steps.size(),
              found->difference.substr(0, found->difference.find('\n')).c_str());
}

INSTANTIATE_TEST_SUITE_P(Defects, PlantedInLua, ::testing::ValuesIn(kDefects),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace

}  // namespace flashclaim
