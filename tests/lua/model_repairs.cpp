// The steps of a random sequence that damage and repair: drift, reconcile, loss, rebuild.
#include <algorithm>
#include <set>

#include "tests/lua/model_parts.h"
#include "tests/lua/model_world.h"

namespace flashclaim {

// ---- reconcile

void RandomCoupon::inject_drift(harness::Dice& dice) {
  if (!model_.counts_make_sense()) {
    return claim(dice);
  }
  const auto by = dice.roll(7) - 3;
  const auto user = dice.pick(kModelUsers);
  switch (dice.roll(3)) {
    case 0:
      tamper({"INCRBY", keys_.stock, number(by)});
      *model_.stock += by;
      break;
    case 1:
      tamper({"HINCRBY", keys_.coupon, "inflight", number(by)});
      *model_.inflight += by;
      break;
    default:
      if (const auto held = dice.roll(4); held > 0) {
        tamper({"SET", keys_.user(user), number(held)});
        model_.counts[user] = held;
      } else {
        tamper({"DEL", keys_.user(user)});
        model_.counts.erase(user);
      }
      break;
  }
  model_.accept_drift();
}

// A reconcile --fix as flashctl makes it, from what Redis answered and what the database holds; the sale goes on
// between the look and the correction. Afterwards nothing is off.
void RandomCoupon::mend(harness::Dice& dice) {
  const auto seen = call("reconcile_snapshot", {keys_.coupon, keys_.stock, keys_.claims}, {});
  expect(seen, model_.snapshot());
  if (!model_.counts_make_sense()) {
    return;
  }
  const RememberedLook look{*model_.epoch, model_.fix_seq.value_or(0), model_.suspect.value_or(0),
                            -model_.stock_drift(), -model_.inflight_drift()};
  if (dice.one_in(4)) {
    remembered_ = look;
  }
  for (auto more = dice.roll(3); more > 0; --more) {
    dice.one_in(2) ? claim(dice) : finish(dice);
  }
  const auto reply = call("reconcile_fix", {keys_.coupon, keys_.stock},
                          {number(look.epoch), number(look.fix_seq), number(look.suspect), number(look.stock_delta),
                           number(look.inflight_delta)});
  expect(reply, model_.fix(look.epoch, look.fix_seq, look.suspect, look.stock_delta, look.inflight_delta));
  harness::agree(number(model_.stock_drift()) + " " + number(model_.inflight_drift()), "0 0", "what is left to mend");
}

// The same when the stream is too long for one moment: the counters, a walk page by page while the sale goes on, and
// what was returned meanwhile. The difference is that of the moment of the counters, to the unit.
void RandomCoupon::measure_by_walk(harness::Dice& dice) {
  const Words keys{keys_.coupon, keys_.stock, keys_.claims};
  expect(call("reconcile_counters", keys, {}), model_.counters({}));
  if (!model_.counts_make_sense()) {
    return;
  }
  const CouponModel then = model_;
  const auto of_this_epoch = [&](const std::string& result) { return result.starts_with(number(*then.epoch) + " "); };
  for (const auto& [entry, text] : then.results) {
    if (of_this_epoch(text) && entry > then.last) {
      return;  // Redis has rolled back: reconcile does not measure then
    }
  }
  std::set<EntryId> met;
  std::int64_t claims = 0;
  for (EntryId at;;) {
    for (auto more = dice.roll(4); more > 0; --more) {
      dice.one_in(3) ? claim(dice) : dice.one_in(3) ? apply(dice) : finish(dice);
    }
    const auto size = 1 + dice.roll(2);
    const auto page =
        client_.command(Words{"XRANGE", keys_.claims, "(" + at.text(), then.last.text(), "COUNT", number(size)});
    for (std::size_t i = 0; i < page->size(); ++i) {
      at = *parse_entry_id((*page)[i][0].text());
      const auto users = (*page)[i][1][3].text();
      met.insert(at);
      claims += 1 + std::count(users.begin(), users.end(), ',');
    }
    if (std::ssize(met) == 0 || static_cast<std::int64_t>(page->size()) < size) {
      break;
    }
  }
  const auto reply = call("reconcile_counters", keys, {number(then.returns.value_or(0))});
  expect(reply, model_.counters(then.returns.value_or(0)));
  for (const auto& [entry, units] : model_.returned_since(then.returns.value_or(0))) {
    claims += entry <= then.last && !met.contains(entry) ? units : 0;
  }
  std::int64_t rows = model_.rows();
  for (const auto& [entry, text] : model_.results) {
    const bool elsewhere = of_this_epoch(text) && (entry > then.last || met.contains(entry));
    rows -= elsewhere ? CouponModel::settled_in(text) : 0;
  }
  harness::agree(number(*then.stock + claims + rows - then.total), number(model_.stock_drift()), "drift by a walk");
}

// A correction that comes when another one, or a rebuild, was there before, or not.
void RandomCoupon::fix_late(harness::Dice& dice) {
  if (!remembered_) {
    return look(dice);
  }
  const auto& look = *remembered_;
  const auto reply = call("reconcile_fix", {keys_.coupon, keys_.stock},
                          {number(look.epoch), number(look.fix_seq), number(look.suspect), number(look.stock_delta),
                           number(look.inflight_delta)});
  expect(reply, model_.fix(look.epoch, look.fix_seq, look.suspect, look.stock_delta, look.inflight_delta));
}

void RandomCoupon::mend_users(harness::Dice& dice) {
  std::vector<EntryId> known;  // some of what is in flight, and what was
  for (const auto& [entry, content] : model_.entries) {
    if (dice.one_in(2)) {
      break;
    }
    known.push_back(entry);
  }
  const EntryId up_to = known.empty() ? EntryId{} : known.back();
  if (finished_ && finished_->first <= up_to) {
    known.push_back(finished_->first);
  }
  Words args{up_to.text(), number(std::ssize(kModelUsers))};
  for (const auto user : kModelUsers) {
    args.push_back(number(user));
  }
  for (const auto entry : known) {
    args.push_back(entry.text());
  }
  expect(call("user_counts", {keys_.coupon, keys_.claims}, args), model_.user_counts(kModelUsers, up_to, known));
  if (!model_.counts_make_sense()) {
    return;
  }
  CouponModel::UserNumbers deltas;
  const auto epoch = *model_.epoch;
  const auto seq = model_.fix_seq.value_or(0);
  args = {number(epoch), number(seq)};
  for (const auto user : kModelUsers) {
    if (const auto drift = model_.count_drift(user); drift != 0 || dice.one_in(3)) {
      deltas.emplace_back(user, -drift);
      args.push_back(number(user));
      args.push_back(number(-drift));
    }
  }
  if (deltas.empty()) {
    return;
  }
  if (dice.one_in(3)) {
    claim(dice);
  }
  const auto reply = call("user_counts_fix", {keys_.coupon}, args);
  expect(reply, model_.fix_users(epoch, seq, deltas));
}

void RandomCoupon::fix_users_wrongly(harness::Dice& dice) {
  const auto epoch = about_epoch(dice);
  const auto seq = std::max<std::int64_t>(0, model_.fix_seq.value_or(0) + dice.roll(3) - 1);
  CouponModel::UserNumbers deltas{{dice.pick(kModelUsers), -1 - dice.roll(9)}};
  if (deltas[0].first != 3) {
    deltas.emplace_back(3, dice.roll(3));
  }
  Words args{number(epoch), number(seq)};
  for (const auto& [user, delta] : deltas) {
    args.push_back(number(user));
    args.push_back(number(delta));
  }
  const auto reply = call("user_counts_fix", {keys_.coupon}, args);
  expect(reply, model_.fix_users(epoch, seq, deltas));
}

// ---- loss and rebuild

void RandomCoupon::lose_something(harness::Dice& dice) {
  const auto kept = model_.settled;  // the database
  switch (dice.roll(4)) {
    case 0:
      tamper({"DEL", keys_.stock});
      model_.stock.reset();
      break;
    case 1:
      tamper({"DEL", keys_.claims});
      model_.entries.clear();
      model_.last = {};
      model_.stream = false;
      model_.added = 0;
      break;
    case 2:
      tamper({"DEL", keys_.coupon});
      model_.status.clear();
      model_.epoch = model_.version = model_.inflight = model_.fix_seq = model_.suspect = model_.returns = std::nullopt;
      break;
    default:
      tamper({"FLUSHALL"});
      model_ = CouponModel();
      model_.settled = kept;
      break;
  }
  model_.accept_drift();
}

void RandomCoupon::freeze(harness::Dice&) {
  const auto reply = call("rebuild_freeze", {keys_.coupon, keys_.claims}, {});
  expect(reply, model_.freeze());
}

void RandomCoupon::begin(harness::Dice& dice) {
  const auto epoch = std::max<std::int64_t>(1, model_.epoch.value_or(0) + dice.roll(3));
  const auto reply = call("rebuild_begin", {keys_.coupon, keys_.stock, keys_.claims, keys_.dead}, {number(epoch)});
  expect(reply, model_.begin(epoch));
}

void RandomCoupon::clear_users(harness::Dice& dice) {
  Words names{keys_.coupon};
  std::vector<std::int64_t> users;
  for (const auto user : kModelUsers) {
    if (users.empty() || !dice.one_in(5)) {
      users.push_back(user);
      names.push_back(keys_.user(user));
    }
  }
  const auto epoch = about_epoch(dice);
  const auto reply = call("rebuild_clear_users", names, {number(epoch)});
  expect(reply, model_.clear_users(epoch, users));
}

void RandomCoupon::load_stock(harness::Dice& dice) {
  const auto epoch = about_epoch(dice);
  const auto units = dice.roll(20);
  const auto reply = call("rebuild_load_stock", {keys_.coupon, keys_.stock}, {number(epoch), number(units)});
  expect(reply, model_.load_stock(epoch, units));
}

void RandomCoupon::load_users(harness::Dice& dice) {
  const auto epoch = about_epoch(dice);
  CouponModel::UserNumbers held(model_.settled.begin(), model_.settled.end());
  if (held.empty()) {
    held.emplace_back(dice.pick(kModelUsers), 1 + dice.roll(3));
  }
  Words args{number(epoch)};
  for (const auto& [user, count] : held) {
    args.push_back(number(user));
    args.push_back(number(count));
  }
  const auto reply = call("rebuild_load_users", {keys_.coupon}, args);
  expect(reply, model_.load_users(epoch, held));
}

void RandomCoupon::open(harness::Dice& dice) {
  const auto to = some_settings(dice);
  const auto reply = call("rebuild_open", {keys_.coupon, keys_.stock, keys_.claims, issuing_}, settings_args(to));
  expect(reply, model_.open(to));
}

// All of it in order, as flashctl does; claims and messages come in between. Afterwards nothing is off.
void RandomCoupon::rebuild(harness::Dice& dice) {
  const auto meanwhile = [&] {
    if (dice.one_in(4)) {
      dice.one_in(2) ? claim(dice) : finish_wrongly(dice);
    }
  };
  freeze(dice);
  meanwhile();
  while (!model_.entries.empty()) {
    finish(dice);
  }
  const auto epoch = model_.epoch.value_or(0) + 1 + dice.roll(2);
  auto reply = call("rebuild_begin", {keys_.coupon, keys_.stock, keys_.claims, keys_.dead}, {number(epoch)});
  expect(reply, model_.begin(epoch));
  Words names{keys_.coupon};
  for (const auto user : kModelUsers) {
    names.push_back(keys_.user(user));
  }
  reply = call("rebuild_clear_users", names, {number(epoch)});
  expect(reply, model_.clear_users(epoch, kModelUsers));
  meanwhile();
  ModelSettings to = some_settings(dice);
  to.epoch = epoch;
  to.total = std::max(to.total, sold());
  reply = call("rebuild_load_stock", {keys_.coupon, keys_.stock}, {number(epoch), number(to.total - sold())});
  expect(reply, model_.load_stock(epoch, to.total - sold()));
  if (!model_.settled.empty()) {
    Words args{number(epoch)};
    for (const auto& [user, count] : model_.settled) {
      args.push_back(number(user));
      args.push_back(number(count));
    }
    reply = call("rebuild_load_users", {keys_.coupon}, args);
    expect(reply, model_.load_users(epoch, {model_.settled.begin(), model_.settled.end()}));
  }
  reply = call("rebuild_open", {keys_.coupon, keys_.stock, keys_.claims, issuing_}, settings_args(to));
  expect(reply, model_.open(to));
  std::string off = number(model_.stock_drift()) + " " + number(model_.inflight_drift());
  for (const auto user : kModelUsers) {
    off += model_.count_drift(user) == 0 ? "" : " user " + number(user);
  }
  harness::agree(off, "0 0", "what a rebuild leaves off");
}

}  // namespace flashclaim
