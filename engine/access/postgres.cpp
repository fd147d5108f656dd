// The roles of PostgreSQL. sql/ says what the functions may do for their callers (SECURITY DEFINER);
// engine/postgres/rights.cpp says who may call them.
#include "engine/access/access.h"
#include "engine/access/secret.h"
#include "engine/base/try.h"
#include "engine/postgres/rights.h"

namespace flashclaim::access {
namespace {

// An existing role keeps its sessions and gets this password and these attributes.
std::string role_sql(std::string_view login, std::string_view verifier) {
  const std::string name(login);
  return "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '" + name + "') THEN CREATE ROLE " + name +
         "; END IF; END $$;\nALTER ROLE " + name +
         " LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '" +
         std::string(verifier) + "';\nALTER ROLE " + name + " SET search_path = public, pg_temp;\n";
}

// A table brings its identity sequences and row types along.
constexpr std::string_view kOwnership = R"sql(
DO $$
DECLARE
  v_object record;
BEGIN
  EXECUTE format('ALTER DATABASE %I OWNER TO flashclaim_owner', current_database());
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO flashclaim_engine, flashclaim_consumer, flashclaim_admin', current_database());
  ALTER SCHEMA public OWNER TO flashclaim_owner;
  REVOKE ALL ON SCHEMA public FROM PUBLIC;
  GRANT USAGE ON SCHEMA public TO flashclaim_engine, flashclaim_consumer, flashclaim_admin;
  FOR v_object IN
    SELECT format('ALTER TABLE public.%I OWNER TO flashclaim_owner', relname) AS statement
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
      AND relowner <> 'flashclaim_owner'::regrole
    UNION ALL
    SELECT format('ALTER ROUTINE %s OWNER TO flashclaim_owner', oid::regprocedure)
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proowner <> 'flashclaim_owner'::regrole
  LOOP
    EXECUTE v_object.statement;
  END LOOP;
END $$;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, flashclaim_engine, flashclaim_consumer, flashclaim_admin;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, flashclaim_engine, flashclaim_consumer, flashclaim_admin;
REVOKE ALL ON ALL ROUTINES IN SCHEMA public FROM flashclaim_engine, flashclaim_consumer, flashclaim_admin;
)sql";

// Skips objects that no migration has made yet.
std::string grant_sql(const postgres::Needs& grants) {
  const std::string role = "flashclaim_" + std::string(grants.role);
  return R"sql(DO $$
DECLARE
  v_object record;
BEGIN
  FOR v_object IN
    SELECT format('GRANT SELECT ON public.%I TO )sql" +
         role + R"sql(', relname) AS statement
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = ANY (string_to_array(')sql" +
         std::string(grants.tables) + R"sql(', ' '))
    UNION ALL
    SELECT format('GRANT EXECUTE ON ROUTINE %s TO )sql" +
         role + R"sql(', oid::regprocedure)
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = ANY (string_to_array(')sql" +
         std::string(grants.functions) + R"sql(', ' '))
  LOOP
    EXECUTE v_object.statement;
  END LOOP;
END $$;
)sql";
}

}  // namespace

Result<std::string> postgres_access(const std::string& folder) {
  std::string text = "BEGIN;\nSET LOCAL client_min_messages = warning;\n";
  for (const AccessUser& user : access_users()) {
    if (user.service != "postgres") continue;
    const auto password = TRY(read_password(folder + "/postgres-" + std::string(user.role)));
    text += role_sql(user.login, postgres_verifier(user.login, password));
  }
  text += kOwnership;
  for (const postgres::Needs& grants : postgres::all_needs()) text += grant_sql(grants);
  return text + "COMMIT;\n";
}

}  // namespace flashclaim::access
