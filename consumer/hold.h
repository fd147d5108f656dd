// Why a batch must wait: a service is away, or its answer was lost. The messages are never the reason.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace flashclaim::consumer {

struct Hold {
  std::string_view service;  ///< "postgres", "redis" or "rabbitmq"
  std::string reason;
  bool person_needed = false;  ///< waiting alone will not help: a missing schema or library, say
};
/// nullopt: the step went through.
using MaybeHold = std::optional<Hold>;

}  // namespace flashclaim::consumer
