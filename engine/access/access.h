// Who may do what in Redis, RabbitMQ and PostgreSQL: the users of the programs, as configuration of the services.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace flashclaim::access {

/// One user of one service. Its password is the file `<service>-<role>` in the folder of keys.
struct AccessUser {
  std::string_view service;  ///< redis, rabbitmq, postgres
  std::string_view role;     ///< engine, mirror, consumer, admin, owner …
  std::string_view login;    ///< its name at the service
  std::string_view purpose;  ///< one line for people
};
const std::vector<AccessUser>& access_users();

/// Makes the folder (mode 0700) and its missing password files; returns the names of the files that it made.
Result<std::vector<std::string>> make_keys(const std::string& folder);

/// `login:password` of a user, as a URL has it.
Result<std::string> access_login(const std::string& folder, std::string_view service, std::string_view role);
/// `url` with the login of that user; it replaces a login in the URL.
Result<std::string> access_url(const std::string& folder, std::string_view service, std::string_view role,
                               std::string_view url);
/// The environment of a program (engine, consumer), a person (admin) or `flashctl db migrate` (owner): the URLs of
/// `places` (REDIS_URL, AMQP_URL, PG_URL; missing ones are left out) with its logins. The engine has two Redis users,
/// its own and the mirror's: MIRROR_REDIS_URL points to the same place as REDIS_URL unless `places` has one.
Result<std::map<std::string, std::string>> access_environment(const std::string& folder, std::string_view program,
                                                              const std::map<std::string, std::string>& places);

// Each reads the passwords of its service from the folder and returns a text without any password in it, only their
// hashes. The same folder gives the same text.

/// An ACL file: `redis-server --aclfile`, or `ACL LOAD`. The default user is off.
Result<std::string> redis_access(const std::string& folder);
/// Definitions: `load_definitions` of rabbitmq.conf, or `rabbitmqctl import_definitions`. Vhost `/`, the users, the
/// exchange and the queues. Importing deletes nothing: delete `guest` yourself.
Result<std::string> rabbitmq_access(const std::string& folder);
/// The permissions part of the definitions, for the named vhost.
std::string rabbitmq_permissions(std::string_view vhost);
/// SQL for psql, run by a superuser in the product's database, before the first `flashctl db migrate` (it makes the
/// roles and gives the database to the owner) and after each (it grants what the migrations made). One transaction.
Result<std::string> postgres_access(const std::string& folder);

}  // namespace flashclaim::access
