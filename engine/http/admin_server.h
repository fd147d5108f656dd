// The admin listener of a process: /healthz, /readyz and /metrics, in a thread of its own, answered from callbacks.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/http/address.h"

namespace flashclaim::http {

/// One dependency in /readyz. `required`: while it is not ok, the process is not ready (503); else it is only reported.
struct Check {
  std::string name;  ///< "redis", "lua", "durability", "rabbitmq", ...
  bool ok = false;
  bool required = true;
  std::string detail;  ///< what was found; no secrets
};

/// All are called in the listener's thread, must not block, and answer from what the process already knows.
struct AdminCallbacks {
  std::function<std::vector<Check>()> checks;
  std::function<std::string()> metrics;  ///< Prometheus text format
};

/// /healthz is 200 as long as the process answers. Never put on a public address.
class AdminServer {
 public:
  static Result<std::unique_ptr<AdminServer>> start(const Address& address, AdminCallbacks callbacks);
  ~AdminServer();  ///< stops and joins the thread
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  [[nodiscard]] int port() const;

 private:
  struct State;
  explicit AdminServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace flashclaim::http
