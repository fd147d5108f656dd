// The addresses of a host name, looked up beside the loop: getaddrinfo blocks.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/loop/loop.h"

namespace flashclaim::redis {

/// Belongs to the loop's thread.
class Resolver {
 public:
  /// `known`: what net::addresses_of(host) said at the start; not empty. Used for as long as a look-up fails.
  Resolver(loop::Loop& loop, std::string host, std::vector<std::string> known);
  ~Resolver();  ///< a look-up under way ends by itself, and tells nobody
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// Looks the name up again, then calls `done` from the loop, never from inside look_up(). At most one at a time.
  void look_up(std::function<void(const std::string& address)> done);

 private:
  struct LookUp;
  void on_timer();

  const std::string host_;
  std::vector<std::string> known_;
  std::size_t tried_ = 0;  ///< each call takes the next of the addresses
  std::function<void(const std::string&)> done_;
  std::shared_ptr<LookUp> under_way_;
  loop::Timer timer_;
};

}  // namespace flashclaim::redis
