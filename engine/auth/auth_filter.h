// The filter of one thread: every request passes it before anything else looks at it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/auth/caller.h"
#include "engine/auth/credentials.h"
#include "engine/auth/jwt.h"
#include "engine/auth/keys.h"
#include "engine/auth/limits.h"
#include "engine/auth/peers.h"
#include "engine/base/counter.h"
#include "engine/http/server.h"

namespace flashclaim::auth {

/// How users are known; the same for all threads and for the life of the process.
struct Policy {
  Scheme scheme = Scheme::kInsecureDev;
  std::string audience;  ///< of kJwt
  /// Proxies that all clients come through: no limit per address counts them. With kGateway nobody else may say who a
  /// user is.
  PeerList gateways;
};

/// What a reader with a browser is shown in place of a problem. The views live as long as the program.
struct Page {
  std::string_view content_type;
  std::string_view headers;  ///< lines, each ended by CRLF
  std::string_view text;
};
/// nullopt: the problem as it is. From any thread.
using PageOf = std::optional<Page> (*)(const http::Request& request, http::Problem problem);

/// What a filter is made from. `limits` is shared by all filters of the process; none: no limits. `keys` as load_keys
/// made them for the policy. The default: no authentication.
struct Setup {
  Policy policy = {};
  std::shared_ptr<Limits> limits = nullptr;
  std::shared_ptr<const Keys> keys = std::make_shared<const Keys>();
};

/// Written by the filter's thread, read by any.
struct AuthCounters {
  std::array<Counter, kFaults> refused;  ///< by fault
  Counter user_limited;
  Counter address_limited;
  Counter connections_refused;
};

/// Belongs to its loop's thread; counters may be read by any. Refuses what is over a limit (429), what shows
/// credentials in a form that two readers could read differently (400), and credentials that are not right, not whole,
/// or of another scheme (401); hands on the rest with its caller. A request without credentials is handed on with no
/// caller: whoever is behind decides (must_be_known).
class AuthFilter final : public http::Handler {
 public:
  explicit AuthFilter(const Setup& setup = {});
  /// Before the first request. Without `page_of` everybody is told problems.
  void bind(http::Server& server, Guarded& guarded, PageOf page_of = nullptr);

  void handle(const http::Request& request, http::Exchange exchange) noexcept override;
  bool admits(const http::Peer& peer) noexcept override;
  void left(const http::Peer& peer) noexcept override;

  /// From the next request on.
  void use(std::shared_ptr<const Keys> keys) { keys_ = std::move(keys); }
  /// True when what belongs to a user is shown to nobody else, not even to those who say nothing.
  [[nodiscard]] bool must_be_known() const { return policy_.scheme != Scheme::kInsecureDev; }
  /// 401 with the challenge of the scheme in force.
  void refuse_unknown(http::Exchange exchange);

  [[nodiscard]] const AuthCounters& counters() const { return counters_; }

 private:
  struct Known {
    Fault fault = Fault::kNone;
    Caller caller;
  };
  Known caller_of(const http::Request& request);
  Known caller_from_gateway(const http::Request& request, const Credentials& shown);
  Known caller_from_token(const Credentials& shown);
  void refuse(const http::Request& request, http::Exchange exchange, Fault fault);
  void tell_to_wait(const http::Request& request, http::Exchange exchange, const char* whose, int per_second,
                    std::int64_t wait_ms);
  void answer(const http::Request& request, http::Exchange exchange, http::Problem problem, std::string headers);

  Policy policy_;
  std::shared_ptr<Limits> limits_;
  std::shared_ptr<const Keys> keys_;
  TokenReader tokens_;
  http::Server* server_ = nullptr;
  Guarded* guarded_ = nullptr;
  PageOf page_of_ = nullptr;
  AuthCounters counters_;
};

}  // namespace flashclaim::auth
