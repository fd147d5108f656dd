// Calls of claim, finish and claim_view.
#include <algorithm>

#include "engine/base/try.h"
#include "engine/redis/functions.h"
#include "engine/redis/words.h"

namespace flashclaim::redis {

namespace {

constexpr std::string_view kAccepted = "ACCEPTED";
constexpr std::string_view kReplayed = "REPLAYED";

constexpr Words<FinishReply, 5> kFinishReplies{{
    {FinishReply::kFinished, "FINISHED"},
    {FinishReply::kAbsent, "ABSENT"},
    {FinishReply::kBeyond, "BEYOND"},
    {FinishReply::kMismatch, "MISMATCH"},
    {FinishReply::kNoCoupon, "NO_COUPON"},
}};

constexpr Words<EntryState, 4> kEntryStates{{
    {EntryState::kWaiting, "WAITING"},
    {EntryState::kFinished, "FINISHED"},
    {EntryState::kOther, "OTHER"},
    {EntryState::kUnknown, "UNKNOWN"},
}};

constexpr Words<ClaimState, 5> kClaimStates{{
    {ClaimState::kPending, "PENDING"},
    {ClaimState::kSettled, "SETTLED"},
    {ClaimState::kRefused, "REFUSED"},
    {ClaimState::kNone, "NONE"},
    {ClaimState::kNotReady, "NOT_READY"},
}};

/// The claim that a REPLAYED names: `<couponId>-` is what the library leaves out.
std::optional<ClaimId> parse_claim_of(std::int64_t coupon_id, std::string_view text) {
  return parse_claim_id(std::to_string(coupon_id) + "-" + std::string(text));
}

bool parse_verdict_word(std::string_view text, std::int64_t coupon_id, const std::optional<ClaimId>& batch,
                        int& accepted, ClaimVerdict& out) {
  const auto equals = text.find('=');
  const auto verdict = parse_verdict(text.substr(0, equals));
  if (!verdict) return false;
  static_cast<VerdictWord&>(out) = *verdict;
  if ((out.verdict == Verdict::kReplayed) != (equals != std::string_view::npos)) return false;
  if (out.verdict == Verdict::kReplayed) {
    const auto claim = parse_claim_of(coupon_id, text.substr(equals + 1));
    if (!claim) return false;
    out.claim = *claim;
  } else if (out.verdict == Verdict::kAccepted) {
    if (!batch) return false;
    out.claim = *batch;
    out.claim.index = accepted++;
  }
  return true;
}

std::vector<std::string> finish_command(const FinishCall& call) {
  const CouponKeys keys(call.coupon_id);
  std::vector<std::string> arguments{std::to_string(call.epoch), call.entry.text(), std::to_string(call.claims),
                                     call.fresh ? "1" : "0"};
  for (const auto& [index, reason] : call.refused) arguments.push_back(std::to_string(index) + "=" + reason);
  return fcall("finish", {keys.coupon, keys.stock, keys.claims, keys.dead, keys.result(call.entry)},
               std::move(arguments));
}

}  // namespace

std::optional<VerdictWord> parse_verdict(std::string_view word) {
  if (word == kAccepted) return VerdictWord{Verdict::kAccepted};
  if (word == kReplayed) return VerdictWord{Verdict::kReplayed};
  if (const auto refusal = refusal_of(word)) return VerdictWord{Verdict::kRefused, *refusal};
  return std::nullopt;
}

std::string_view word(const VerdictWord& verdict) {
  if (verdict.verdict == Verdict::kRefused) return row_of(verdict.refusal).verdict;
  return verdict.verdict == Verdict::kAccepted ? kAccepted : kReplayed;
}

std::string_view word(FinishReply reply) { return word_of(reply, kFinishReplies); }

bool idempotency_key_fits(std::string_view key) {
  return !key.empty() && key.size() <= 64 && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-';
  });
}

std::vector<std::string> claim_command(const CouponKeys& keys, std::span<const ClaimRequest> claims) {
  std::vector<std::string> argv{"FCALL", "claim", "4", keys.coupon, keys.stock, keys.claims, std::string(kReady)};
  argv.reserve(argv.size() + claims.size());
  for (const auto& claim : claims) {
    std::string& argument = argv.emplace_back(std::to_string(claim.user_id));
    if (!claim.idempotency_key.empty()) argument.append(":").append(claim.idempotency_key);
  }
  return argv;
}

Result<void> parse_claim_reply(ReplyView reply, std::int64_t coupon_id, std::size_t asked,
                               std::vector<ClaimVerdict>& verdicts) {
  verdicts.clear();
  if (reply.is_error()) return error_of(reply);
  std::optional<ClaimId> batch;
  if (const auto prefix = reply[0].text(); !prefix.empty()) {
    batch = parse_claim_of(coupon_id, std::string(prefix) + "-0");
    if (!batch) return failure("claim: unexpected reply");
  }
  int accepted = 0;
  std::string_view words = reply[1].text();
  while (!words.empty()) {
    if (!parse_verdict_word(next_word(words), coupon_id, batch, accepted, verdicts.emplace_back())) {
      return failure("claim: unexpected reply");
    }
  }
  if (verdicts.size() != asked) return failure("claim: unexpected reply");
  return {};
}

Result<std::vector<ClaimVerdict>> claim(Client& client, std::int64_t coupon_id, std::span<const ClaimRequest> claims) {
  auto reply = TRY(client.command(claim_command(CouponKeys(coupon_id), claims)));
  std::vector<ClaimVerdict> verdicts;
  if (auto parsed = parse_claim_reply(reply.view(), coupon_id, claims.size(), verdicts); !parsed) {
    return parsed.error();
  }
  return verdicts;
}

Result<FinishReply> finish(Client& client, const FinishCall& call) {
  return word_reply(client.command(finish_command(call)), "finish", kFinishReplies);
}

void append_finish(Client& client, const FinishCall& call) { client.append(finish_command(call)); }

Result<FinishReply> read_finish(Client& client) { return word_reply(client.read(), "finish", kFinishReplies); }

void append_entry_view(Client& client, const EntryQuestion& question) {
  const CouponKeys keys(question.coupon_id);
  client.append(fcall_ro("entry_view", {keys.claims, keys.result(question.entry)},
                         {std::to_string(question.epoch), question.entry.text(), std::string(question.checksum)}));
}

Result<EntryState> read_entry_view(Client& client) { return word_reply(client.read(), "entry_view", kEntryStates); }

std::vector<std::string> claim_view_command(const ClaimId& claim) {
  const CouponKeys keys(claim.coupon_id);
  return fcall_ro("claim_view", {keys.coupon, keys.claims, keys.result(claim.entry), std::string(kReady)},
                  {std::to_string(claim.epoch), claim.entry.text(), std::to_string(claim.index)});
}

Result<ClaimView> parse_claim_view(ReplyView reply) {
  if (reply.is_error()) return error_of(reply);
  std::string_view text = reply.text();
  const auto state = parse_word(next_word(text), kClaimStates);
  if (!state) return failure("claim_view: unexpected reply");
  ClaimView view{*state, 0, {}};
  if (*state == ClaimState::kNone || *state == ClaimState::kNotReady) return view;
  const auto user = parse_id(next_word(text));
  if (!user) return failure("claim_view: unexpected reply");
  view.user_id = *user;
  view.reason = text;
  return view;
}

Result<ClaimView> claim_view(Client& client, const ClaimId& claim) {
  auto reply = TRY(client.command(claim_view_command(claim)));
  return parse_claim_view(reply.view());
}

}  // namespace flashclaim::redis
