// Writes one family for each counter of the archive, in the order of the export.
#include "engine/archive/metrics.h"

namespace flashclaim::archive {

void write_metrics(MetricsWriter& out, const PoolCounters& pool) {
  auto number = [](const std::atomic<std::uint64_t>& value) { return static_cast<double>(value.load()); };
  out.family("flashclaim_archive_requests_total",
             "Questions to PostgreSQL: claims that Redis forgot, what a user holds.", MetricKind::kCounter);
  out.value(number(pool.claims), {{"about", "claim"}});
  out.value(number(pool.held), {{"about", "held"}});
  out.family("flashclaim_archive_failed_total", "Those that were not answered, by reason.", MetricKind::kCounter);
  out.value(number(pool.full), {{"reason", "full"}});
  out.value(number(pool.late), {{"reason", "late"}});
  out.value(number(pool.away), {{"reason", "away"}});
  out.gauge("flashclaim_archive_waiting", "Questions in the queue.", number(pool.waiting));
  out.counter("flashclaim_archive_connects_total", "Connections made to PostgreSQL.", number(pool.connects));
  out.gauge("flashclaim_archive_connected", "Threads with a connection to PostgreSQL.", number(pool.connected));
}

}  // namespace flashclaim::archive
