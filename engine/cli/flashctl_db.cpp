// flashctl db: the schema.
#include <spdlog/fmt/fmt.h>

#include "engine/base/rfc3339.h"
#include "engine/cli/command.h"
#include "engine/operations/sync_redis.h"
#include "engine/postgres/migrate.h"

namespace flashclaim::cli {
namespace {

CommandResult db_status(Context& context, const Arguments&) {
  const auto pg = context.pg();
  if (!pg) return context.failed(pg.error());
  const auto status = postgres::from_sql(postgres::migration_status(**pg));
  if (!status) return context.failed(status.error());
  Table table{{"number", "name", "state", "appliedAt"}, {}};
  bool all = true;
  bool damaged = false;
  for (const postgres::MigrationStatus& one : *status) {
    const char* state = one.unknown ? "unknown" : !one.applied ? "missing" : one.intact ? "applied" : "differs";
    all = all && one.applied;
    damaged = damaged || one.unknown || (one.applied && !one.intact);
    table.rows.push_back({Cell::number(one.number), Cell::text(one.name), Cell::text(state),
                          one.applied ? Cell::text(rfc3339(one.applied_at_ms)) : Cell::none()});
  }
  Document document;
  document.add("migrations", std::move(table));
  if (damaged) {
    return {Exit::kViolated,
            "the database holds migrations that this build does not know or knows otherwise: use the build "
            "that made them, or a newer one",
            document};
  }
  if (!all) return refused("migrations are missing: flashctl db migrate", document);
  return done("the schema is current", document);
}

CommandResult db_migrate(Context& context, const Arguments& arguments) {
  if (context.dry_run()) {
    CommandResult answer = db_status(context, arguments);
    if (answer.exit != Exit::kRefused) return answer;
    return done("would apply what is missing (nothing was changed)", answer.document);
  }
  const auto pg = context.pg();
  if (!pg) return context.failed(pg.error());
  const auto applied = postgres::from_sql(postgres::migrate(**pg));
  if (!applied) return context.failed(applied.error());
  Table table{{"number"}, {}};
  for (const int number : *applied) table.rows.push_back({Cell::number(number)});
  return done(applied->empty() ? "the schema is current: nothing to apply"
                               : fmt::format("applied {} migrations", applied->size()),
              Document().add("applied", std::move(table)));
}

}  // namespace

std::vector<Verb> db_verbs() {
  return {{"db", "migrate", "", "bring the schema forward", true, {}, db_migrate},
          {"db", "status", "", "which migrations are applied", false, {}, db_status}};
}

}  // namespace flashclaim::cli
