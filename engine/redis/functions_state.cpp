// Calls of apply_state, coupon_view, the marks, retire and purge.
#include <algorithm>

#include "engine/base/try.h"
#include "engine/redis/functions.h"
#include "engine/redis/settings.h"
#include "engine/redis/words.h"

namespace flashclaim::redis {

namespace {

constexpr Words<ApplyReply, 8> kApplyReplies{{
    {ApplyReply::kApplied, "APPLIED"},
    {ApplyReply::kReopened, "REOPENED"},
    {ApplyReply::kOld, "OLD"},
    {ApplyReply::kNotReady, "NOT_READY"},
    {ApplyReply::kNotLoaded, "NOT_LOADED"},
    {ApplyReply::kLoading, "LOADING"},
    {ApplyReply::kShort, "SHORT"},
    {ApplyReply::kEpoch, "EPOCH"},
}};

constexpr Words<PurgeReply, 3> kPurgeReplies{{
    {PurgeReply::kPurged, "PURGED"},
    {PurgeReply::kNotEnded, "NOT_ENDED"},
    {PurgeReply::kNotEmpty, "NOT_EMPTY"},
}};

constexpr Words<bool, 2> kMarked{{{true, "MARKED"}, {false, "ABSENT"}}};
constexpr Words<bool, 1> kUnmarked{{{true, "UNMARKED"}}};
constexpr Words<bool, 2> kSuspected{{{true, "MARKED"}, {false, "NO_COUPON"}}};
constexpr Words<bool, 2> kRetired{{{true, "RETIRED"}, {false, "KEPT"}}};
constexpr Words<bool, 1> kMarkedReady{{{true, "READY"}}};

Result<void> without_value(Result<bool> result) {
  if (!result) return result.error();
  return {};
}

}  // namespace

std::string_view word(ApplyReply reply) { return word_of(reply, kApplyReplies); }
std::string_view word(PurgeReply reply) { return word_of(reply, kPurgeReplies); }

std::vector<std::string> settings_arguments(const CouponSettings& settings) {
  return {std::to_string(settings.epoch),
          std::to_string(settings.version),
          settings.status,
          settings.name,
          std::to_string(settings.total),
          std::to_string(settings.user_limit),
          std::to_string(settings.begin_ms),
          std::to_string(settings.end_ms),
          std::to_string(settings.max_inflight)};
}

Result<ApplyReply> apply_state(Client& client, const CouponSettings& settings, bool create) {
  const CouponKeys keys(settings.coupon_id);
  auto arguments = settings_arguments(settings);
  arguments.emplace_back(create ? "1" : "0");
  return word_reply(
      client.command(fcall("apply_state",
                           {keys.coupon, keys.stock, keys.claims, std::string(kReady), std::string(kIssuing)},
                           std::move(arguments))),
      "apply_state", kApplyReplies);
}

std::vector<std::string> coupon_view_command(const CouponKeys& keys, std::int64_t user_id) {
  std::vector<std::string> arguments;
  if (user_id != 0) arguments.push_back(std::to_string(user_id));
  return fcall_ro("coupon_view", {keys.coupon, keys.stock, std::string(kReady)}, std::move(arguments));
}

Result<ViewState> parse_coupon_view(ReplyView reply, CouponView& view) {
  if (reply.is_error()) return error_of(reply);
  if (reply.text() == "NO_COUPON") return ViewState::kNoCoupon;
  if (reply.text() == "NOT_READY") return ViewState::kNotReady;
  if (reply.size() != 10) return failure("coupon_view: unexpected reply");
  view.status = reply[0].text();
  view.name = reply[1].text();
  std::int64_t* const numbers[] = {&view.begin_ms, &view.end_ms,     &view.now_ms, &view.total,
                                   &view.left,     &view.user_limit, &view.mine,   &view.version};
  for (std::size_t i = 0; i < std::size(numbers); ++i) {
    const auto number = parse_number(reply[i + 2].text());
    if (!number) return failure("coupon_view: unexpected reply");
    *numbers[i] = *number;
  }
  return ViewState::kFound;
}

Result<ViewState> coupon_view(Client& client, std::int64_t coupon_id, std::int64_t user_id, CouponView& view) {
  auto reply = TRY(client.command(coupon_view_command(CouponKeys(coupon_id), user_id)));
  return parse_coupon_view(reply.view(), view);
}

Result<void> mark_ready(Client& client) {
  return without_value(
      word_reply(client.command(fcall("mark_ready", {std::string(kReady)})), "mark_ready", kMarkedReady));
}

Result<bool> mark_dead(Client& client, std::int64_t coupon_id, EntryId entry) {
  const CouponKeys keys(coupon_id);
  return word_reply(client.command(fcall("mark_dead", {keys.claims, keys.dead}, {entry.text()})), "mark_dead", kMarked);
}

Result<void> unmark_dead(Client& client, std::int64_t coupon_id, EntryId entry) {
  const CouponKeys keys(coupon_id);
  return without_value(word_reply(client.command(fcall("unmark_dead", {keys.claims, keys.dead}, {entry.text()})),
                                  "unmark_dead", kUnmarked));
}

Result<bool> mark_suspect(Client& client, std::int64_t coupon_id) {
  return word_reply(client.command(fcall("mark_suspect", {CouponKeys(coupon_id).coupon})), "mark_suspect", kSuspected);
}

Result<bool> retire_coupon(Client& client, std::int64_t coupon_id) {
  const CouponKeys keys(coupon_id);
  return word_reply(client.command(fcall("retire_coupon", {keys.coupon, keys.claims, std::string(kIssuing)},
                                         {std::to_string(coupon_id)})),
                    "retire_coupon", kRetired);
}

Result<PurgeReply> purge_coupon(Client& client, std::int64_t coupon_id) {
  const CouponKeys keys(coupon_id);
  return word_reply(
      client.command(fcall("purge_coupon", {keys.coupon, keys.stock, keys.claims, keys.dead, std::string(kIssuing)},
                           {std::to_string(coupon_id)})),
      "purge_coupon", kPurgeReplies);
}

std::vector<std::int64_t> parse_issuing(ReplyView reply) {
  std::vector<std::int64_t> coupons;
  coupons.reserve(reply.size());
  for (std::size_t i = 0; i < reply.size(); ++i)
    if (const auto id = parse_id(reply[i].text())) coupons.push_back(*id);
  std::sort(coupons.begin(), coupons.end());
  return coupons;
}

Result<std::vector<std::int64_t>> issuing_coupons(Client& client) {
  const auto reply = TRY(ok(client.command({"SMEMBERS", kIssuing})));
  return parse_issuing(reply.view());
}

}  // namespace flashclaim::redis
