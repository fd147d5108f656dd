// What /readyz says about the rights of a login at Redis: asked every few seconds on a connection of its own.
#pragma once

#include <memory>
#include <string>

#include "engine/base/result.h"
#include "engine/http/admin_server.h"
#include "engine/loop/loop.h"
#include "engine/redis/rights.h"

namespace flashclaim {

/// Belongs to the loop's thread; check() may be called from any.
class RightsProbe {
 public:
  /// `name` is the check's.
  static Result<std::unique_ptr<RightsProbe>> create(loop::Loop& loop, const std::string& redis_url, redis::User user,
                                                     std::string name);
  ~RightsProbe();
  RightsProbe(const RightsProbe&) = delete;
  RightsProbe& operator=(const RightsProbe&) = delete;

  /// Required: a program that may not do its work is not ready.
  [[nodiscard]] http::Check check() const;

 private:
  struct State;
  explicit RightsProbe(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace flashclaim
