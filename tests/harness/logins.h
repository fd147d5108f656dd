// Who logs in where in a test: the users of `flashctl access` for the programs and the operator, and one user more at
// each service, the tester, who may do everything. Only the test itself is the tester: to look, and to break things.
#pragma once

#include <string>
#include <vector>

#include "tests/harness/process.h"

namespace flashclaim::harness {

/// The passwords of this process' services (`flashctl access keys`), made at first use. Any thread.
const std::string& keys_folder();

/// The tester of Redis and RabbitMQ, with this password. PostgreSQL's is the superuser of its own server.
inline constexpr const char* kTester = "tester";
const std::string& tester_password();
/// From now on `user:password` is a tester's login too. Any thread.
void add_tester(const std::string& login);

/// A URL that a service of the harness gave out, and that names the tester, with the login of a role instead: engine,
/// mirror, consumer, admin or owner ("": the tester). Any other URL stays as it is.
std::string as(const std::string& role, const std::string& url);

/// What a program is started with: in place of the tester's logins those that `make up` gives it (admin::
/// access_environment). It may be a path, and for a program that is none of ours nothing changes. The words tell
/// `flashctl db migrate` from the rest of flashctl. Process and run_program do this by themselves.
Environment environment_of(const std::string& program, const std::vector<std::string>& words,
                           const Environment& environment);

}  // namespace flashclaim::harness
