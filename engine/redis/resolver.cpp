// Runs getaddrinfo in a thread of its own; a timer on the loop fetches the result.
#include "engine/redis/resolver.h"

#include <atomic>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "engine/net/resolve.h"

namespace flashclaim::redis {
namespace {

constexpr int kPollMs = 5;

bool is_literal(const std::string& host, const std::vector<std::string>& addresses) {
  return addresses.size() == 1 && addresses.front() == host;
}

}  // namespace

/// Shared with its thread, which may outlive the Resolver.
struct Resolver::LookUp {
  std::optional<Result<std::vector<std::string>>> found;  ///< written before `ended`, read after it
  std::atomic<bool> ended{false};
};

Resolver::Resolver(loop::Loop& loop, std::string host, std::vector<std::string> known)
    : host_(std::move(host)), known_(std::move(known)), timer_(loop, [this] { on_timer(); }) {}

Resolver::~Resolver() = default;

void Resolver::look_up(std::function<void(const std::string&)> done) {
  done_ = std::move(done);
  under_way_.reset();
  timer_.start_ms(0);
  if (is_literal(host_, known_)) return;
  auto look_up = std::make_shared<LookUp>();
  try {
    std::thread([look_up, host = host_] {
      look_up->found = net::addresses_of(host);
      look_up->ended.store(true);
    }).detach();
    under_way_ = std::move(look_up);
  } catch (const std::system_error&) {
    // No thread to be had: the addresses that are known do.
  }
}

void Resolver::on_timer() {
  if (under_way_ && !under_way_->ended.load()) return timer_.start_ms(kPollMs);
  if (auto look_up = std::exchange(under_way_, nullptr); look_up && *look_up->found && **look_up->found != known_) {
    known_ = std::move(*look_up->found).value();
    tried_ = 0;
  }
  const std::string address = known_[tried_++ % known_.size()];
  std::exchange(done_, nullptr)(address);
}

}  // namespace flashclaim::redis
