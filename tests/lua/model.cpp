// The rules once more, in the plainest form.
#include "tests/lua/model.h"

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

std::string CouponModel::verdict(std::int64_t user, std::size_t accepted) const {
  if (status == "loading" || !stock) {
    return "NOT_READY";
  }
  if (status == "paused") {
    return "PAUSED";
  }
  if (status == "ended") {
    return "ENDED";
  }
  const auto held = counts.find(user);
  if (held != counts.end() && held->second >= limit) {
    return "LIMIT_REACHED";
  }
  if (*stock <= 0) {
    return "SOLD_OUT";
  }
  return inflight + static_cast<std::int64_t>(accepted) >= max_inflight ? "BUSY" : "ACCEPTED";
}

std::vector<std::string> CouponModel::claim(const std::vector<std::int64_t>& users,
                                            const std::vector<std::string>& keys, EntryId entry) {
  std::vector<std::string> words;
  ModelEntry winners;
  for (std::size_t i = 0; i < users.size(); ++i) {
    const std::string name = std::to_string(users[i]) + ":" + keys[i];
    if (!keys[i].empty() && replays.contains(name)) {
      words.push_back("REPLAYED=" + replays.at(name));
      continue;
    }
    words.push_back(verdict(users[i], winners.users.size()));
    if (words.back() == "ACCEPTED") {
      if (!keys[i].empty()) {
        replays[name] = std::to_string(epoch) + "-" + entry.text() + "-" + std::to_string(winners.users.size());
      }
      winners.users.push_back(users[i]);
      counts[users[i]] += 1;
      *stock -= 1;
    }
  }
  if (!winners.users.empty()) {
    inflight += static_cast<std::int64_t>(winners.users.size());
    entries[entry] = winners;
    last = entry;
  }
  return words;
}

std::string CouponModel::finish(std::int64_t of_epoch, EntryId entry, std::size_t n, bool fresh,
                                const std::map<int, std::string>& refused) {
  if (!refused.empty() && refused.rbegin()->first >= static_cast<int>(n)) {
    return "MISMATCH";
  }
  const auto found = entries.find(entry);
  if (found == entries.end()) {
    if (of_epoch < epoch) {
      return "ABSENT";
    }
    const bool beyond = entry > last || of_epoch > epoch;
    suspect += beyond || fresh ? 1 : 0;
    return beyond ? "BEYOND" : "ABSENT";
  }
  const auto users = found->second.users;
  if (of_epoch != epoch || n != users.size()) {
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
    if (stock) {
      *stock += 1;
    }
    if (const auto held = counts.find(users[i]); held != counts.end() && --held->second <= 0) {
      counts.erase(held);
    }
  }
  entries.erase(found);
  dead.erase(entry);
  inflight -= static_cast<std::int64_t>(n);
  suspect += suspicious ? 1 : 0;
  results[entry] = std::to_string(epoch) + " " + joined(users) + " " + outcomes;
  return "FINISHED";
}

std::string CouponModel::apply(std::int64_t of_epoch, std::int64_t to_version, const std::string& to_status,
                               std::int64_t to_total, std::int64_t to_limit, std::int64_t to_max) {
  if (status == "loading") {
    return "LOADING";
  }
  if (to_version <= version) {
    return "OLD";
  }
  if (of_epoch != epoch) {
    return "EPOCH";
  }
  const auto delta = to_total - total;
  if (delta < 0 && *stock + delta < 0) {
    return "SHORT";
  }
  *stock += delta;
  version = to_version;
  status = to_status;
  total = to_total;
  limit = to_limit;
  max_inflight = to_max;
  issuing = issuing || status != "ended";
  return "APPLIED";
}

std::string CouponModel::fix(std::int64_t of_epoch, std::int64_t seq, std::int64_t seen, std::int64_t stock_delta,
                             std::int64_t inflight_delta) {
  if (status == "loading" || of_epoch != epoch || seq != fix_seq) {
    return "MOVED";
  }
  *stock += stock_delta;
  stock_drift += stock_delta;
  inflight += inflight_delta;
  fix_seq += 1;
  suspect = suspect == seen ? 0 : suspect;
  return "FIXED";
}

std::string CouponModel::fix_user(std::int64_t of_epoch, std::int64_t seq, std::int64_t user, std::int64_t delta) {
  if (status == "loading" || of_epoch != epoch || seq != fix_seq) {
    return "MOVED";
  }
  const auto held = counts.contains(user) ? counts[user] + delta : delta;
  if (held < 0) {
    if (counts[user] == 0) {
      counts.erase(user);
    }
    return "!ARGUMENT delta";
  }
  counts[user] = held;
  if (held == 0) {
    counts.erase(user);
  }
  fix_seq += 1;
  return "FIXED";
}

std::string CouponModel::freeze() {
  status = "loading";
  return "FROZEN " + std::to_string(entries.size());
}

std::string CouponModel::begin(std::int64_t to_epoch) {
  if (status != "loading") {
    return "NOT_LOADING";
  }
  if (!entries.empty()) {
    return "NOT_DRAINED";
  }
  if (to_epoch <= epoch) {
    return "EPOCH";
  }
  epoch = to_epoch;
  inflight = 0;
  fix_seq += 1;
  suspect = 0;
  stock.reset();
  dead.clear();
  return "BEGUN";
}

std::string CouponModel::load_stock(std::int64_t of_epoch, std::int64_t units) {
  if (status != "loading" || of_epoch != epoch) {
    return "REFUSED";
  }
  stock = units;
  stock_drift = 0;
  return "LOADED";
}

std::string CouponModel::load_user(std::int64_t of_epoch, std::int64_t user, std::int64_t count) {
  if (status != "loading" || of_epoch != epoch) {
    return "REFUSED";
  }
  counts[user] = count;
  return "LOADED";
}

std::string CouponModel::open(std::int64_t of_epoch, std::int64_t to_version, const std::string& to_status,
                              std::int64_t to_total, std::int64_t to_limit, std::int64_t to_max) {
  if (status != "loading" || of_epoch != epoch) {
    return "REFUSED";
  }
  if (!stock) {
    return "NOT_READY";
  }
  version = to_version;
  status = to_status;
  total = to_total;
  limit = to_limit;
  max_inflight = to_max;
  issuing = issuing || status != "ended";
  return "OPEN";
}

std::string CouponModel::mark_dead(EntryId entry) {
  if (!entries.contains(entry)) {
    return "ABSENT";
  }
  dead.insert(entry);
  return "MARKED";
}

std::string CouponModel::retire() {
  if (status != "ended" || !entries.empty()) {
    return "KEPT";
  }
  issuing = false;
  return "RETIRED";
}

std::string CouponModel::violated() const {
  if (!stock || status == "loading") {
    return "";
  }
  std::map<std::int64_t, std::int64_t> held = settled;
  std::int64_t in_flight = 0;
  std::int64_t sold = 0;
  for (const auto& [user, claims] : settled) {
    sold += claims;
  }
  for (const auto& [entry, content] : entries) {
    for (const auto user : content.users) {
      held[user] += 1;
      in_flight += 1;
    }
  }
  if (*stock + in_flight + sold != total + stock_drift) {
    return "stock " + std::to_string(*stock) + " + in flight " + std::to_string(in_flight) + " + settled " +
           std::to_string(sold) + " != total " + std::to_string(total) + " + drift " + std::to_string(stock_drift);
  }
  return inflight == in_flight && held == counts ? "" : "inflight or the counts of users are off";
}

}  // namespace flashclaim
