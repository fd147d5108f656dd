// The connections of one flashctl command, its question and its progress line.
#include <pwd.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <iostream>

#include "engine/amqp/connection.h"
#include "engine/base/environment.h"
#include "engine/base/text.h"
#include "engine/base/try.h"
#include "engine/cli/command.h"
#include "engine/operations/sync_redis.h"
#include "engine/postgres/coupons.h"
#include "engine/postgres/session.h"
#include "engine/redis/client.h"

namespace flashclaim::cli {
namespace {

constexpr auto kRedisTimeout = std::chrono::seconds(15);  ///< of one answer; the longest call is one page
constexpr auto kProgressEvery = std::chrono::milliseconds(100);

}  // namespace

Context::Context(bool dry_run, bool yes, std::string by) : dry_run_(dry_run), yes_(yes), by_(std::move(by)) {}
Context::~Context() = default;

Result<redis::Client*> Context::redis() {
  if (redis_) return redis_.get();
  unreachable_ = true;
  const auto url = TRY(require_env("REDIS_URL"));
  auto client = TRY(redis::Client::connect(url, kRedisTimeout));
  unreachable_ = false;
  redis_ = std::make_unique<redis::Client>(std::move(client));
  return redis_.get();
}

Result<postgres::Session*> Context::pg() {
  if (pg_) return pg_.get();
  unreachable_ = true;
  const auto url = TRY(require_env("PG_URL"));
  auto session = postgres::Session::connect(url, "flashctl");
  if (!session) {
    unreachable_ = session.error().fault != postgres::SqlFault::kBug;  // kBug: a wrong URL, so a retry cannot help
    return session.error().as_error();
  }
  unreachable_ = false;
  pg_ = std::move(session).value();
  if (!by_.empty()) {
    TRY(postgres::from_sql(postgres::act_as(*pg_, by_)));
  }
  return pg_.get();
}

Result<amqp::Connection*> Context::amqp() {
  if (amqp_) return amqp_.get();
  unreachable_ = true;
  const auto url = TRY(require_env("AMQP_URL"));
  amqp::Options options;
  options.name = "flashctl";
  auto connection = TRY(amqp::Connection::open(url, options));
  unreachable_ = false;
  amqp_ = std::move(connection);
  return amqp_.get();
}

std::string who_it_is() {
  if (std::string by = env("FLASHCLAIM_BY"); !by.empty()) return by;
  if (std::string person = env("SUDO_USER"); geteuid() == 0 && !person.empty()) return person;
  const passwd* user = getpwuid(geteuid());
  return user != nullptr ? user->pw_name : std::to_string(geteuid());
}

std::optional<CommandResult> Context::confirm(const std::string& question) const {
  if (yes_ || dry_run_) return std::nullopt;
  if (isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0) {
    return usage("this asks before it acts and there is no terminal to ask on: give --yes (or --dry-run)");
  }
  std::fprintf(stderr, "%s [y/N] ", shown(question).c_str());
  std::string line;
  std::getline(std::cin, line);
  if (line == "y" || line == "Y" || line == "yes") return std::nullopt;
  return CommandResult{Exit::kFailure, "not done: nothing was changed", {}};
}

CommandResult Context::failed(const Error& error) const {
  const bool serves_nobody = error.code == ErrorCode::kNotServing || error.code == ErrorCode::kOverloaded ||
                             error.code == ErrorCode::kWrongServer;
  const bool gone = unreachable_ || serves_nobody || (redis_ && !redis_->connected()) || (pg_ && !pg_->open()) ||
                    (amqp_ && !amqp_->open());
  if (error.unknown()) {
    return {Exit::kUnreachable, error.message + " (it may have been carried out: run the same command again)", {}};
  }
  return {gone ? Exit::kUnreachable : Exit::kFailure, error.message, {}};
}

operations::Progress Context::progress(std::string label) {
  if (isatty(STDERR_FILENO) == 0) return {};
  return [label = std::move(label), last = std::chrono::steady_clock::time_point()](std::int64_t done,
                                                                                    std::int64_t of) mutable {
    const auto now = std::chrono::steady_clock::now();
    const bool complete = of > 0 && done >= of;
    if (!complete && now - last < kProgressEvery) return;
    last = now;
    const std::string text = of > 0 ? fmt::format("{} {} of {}", label, done, of) : fmt::format("{} {}", label, done);
    std::fprintf(stderr, "\r\033[K%s", complete ? "" : text.c_str());
    std::fflush(stderr);
  };
}

}  // namespace flashclaim::cli
