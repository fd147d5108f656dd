// Random sequences of calls on Redis and on the pure model: the same words, the same state, the invariants after each
// step. A failure names its seed; FLASHCLAIM_SEED=<seed> runs that one alone.
#include "tests/lua/model.h"

#include <algorithm>
#include <cstdlib>
#include <random>

#include "engine/base/digest.h"
#include "tests/lua/fixture.h"

namespace flashclaim {

namespace {

using Words = std::vector<std::string>;

const std::vector<std::int64_t> kUsers{1, 2, 3, 77, INT64_MAX - 1, INT64_MAX};
const Words kKeys{"", "", "a", "b"};
const Words kReasons{"over_limit", "out_of_stock", "stale_epoch", "unknown_coupon", "rejected"};

std::string number(std::int64_t n) { return std::to_string(n); }

std::string joined(const Words& words) {
  std::string text;
  for (const auto& word : words) {
    text += (text.empty() ? "" : " ") + word;
  }
  return text;
}

}  // namespace

class RandomSequence : public LuaTest {
 protected:
  void start(std::uint64_t seed);
  void step();
  void agree();

  void claim_some();
  void finish_one();
  void finish_wrongly();
  void apply_some();
  void drift_and_fix();
  void fix_users();
  void rebuild();
  void mark_something();

  std::int64_t roll(std::int64_t below) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(below));
  }
  template <class List>
  const auto& pick(const List& list) {
    return list[static_cast<std::size_t>(roll(static_cast<std::int64_t>(list.size())))];
  }
  EntryId pick_entry() {
    return std::next(model_.entries.begin(), roll(static_cast<std::int64_t>(model_.entries.size())))->first;
  }
  std::string settings_call(const std::string& function, std::int64_t epoch, std::int64_t version,
                            const std::string& status, std::int64_t total, std::int64_t limit, std::int64_t max);
  void finish_entry(EntryId entry, std::int64_t epoch, std::size_t n, bool fresh,
                    const std::map<int, std::string>& refused);

  std::mt19937_64 random_;
  CouponModel model_;
  std::int64_t begin_ms_ = 0;
};

void RandomSequence::start(std::uint64_t seed) {
  random_.seed(seed);
  command({"FLUSHALL"});
  auto coupon = settings(roll(40), 1 + roll(4));
  coupon.max_inflight = 1 + roll(30);
  begin_ms_ = coupon.begin_ms;
  publish(coupon);
  model_ = CouponModel();
  model_.status = "issuing";
  model_.stock = model_.total = coupon.total;
  model_.limit = coupon.user_limit;
  model_.max_inflight = coupon.max_inflight;
}

std::string RandomSequence::settings_call(const std::string& function, std::int64_t epoch, std::int64_t version,
                                          const std::string& status, std::int64_t total, std::int64_t limit,
                                          std::int64_t max) {
  Words args{number(epoch),
             number(version),
             status,
             "n",
             number(total),
             number(limit),
             number(begin_ms_),
             number(begin_ms_ + 100 * kHourMs),
             number(max)};
  Words key_list{keys.coupon, keys.stock, keys.claims, issuing};
  if (function == "apply_state") {
    args.push_back(number(roll(2)));
    key_list.insert(key_list.end() - 1, ready);
  }
  return call(function, key_list, args);
}

void RandomSequence::claim_some() {
  std::vector<std::int64_t> users;
  Words names;
  Words args;
  const auto n = 1 + roll(5);
  for (int i = 0; i < n; ++i) {
    users.push_back(pick(kUsers));
    names.push_back(pick(kKeys));
    args.push_back(number(users.back()) + (names.back().empty() ? "" : ":" + names.back()));
  }
  const auto reply = call("claim", {keys.coupon, keys.stock, keys.claims, ready}, args);
  const auto bar = reply.find('|');
  ASSERT_NE(bar, std::string::npos) << reply;
  const auto prefix = number(model_.epoch) + "-";
  EntryId entry;
  if (bar > 0) {
    ASSERT_EQ(reply.substr(0, prefix.size()), prefix);
    entry = parse_entry_id(reply.substr(prefix.size(), bar - prefix.size())).value();
    ASSERT_GT(entry, model_.last);
  }
  ASSERT_EQ(reply.substr(bar + 1), joined(model_.claim(users, names, entry))) << joined(args);
  ASSERT_EQ(bar > 0, model_.entries.contains(entry));
}

void RandomSequence::finish_entry(EntryId entry, std::int64_t epoch, std::size_t n, bool fresh,
                                  const std::map<int, std::string>& refused) {
  Words refusals;
  for (const auto& [index, reason] : refused) {
    refusals.push_back(number(index) + "=" + reason);
  }
  ASSERT_EQ(finish(entry, static_cast<int>(n), refusals, fresh, static_cast<int>(epoch)),
            model_.finish(epoch, entry, n, fresh, refused))
      << entry.text() << " epoch " << epoch << " n " << n << " " << joined(refusals);
}

void RandomSequence::finish_one() {
  if (model_.entries.empty()) {
    return;
  }
  const auto entry = pick_entry();
  const auto n = model_.entries.at(entry).users.size();
  std::map<int, std::string> refused;
  for (std::size_t i = 0; i < n; ++i) {
    if (roll(3) == 0) {
      refused[static_cast<int>(i)] = pick(kReasons);
    }
  }
  finish_entry(entry, model_.epoch, n, roll(2) == 0, refused);
  if (roll(3) == 0) {
    finish_entry(entry, model_.epoch, n, roll(2) == 0, refused);  // delivered again
  }
}

void RandomSequence::finish_wrongly() {
  EntryId entry = model_.entries.empty() || roll(2) == 0 ? model_.last : pick_entry();
  entry.ms = std::max<std::int64_t>(0, entry.ms + roll(3) - 1);
  entry.seq = std::max<std::int64_t>(0, entry.seq + roll(3) - 1);
  const auto found = model_.entries.find(entry);
  auto n = found == model_.entries.end() ? 1 + static_cast<std::size_t>(roll(3)) : found->second.users.size();
  auto epoch = std::max<std::int64_t>(1, model_.epoch + roll(3) - 1);
  if (epoch == model_.epoch && found != model_.entries.end()) {
    n += 1;
  }
  finish_entry(entry, epoch, n, roll(2) == 0,
               roll(2) == 0 ? std::map<int, std::string>{{0, pick(kReasons)}} : std::map<int, std::string>{});
}

void RandomSequence::apply_some() {
  const auto version = model_.version + roll(4) - 1;
  const auto epoch = std::max<std::int64_t>(1, model_.epoch + (roll(5) == 0 ? roll(3) - 1 : 0));
  const auto status = pick(Words{"issuing", "issuing", "issuing", "paused", "ended"});
  const auto total = std::max<std::int64_t>(0, model_.total + roll(21) - 8);
  const auto limit = 1 + roll(6);
  const auto max = 1 + roll(40);
  if (version < 1) {
    return;
  }
  ASSERT_EQ(settings_call("apply_state", epoch, version, status, total, limit, max),
            model_.apply(epoch, version, status, total, limit, max));
}

void RandomSequence::drift_and_fix() {
  const auto seen = redis::reconcile_snapshot(client(), kCoupon);
  ASSERT_TRUE(seen && seen->has_value());
  const auto& look = **seen;
  ASSERT_EQ(look.stock, *model_.stock);
  ASSERT_EQ(look.inflight, model_.inflight);
  ASSERT_EQ(look.last, model_.last);
  ASSERT_EQ(look.entries.size(), model_.entries.size());
  for (const auto& [entry, claims] : look.entries) {
    ASSERT_EQ(static_cast<std::size_t>(claims), model_.entries.at(entry).users.size());
  }
  if (roll(2) == 0) {
    claim_some();
  }
  // The drift is corrected if there is one, else one is made: the invariant counts it.
  const auto delta = model_.stock_drift != 0 ? -model_.stock_drift : roll(11) - 5;
  for (int i = 0; i < 2; ++i) {
    const auto reply = redis::reconcile_fix(client(), kCoupon, look, delta, 0);
    ASSERT_TRUE(reply) << reply.error().message;
    ASSERT_EQ(word(*reply), model_.fix(look.epoch, look.fix_seq, look.suspect, delta, 0));
  }
}

void RandomSequence::fix_users() {
  const auto user = pick(kUsers);
  const auto delta = roll(4) - 1;
  const auto fix = [&](std::int64_t epoch, std::int64_t fix_seq, std::int64_t by) {
    ASSERT_EQ(call("user_counts_fix", {keys.coupon}, {number(epoch), number(fix_seq), number(user), number(by)}),
              model_.fix_user(epoch, fix_seq, user, by));
  };
  fix(model_.epoch + 1, model_.fix_seq, 1);
  fix(model_.epoch, model_.fix_seq + 1, 1);
  const auto seq = model_.fix_seq;
  fix(model_.epoch, seq, delta);
  if (model_.fix_seq != seq) {
    fix(model_.epoch, seq, delta);
    fix(model_.epoch, model_.fix_seq, -delta);
  }
}

void RandomSequence::rebuild() {
  ASSERT_EQ(call("rebuild_freeze", {keys.coupon, keys.claims}, {}), model_.freeze());
  claim_some();
  apply_some();
  const Words begin_keys{keys.coupon, keys.stock, keys.claims, keys.dead};
  const auto next = model_.epoch + 1 + roll(2);
  ASSERT_EQ(call("rebuild_begin", begin_keys, {number(next)}), model_.begin(next));
  while (!model_.entries.empty()) {
    finish_one();
  }
  const auto epoch = model_.epoch + roll(3);
  ASSERT_EQ(call("rebuild_begin", begin_keys, {number(epoch)}), model_.begin(epoch));
  for (const auto of_epoch : {model_.epoch + 1, model_.epoch}) {
    if (of_epoch == model_.epoch) {
      Words user_keys{keys.coupon};
      for (const auto user : kUsers) {
        user_keys.push_back(keys.user(user));
        model_.counts.erase(user);
      }
      ASSERT_EQ(call("rebuild_clear_users", user_keys, {number(of_epoch)}), "CLEARED");
    }
    ASSERT_EQ(settings_call("rebuild_open", of_epoch + 1, model_.version + 1, "issuing", 1, 1, 1),
              model_.open(of_epoch + 1, model_.version + 1, "issuing", 1, 1, 1));
    const auto units = roll(20);
    ASSERT_EQ(call("rebuild_load_stock", {keys.coupon, keys.stock}, {number(of_epoch), number(units)}),
              model_.load_stock(of_epoch, units));
    for (const auto& [user, count] : model_.settled) {
      ASSERT_EQ(call("rebuild_load_users", {keys.coupon}, {number(of_epoch), number(user), number(count)}),
                model_.load_user(of_epoch, user, count));
    }
  }
  claim_some();
  std::int64_t sold = 0;
  for (const auto& [user, count] : model_.settled) {
    sold += count;
  }
  const auto total = *model_.stock + sold;
  const auto version = model_.version + 1;
  const auto limit = 1 + roll(6);
  ASSERT_EQ(settings_call("rebuild_open", model_.epoch, version, "issuing", total, limit, 30), "OPEN");
  ASSERT_EQ(model_.open(model_.epoch, version, "issuing", total, limit, 30), "OPEN");
}

void RandomSequence::mark_something() {
  const auto entry = model_.entries.empty() ? model_.last : pick_entry();
  switch (roll(4)) {
    case 0:
      ASSERT_EQ(call("mark_dead", {keys.claims, keys.dead}, {entry.text()}), model_.mark_dead(entry));
      break;
    case 1:
      ASSERT_EQ(call("unmark_dead", {keys.claims, keys.dead}, {entry.text()}), "UNMARKED");
      model_.dead.erase(entry);
      break;
    case 2:
      ASSERT_EQ(call("mark_suspect", {keys.coupon}, {}), "MARKED");
      model_.suspect += 1;
      break;
    default:
      ASSERT_EQ(call("retire_coupon", {keys.coupon, keys.claims, issuing}, {number(kCoupon)}), model_.retire());
      break;
  }
}

void RandomSequence::step() {
  const auto choice = roll(100);
  if (choice < 45) {
    claim_some();
  } else if (choice < 65) {
    finish_one();
  } else if (choice < 73) {
    finish_wrongly();
  } else if (choice < 85) {
    apply_some();
  } else if (choice < 90) {
    drift_and_fix();
  } else if (choice < 93) {
    fix_users();
  } else if (choice < 98) {
    mark_something();
  } else {
    rebuild();
  }
}

void RandomSequence::agree() {
  Commands asked{{"HMGET", keys.coupon, "status", "epoch", "version", "totalNum", "userLimit", "inflight", "fixSeq"},
                 {"HGET", keys.coupon, "suspect"},
                 {"GET", keys.stock},
                 {"XRANGE", keys.claims, "-", "+"},
                 {"SMISMEMBER", issuing, number(kCoupon), "1"},
                 {"SCARD", keys.dead}};
  Words expected{model_.status + "|" + number(model_.epoch) + "|" + number(model_.version) + "|" +
                     number(model_.total) + "|" + number(model_.limit) + "|" + number(model_.inflight) + "|" +
                     number(model_.fix_seq),
                 model_.suspect == 0 ? "(nil)" : number(model_.suspect),
                 model_.stock ? number(*model_.stock) : "(nil)",
                 "",
                 std::string(model_.issuing ? "1" : "0") + "|0",
                 number(static_cast<std::int64_t>(model_.dead.size()))};
  for (const auto& [entry, content] : model_.entries) {
    std::string users;
    for (const auto user : content.users) {
      users += (users.empty() ? "" : ",") + number(user);
    }
    expected[3] += (expected[3].empty() ? "" : "|") + entry.text() + "|e|" + number(model_.epoch) + "|u|" + users +
                   "|h|" + checksum(number(model_.epoch) + " " + users);
  }
  for (const auto user : kUsers) {
    asked.push_back({"GET", keys.user(user)});
    expected.push_back(model_.counts.contains(user) ? number(model_.counts.at(user)) : "(nil)");
    for (const auto& name : {"a", "b"}) {
      const auto stored = model_.replays.find(number(user) + ":" + name);
      asked.push_back({"GET", keys.idempotency(user, name)});
      expected.push_back(stored == model_.replays.end() ? "(nil)" : stored->second);
    }
  }
  if (!model_.results.empty()) {
    asked.push_back({"GET", keys.result(model_.results.rbegin()->first)});
    expected.push_back(model_.results.rbegin()->second);
  }
  ASSERT_EQ(pipeline(asked), expected);
  ASSERT_EQ(model_.violated(), "");
}

TEST_F(RandomSequence, AgreesWithTheModelAfterEveryStep) {
  std::vector<std::uint64_t> seeds;
  if (const char* one = std::getenv("FLASHCLAIM_SEED")) {
    seeds.push_back(std::stoull(one));
  } else {
    std::random_device device;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      seeds.push_back(seed);
      seeds.push_back(device());
    }
  }
  for (const auto seed : seeds) {
    start(seed);
    for (int i = 0; i < 250; ++i) {
      step();
      if (!HasFatalFailure()) {
        agree();
      }
      ASSERT_FALSE(HasFatalFailure()) << "FLASHCLAIM_SEED=" << seed << ", step " << i;
    }
  }
  RecordProperty("seeds", static_cast<int>(seeds.size()));
}

}  // namespace flashclaim
