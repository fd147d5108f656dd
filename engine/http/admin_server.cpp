// Runs a Server on a loop and thread of its own, and writes the readiness checks as JSON.
#include "engine/http/admin_server.h"

#include <thread>

#include "engine/base/json.h"
#include "engine/base/try.h"
#include "engine/http/server.h"
#include "engine/loop/loop.h"

namespace flashclaim::http {
namespace {

constexpr std::string_view kMetricsText = "text/plain; version=0.0.4; charset=utf-8";

bool ready(const std::vector<Check>& checks) {
  for (const Check& check : checks)
    if (check.required && !check.ok) return false;
  return true;
}

/// {"status":"ready","checks":{"redis":{"ok":true,"required":true,"detail":"…"},…}}
std::string checks_json(const std::vector<Check>& checks) {
  std::string out = ready(checks) ? R"({"status":"ready","checks":{)" : R"({"status":"not ready","checks":{)";
  bool first = true;
  for (const Check& check : checks) {
    if (!first) out += ',';
    first = false;
    append_json_string(out, check.name);
    out.append(R"(:{"ok":)").append(check.ok ? "true" : "false");
    out.append(R"(,"required":)").append(check.required ? "true" : "false");
    out += R"(,"detail":)";
    append_json_string(out, check.detail);
    out += '}';
  }
  return out + "}}\n";
}

}  // namespace

struct AdminServer::State final : Handler {
  explicit State(AdminCallbacks c) : callbacks(std::move(c)), server(loop, *this, limits()) {}

  static Limits limits() {
    Limits limits;
    limits.connections = 64;
    return limits;
  }

  void handle(const Request& request, Exchange exchange) noexcept override {
    bool known = request.path == "/healthz" || request.path == "/readyz" || request.path == "/metrics";
    if (!known) {
      server.refuse(exchange, Problem::kNotFound);
    } else if (request.method != Method::kGet && request.method != Method::kHead) {
      server.refuse(exchange, Problem::kMethodNotAllowed, "GET, HEAD");
    } else if (request.path == "/healthz") {
      server.answer(exchange, {Status::kOk, kJson, {}, "{\"status\":\"ok\"}\n"});
    } else if (request.path == "/readyz") {
      auto checks = callbacks.checks();
      server.answer(exchange, {ready(checks) ? Status::kOk : Status::kUnavailable, kJson, {}, checks_json(checks)});
    } else {
      server.answer(exchange, {Status::kOk, kMetricsText, {}, callbacks.metrics()});
    }
  }

  loop::Loop loop;
  AdminCallbacks callbacks;
  Server server;
  int port = 0;
  std::thread thread;
};

AdminServer::AdminServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<AdminServer>> AdminServer::start(const Address& address, AdminCallbacks callbacks) {
  auto state = std::make_unique<State>(std::move(callbacks));
  TRY(state->server.listen(address, PortSharing::kExclusive));
  state->port = state->server.port();
  state->thread = std::thread([raw = state.get()] { raw->loop.run(); });
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(state)));
}

AdminServer::~AdminServer() {
  state_->loop.stop();
  state_->thread.join();
}

int AdminServer::port() const { return state_->port; }

}  // namespace flashclaim::http
