// What /readyz says about Redis: asked once a second on a connection of its own, remembered for whoever reads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/base/assets.h"
#include "engine/base/result.h"
#include "engine/http/admin_server.h"
#include "engine/loop/loop.h"

namespace flashclaim {

/// Belongs to the loop's thread; checks() may be called from any.
class RedisProbe {
 public:
  static Result<std::unique_ptr<RedisProbe>> create(loop::Loop& loop, const std::string& redis_url,
                                                    const LuaLibrary& library);
  ~RedisProbe();
  RedisProbe(const RedisProbe&) = delete;
  RedisProbe& operator=(const RedisProbe&) = delete;

  /// redis (it answers and is the primary), writes (it takes them), lua (the library is this build's, or a newer one),
  /// durability (appendonly yes and appendfsync always: a 202 promises it), data (the marker of a loaded Redis).
  [[nodiscard]] std::vector<http::Check> checks() const;

 private:
  struct State;
  explicit RedisProbe(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace flashclaim
