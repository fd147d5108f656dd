// flashctl events: turns settlement events for other systems on and off (consumer/EVENTS.md).
#include <spdlog/fmt/fmt.h>

#include "engine/cli/command.h"
#include "engine/operations/sync_redis.h"
#include "engine/postgres/events.h"

namespace flashclaim::cli {
namespace {

CommandResult events_status(Context& context, const Arguments&) {
  const auto pg = context.pg();
  if (!pg) return context.failed(pg.error());
  const auto feed = postgres::from_sql(postgres::settlement_feed(**pg));
  if (!feed) return context.failed(feed.error());
  return done("",
              Document().add("recorded", Cell::flag(feed->wanted)).add("batchesWaiting", Cell::number(feed->waiting)));
}

CommandResult switch_events(Context& context, bool wanted) {
  const std::string what = wanted ? "settlements are recorded and published from now on"
                                  : "no more settlements are recorded; those that wait are still published";
  if (context.dry_run()) return done("would see to it that " + what + " (nothing was changed)");
  const auto pg = context.pg();
  if (!pg) return context.failed(pg.error());
  const auto switched = postgres::want_settlement_events(**pg, wanted);
  if (!switched) return context.failed(switched.error().as_error());
  return done(what);
}

CommandResult events_on(Context& context, const Arguments&) { return switch_events(context, true); }
CommandResult events_off(Context& context, const Arguments&) { return switch_events(context, false); }

}  // namespace

std::vector<Verb> events_verbs() {
  return {{"events", "on", "", "publish settlements as events from now on", true, {}, events_on},
          {"events", "off", "", "record no more of them", true, {}, events_off},
          {"events", "status", "", "whether they are recorded, and what waits", false, {}, events_status}};
}

}  // namespace flashclaim::cli
