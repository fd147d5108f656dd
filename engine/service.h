// The engine as a process: its threads by role, its admin listener, and its shutdown.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/auth_flags.h"
#include "engine/base/result.h"
#include "engine/http/address.h"
#include "engine/http/cors.h"

namespace flashclaim {

enum class Role { kHttp, kMirror, kBoth };
std::optional<Role> parse_role(std::string_view text);

struct ServiceOptions {
  http::Address listen;
  http::Address admin_listen;
  int threads = 1;          ///< of the HTTP front
  bool share_port = false;  ///< with another engine, for a rolling restart
  http::Cors cors;          ///< origins whose pages may use the API
  int connections = 40000;  ///< of clients, all threads together; fewer where file descriptors do not suffice
  Role role = Role::kBoth;
  std::string mirror_name;
  int republish_after_ms = 60000;  ///< see mirror::Options
  AuthOptions auth;
  std::string redis_url;
  std::string mirror_redis_url;  ///< the same server, as the mirror's own user
  std::string amqp_url;          ///< for a role with the mirror
  std::string pg_url;            ///< empty: no archive
  int archive_threads = 1;       ///< of the HTTP front, at PostgreSQL; 0: no archive
};

/// accepting -> draining (no new connections, answers are given) -> closing (the rest is cut, the mirror ends) ->
/// stopped.
enum class Phase { kAccepting, kDraining, kClosing, kStopped };

class Service {
 public:
  static Result<std::unique_ptr<Service>> start(const ServiceOptions& options);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Until SIGTERM or SIGINT and the shutdown that follows. A second signal ends the process at once. SIGHUP reads the
  /// keys again; what is wrong with them is logged, and the ones in force stay.
  void run();
  [[nodiscard]] int port() const;
  [[nodiscard]] int admin_port() const;

 private:
  struct State;
  explicit Service(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace flashclaim
