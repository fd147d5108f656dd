// Writes one family for each counter of the asynchronous Redis client, in the order of the export.
#include "engine/redis/metrics.h"

namespace flashclaim::redis {

void write_metrics(MetricsWriter& out, PerThread<AsyncCounters> threads) {
  auto sum = [&](auto member) {
    return sum_of(threads, [member](const AsyncCounters& c) { return (c.*member).value(); });
  };
  out.counter("flashclaim_redis_commands_total", "Commands sent.", sum(&AsyncCounters::commands));
  out.counter("flashclaim_redis_lost_total", "Commands whose answer was lost: outcome unknown.",
              sum(&AsyncCounters::lost));
  out.counter("flashclaim_redis_full_total", "Commands not sent because a bound was reached.",
              sum(&AsyncCounters::full));
  out.counter("flashclaim_redis_connects_total", "Connections made.", sum(&AsyncCounters::connects));
  out.counter("flashclaim_redis_disconnects_total", "Connections lost.", sum(&AsyncCounters::disconnects));
  out.gauge("flashclaim_redis_connected", "Threads with a Redis connection.",
            sum_of(threads, [](const AsyncCounters& c) { return c.ready.load(); }));
}

}  // namespace flashclaim::redis
