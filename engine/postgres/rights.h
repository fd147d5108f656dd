// Whether a login at PostgreSQL may do what the consumer does.
#pragma once

#include <string>

#include "engine/postgres/session.h"

namespace flashclaim::postgres {

/// The first right that the consumer needs and this session has not, like `SELECT coupon`; "" when it has all. What no
/// migration has made yet is passed over.
SqlResult<std::string> missing_right(Session& session);

}  // namespace flashclaim::postgres
