// Random passwords, the files that hold them, and the forms in which the three services store them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace flashclaim::access {

/// 48 hex digits from the kernel's generator: fits into a URL as it is.
std::string random_password();

/// A password file's content. An error when the file is missing, when others than its owner may read it
/// (SecretFor::kOwner), or when it has fewer than 32 characters or other characters than `A-Z a-z 0-9 _ -`: the stored
/// forms below are safe only for a password that nobody can guess.
Result<std::string> read_password(const std::string& path);

/// Makes the file `path` (mode 0600) with a random password unless it exists; true when it was made. Atomic and synced:
/// two callers at once get the same password.
Result<bool> make_password(const std::string& path);

// The same password always gives the same text, so that a generated file can be compared with the one in use. The salt
// is not random but derived from user and password: a hash is still as hard to guess as the password.

/// Redis: `#<sha256>` of an ACL rule, without the '#'.
std::string redis_hash(std::string_view password);
/// RabbitMQ: rabbit_password_hashing_sha256.
std::string rabbitmq_hash(std::string_view user, std::string_view password);
/// PostgreSQL: a SCRAM-SHA-256 verifier.
std::string postgres_verifier(std::string_view role, std::string_view password);

}  // namespace flashclaim::access
