// flashclaim-engine: the HTTP front and the mirror. Service URLs come from the environment, settings from flags.
#include <algorithm>
#include <cstdio>
#include <cxxopts.hpp>
#include <string>
#include <thread>
#include <vector>

#include "engine/auth_flags.h"
#include "engine/base/environment.h"
#include "engine/base/log.h"
#include "engine/base/print.h"
#include "engine/base/try.h"
#include "engine/postgres/session.h"
#include "engine/service.h"

namespace flashclaim {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;

cxxopts::Options make_flags() {
  int default_threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / 2);
  cxxopts::Options flags("flashclaim-engine",
                         "The HTTP front of Flashclaim and its mirror.\nReads REDIS_URL and, for a role with the "
                         "mirror, AMQP_URL and MIRROR_REDIS_URL (default: REDIS_URL) from the environment (`. "
                         ".run/env.engine`: its own users, not the admin's of .run/env), or from the files that "
                         "REDIS_URL_FILE and so on name. With PG_URL it also "
                         "answers for claims that Redis has forgotten, and for what a user holds.");
  auto add = flags.add_options();
  add("listen", "address of the public API, or unix:/path",
      cxxopts::value<std::string>()->default_value("127.0.0.1:8080"));
  add("admin-listen", "address of /healthz, /readyz, /metrics; keep it private",
      cxxopts::value<std::string>()->default_value("127.0.0.1:8081"));
  add("threads", "of the HTTP front", cxxopts::value<int>()->default_value(std::to_string(default_threads)));
  add("share-port",
      "listen beside another engine on the same address: start the new one with it, then end the old one");
  add("connections", "of clients, all threads together; fewer where file descriptors do not suffice",
      cxxopts::value<int>()->default_value("40000"));
  add("archive-threads", "sessions at PostgreSQL (PG_URL) for what Redis has forgotten; 0: none",
      cxxopts::value<int>()->default_value("1"));
  add("cors-origin", "origin whose pages may use the API, like https://shop.example, or *; may be repeated",
      cxxopts::value<std::vector<std::string>>());
  add("role", "http, mirror or both", cxxopts::value<std::string>()->default_value("both"));
  add("mirror-name", "consumer name in the group `mirror`: stable over restarts, one per running mirror",
      cxxopts::value<std::string>()->default_value("mirror-1"));
  add("republish-after",
      "seconds after which an unfinished entry is published again, once its message must have left the queue",
      cxxopts::value<int>()->default_value("60"));
  add_auth_flags(flags);
  add("log-json", "one JSON object a line instead of logfmt");
  add("h,help", "this text");
  return flags;
}

Result<ServiceOptions> options_from(const cxxopts::ParseResult& given) {
  ServiceOptions options;
  auto listen = http::parse_address(given["listen"].as<std::string>());
  if (!listen) return failure("--listen: " + listen.error().message);
  options.listen = *listen;
  auto admin = http::parse_address(given["admin-listen"].as<std::string>());
  if (!admin) return failure("--admin-listen: " + admin.error().message);
  options.admin_listen = *admin;
  if (admin->is_unix()) return failure("--admin-listen: a unix socket is for --listen only");
  options.threads = given["threads"].as<int>();
  if (options.threads < 1 || options.threads > 256) return failure("--threads: 1 to 256");
  options.share_port = given.count("share-port") > 0;
  if (options.share_port && listen->is_unix()) return failure("--share-port: a unix socket cannot be shared");
  options.connections = given["connections"].as<int>();
  if (options.connections < options.threads) return failure("--connections: at least one for each thread");
  options.archive_threads = given["archive-threads"].as<int>();
  if (options.archive_threads < 0 || options.archive_threads > 16) return failure("--archive-threads: 0 to 16");
  if (given.count("cors-origin") > 0) {
    auto cors = http::Cors::of(given["cors-origin"].as<std::vector<std::string>>());
    if (!cors) return failure("--cors-origin: " + cors.error().message);
    options.cors = *cors;
  }
  auto role = parse_role(given["role"].as<std::string>());
  if (!role) return failure("--role: http, mirror or both");
  options.role = *role;
  options.mirror_name = given["mirror-name"].as<std::string>();
  if (options.mirror_name.empty()) return failure("--mirror-name: must not be empty");
  options.auth = TRY(auth_options_from(given, options.listen));
  const int republish_after_s = given["republish-after"].as<int>();
  if (republish_after_s < 1 || republish_after_s > 3600) return failure("--republish-after: 1 to 3600");
  options.republish_after_ms = republish_after_s * 1000;
  return options;
}

/// What the environment says; a service that the role does not need may be missing.
Result<void> read_urls(ServiceOptions& options) {
  auto read = [](const char* name, std::string& url) -> Result<void> {
    url = TRY(require_env(name));
    return {};
  };
  TRY(read("REDIS_URL", options.redis_url));
  if (options.role != Role::kHttp) {
    TRY(read("AMQP_URL", options.amqp_url));
    const char* of_mirror = has_env("MIRROR_REDIS_URL") ? "MIRROR_REDIS_URL" : "REDIS_URL";
    TRY(read(of_mirror, options.mirror_redis_url));
  }
  if (options.role == Role::kMirror || !has_env("PG_URL")) return {};
  return read("PG_URL", options.pg_url);
}

int fail(const std::string& message) {
  std::fprintf(stderr, "flashclaim-engine: %s\n", message.c_str());
  return kExitFailure;
}

int run(const ServiceOptions& options) {
  auto service = Service::start(options);
  if (!service) return fail(service.error().message);
  (*service)->run();
  return 0;
}

int main_with_flags(int argc, char** argv) {
  auto flags = make_flags();
  auto given = flags.parse(argc, argv);
  if (given.count("help")) {
    return print(flags.help() + "\n") ? 0 : kExitFailure;
  }
  if (!given.unmatched().empty()) {
    std::fprintf(stderr, "flashclaim-engine: what is '%s'? See --help.\n", given.unmatched().front().c_str());
    return kExitUsage;
  }
  auto options = options_from(given);
  if (!options) {
    std::fprintf(stderr, "flashclaim-engine: %s\n", options.error().message.c_str());
    return kExitUsage;
  }
  start_logging("flashclaim-engine", given.count("log-json") > 0);
  if (auto complete = read_urls(*options); !complete) return fail(complete.error().message);
  if (!options->pg_url.empty()) {
    if (auto own = postgres::refuse_pooler(options->pg_url); !own) return fail(own.error().message);
  }
  return run(*options);
}

}  // namespace
}  // namespace flashclaim

int main(int argc, char** argv) {
  try {
    return flashclaim::main_with_flags(argc, argv);
  } catch (const cxxopts::exceptions::exception& error) {
    std::fprintf(stderr, "flashclaim-engine: %s. See --help.\n", error.what());
    return flashclaim::kExitUsage;
  }
}
