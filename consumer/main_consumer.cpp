// flashclaim-consumer: settles what the mirror published. Service URLs come from the environment, settings from flags.
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cxxopts.hpp>
#include <string>

#include "consumer/service.h"
#include "engine/base/environment.h"
#include "engine/base/log.h"
#include "engine/base/log_repeated.h"
#include "engine/base/print.h"
#include "engine/base/try.h"
#include "engine/postgres/session.h"

namespace flashclaim::consumer {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;
constexpr int kPrefetchMax = 2000;   // of a quorum queue
constexpr int kClaimsMaxMax = 9000;  // settle_claims takes 10,000; one message may exceed this

cxxopts::Options make_flags() {
  cxxopts::Options flags(
      "flashclaim-consumer",
      "Settles the claims that the mirror carried to RabbitMQ.\nReads REDIS_URL, AMQP_URL and "
      "PG_URL from the environment (`. .run/env.consumer`), or from the files that REDIS_URL_FILE and "
      "so on name.");
  const Options defaults;
  auto add = flags.add_options();
  auto number = [](int value) { return cxxopts::value<int>()->default_value(std::to_string(value)); };
  add("workers", "threads, each with its own connections (1 to 64)", number(defaults.workers));
  add("prefetch", "messages a worker may hold (1 to 2000)", number(defaults.prefetch));
  add("claims-max", "claims in one SQL statement (1 to 9000)", number(defaults.claims_max));
  add("admin-listen", "address of /healthz, /readyz, /metrics; keep it private",
      cxxopts::value<std::string>()->default_value("127.0.0.1:8087"));
  add("events", "on: may be the one that publishes settlement events (flashctl events); off: leaves it to others",
      cxxopts::value<std::string>()->default_value("on"));
  add("log-json", "one JSON object a line instead of logfmt");
  add("h,help", "this text");
  return flags;
}

Result<int> number_from(const cxxopts::ParseResult& given, const char* flag, int max) {
  const int value = given[flag].as<int>();
  if (value < 1 || value > max) return failure(fmt::format("--{}: 1 to {}", flag, max));
  return value;
}

Result<Options> options_from(const cxxopts::ParseResult& given) {
  Options options;
  auto workers = TRY(number_from(given, "workers", 64));
  auto prefetch = TRY(number_from(given, "prefetch", kPrefetchMax));
  auto claims_max = TRY(number_from(given, "claims-max", kClaimsMaxMax));
  const auto events = given["events"].as<std::string>();
  if (events != "on" && events != "off") return failure("--events: on or off");
  options.events = events == "on";
  options.workers = workers;
  options.prefetch = prefetch;
  options.claims_max = claims_max;
  options.name = "flashclaim-consumer-" + std::to_string(getpid());
  return options;
}

int fail(const std::string& message, int code) {
  std::fprintf(stderr, "flashclaim-consumer: %s\n", message.c_str());
  return code;
}

// Only this thread waits for signals. Other threads inherit its signal mask, so none may start before the mask is set.
int run(Options options, const http::Address& admin_listen) {
  signal(SIGPIPE, SIG_IGN);
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  if (auto own = postgres::refuse_pooler(options.pg_url); !own) return fail(own.error().message, kExitFailure);
  auto service = Service::start(std::move(options), admin_listen);
  if (!service) return fail(service.error().message, kExitFailure);
  bool stopping = false;
  while (!(*service)->finished()) {
    flush_repeated();
    const timespec poll = {.tv_sec = 0, .tv_nsec = 100'000'000};
    if (sigtimedwait(&ending, nullptr, &poll) < 0) continue;
    if (stopping) {
      log(LogLevel::kWarn, "consumer", "ended_at_once", {{"reason", "second signal"}});
      _exit(kExitFailure);
    }
    stopping = true;
    log(LogLevel::kInfo, "consumer", "stopping", {{"reason", "signal"}});
    (*service)->request_stop();
  }
  flush_repeated(true);
  return 0;
}

int main_with_flags(int argc, char** argv) {
  auto flags = make_flags();
  auto given = flags.parse(argc, argv);
  if (given.count("help")) {
    return print(flags.help() + "\n") ? 0 : kExitFailure;
  }
  if (!given.unmatched().empty()) return fail("what is '" + given.unmatched().front() + "'? See --help.", kExitUsage);
  auto options = options_from(given);
  if (!options) return fail(options.error().message, kExitUsage);
  auto admin = http::parse_address(given["admin-listen"].as<std::string>());
  if (!admin) return fail("--admin-listen: " + admin.error().message, kExitUsage);
  start_logging("flashclaim-consumer", given.count("log-json") > 0);
  const std::pair<const char*, std::string*> urls[] = {
      {"REDIS_URL", &options->redis_url}, {"AMQP_URL", &options->amqp_url}, {"PG_URL", &options->pg_url}};
  for (const auto& [name, url] : urls) {
    auto value = require_env(name);
    if (!value) return fail(value.error().message, kExitFailure);
    *url = std::move(value).value();
  }
  return run(std::move(options).value(), *admin);
}

}  // namespace
}  // namespace flashclaim::consumer

int main(int argc, char** argv) {
  try {
    return flashclaim::consumer::main_with_flags(argc, argv);
  } catch (const cxxopts::exceptions::exception& error) {
    std::fprintf(stderr, "flashclaim-consumer: %s. See --help.\n", error.what());
    return flashclaim::consumer::kExitUsage;
  }
}
