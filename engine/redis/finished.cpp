// Reads and checks the messages on a coupon's channel, field by field.
#include "engine/redis/finished.h"

namespace flashclaim::redis {
namespace {

constexpr std::string_view kPrefix = "coupon:finished:{";

/// The item at `index` of a list joined by ','; empty when it is shorter.
std::string_view item_at(std::string_view list, int index) {
  for (; index > 0; --index) {
    const auto comma = list.find(',');
    if (comma == std::string_view::npos) return {};
    list.remove_prefix(comma + 1);
  }
  return list.substr(0, list.find(','));
}

std::string_view take_word(std::string_view& text) {
  const auto space = text.find(' ');
  const std::string_view word = text.substr(0, space);
  text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
  return word;
}

}  // namespace

std::string finished_channel(std::int64_t coupon_id) {
  return std::string(kPrefix).append(std::to_string(coupon_id)).append("}");
}

std::optional<std::int64_t> coupon_of_channel(std::string_view channel) {
  if (!channel.starts_with(kPrefix) || !channel.ends_with('}')) return std::nullopt;
  channel.remove_prefix(kPrefix.size());
  channel.remove_suffix(1);
  return parse_id(channel);
}

std::optional<Finished> parse_finished(std::string_view payload) {
  const auto entry = parse_entry_id(take_word(payload));
  const auto epoch = parse_id(take_word(payload));
  if (!entry || !epoch) return std::nullopt;
  Finished finished{*entry, *epoch, take_word(payload), payload};
  if (finished.users.empty() || finished.outcomes.empty()) return std::nullopt;
  return finished;
}

std::optional<ClaimView> outcome_of(const Finished& finished, int index) {
  const auto user = parse_id(item_at(finished.users, index));
  const std::string_view outcome = item_at(finished.outcomes, index);
  if (!user || outcome.empty()) return std::nullopt;
  if (outcome == "settled") return ClaimView{ClaimState::kSettled, *user, {}};
  return ClaimView{ClaimState::kRefused, *user, std::string(outcome)};
}

}  // namespace flashclaim::redis
