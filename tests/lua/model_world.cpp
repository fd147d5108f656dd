// The world of a random sequence: what is called, what is read back, how it is compared. The steps are in
// model_steps.cpp.
#include "tests/lua/model_world.h"

#include <algorithm>

#include "engine/base/digest.h"
#include "tests/lua/fixture.h"
#include "tests/lua/model_parts.h"

namespace flashclaim {

namespace {

constexpr std::int64_t kLongMs = 1000 * kHourMs;

std::string checked(Result<redis::Reply> reply) {
  if (!reply) {
    throw std::runtime_error(reply.error().message);
  }
  return shown(reply->view());
}

std::string text_of(const std::optional<std::int64_t>& value) { return value ? std::to_string(*value) : "(nil)"; }

}  // namespace

RandomCoupon::RandomCoupon(redis::Client& client) : client_(client) {
  const auto time = client_.command({"TIME"});
  now_ms_ = *parse_number(time->view()[0].text()) * 1000;
}

std::string RandomCoupon::run(std::uint64_t seed, const std::vector<int>& steps) {
  return harness::run_sequence(
      seed, steps, [this](harness::Dice& dice) { publish(dice); }, [this](harness::Dice& dice) { step(dice); });
}

std::string RandomCoupon::read_shown() { return checked(client_.read()); }

void RandomCoupon::tamper(const Words& argv) {
  checked(client_.command(argv));
  called_ = joined(argv);
}

std::string RandomCoupon::call(const std::string& function, const Words& key_names, const Words& args) {
  Words argv{"FCALL", function, std::to_string(key_names.size())};
  argv.insert(argv.end(), key_names.begin(), key_names.end());
  argv.insert(argv.end(), args.begin(), args.end());
  called_ = function + " " + joined(args);
  client_.append(argv);
  const auto commands = state_commands();
  for (const auto& command : commands) {
    client_.append(command);
  }
  auto reply = read_shown();
  seen_.clear();
  for (std::size_t i = 0; i < commands.size(); ++i) {
    seen_ += read_shown() + "; ";
  }
  return reply;
}

void RandomCoupon::expect(const std::string& reply, const std::string& expected) {
  harness::agree(reply, expected, called_);
  harness::agree(seen_, model_state(), "the keys after " + called_);
  harness::agree(model_.violated(), "", "the law after " + called_);
}

std::vector<std::vector<std::string>> RandomCoupon::state_commands() {
  Words counts{"MGET"}, replays{"MGET"}, results{"MGET"};
  for (const auto user : kModelUsers) {
    counts.push_back(keys_.user(user));
    for (const auto& name : {"a", "b"}) {
      replays.push_back(keys_.idempotency(user, name));
    }
  }
  results_read_.clear();
  for (const auto& [entry, text] : model_.results) {
    results_read_.push_back(entry);
  }
  for (const auto& [entry, content] : model_.entries) {
    results_read_.push_back(entry);
  }
  for (const auto entry : results_read_) {
    results.push_back(keys_.result(entry));
  }
  std::vector<Words> commands{
      {"HMGET", keys_.coupon, "status", "epoch", "version", "inflight", "fixSeq", "suspect", "returns"},
      {"HMGET", keys_.coupon, "totalNum", "userLimit", "maxInflight", "name"},
      {"MGET", keys_.stock, ready_},
      {"XRANGE", keys_.claims, "-", "+"},
      {"SMEMBERS", issuing_},
      {"SORT", keys_.dead, "ALPHA"},
      {"DBSIZE"},
      counts,
      replays};
  if (!results_read_.empty()) {
    commands.push_back(results);
  }
  return commands;
}

std::string RandomCoupon::model_state() const {
  const auto& m = model_;
  std::string text = (m.status.empty() ? "(nil)" : m.status) + "|" + text_of(m.epoch) + "|" + text_of(m.version) + "|" +
                     text_of(m.inflight) + "|" + text_of(m.fix_seq) + "|" + text_of(m.suspect) + "|" +
                     text_of(m.returns) + "; ";
  text += m.version
              ? std::to_string(m.total) + "|" + std::to_string(m.limit) + "|" + std::to_string(m.max_inflight) + "|n; "
              : "(nil)|(nil)|(nil)|(nil); ";
  text += text_of(m.stock) + "|" + (m.ready ? "1" : "(nil)") + "; ";
  std::string list;
  for (const auto& [entry, content] : m.entries) {
    const auto epoch = std::to_string(content.epoch);
    const auto users = users_text(content.users);
    list += (list.empty() ? "" : "|") + entry.text() + "|e|" + epoch + "|u|" + users + "|h|" +
            checksum(epoch + " " + users);
  }
  text += list + "; " + (m.issuing ? "42" : "") + "; ";
  Words dead;
  for (const auto entry : m.dead) {
    dead.push_back(entry.text());
  }
  std::sort(dead.begin(), dead.end());
  list.clear();
  for (const auto& entry : dead) {
    list += (list.empty() ? "" : "|") + entry;
  }
  const auto keys = m.counts.size() + m.replays.size() + m.results.size() + (m.dead.empty() ? 0 : 1) +
                    (m.status.empty() ? 0 : 1) + (m.stock ? 1 : 0) + (m.ready ? 1 : 0) + (m.stream ? 1 : 0) +
                    (m.issuing ? 1 : 0) + (m.returned.empty() ? 0 : 1);
  text += list + "; " + std::to_string(keys) + "; ";
  std::string replays;
  list.clear();
  for (const auto user : kModelUsers) {
    const auto held = m.counts.find(user);
    list += (list.empty() ? "" : "|") + (held == m.counts.end() ? "(nil)" : std::to_string(held->second));
    for (const auto& name : {":a", ":b"}) {
      const auto stored = m.replays.find(std::to_string(user) + name);
      replays += (replays.empty() ? "" : "|") + (stored == m.replays.end() ? "(nil)" : stored->second);
    }
  }
  text += list + "; " + replays + "; ";
  list.clear();
  for (const auto entry : results_read_) {
    const auto found = m.results.find(entry);
    list += (list.empty() ? "" : "|") + (found == m.results.end() ? "(nil)" : found->second);
  }
  return text + (results_read_.empty() ? "" : list + "; ");
}

// ---- choices that several steps make

ModelSettings RandomCoupon::some_settings(harness::Dice& dice) {
  ModelSettings to;
  to.epoch = model_.epoch.value_or(1) + (dice.one_in(6) ? dice.roll(3) - 1 : 0);
  to.epoch = std::max<std::int64_t>(1, to.epoch);
  to.version = std::max<std::int64_t>(1, model_.version.value_or(0) + dice.roll(5) - 1);
  to.status = dice.pick(Words{"issuing", "issuing", "issuing", "issuing", "paused", "ended"});
  to.total = std::max<std::int64_t>(0, model_.total + (dice.one_in(3) ? dice.roll(21) - 8 : 0));
  to.limit = dice.one_in(3) ? 1 + dice.roll(6) : model_.limit;
  to.max_inflight = dice.one_in(4) ? 1 + dice.roll(30) : model_.max_inflight;
  to.window = dice.pick(std::vector{Window::kOpen, Window::kOpen, Window::kOpen, Window::kOpen, Window::kOpen,
                                    Window::kOpen, Window::kBefore, Window::kAfter});
  return to;
}

std::vector<std::string> RandomCoupon::settings_args(const ModelSettings& to) const {
  const auto begin = to.window == Window::kBefore ? now_ms_ + kLongMs : now_ms_ - kLongMs;
  const auto end = to.window == Window::kAfter ? now_ms_ - kHourMs : now_ms_ + 2 * kLongMs;
  return {std::to_string(to.epoch),
          std::to_string(to.version),
          to.status,
          "n",
          std::to_string(to.total),
          std::to_string(to.limit),
          std::to_string(begin),
          std::to_string(end),
          std::to_string(to.max_inflight)};
}

EntryId RandomCoupon::some_entry(harness::Dice& dice) const {
  if (model_.entries.empty()) {
    return model_.last;
  }
  return std::next(model_.entries.begin(), dice.roll(std::ssize(model_.entries)))->first;
}

std::int64_t RandomCoupon::about_epoch(harness::Dice& dice) const {
  return std::max<std::int64_t>(1, model_.epoch.value_or(1) + (dice.one_in(4) ? dice.roll(3) - 1 : 0));
}

std::int64_t RandomCoupon::sold() const {
  std::int64_t claims = 0;
  for (const auto& [user, count] : model_.settled) {
    claims += count;
  }
  return claims;
}

}  // namespace flashclaim
