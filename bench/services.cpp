// Reads the URLs from the environment and connects; a missing one is an error that names it.
#include "bench/services.h"

#include <spdlog/fmt/fmt.h>

#include <chrono>

#include "bench/http_client.h"
#include "engine/base/environment.h"
#include "engine/base/try.h"
#include "engine/base/url.h"

namespace flashclaim::bench {
namespace {
constexpr std::string_view kName = "flashbench";
constexpr auto kRedisTimeout = std::chrono::seconds(10);
}  // namespace

Result<EngineAddress> engine_from_environment() {
  auto text = TRY(require_env("HTTP_URL"));
  auto url = parse_url(text);
  if (!url) return failure("HTTP_URL: " + url.error().message);
  auto address = resolve(*url);
  if (!address) return failure("HTTP_URL: " + address.error().message);
  return EngineAddress{*address, fmt::format("{}:{}", url->host, address->port)};
}

Result<ServiceUrls> services_from_environment() {
  ServiceUrls urls;
  for (auto [name, target] : {std::pair{"REDIS_URL", &urls.redis}, {"AMQP_URL", &urls.amqp}, {"PG_URL", &urls.pg}}) {
    *target = TRY(require_env(name));
  }
  return urls;
}

Result<Stores> connect_stores(const ServiceUrls& urls) {
  auto redis = TRY(redis::Client::connect(urls.redis, kRedisTimeout));
  auto pg = TRY(postgres::from_sql(postgres::Session::connect(urls.pg, kName)));
  return Stores{std::move(redis), std::move(pg)};
}

Result<std::unique_ptr<amqp::Connection>> connect_broker(const ServiceUrls& urls) {
  amqp::Options options;
  options.name = kName;
  return amqp::Connection::open(urls.amqp, options);
}

}  // namespace flashclaim::bench
