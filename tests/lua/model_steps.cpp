// The steps of a random sequence. Each makes its choices with its dice, calls Redis, then lets the model do the same.
#include <algorithm>

#include "tests/lua/model_parts.h"
#include "tests/lua/model_world.h"

namespace flashclaim {

void RandomCoupon::publish(harness::Dice& dice) {
  tamper({"FLUSHALL"});
  model_ = CouponModel();
  remembered_.reset();
  finished_.reset();
  model_.ready = true;
  expect(call("mark_ready", {ready_}, {}), "READY");
  ModelSettings first;
  first.total = dice.roll(30);
  first.limit = 1 + dice.roll(4);
  first.max_inflight = dice.one_in(3) ? 1 + dice.roll(10) : 50;
  auto args = settings_args(first);
  args.emplace_back("1");
  const auto reply = call("apply_state", {keys_.coupon, keys_.stock, keys_.claims, ready_, issuing_}, args);
  expect(reply, model_.apply(first, true));
}

void RandomCoupon::pick_step(const std::vector<Choice>& choices, harness::Dice& dice) {
  int sum = 0;
  for (const auto& choice : choices) {
    sum += choice.weight;
  }
  auto left = dice.roll(sum);
  for (const auto& choice : choices) {
    left -= choice.weight;
    if (left < 0) {
      return (this->*choice.step)(dice);
    }
  }
}

void RandomCoupon::step(harness::Dice& dice) {
  using R = RandomCoupon;
  static const std::vector<Choice> kSelling{{36, &R::claim},         {16, &R::finish},
                                            {3, &R::finish_again},   {6, &R::finish_wrongly},
                                            {9, &R::apply},          {3, &R::inject_drift},
                                            {4, &R::mend},           {3, &R::measure_by_walk},
                                            {3, &R::mend_users},     {2, &R::fix_late},
                                            {5, &R::mark},           {3, &R::purge},
                                            {4, &R::retire},         {4, &R::look},
                                            {3, &R::look_at_claim},  {1, &R::freeze},
                                            {1, &R::lose_something}, {1, &R::load_stock},
                                            {1, &R::open},           {2, &R::rebuild},
                                            {1, &R::clear_users},    {2, &R::fix_users_wrongly}};
  static const std::vector<Choice> kLoading{
      {6, &R::claim},      {12, &R::finish},    {3, &R::finish_wrongly}, {4, &R::apply},   {2, &R::mark},
      {2, &R::look},       {2, &R::fix_late},   {2, &R::freeze},         {12, &R::begin},  {6, &R::clear_users},
      {8, &R::load_stock}, {6, &R::load_users}, {8, &R::open},           {3, &R::rebuild}, {2, &R::mend},
      {1, &R::retire},     {1, &R::mend_users}, {1, &R::purge}};
  static const std::vector<Choice> kGone{{6, &R::claim},   {4, &R::finish_wrongly}, {8, &R::apply},     {3, &R::mark},
                                         {6, &R::freeze},  {3, &R::finish},         {3, &R::look},      {2, &R::purge},
                                         {4, &R::rebuild}, {2, &R::look_at_claim},  {1, &R::load_stock}};
  pick_step(model_.status.empty() ? kGone : model_.status == "loading" ? kLoading : kSelling, dice);
}

// ---- the claim path

void RandomCoupon::claim(harness::Dice& dice) {
  std::vector<std::int64_t> users;
  Words names, args;
  const auto n = dice.one_in(3) ? 1 : 1 + dice.roll(5);
  for (int i = 0; i < n; ++i) {
    users.push_back(dice.pick(kModelUsers));
    names.push_back(dice.pick(kModelKeys));
    args.push_back(number(users.back()) + (names.back().empty() ? "" : ":" + names.back()));
  }
  const auto reply = call("claim", {keys_.coupon, keys_.stock, keys_.claims, ready_}, args);
  const auto bar = reply.find('|');
  EntryId entry;
  if (bar != std::string::npos && bar > 0) {
    const auto dash = reply.find('-');
    entry = parse_entry_id(reply.substr(dash + 1, bar - dash - 1)).value_or(EntryId{});
    harness::agree(entry > model_.last ? "a higher id" : reply, "a higher id", called_);
  }
  const auto epoch = model_.epoch;
  const auto words = model_.claim(users, names, entry);
  const bool accepted = std::find(words.begin(), words.end(), "ACCEPTED") != words.end();
  expect(reply, (accepted ? number(*epoch) + "-" + entry.text() : "") + "|" + joined(words) + model_.shut());
}

void RandomCoupon::finish_entry(EntryId entry, std::int64_t epoch, std::size_t n, bool fresh,
                                const CouponModel::Refusals& refused) {
  Words args{number(epoch), entry.text(), number(static_cast<std::int64_t>(n)), fresh ? "1" : "0"};
  for (const auto& [index, reason] : refused) {
    args.push_back(number(index) + "=" + reason);
  }
  const auto reply = call("finish", {keys_.coupon, keys_.stock, keys_.claims, keys_.dead, keys_.result(entry)}, args);
  const auto expected = model_.finish(epoch, entry, n, fresh, refused);
  if (expected == "FINISHED") {
    finished_ = {entry, n};
  }
  expect(reply, expected);
}

void RandomCoupon::finish(harness::Dice& dice) {
  if (model_.entries.empty()) {
    return finish_again(dice);
  }
  const auto entry = some_entry(dice);
  const auto& content = model_.entries.at(entry);
  CouponModel::Refusals refused;
  for (std::size_t i = 0; i < content.users.size(); ++i) {
    if (dice.one_in(3)) {
      refused[static_cast<int>(i)] = dice.pick(kModelReasons);
    }
  }
  finish_entry(entry, content.epoch, content.users.size(), dice.one_in(2), refused);
}

// The message was delivered again: another consumer, the same outcomes or another's refusals.
void RandomCoupon::finish_again(harness::Dice& dice) {
  if (finished_) {
    CouponModel::Refusals refused;
    if (dice.one_in(2)) {
      refused[0] = dice.pick(kModelReasons);
    }
    finish_entry(finished_->first, about_epoch(dice), finished_->second, dice.one_in(3), refused);
  }
}

void RandomCoupon::finish_wrongly(harness::Dice& dice) {
  auto entry = dice.one_in(2) ? model_.last : some_entry(dice);
  entry.ms = std::max<std::int64_t>(0, entry.ms + dice.roll(3) - 1);
  entry.seq = std::max<std::int64_t>(0, entry.seq + dice.roll(3) - 1);
  const auto found = model_.entries.find(entry);
  const auto n = found == model_.entries.end() ? 1 + static_cast<std::size_t>(dice.roll(3))
                                               : found->second.users.size() + static_cast<std::size_t>(dice.roll(2));
  CouponModel::Refusals refused;
  if (dice.one_in(2)) {
    refused[static_cast<int>(dice.roll(3))] = dice.pick(kModelReasons);
  }
  finish_entry(entry, about_epoch(dice), n, dice.one_in(2), refused);
}

// ---- operations

void RandomCoupon::apply(harness::Dice& dice) {
  const auto to = some_settings(dice);
  const bool create = dice.one_in(2);
  auto args = settings_args(to);
  args.emplace_back(create ? "1" : "0");
  const auto reply = call("apply_state", {keys_.coupon, keys_.stock, keys_.claims, ready_, issuing_}, args);
  expect(reply, model_.apply(to, create));
}

void RandomCoupon::retire(harness::Dice&) {
  const auto reply = call("retire_coupon", {keys_.coupon, keys_.claims, issuing_}, {"42"});
  expect(reply, model_.retire());
}

void RandomCoupon::purge(harness::Dice&) {
  const auto reply = call("purge_coupon", {keys_.coupon, keys_.stock, keys_.claims, keys_.dead, issuing_}, {"42"});
  expect(reply, model_.purge());
}

// ---- marks and views

void RandomCoupon::mark(harness::Dice& dice) {
  const auto entry = some_entry(dice);
  std::string reply;
  switch (dice.roll(5)) {
    case 0:
    case 1:
      reply = call("mark_dead", {keys_.claims, keys_.dead}, {entry.text()});
      return expect(reply, model_.mark_dead(entry));
    case 2:
      reply = call("unmark_dead", {keys_.claims, keys_.dead}, {entry.text()});
      model_.dead.erase(entry);
      return expect(reply, "UNMARKED");
    case 3:
      reply = call("mark_ready", {ready_}, {});
      model_.ready = true;
      return expect(reply, "READY");
    default:
      reply = call("mark_suspect", {keys_.coupon}, {});
      return expect(reply, model_.mark_suspect());
  }
}

void RandomCoupon::look(harness::Dice& dice) {
  if (dice.one_in(2)) {
    return expect(call("reconcile_snapshot", {keys_.coupon, keys_.stock, keys_.claims}, {}), model_.snapshot());
  }
  const auto user = dice.pick(kModelUsers);
  auto reply = call("coupon_view", {keys_.coupon, keys_.stock, ready_}, {number(user)});
  if (reply.find('|') != std::string::npos) {  // status name beginMs endMs nowMs total left userLimit mine version
    std::string fields[10];
    std::size_t from = 0;
    for (auto& field : fields) {
      const auto to = reply.find('|', from);
      field = reply.substr(from, to - from);
      from = to + 1;
    }
    reply = joined({fields[0], fields[5], fields[6], fields[7], fields[8], fields[9]});
  }
  expect(reply, model_.coupon_view(user));
}

void RandomCoupon::look_at_claim(harness::Dice& dice) {
  const auto entry = finished_ && dice.one_in(2) ? finished_->first : some_entry(dice);
  const auto epoch = about_epoch(dice);
  const auto index = dice.roll(3);
  const auto reply = call("claim_view", {keys_.coupon, keys_.claims, keys_.result(entry), ready_},
                          {number(epoch), entry.text(), number(index)});
  expect(reply, model_.claim_view(epoch, entry, static_cast<std::size_t>(index)));
}

}  // namespace flashclaim
