// What the login of a program or a person needs at PostgreSQL, and whether a session has it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/postgres/session.h"

namespace flashclaim::postgres {

/// Words separated by a space. `flashctl access postgres` grants the first two; every role has the third.
struct Needs {
  std::string_view role;       ///< engine, consumer, admin
  std::string_view tables;     ///< SELECT on these
  std::string_view functions;  ///< EXECUTE on these: what the migrations took from PUBLIC
  std::string_view reading;    ///< EXECUTE on these, which read with the rights of their caller
};
std::span<const Needs> all_needs();

/// The programs' roles.
enum class User { kEngine, kConsumer };

/// The first right that the program needs and this session lacks, like `SELECT coupon`; "" when it has all. Ignores
/// objects that no migration has made yet. One round trip.
SqlResult<std::string> missing_right(Session& session, User user);
/// The line in the program's /readyz; "ok" when nothing is missing.
std::string rights_text(User user, const std::string& missing);

}  // namespace flashclaim::postgres
