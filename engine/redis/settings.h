// CouponSettings as the arguments of apply_state and rebuild_open; private to this room.
#pragma once

#include <string>
#include <vector>

#include "engine/redis/functions.h"

namespace flashclaim::redis {

/// epoch version status name total userLimit beginMs endMs maxInflight
std::vector<std::string> settings_arguments(const CouponSettings& settings);

}  // namespace flashclaim::redis
