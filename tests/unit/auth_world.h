// A real server whose requests pass a real auth: what gets through is answered with its user.
#pragma once

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "engine/auth/auth_filter.h"
#include "engine/http/server.h"
#include "engine/loop/loop.h"
#include "tests/harness/raw_http.h"

namespace flashclaim {

/// Its loop runs in a thread of its own until it is destroyed.
class DoorWorld final : public auth::Guarded {
 public:
  explicit DoorWorld(const auth::Setup& setup = {}, auth::PageOf page_of = nullptr) : auth_(setup) {
    std::promise<int> port;
    thread_ = std::thread([this, &port, page_of] {
      http::Server server(loop_, auth_);
      server_ = &server;
      auth_.bind(server, *this, page_of);
      port.set_value(server.listen({"127.0.0.1", 0}, http::PortSharing::kExclusive) ? server.port() : 0);
      loop_.run();
    });
    port_ = port.get_future().get();
  }
  ~DoorWorld() {
    loop_.stop();
    thread_.join();
  }
  DoorWorld(const DoorWorld&) = delete;
  DoorWorld& operator=(const DoorWorld&) = delete;

  /// 200 with the user's digits (`nobody` for none) as body, or what the auth says.
  [[nodiscard]] harness::RawAnswer ask(const std::string& headers, const std::string& method = "GET",
                                       const std::string& path = "/x") const {
    return harness::raw_request(port_, method, path, headers);
  }
  void reload(std::shared_ptr<const auth::Keys> keys) {
    std::promise<void> done;
    loop_.post([&] {
      auth_.use(std::move(keys));
      done.set_value();
    });
    done.get_future().wait();
  }
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] const auth::AuthCounters& counters() const { return auth_.counters(); }

  void handle(const http::Request&, const auth::Caller& caller, http::Exchange exchange) noexcept override {
    const std::string body = caller.known() ? std::string(caller.user) : "nobody";
    server_->answer(exchange, {http::Status::kOk, http::kText, {}, body});
  }

 private:
  loop::Loop loop_;
  auth::AuthFilter auth_;
  http::Server* server_ = nullptr;
  std::thread thread_;
  int port_ = 0;
};

}  // namespace flashclaim
