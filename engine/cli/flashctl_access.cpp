// flashctl access: the users of the programs at the three services.
#include <spdlog/fmt/fmt.h>

#include <map>

#include "engine/access/access.h"
#include "engine/base/environment.h"
#include "engine/cli/command.h"

namespace flashclaim::cli {
namespace {

CommandResult access_keys(Context& context, const Arguments& arguments) {
  const std::string& folder = arguments.words[0];
  if (context.dry_run()) {
    return done(fmt::format("would make what is missing of {} password files in {} (nothing was changed)",
                            access::access_users().size(), folder));
  }
  const auto made = access::make_keys(folder);
  if (!made) return context.failed(made.error());
  Table table{{"file"}, {}};
  for (const std::string& name : *made) table.rows.push_back({Cell::text(name)});
  return done(made->empty() ? fmt::format("the {} password files are there", access::access_users().size())
                            : fmt::format("made {} password files in {}", made->size(), folder),
              Document().add("made", std::move(table)));
}

CommandResult access_users_list(Context&, const Arguments&) {
  Table table{{"service", "user", "passwordFile", "purpose"}, {}};
  for (const access::AccessUser& user : access::access_users()) {
    table.rows.push_back({Cell::text(user.service), Cell::text(user.login),
                          Cell::text(fmt::format("{}-{}", user.service, user.role)), Cell::text(user.purpose)});
  }
  return done("", Document().add("users", std::move(table)));
}

CommandResult printed(const Context& context, Result<std::string> text) {
  if (!text) return context.failed(text.error());
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return done(std::move(*text));
}

CommandResult access_redis(Context& context, const Arguments& arguments) {
  return printed(context, access::redis_access(arguments.words[0]));
}
std::string shell_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

CommandResult access_environment_of(Context& context, const Arguments& arguments) {
  std::map<std::string, std::string> places;
  for (const char* name : {"REDIS_URL", "AMQP_URL", "PG_URL", "MIRROR_REDIS_URL"}) {
    if (!has_env(name)) continue;
    auto url = require_env(name);
    if (!url) return context.failed(url.error());
    places[name] = *url;
  }
  const auto environment = access::access_environment(arguments.words[0], arguments.words[1], places);
  if (!environment) return context.failed(environment.error());
  std::string lines;
  for (const auto& [name, url] : *environment) lines += "export " + name + "=" + shell_quoted(url) + "\n";
  return printed(context, std::move(lines));
}
CommandResult access_rabbitmq(Context& context, const Arguments& arguments) {
  return printed(context, access::rabbitmq_access(arguments.words[0]));
}
CommandResult access_postgres(Context& context, const Arguments& arguments) {
  return printed(context, access::postgres_access(arguments.words[0]));
}

}  // namespace

std::vector<Verb> access_verbs() {
  return {
      {"access", "users", "", "who logs in where, and what for", false, {}, access_users_list},
      {"access", "keys", "<folder>", "make the password files that are missing", true, {}, access_keys},
      {"access", "redis", "<folder>", "print the ACL file: redis-server --aclfile", false, {}, access_redis},
      {"access",
       "rabbitmq",
       "<folder>",
       "print definitions: load_definitions, rabbitmqctl",
       false,
       {},
       access_rabbitmq},
      {"access",
       "environment",
       "<folder> <program>",
       "print what engine, consumer, admin or owner has in its environment: its logins in REDIS_URL, AMQP_URL and "
       "PG_URL",
       false,
       {},
       access_environment_of},
      {"access", "postgres", "<folder>", "print SQL for psql: roles and grants", false, {}, access_postgres},
  };
}

}  // namespace flashclaim::cli
