// What the model shows, and the law that holds at every step.
#include <algorithm>
#include <sstream>

#include "tests/lua/model.h"
#include "tests/lua/model_parts.h"

namespace flashclaim {

namespace {

std::vector<std::string> split(const std::string& text, char mark) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, mark);) {
    parts.push_back(part);
  }
  return parts;
}

}  // namespace

std::string CouponModel::claim_view(std::int64_t of_epoch, EntryId entry, std::size_t index) const {
  if (const auto found = entries.find(entry); found != entries.end()) {
    const auto& [entry_epoch, users] = found->second;
    return entry_epoch == of_epoch && index < users.size() ? "PENDING " + number(users[index]) : "NONE";
  }
  if (const auto found = results.find(entry); found != results.end()) {
    const auto parts = split(found->second, ' ');
    const auto users = split(parts[1], ',');
    if (parts[0] != number(of_epoch) || index >= users.size()) {
      return "NONE";
    }
    const auto outcome = split(parts[2], ',')[index];
    return outcome == "settled" ? "SETTLED " + users[index] : "REFUSED " + users[index] + " " + outcome;
  }
  return status == "loading" || !ready ? "NOT_READY" : "NONE";
}

std::string CouponModel::coupon_view(std::int64_t user) const {
  if (status.empty()) {
    return ready ? "NO_COUPON" : "NOT_READY";
  }
  if (!counts_make_sense()) {
    return "NOT_READY";
  }
  const auto held = counts.find(user);
  return (status == "issuing" && window == Window::kAfter ? "ended" : status) + " " + number(total) + " " +
         number(std::max<std::int64_t>(0, *stock)) + " " + number(limit) + " " +
         number(held == counts.end() ? 0 : held->second) + " " + number(*version);
}

std::string CouponModel::head() const {
  return number(*epoch) + " " + number(*version) + " " + number(fix_seq.value_or(0)) + " " +
         number(suspect.value_or(0)) + " " + number(*stock) + " " + number(total) + " " + number(*inflight) + " " +
         last.text() + " " + number(std::ssize(entries)) + " " + number(added) + " " + number(returns.value_or(0)) +
         " " + status;
}

std::string CouponModel::counters(std::optional<std::int64_t> since) const {
  if (!counts_make_sense()) {
    return status.empty() ? "NO_COUPON" : "NOT_READY";
  }
  const auto count = returns.value_or(0);
  const auto new_ones = since ? count - *since : 0;
  if (new_ones < 0 || new_ones > std::ssize(returned)) {
    return "FORGOTTEN";
  }
  std::string list;
  for (auto one = returned.end() - new_ones; one != returned.end(); ++one) {
    list += (list.empty() ? "" : " ") + one->first.text() + " " + number(one->second);
  }
  return head() + "|" + list;
}

std::string CouponModel::snapshot() const {
  if (!counts_make_sense()) {
    return status.empty() ? "NO_COUPON" : "NOT_READY";
  }
  std::string list;
  for (const auto& [entry, content] : entries) {
    list += (list.empty() ? "" : " ") + entry.text() + " " + number(std::ssize(content.users));
  }
  return head() + "|" + list;
}

std::string CouponModel::user_counts(const std::vector<std::int64_t>& users, EntryId known,
                                     const std::vector<EntryId>& asked) const {
  if (status.empty() || status == "loading") {
    return status.empty() ? "NO_COUPON" : "NOT_READY";
  }
  std::string held, present, list;
  for (const auto user : users) {
    held += (held.empty() ? "" : " ") + number(counts.contains(user) ? counts.at(user) : 0);
  }
  for (const auto entry : asked) {
    present += (present.empty() ? "" : " ") + number(entries.contains(entry) ? 1 : 0);
  }
  const std::set<std::int64_t> wanted(users.begin(), users.end());
  for (const auto& [entry, content] : entries) {
    for (const auto user : content.users) {
      if (wanted.contains(user) && entry > known) {
        list += (list.empty() ? "" : " ") + entry.text() + " " + number(user);
      }
    }
  }
  return number(*epoch) + " " + number(fix_seq.value_or(0)) + " " + last.text() + "|" + held + "|" + present + "|" +
         list;
}

std::vector<std::pair<EntryId, std::int64_t>> CouponModel::returned_since(std::int64_t since) const {
  return {returned.end() - (returns.value_or(0) - since), returned.end()};
}

std::int64_t CouponModel::rows() const {
  std::int64_t sold = 0;
  for (const auto& [user, count] : settled) {
    sold += count;
  }
  return sold;
}

std::int64_t CouponModel::settled_in(const std::string& result) {
  const auto outcomes = split(split(result, ' ')[2], ',');
  return std::count(outcomes.begin(), outcomes.end(), "settled");
}

// ---- what is off

std::int64_t CouponModel::stock_drift() const {
  std::int64_t claims = *stock;
  for (const auto& [user, sold] : settled) {
    claims += sold;
  }
  for (const auto& [entry, content] : entries) {
    claims += std::ssize(content.users);
  }
  return claims - total;
}

std::int64_t CouponModel::inflight_drift() const {
  std::int64_t claims = 0;
  for (const auto& [entry, content] : entries) {
    claims += std::ssize(content.users);
  }
  return *inflight - claims;
}

std::int64_t CouponModel::count_drift(std::int64_t user) const {
  std::int64_t drift = counts.contains(user) ? counts.at(user) : 0;
  drift -= settled.contains(user) ? settled.at(user) : 0;
  for (const auto& [entry, content] : entries) {
    drift -= std::count(content.users.begin(), content.users.end(), user);
  }
  return drift;
}

void CouponModel::accept_drift() {
  accepted_count_drift_.clear();
  if (!counts_make_sense()) {
    return;
  }
  accepted_stock_drift_ = stock_drift();
  accepted_inflight_drift_ = inflight_drift();
  for (const auto* of : {&counts, &settled}) {
    for (const auto& [user, count] : *of) {
      accepted_count_drift_[user] = count_drift(user);
    }
  }
  for (const auto& [entry, content] : entries) {
    for (const auto user : content.users) {
      accepted_count_drift_[user] = count_drift(user);
    }
  }
}

std::string CouponModel::violated() const {
  if (!counts_make_sense()) {
    return "";
  }
  if (stock_drift() != accepted_stock_drift_) {
    return "stock is off by " + number(stock_drift()) + ", put there by the test: " + number(accepted_stock_drift_);
  }
  if (inflight_drift() != accepted_inflight_drift_) {
    return "inflight is off by " + number(inflight_drift());
  }
  std::set<std::int64_t> users;
  for (const auto* of : {&counts, &settled, &accepted_count_drift_}) {
    for (const auto& [user, count] : *of) {
      users.insert(user);
    }
  }
  for (const auto user : users) {
    const auto accepted = accepted_count_drift_.find(user);
    if (count_drift(user) != (accepted == accepted_count_drift_.end() ? 0 : accepted->second)) {
      return "the count of user " + number(user) + " is off by " + number(count_drift(user));
    }
  }
  return "";
}

}  // namespace flashclaim
