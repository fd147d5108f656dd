// The rules once more, in the plainest form.
#include "tests/lua/model.h"

#include "tests/lua/model_parts.h"

namespace flashclaim {

namespace {

const std::set<std::string> kSuspicious{"over_limit", "out_of_stock"};

std::string joined(const std::vector<std::int64_t>& users) {
  std::string text;
  for (const auto user : users) {
    text += (text.empty() ? "" : ",") + std::to_string(user);
  }
  return text;
}

}  // namespace

// ---- claim

std::string CouponModel::gate() const {
  if (status.empty()) {
    return ready ? "NO_COUPON" : "NOT_READY";
  }
  if (status == "loading" || !stock) {
    return "NOT_READY";
  }
  if (status == "paused") {
    return "PAUSED";
  }
  if (status == "ended" || window == Window::kAfter) {
    return "ENDED";
  }
  return window == Window::kBefore ? "NOT_STARTED" : "";
}

std::string CouponModel::shut() const {
  if (const auto closed = gate(); !closed.empty()) {
    return "|" + closed + " 100";
  }
  return *stock <= 0 ? "|SOLD_OUT 100" : "";
}

std::string CouponModel::verdict(std::int64_t user, std::size_t accepted) const {
  if (const auto closed = gate(); !closed.empty()) {
    return closed;
  }
  const auto held = counts.find(user);
  if (held != counts.end() && held->second >= limit) {
    return "LIMIT_REACHED";
  }
  if (*stock <= 0) {
    return "SOLD_OUT";
  }
  return *inflight + static_cast<std::int64_t>(accepted) >= max_inflight ? "BUSY" : "ACCEPTED";
}

std::vector<std::string> CouponModel::claim(const std::vector<std::int64_t>& users,
                                            const std::vector<std::string>& names, EntryId entry) {
  const CouponModel before = *this;
  std::vector<std::string> words;
  ModelEntry winners{epoch.value_or(0), {}};
  for (std::size_t i = 0; i < users.size(); ++i) {
    const std::string name = number(users[i]) + ":" + names[i];
    if (!names[i].empty() && replays.contains(name)) {
      words.push_back("REPLAYED=" + replays.at(name));
      continue;
    }
    words.push_back(verdict(users[i], winners.users.size()));
    if (words.back() == "ACCEPTED") {
      if (!names[i].empty()) {
        replays[name] = number(*epoch) + "-" + entry.text() + "-" + number(std::ssize(winners.users));
      }
      winners.users.push_back(users[i]);
      counts[users[i]] += 1;
      *stock -= 1;
    }
  }
  if (winners.users.empty()) {
    return words;
  }
  if (!stream) {  // the record cannot be written: nobody is accepted, and nobody is told "sold out"
    *this = before;
    for (std::size_t i = 0; i < users.size(); ++i) {
      const auto stored = replays.find(number(users[i]) + ":" + names[i]);
      words[i] = names[i].empty() || stored == replays.end() ? "NOT_READY" : "REPLAYED=" + stored->second;
    }
    return words;
  }
  *inflight += std::ssize(winners.users);
  entries[entry] = winners;
  added += 1;
  last = entry;
  return words;
}

// ---- finish

std::string CouponModel::finish(std::int64_t of_epoch, EntryId entry, std::size_t n, bool fresh,
                                const Refusals& refused) {
  if (status.empty()) {
    return "NO_COUPON";
  }
  if (!refused.empty() && refused.rbegin()->first >= static_cast<int>(n)) {
    return "MISMATCH";
  }
  const auto found = entries.find(entry);
  if (found == entries.end()) {
    return finish_absent(of_epoch, entry, fresh);
  }
  const auto users = found->second.users;
  if (of_epoch != found->second.epoch || n != users.size() || (epoch && of_epoch != *epoch)) {
    return "MISMATCH";
  }
  std::string outcomes;
  bool suspicious = false;
  for (std::size_t i = 0; i < users.size(); ++i) {
    const auto refusal = refused.find(static_cast<int>(i));
    outcomes += (i == 0 ? "" : ",") + (refusal == refused.end() ? "settled" : refusal->second);
    if (refusal == refused.end()) {
      settled[users[i]] += 1;
      continue;
    }
    suspicious = suspicious || kSuspicious.contains(refusal->second);
    give_back(users[i]);
  }
  if (!refused.empty()) {
    returns = returns.value_or(0) + 1;
    returned.emplace_back(entry, std::ssize(refused));
  }
  for (auto held = counts.begin(); held != counts.end();) {
    held = held->second <= 0 ? counts.erase(held) : std::next(held);
  }
  entries.erase(found);
  dead.erase(entry);
  if (inflight) {
    *inflight -= static_cast<std::int64_t>(n);
  }
  if (suspicious) {
    suspect = suspect.value_or(0) + 1;
  }
  results[entry] = number(of_epoch) + " " + joined(users) + " " + outcomes;
  return "FINISHED";
}

std::string CouponModel::finish_absent(std::int64_t of_epoch, EntryId entry, bool fresh) {
  if (epoch && of_epoch < *epoch) {
    return "ABSENT";
  }
  const bool beyond = entry > last || (epoch && of_epoch > *epoch);
  if (beyond || fresh) {
    suspect = suspect.value_or(0) + 1;
  }
  return beyond ? "BEYOND" : "ABSENT";
}

// A count that was damaged downwards stops at 0: what is missing then is no drift any more.
void CouponModel::give_back(std::int64_t user) {
  if (stock) {
    *stock += 1;
  }
  auto held = counts.find(user);
  if (held != counts.end() && held->second > 0) {
    held->second -= 1;
  } else {
    accepted_count_drift_[user] += 1;
  }
}

// ---- state

void CouponModel::take_over(const ModelSettings& to) {
  epoch = to.epoch;
  version = to.version;
  status = to.status;
  total = to.total;
  limit = to.limit;
  max_inflight = to.max_inflight;
  window = to.window;
  issuing = issuing || status != "ended";
}

std::string CouponModel::apply(const ModelSettings& to, bool create) {
  if (status.empty()) {
    if (!ready) {
      return "NOT_READY";
    }
    if (!create || stock || !entries.empty() || last != EntryId{}) {
      return "NOT_LOADED";
    }
    take_over(to);
    inflight = fix_seq = 0;
    stock = total;
    stream = true;
    settled.clear();
    accept_drift();
    return "APPLIED";
  }
  if (status == "loading") {
    return "LOADING";
  }
  if (to.version == *version && to.epoch == *epoch && status == "ended" && to.status != "ended" &&
      to.window != Window::kAfter) {  // retired by a clock that was ahead
    if (!stock) {
      return "NOT_LOADED";
    }
    status = to.status;
    issuing = true;
    return "REOPENED";
  }
  if (to.version <= *version) {
    return "OLD";
  }
  if (to.epoch != *epoch) {
    return "EPOCH";
  }
  if (!stock) {
    return "NOT_LOADED";
  }
  const auto delta = to.total - total;
  if (delta < 0 && *stock + delta < 0) {
    return "SHORT";
  }
  *stock += delta;
  take_over(to);
  return "APPLIED";
}

std::string CouponModel::retire() {
  if (status.empty() || status == "loading" || suspect.value_or(0) > 0 || !entries.empty() ||
      (status != "ended" && window != Window::kAfter)) {
    return "KEPT";
  }
  issuing = false;
  status = "ended";
  return "RETIRED";
}

std::string CouponModel::purge() {
  if (!status.empty() && status != "ended" && status != "loading") {
    return "NOT_ENDED";
  }
  if (!entries.empty()) {
    return "NOT_EMPTY";
  }
  status.clear();
  epoch = version = inflight = fix_seq = suspect = returns = std::nullopt;
  stock.reset();
  dead.clear();
  last = {};
  added = 0;
  returned.clear();
  issuing = stream = false;
  return "PURGED";
}

}  // namespace flashclaim
