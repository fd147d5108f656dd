// The reading requests: GET /coupons/{id} and GET /claims/{id}, one FCALL_RO each.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/ids.h"
#include "engine/http/server.h"
#include "engine/redis/async.h"
#include "engine/redis/functions.h"

namespace flashclaim::claim {

/// JSON of a view, as the API has it. Ids are strings.
std::string coupon_json(std::int64_t coupon_id, const redis::CouponView& view);
std::string claim_json(const ClaimId& claim, const redis::ClaimView& view);

/// The views under way of one thread. Must outlive the client's answers.
class Views {
 public:
  void bind(http::Server& server, redis::AsyncClient& client);
  void show_coupon(http::Exchange exchange, std::int64_t coupon_id);
  /// `user_id` 0: nobody in particular asks; else the claim of another user is CLAIM_NOT_FOUND.
  void show_claim(http::Exchange exchange, const ClaimId& claim, std::int64_t user_id);

 private:
  class View;
  View& take();
  void send(View& view, const std::vector<std::string>& command);

  http::Server* server_ = nullptr;
  redis::AsyncClient* client_ = nullptr;
  std::string resp_;  ///< scratch
  std::vector<std::unique_ptr<View>> all_;
  std::vector<View*> spare_;

 public:
  Views();
  ~Views();
};

}  // namespace flashclaim::claim
