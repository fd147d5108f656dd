// Items in the order of their sequences: a confirm decides one, or all up to it.
#include "engine/mirror/window.h"

#include <cassert>
#include <string>

namespace flashclaim::mirror {

void Window::add(std::uint64_t sequence, std::int64_t coupon_id, EntryId entry, Purpose purpose) {
  if (items_.empty()) first_ = sequence;
  assert(sequence == first_ + items_.size());
  items_.push_back({{coupon_id, entry, purpose, false}, Clock::now(), false, false});
  ++open_;
}

bool Window::mark_returned(std::string_view message_id) {
  // A message id is a claim id without its index.
  auto id = parse_claim_id(std::string(message_id) + "-0");
  if (!id) return false;
  for (Item& item : items_) {
    if (item.answered || item.returned || item.published.coupon_id != id->coupon_id ||
        item.published.entry != id->entry)
      continue;
    item.returned = true;
    return true;
  }
  return false;
}

void Window::decide(Item& item, bool taken, std::vector<Published>& outcomes) {
  if (item.answered) return;
  item.answered = true;
  item.published.taken = taken && !item.returned;
  outcomes.push_back(item.published);
  --open_;
}

void Window::answer(const amqp::Confirmed& confirmed, std::vector<Published>& outcomes) {
  if (items_.empty() || confirmed.sequence < first_) return;
  std::uint64_t last = confirmed.sequence - first_;
  if (last >= items_.size()) return;
  for (std::uint64_t i = confirmed.multiple ? 0 : last; i <= last; ++i) decide(items_[i], confirmed.ack, outcomes);
  while (!items_.empty() && items_.front().answered) {
    items_.pop_front();
    ++first_;
  }
}

void Window::clear(std::vector<Published>& outcomes) {
  for (Item& item : items_) decide(item, false, outcomes);
  items_.clear();
  first_ = 1;
}

}  // namespace flashclaim::mirror
