// The services of the running stack, from the environment, and the connections that a run needs to them.
#pragma once

#include <memory>
#include <string>

#include "engine/amqp/connection.h"
#include "engine/base/result.h"
#include "engine/http/address.h"
#include "engine/postgres/session.h"
#include "engine/redis/client.h"

namespace flashclaim::bench {

/// Where the engine listens: HTTP_URL.
struct EngineAddress {
  http::Address address;
  std::string host;  ///< the value of the header Host
};
Result<EngineAddress> engine_from_environment();

/// REDIS_URL, AMQP_URL and PG_URL.
struct ServiceUrls {
  std::string redis;
  std::string amqp;
  std::string pg;
};
Result<ServiceUrls> services_from_environment();

/// Redis and PostgreSQL for one thread.
struct Stores {
  redis::Client redis;
  std::unique_ptr<postgres::Session> pg;
};
Result<Stores> connect_stores(const ServiceUrls& urls);
Result<std::unique_ptr<amqp::Connection>> connect_broker(const ServiceUrls& urls);

}  // namespace flashclaim::bench
