// The key names, spelled once.
#include "engine/redis/keys.h"

namespace flashclaim::redis {

CouponKeys::CouponKeys(std::int64_t coupon_id) : tag_("{" + std::to_string(coupon_id) + "}") {
  coupon = "prs:coupon:" + tag_;
  stock = "coupon:stock:" + tag_;
  claims = "coupon:claims:" + tag_;
  dead = "coupon:dead:" + tag_;
}

std::string CouponKeys::user_prefix() const { return coupon + ":prs:usr:coupon:"; }

std::string CouponKeys::user(std::int64_t user_id) const { return user_prefix() + std::to_string(user_id); }

std::string CouponKeys::result(EntryId entry) const { return "coupon:result:" + tag_ + ":" + entry.text(); }

std::string CouponKeys::idempotency(std::int64_t user_id, std::string_view key) const {
  return "coupon:key:" + tag_ + ":" + std::to_string(user_id) + ":" + std::string(key);
}

std::string sweeper_key(std::int64_t coupon_id) { return "coupon:sweeper:{" + std::to_string(coupon_id) + "}"; }

}  // namespace flashclaim::redis
