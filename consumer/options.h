// The settings of a consumer process and of its workers.
#pragma once

#include <string>

namespace flashclaim::consumer {

struct Options {
  std::string redis_url;
  std::string amqp_url;
  std::string pg_url;
  std::string name = "consumer";  ///< of the process, shown by the three services as the connection's name
  int workers = 2;                ///< threads, each with connections of its own
  int quiet_ms = 10'000;          ///< a subscription that has heard nothing for so long is renewed
  int prefetch = 500;             ///< messages a worker may hold unacknowledged; quorum queues know at most 2000
  int claims_max = 1000;          ///< claims in one SQL statement; a message is never split
  int redis_timeout_ms = 3000;    ///< for each answer of Redis
  int backoff_first_ms = 50;      ///< while a service is away: doubling, jittered, from here ...
  int backoff_max_ms = 5000;      ///< ... to here
  bool events = true;             ///< run a relay of settlement events
  int mend_every_ms = 1000;       ///< jittered: how often marks of suspicion are looked for
};

}  // namespace flashclaim::consumer
