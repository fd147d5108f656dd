// Who asks, as the auth filter has found out, and who gets the requests that it lets pass.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/http/request.h"
#include "engine/http/server.h"

namespace flashclaim::auth {

/// A request that was let in comes from this user, or from nobody in particular: it showed no credentials at all.
/// Credentials that are not right never come this far.
struct Caller {
  std::string_view user;     ///< digits; empty: nobody. Valid inside the handler only
  std::int64_t user_id = 0;  ///< 0: nobody

  [[nodiscard]] bool known() const { return user_id != 0; }
};

/// What lies behind the filter. Called in the loop's thread; answers every request exactly once, by
/// http::Server::answer.
class Guarded {
 public:
  virtual void handle(const http::Request& request, const Caller& caller, http::Exchange exchange) noexcept = 0;

 protected:
  ~Guarded() = default;
};

}  // namespace flashclaim::auth
