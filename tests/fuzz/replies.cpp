// What Redis could answer, whole and damaged, through every parser of replies. The input is read as a reply in a short
// notation, so that it is always well-formed RESP: lines are elements, the first byte of each says of which kind.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "engine/mirror/entries.h"
#include "engine/redis/functions.h"

using namespace flashclaim;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

/// `[` and `]` open and close an array, `_` is nil, `:5` an integer, `!word` an error; anything else a string.
std::string element(std::string_view text, std::size_t& at, int depth) {
  const auto end = std::min(text.find('\n', at), text.size());
  const auto line = text.substr(at, end - at);
  at = std::min(end + 1, text.size());
  if (line == "[" && depth < 5) {
    std::string inside;
    int n = 0;
    for (; at < text.size() && n < 600; ++n) {
      if (text.substr(at, 2) == "]\n" || text.substr(at) == "]") {
        at = std::min(at + 2, text.size());
        break;
      }
      inside += element(text, at, depth + 1);
    }
    return "*" + std::to_string(n) + "\r\n" + inside;
  }
  if (line == "_") return "$-1\r\n";
  if (line.starts_with(':')) return ":" + std::to_string(std::atoll(std::string(line.substr(1)).c_str())) + "\r\n";
  if (line.starts_with('!') && line.find('\r') == std::string_view::npos)
    return "-" + std::string(line.substr(1)) + "\r\n";
  return bulk(line);
}

void claim_reply(redis::ReplyView reply, std::size_t asked) {
  std::vector<redis::ClaimVerdict> verdicts;
  if (!redis::parse_claim_reply(reply, 42, asked, verdicts)) return;
  require(verdicts.size() == asked);
  for (const auto& verdict : verdicts)
    if (verdict.verdict != redis::Verdict::kRefused)
      require(verdict.claim.coupon_id == 42 && verdict.claim.epoch > 0 && verdict.claim.index >= 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::size_t at = 0;
  const auto reply = redis::reply_of_bytes(element(text, at, 0));
  const auto view = reply.view();
  claim_reply(view, 1 + data[0] % 8);
  redis::CouponView coupon;
  if (auto state = redis::parse_coupon_view(view, coupon); state && *state == redis::ViewState::kFound)
    require(coupon.left >= 0);
  if (const auto claim = redis::parse_claim_view(view);
      claim && (claim->state == redis::ClaimState::kPending || claim->state == redis::ClaimState::kSettled))
    require(claim->user_id > 0);
  (void)redis::parse_snapshot(view);
  if (const auto counts = redis::parse_user_counts(view, 1 + data[0] % 8, 0);
      counts && counts->has_value() && !(*counts)->behind)
    require((*counts)->counts.size() == 1U + data[0] % 8);
  std::vector<mirror::Seen> seen;
  mirror::append_entries(view, 42, seen);
  for (const auto& one : seen) require(!one.message || one.message->coupon_id == 42);
  mirror::Depth depth;
  mirror::read_group_info(view, depth);
  return 0;
}
