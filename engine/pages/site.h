// Answers what browsers ask for beside claims: coupons and lists of them, and the OPTIONS of every resource.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "engine/auth/auth_filter.h"
#include "engine/claim/archive.h"
#include "engine/http/cors.h"
#include "engine/http/server.h"
#include "engine/pages/coupon_cache.h"
#include "engine/pages/target.h"

namespace flashclaim::pages {

/// Answers every request that is not a claim or about one. Belongs to the loop's thread; must outlive the client.
class Site final : public auth::Guarded {
 public:
  void bind(http::Server& server, redis::AsyncClient& client, auth::AuthFilter& auth, const http::Cors& cors);
  /// Without an archive `/users/me/coupons` answers NOT_READY.
  void bind(claim::Archive& archive) { archive_ = &archive; }
  void handle(const http::Request& request, const auth::Caller& caller, http::Exchange exchange) noexcept override;

 private:
  struct List;
  void answer_options(const http::Request& request, http::Exchange exchange);
  void show_coupon(const http::Request& request, const auth::Caller& caller, http::Exchange exchange,
                   std::string_view id);
  void show_missing(const http::Request& request, http::Exchange exchange, http::Problem problem);
  void show_file(const http::Request& request, http::Exchange exchange, const PageTarget& target);
  void list_coupons(const http::Request& request, http::Exchange exchange);
  void list_held(const http::Request& request, const auth::Caller& caller, http::Exchange exchange);
  void gather(const std::shared_ptr<List>& list, const std::vector<std::int64_t>& ids);
  void answer_list(const List& list);
  void answer_cached(http::Exchange exchange, std::string_view if_none_match, std::string_view tag,
                     std::string_view body, std::int64_t server_time_ms, bool personal);

  http::Server* server_ = nullptr;
  auth::AuthFilter* auth_ = nullptr;
  claim::Archive* archive_ = nullptr;
  http::Cors cors_;
  CouponCache coupons_;
};

}  // namespace flashclaim::pages
