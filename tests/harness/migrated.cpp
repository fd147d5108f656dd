// The template of migrated databases: the migrations run once in a test process, and each test gets a copy.
#include <stdexcept>

#include "engine/postgres/migrate.h"
#include "tests/harness/logins.h"
#include "tests/harness/process.h"
#include "tests/harness/services.h"

namespace flashclaim::harness {

void PrivatePostgres::create_template() {
  const Finished created = run_program(
      "/usr/bin/psql",
      {"-qXAt", "-v", "ON_ERROR_STOP=1", "-c", "CREATE DATABASE migrated TEMPLATE template0", url_of("postgres")});
  if (created.exit_code != 0) {
    throw std::runtime_error("psql failed: " + created.out + created.err);
  }
  const std::string url = url_of("migrated");
  grant(url);
  auto session = postgres::Session::connect(as("owner", url), "harness");
  if (!session) {
    throw std::runtime_error(session.error().message);
  }
  if (auto applied = postgres::migrate(**session); !applied) {
    throw std::runtime_error(applied.error().message);
  }
  grant(url);
}

}  // namespace flashclaim::harness
