-- The ledger of migrations: the one table that exists before its own row is written.
-- engine/postgres/migrate.cpp writes a migration's row first, in the transaction that applies it.
CREATE TABLE schema_migration (
  number     integer     CONSTRAINT schema_migration_pkey PRIMARY KEY,
  name       text        NOT NULL,
  sha256     text        NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT schema_migration_number_from_1 CHECK (number >= 1),
  CONSTRAINT schema_migration_sha256_hex CHECK (sha256 ~ '^[0-9a-f]{64}$')
);
