// Writes one family for each counter of the mirror, in the order of the export.
#include "engine/mirror/metrics.h"

namespace flashclaim::mirror {

void write_metrics(MetricsWriter& out, const MirrorStats& stats) {
  auto number = [](auto value) { return static_cast<double>(value); };
  out.counter("flashclaim_mirror_mirrored_total", "Entries published, confirmed, acknowledged.",
              number(stats.mirrored));
  out.counter("flashclaim_mirror_published_total", "Publishes of all kinds.", number(stats.published));
  out.counter("flashclaim_mirror_confirmed_total", "Publishes that the broker confirmed.", number(stats.confirmed));
  out.counter("flashclaim_mirror_returned_total", "Publishes that no queue took.", number(stats.returned));
  out.counter("flashclaim_mirror_nacked_total", "Publishes that the broker refused.", number(stats.nacked));
  out.counter("flashclaim_mirror_republished_total", "Entries published again because their message seemed lost.",
              number(stats.republished));
  out.counter("flashclaim_mirror_taken_over_total", "Entries of a mirror that is gone.", number(stats.taken_over));
  out.counter("flashclaim_mirror_damaged_total", "Damaged entries.", number(stats.damaged));
  out.counter("flashclaim_mirror_healed_groups_total", "Consumer groups made anew.", number(stats.healed_groups));
  out.gauge("flashclaim_mirror_unconfirmed", "Publishes under way.", number(stats.unconfirmed));
  out.gauge("flashclaim_mirror_backlog_entries", "Entries not yet mirrored.", number(stats.backlog));
  out.gauge("flashclaim_mirror_unfinished_entries", "Entries in all issuing streams.", number(stats.unfinished));
  out.gauge("flashclaim_mirror_coupons", "Coupons whose streams are read.", number(stats.coupons));
  out.gauge("flashclaim_mirror_redis_connected", "1 while connected.", stats.redis_connected ? 1 : 0);
  out.gauge("flashclaim_mirror_amqp_connected", "1 while connected.", stats.amqp_connected ? 1 : 0);
  out.gauge("flashclaim_mirror_amqp_blocked", "1 while the broker takes no publishes.", stats.amqp_blocked ? 1 : 0);
}

}  // namespace flashclaim::mirror
