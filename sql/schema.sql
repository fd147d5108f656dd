-- The schema as all migrations together leave it. Written by `make schema`, compared by tests/sql; never applied, never edited.
-- The comments above tables and functions, with their contracts, are in the migration that each names.

-- claim_rejection: 0003_claims.sql
CREATE TABLE claim_rejection (
    coupon_id bigint NOT NULL,
    user_id bigint NOT NULL,
    entry_ms bigint NOT NULL,
    entry_seq bigint NOT NULL,
    rejected_at timestamp with time zone NOT NULL,
    epoch integer NOT NULL,
    entry_index integer NOT NULL,
    reason text NOT NULL,
    CONSTRAINT claim_rejection_entry_not_negative CHECK (((entry_ms >= 0) AND (entry_seq >= 0) AND (entry_index >= 0))),
    CONSTRAINT claim_rejection_ids_positive CHECK (((coupon_id > 0) AND (user_id > 0) AND (epoch > 0))),
    CONSTRAINT claim_rejection_reason_known CHECK ((reason = ANY (ARRAY['over_limit'::text, 'out_of_stock'::text, 'stale_epoch'::text, 'unknown_coupon'::text, 'rejected'::text])))
);
ALTER TABLE ONLY claim_rejection
    ADD CONSTRAINT claim_rejection_claim_key PRIMARY KEY (coupon_id, epoch, entry_ms, entry_seq, entry_index);

-- coupon: 0002_coupon.sql
CREATE TABLE coupon (
    id bigint NOT NULL,
    name text NOT NULL,
    status text DEFAULT 'draft'::text NOT NULL,
    issue_begin_time timestamp(3) with time zone NOT NULL,
    issue_end_time timestamp(3) with time zone NOT NULL,
    total_num bigint NOT NULL,
    target_total bigint NOT NULL,
    issue_num bigint DEFAULT 0 NOT NULL,
    user_limit integer NOT NULL,
    max_inflight bigint NOT NULL,
    epoch integer DEFAULT 1 NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    publish_version bigint DEFAULT 0 NOT NULL,
    CONSTRAINT coupon_epoch_positive CHECK ((epoch > 0)),
    CONSTRAINT coupon_id_positive CHECK ((id > 0)),
    CONSTRAINT coupon_max_inflight_positive CHECK ((max_inflight > 0)),
    CONSTRAINT coupon_name_1_to_200 CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT coupon_never_oversold CHECK (((issue_num >= 0) AND (issue_num <= total_num))),
    CONSTRAINT coupon_status_known CHECK ((status = ANY (ARRAY['draft'::text, 'issuing'::text, 'paused'::text, 'ended'::text, 'purged'::text]))),
    CONSTRAINT coupon_target_at_most_total CHECK (((target_total >= 1) AND (target_total <= total_num))),
    CONSTRAINT coupon_total_1_to_10e12 CHECK (((total_num >= 1) AND (total_num <= '1000000000000'::bigint))),
    CONSTRAINT coupon_user_limit_1_to_10e6 CHECK (((user_limit >= 1) AND (user_limit <= 1000000))),
    CONSTRAINT coupon_versions_in_order CHECK (((version > 0) AND ((publish_version >= 0) AND (publish_version <= version)))),
    CONSTRAINT coupon_window_in_order CHECK ((issue_begin_time < issue_end_time)),
    CONSTRAINT coupon_window_not_in_seconds CHECK ((issue_begin_time >= to_timestamp((100000000)::double precision)))
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000');
ALTER TABLE ONLY coupon
    ADD CONSTRAINT coupon_pkey PRIMARY KEY (id);

-- coupon_event: 0002_coupon.sql, 0013_compare_and_set.sql
CREATE TABLE coupon_event (
    coupon_id bigint NOT NULL,
    version bigint NOT NULL,
    operation text NOT NULL,
    actor text DEFAULT COALESCE(NULLIF(current_setting('flashclaim.by'::text, true), ''::text), current_setting('application_name'::text)) NOT NULL,
    happened_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    state coupon_state NOT NULL,
    CONSTRAINT coupon_event_operation_known CHECK ((operation = ANY (ARRAY['create'::text, 'publish'::text, 'pause'::text, 'resume'::text, 'end'::text, 'update'::text, 'complete_cut'::text, 'rebuild'::text, 'purge'::text])))
);
ALTER TABLE ONLY coupon_event
    ADD CONSTRAINT coupon_event_pkey PRIMARY KEY (coupon_id, version);
ALTER TABLE ONLY coupon_event
    ADD CONSTRAINT coupon_event_coupon_fkey FOREIGN KEY (coupon_id) REFERENCES coupon(id);

-- schema_migration: 0001_ledger.sql
CREATE TABLE schema_migration (
    number integer NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT schema_migration_number_from_1 CHECK ((number >= 1)),
    CONSTRAINT schema_migration_sha256_hex CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);
ALTER TABLE ONLY schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (number);

-- settlement_event: 0009_settlement_events.sql
CREATE TABLE settlement_event (
    id bigint NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    coupon bigint[] NOT NULL,
    epoch integer[] NOT NULL,
    ms bigint[] NOT NULL,
    seq bigint[] NOT NULL,
    idx integer[] NOT NULL,
    usr bigint[] NOT NULL,
    outcome text[] NOT NULL,
    fresh boolean[] NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000');
ALTER TABLE ONLY settlement_event ALTER COLUMN coupon SET COMPRESSION lz4;
ALTER TABLE ONLY settlement_event ALTER COLUMN epoch SET COMPRESSION lz4;
ALTER TABLE ONLY settlement_event ALTER COLUMN ms SET COMPRESSION lz4;
ALTER TABLE ONLY settlement_event ALTER COLUMN seq SET COMPRESSION lz4;
ALTER TABLE ONLY settlement_event ALTER COLUMN idx SET COMPRESSION lz4;
ALTER TABLE ONLY settlement_event ALTER COLUMN usr SET COMPRESSION lz4;
ALTER TABLE ONLY settlement_event ALTER COLUMN outcome SET COMPRESSION lz4;
ALTER TABLE ONLY settlement_event ALTER COLUMN fresh SET COMPRESSION lz4;
ALTER TABLE settlement_event ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME settlement_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY settlement_event
    ADD CONSTRAINT settlement_event_pkey PRIMARY KEY (id);

-- settlement_feed: 0009_settlement_events.sql
CREATE TABLE settlement_feed (
    wanted boolean DEFAULT false NOT NULL,
    one boolean DEFAULT true NOT NULL,
    CONSTRAINT settlement_feed_one_row CHECK (one)
);
ALTER TABLE ONLY settlement_feed
    ADD CONSTRAINT settlement_feed_pkey PRIMARY KEY (one);

-- user_coupon: 0003_claims.sql
CREATE TABLE user_coupon (
    id bigint NOT NULL,
    coupon_id bigint NOT NULL,
    user_id bigint NOT NULL,
    entry_ms bigint NOT NULL,
    entry_seq bigint NOT NULL,
    claimed_at timestamp with time zone NOT NULL,
    settled_at timestamp with time zone NOT NULL,
    epoch integer NOT NULL,
    entry_index integer NOT NULL,
    ordinal integer NOT NULL,
    status text DEFAULT 'received'::text NOT NULL,
    CONSTRAINT user_coupon_entry_not_negative CHECK (((entry_ms >= 0) AND (entry_seq >= 0) AND (entry_index >= 0))),
    CONSTRAINT user_coupon_ids_positive CHECK (((coupon_id > 0) AND (user_id > 0) AND (epoch > 0))),
    CONSTRAINT user_coupon_ordinal_from_1 CHECK ((ordinal >= 1)),
    CONSTRAINT user_coupon_status_known CHECK ((status = 'received'::text))
);
ALTER TABLE user_coupon ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME user_coupon_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 100
);
ALTER TABLE ONLY user_coupon
    ADD CONSTRAINT user_coupon_claim_key PRIMARY KEY (coupon_id, epoch, entry_ms, entry_seq, entry_index);
ALTER TABLE ONLY user_coupon
    ADD CONSTRAINT user_coupon_ordinal_key UNIQUE (coupon_id, user_id, ordinal);

-- claim_outcome: 0003_claims.sql
CREATE VIEW claim_outcome AS
 SELECT user_coupon.coupon_id,
    user_coupon.epoch,
    user_coupon.entry_ms,
    user_coupon.entry_seq,
    user_coupon.entry_index,
    user_coupon.user_id,
    NULL::text AS refusal,
    user_coupon.settled_at AS decided_at
   FROM user_coupon
UNION ALL
 SELECT claim_rejection.coupon_id,
    claim_rejection.epoch,
    claim_rejection.entry_ms,
    claim_rejection.entry_seq,
    claim_rejection.entry_index,
    claim_rejection.user_id,
    claim_rejection.reason AS refusal,
    claim_rejection.rejected_at AS decided_at
   FROM claim_rejection;

-- coupon_state: 0002_coupon.sql
CREATE VIEW coupon_state AS
 SELECT coupon.id,
    coupon.name,
    coupon.status,
    coupon.epoch,
    coupon.version,
    coupon.publish_version,
    coupon.total_num,
    coupon.target_total,
    coupon.issue_num,
    coupon.user_limit,
    ((EXTRACT(epoch FROM coupon.issue_begin_time) * (1000)::numeric))::bigint AS begin_ms,
    ((EXTRACT(epoch FROM coupon.issue_end_time) * (1000)::numeric))::bigint AS end_ms,
    coupon.max_inflight
   FROM coupon;

-- archived_claims: 0011_archive.sql
CREATE FUNCTION archived_claims(p_coupon bigint[], p_epoch bigint[], p_ms bigint[], p_seq bigint[], p_index bigint[])
    RETURNS TABLE(n integer, usr bigint, refusal text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET jit TO 'off'
    AS $$
  SELECT c.n::integer, o.user_id, o.refusal
  FROM unnest(p_coupon, p_epoch, p_ms, p_seq, p_index) WITH ORDINALITY AS c(coupon, epoch, ms, seq, idx, n)
  CROSS JOIN LATERAL (SELECT o.user_id, o.refusal FROM claim_outcome o
                      WHERE (o.coupon_id, o.epoch, o.entry_ms, o.entry_seq, o.entry_index)
                          = (c.coupon, c.epoch, c.ms, c.seq, c.idx) LIMIT 1) o
$$;
REVOKE ALL ON FUNCTION archived_claims(p_coupon bigint[], p_epoch bigint[], p_ms bigint[], p_seq bigint[], p_index bigint[]) FROM PUBLIC;

-- archived_coupons: 0011_archive.sql
CREATE FUNCTION archived_coupons(p_user bigint, p_coupon bigint, p_ordinal bigint, p_limit integer, p_look integer)
    RETURNS TABLE(coupon bigint, ordinal integer, name text, epoch integer, ms bigint, seq bigint, idx integer, claimed_ms bigint, settled_ms bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    AS $$
  (SELECT line.id, own.ordinal, line.name, own.epoch, own.entry_ms, own.entry_seq, own.entry_index,
          (extract(epoch FROM own.claimed_at) * 1000)::bigint, (extract(epoch FROM own.settled_at) * 1000)::bigint
   FROM (SELECT c.id, c.name, c.status FROM coupon c WHERE c.id <= p_coupon ORDER BY c.id DESC LIMIT p_look) line
   CROSS JOIN LATERAL (
     SELECT * FROM user_coupon u
     WHERE u.coupon_id = line.id AND u.user_id = p_user
       AND u.ordinal < CASE line.id WHEN p_coupon THEN p_ordinal ELSE 2147483647 END
     ORDER BY u.ordinal DESC LIMIT p_limit) own
   WHERE line.status <> 'purged'
   ORDER BY line.id DESC, own.ordinal DESC LIMIT p_limit)
  UNION ALL
  (SELECT c.id, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM coupon c WHERE c.id <= p_coupon
   ORDER BY c.id DESC OFFSET p_look - 1 LIMIT 1)
$$;
REVOKE ALL ON FUNCTION archived_coupons(p_user bigint, p_coupon bigint, p_ordinal bigint, p_limit integer, p_look integer) FROM PUBLIC;

-- begin_rebuild: 0005_operate.sql, 0008_access.sql
CREATE FUNCTION begin_rebuild(p_id bigint, OUT verdict text, OUT state coupon_state)
    RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
  PERFORM FROM coupon c WHERE c.id = p_id FOR NO KEY UPDATE;
  SELECT s.* INTO state FROM coupon_state s WHERE s.id = p_id;
  verdict := CASE
    WHEN state.id IS NULL OR state.status = 'purged' THEN 'not_found'
    WHEN state.publish_version = 0 THEN 'wrong_status'
    ELSE 'applied' END;
  IF verdict = 'applied' THEN
    UPDATE coupon c SET epoch = c.epoch + 1, version = c.version + 1 WHERE c.id = p_id;
    state := log_operation(p_id, 'rebuild');
  END IF;
END $$;
REVOKE ALL ON FUNCTION begin_rebuild(p_id bigint, OUT verdict text, OUT state coupon_state) FROM PUBLIC;

-- check_batch: 0014_settle_parts.sql
CREATE FUNCTION check_batch(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[], p_mode text)
    RETURNS void
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'settle_claims needs READ COMMITTED' USING ERRCODE = '25001';
  END IF;
  IF p_mode IS NULL OR p_mode NOT IN ('settle', 'reject') OR num_nulls(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user) > 0
     OR cardinality(p_coupon) > 10000
     OR (cardinality(p_epoch), cardinality(p_ms), cardinality(p_seq), cardinality(p_index), cardinality(p_user))
        <> (cardinality(p_coupon), cardinality(p_coupon), cardinality(p_coupon), cardinality(p_coupon), cardinality(p_coupon))
  THEN
    RAISE EXCEPTION 'settle_claims: six arrays of one length, at most 10000 claims, settle or reject' USING ERRCODE = '22023';
  END IF;
END $$;

-- claim_stripes: 0004_settle.sql
CREATE FUNCTION claim_stripes(p_coupon bigint[], p_ms bigint[], p_seq bigint[], p_user bigint[])
    RETURNS SETOF integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT DISTINCT s.stripe
  FROM unnest(p_coupon, p_ms, p_seq, p_user) AS c(coupon, ms, seq, usr),
       LATERAL (VALUES ((hashint8extended(usr, coupon) & 1023)::integer),
                       ((hashint8extended(ms, hashint8extended(seq, coupon)) & 1023)::integer)) AS s(stripe)
  ORDER BY s.stripe
$$;

-- complete_cut: 0005_operate.sql, 0008_access.sql
CREATE FUNCTION complete_cut(p_id bigint, p_version bigint, OUT verdict text, OUT state coupon_state)
    RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
  PERFORM FROM coupon c WHERE c.id = p_id FOR NO KEY UPDATE;
  SELECT s.* INTO state FROM coupon_state s WHERE s.id = p_id;
  verdict := CASE
    WHEN state.id IS NULL OR state.status = 'purged' THEN 'not_found'
    WHEN state.target_total = state.total_num THEN 'unchanged'
    WHEN state.version <> p_version THEN 'moved'
    WHEN state.issue_num > state.target_total THEN 'below_issued'
    ELSE 'applied' END;
  IF verdict = 'applied' THEN
    UPDATE coupon c SET total_num = c.target_total, version = c.version + 1 WHERE c.id = p_id;
    state := log_operation(p_id, 'complete_cut');
  END IF;
END $$;
REVOKE ALL ON FUNCTION complete_cut(p_id bigint, p_version bigint, OUT verdict text, OUT state coupon_state) FROM PUBLIC;

-- count_issued: 0014_settle_parts.sql
CREATE FUNCTION count_issued(p_coupon bigint[], p_epoch integer[])
    RETURNS boolean
    LANGUAGE plpgsql
    AS $$
DECLARE
  v_all boolean;
BEGIN
  PERFORM lock_coupons(p_coupon);
  WITH line AS (
    SELECT c.coupon, c.epoch, count(*) AS claims FROM unnest(p_coupon, p_epoch) AS c(coupon, epoch) GROUP BY c.coupon, c.epoch
  ), fit AS ( -- by the array too, or the plan reads every coupon that there is
    UPDATE coupon SET issue_num = issue_num + line.claims FROM line
    WHERE id = ANY (p_coupon) AND id = line.coupon AND coupon.epoch = line.epoch AND issue_num + line.claims <= total_num
      AND status <> 'purged'
    RETURNING 1
  )
  SELECT (SELECT count(*) FROM line) = (SELECT count(*) FROM fit) INTO v_all;
  RETURN v_all;
END $$;
REVOKE ALL ON FUNCTION count_issued(p_coupon bigint[], p_epoch integer[]) FROM PUBLIC;

-- coupon_counts: 0006_reconcile.sql
CREATE FUNCTION coupon_counts(p_coupon bigint)
    RETURNS TABLE(rows bigint, issue_num bigint, total_num bigint, users bigint, max_per_user bigint, over_limit_users bigint, rejections bigint, doubled bigint)
    LANGUAGE sql STABLE
    AS $$
  SELECT p.rows, c.issue_num, c.total_num, p.users, p.max_per_user, p.over_limit_users,
         (SELECT count(*) FROM claim_rejection r WHERE r.coupon_id = c.id),
         (SELECT count(*) FROM claim_rejection r JOIN user_coupon u
            USING (coupon_id, epoch, entry_ms, entry_seq, entry_index) WHERE r.coupon_id = c.id)
  FROM coupon c
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(u.claims), 0)::bigint AS rows, count(*) AS users, coalesce(max(u.claims), 0) AS max_per_user,
           count(*) FILTER (WHERE u.claims > c.user_limit) AS over_limit_users
    FROM (SELECT count(*) AS claims FROM user_coupon WHERE coupon_id = p_coupon GROUP BY user_id) u) p
  WHERE c.id = p_coupon AND c.status <> 'purged'
$$;

-- create_coupon: 0005_operate.sql, 0008_access.sql
CREATE FUNCTION create_coupon(p_id bigint, p_name text, p_total bigint, p_user_limit integer, p_begin_ms bigint, p_end_ms bigint, p_max_inflight bigint, OUT verdict text, OUT state coupon_state)
    RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
  INSERT INTO coupon (id, name, issue_begin_time, issue_end_time, total_num, target_total, user_limit, max_inflight)
  VALUES (p_id, p_name, to_timestamp(p_begin_ms / 1000.0), to_timestamp(p_end_ms / 1000.0), p_total, p_total, p_user_limit,
          p_max_inflight)
  ON CONFLICT ON CONSTRAINT coupon_pkey DO NOTHING;
  IF FOUND THEN
    verdict := 'applied';
    state := log_operation(p_id, 'create');
    RETURN;
  END IF;
  SELECT s.* INTO state FROM coupon_state s WHERE s.id = p_id;
  verdict := CASE WHEN state.status <> 'purged'
      AND (state.name, state.target_total, state.user_limit, state.begin_ms, state.end_ms, state.max_inflight)
        = (p_name, p_total, p_user_limit, p_begin_ms, p_end_ms, p_max_inflight)
    THEN 'unchanged' ELSE 'exists' END;
END $$;
REVOKE ALL ON FUNCTION create_coupon(p_id bigint, p_name text, p_total bigint, p_user_limit integer, p_begin_ms bigint, p_end_ms bigint, p_max_inflight bigint, OUT verdict text, OUT state coupon_state) FROM PUBLIC;

-- entry_was_refused: 0014_settle_parts.sql
CREATE FUNCTION entry_was_refused(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[])
    RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  PERFORM FROM (SELECT DISTINCT coupon, epoch, ms, seq FROM unnest(p_coupon, p_epoch, p_ms, p_seq) AS c(coupon, epoch, ms, seq)) e
  WHERE EXISTS (SELECT FROM claim_rejection r
                WHERE (r.coupon_id, r.epoch, r.entry_ms, r.entry_seq) = (e.coupon, e.epoch, e.ms, e.seq))
  LIMIT 1;
  RETURN FOUND;
END $$;

-- flying_entries: 0006_reconcile.sql
CREATE FUNCTION flying_entries(p_ms bigint[], p_seq bigint[])
    RETURNS TABLE(ms bigint, seq bigint)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT DISTINCT f.ms, f.seq FROM unnest(p_ms, p_seq) AS f(ms, seq) $$;

-- forget_settlement_events: 0009_settlement_events.sql
CREATE FUNCTION forget_settlement_events(p_ids bigint[])
    RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
  WITH gone AS (DELETE FROM settlement_event WHERE id = ANY (p_ids) RETURNING 1) SELECT count(*) FROM gone
$$;
REVOKE ALL ON FUNCTION forget_settlement_events(p_ids bigint[]) FROM PUBLIC;

-- highest_entry: 0006_reconcile.sql
CREATE FUNCTION highest_entry(p_coupon bigint, p_epoch integer)
    RETURNS TABLE(ms bigint, seq bigint)
    LANGUAGE sql STABLE
    AS $$
  (SELECT e.ms, e.seq FROM (
    (SELECT entry_ms, entry_seq FROM user_coupon WHERE coupon_id = p_coupon AND epoch = p_epoch
     ORDER BY entry_ms DESC, entry_seq DESC LIMIT 1)
    UNION ALL
    (SELECT entry_ms, entry_seq FROM claim_rejection WHERE coupon_id = p_coupon AND epoch = p_epoch
     ORDER BY entry_ms DESC, entry_seq DESC LIMIT 1)) AS e(ms, seq)
   ORDER BY e.ms DESC, e.seq DESC LIMIT 1)
$$;

-- insert_first_rows: 0014_settle_parts.sql
CREATE FUNCTION insert_first_rows(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[])
    RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO user_coupon (coupon_id, user_id, entry_ms, entry_seq, claimed_at, settled_at, epoch, entry_index, ordinal)
  SELECT coupon, usr, ms, seq, to_timestamp(ms / 1000.0::float8), statement_timestamp(), epoch, idx, 1
  FROM unnest(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user) AS c(coupon, epoch, ms, seq, idx, usr);
END $$;
REVOKE ALL ON FUNCTION insert_first_rows(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[]) FROM PUBLIC;

-- insert_judged_rows: 0014_settle_parts.sql
CREATE FUNCTION insert_judged_rows(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[], p_ordinals integer[])
    RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO user_coupon (coupon_id, user_id, entry_ms, entry_seq, claimed_at, settled_at, epoch, entry_index, ordinal)
  SELECT coupon, usr, ms, seq, to_timestamp(ms / 1000.0::float8), statement_timestamp(), epoch, idx, ordinal
  FROM unnest(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user, p_ordinals) AS c(coupon, epoch, ms, seq, idx, usr, ordinal)
  WHERE ordinal IS NOT NULL;
END $$;
REVOKE ALL ON FUNCTION insert_judged_rows(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[], p_ordinals integer[]) FROM PUBLIC;

-- insert_next_rows: 0014_settle_parts.sql
CREATE FUNCTION insert_next_rows(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[])
    RETURNS boolean
    LANGUAGE plpgsql
    AS $$
DECLARE
  v_inserted bigint;
BEGIN
  WITH claim AS (
    SELECT *, top + row_number() OVER (PARTITION BY coupon, usr ORDER BY ms, seq, idx) AS nth
    FROM (SELECT c.*, coalesce((SELECT u.ordinal FROM user_coupon u WHERE u.coupon_id = c.coupon AND u.user_id = c.usr
                                ORDER BY u.ordinal DESC LIMIT 1), 0) AS top
          FROM unnest(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user) AS c(coupon, epoch, ms, seq, idx, usr)
          OFFSET 0) AS held
  ), line AS MATERIALIZED (
    SELECT id, user_limit FROM coupon WHERE id = ANY (p_coupon)
  )
  INSERT INTO user_coupon (coupon_id, user_id, entry_ms, entry_seq, claimed_at, settled_at, epoch, entry_index, ordinal)
  SELECT coupon, usr, ms, seq, to_timestamp(ms / 1000.0::float8), statement_timestamp(), epoch, idx, nth
  FROM claim JOIN line ON line.id = claim.coupon
  WHERE nth <= user_limit;
  GET DIAGNOSTICS v_inserted = ROW_COUNT;
  RETURN v_inserted = cardinality(p_coupon);
END $$;
REVOKE ALL ON FUNCTION insert_next_rows(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[]) FROM PUBLIC;

-- insert_refusals: 0014_settle_parts.sql
CREATE FUNCTION insert_refusals(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[], p_outcomes text[], p_freshes boolean[])
    RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO claim_rejection (coupon_id, user_id, entry_ms, entry_seq, rejected_at, epoch, entry_index, reason)
  SELECT coupon, usr, ms, seq, statement_timestamp(), epoch, idx, outcome
  FROM unnest(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user, p_outcomes, p_freshes)
       AS c(coupon, epoch, ms, seq, idx, usr, outcome, fresh)
  WHERE fresh AND outcome <> 'settled';
END $$;
REVOKE ALL ON FUNCTION insert_refusals(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[], p_outcomes text[], p_freshes boolean[]) FROM PUBLIC;

-- judge_claims: 0014_settle_parts.sql
CREATE FUNCTION judge_claims(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[], p_mode text, OUT outcomes text[], OUT freshes boolean[], OUT ordinals integer[], OUT settled bigint, OUT refused bigint)
    RETURNS record
    LANGUAGE plpgsql STABLE
    SET enable_nestloop TO 'off'
    AS $$
BEGIN
  WITH input AS ( -- lead: the position of the first copy of the same claim id
    SELECT *, first_value(n) OVER (PARTITION BY coupon, ms, seq, idx, epoch ORDER BY n) AS lead
    FROM unnest(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user) WITH ORDINALITY AS c(coupon, epoch, ms, seq, idx, usr, n)
  ), line AS MATERIALIZED (
    SELECT id, status, epoch AS coupon_epoch, user_limit, total_num - issue_num AS remaining
    FROM coupon WHERE id = ANY (p_coupon)
  ), holder AS MATERIALIZED (
    SELECT * FROM user_holdings(p_coupon, p_user)
  ), facing AS ( -- what is known of the claim; an open one meets the coupon and what its user holds
    SELECT i.*, line.*, done.user_id AS known_user, done.outcome AS known_outcome, coalesce(own.held, 0) AS held, own.gaps,
           i.n = i.lead AND done.user_id IS NULL AS open,
           i.n = i.lead AND done.user_id IS NULL AND i.epoch IS NOT DISTINCT FROM line.coupon_epoch AS current
    FROM input i
    LEFT JOIN line ON line.id = i.coupon
    LEFT JOIN LATERAL known_outcome(i.coupon, i.epoch, i.ms, i.seq, i.idx) AS done ON true
    LEFT JOIN holder own ON own.coupon = i.coupon AND own.usr = i.usr
  ), counted AS ( -- would be the user's nth
    SELECT *, held + row_number() OVER (PARTITION BY coupon, usr, current ORDER BY ms, seq, idx) AS nth FROM facing
  ), placed AS ( -- in the coupon's line: how many up to here are admitted by epoch and limit
    SELECT *, current AND nth <= user_limit AS admissible,
           count(*) FILTER (WHERE current AND nth <= user_limit)
             OVER (PARTITION BY coupon ORDER BY ms, seq, idx, epoch, n ROWS UNBOUNDED PRECEDING) AS place
    FROM counted
  ), judged AS (
    SELECT *, CASE
        WHEN p_mode = 'reject' THEN 'rejected'
        WHEN status IS NULL OR status = 'purged' THEN 'unknown_coupon'
        WHEN NOT current THEN 'stale_epoch'
        WHEN admissible AND place <= remaining THEN 'settled'
        WHEN admissible OR place >= remaining THEN 'out_of_stock'
        ELSE 'over_limit' END AS verdict
    FROM placed
  ), led AS (
    SELECT *, first_value(verdict) OVER copies AS lead_verdict, first_value(usr) OVER copies AS lead_user
    FROM judged WINDOW copies AS (PARTITION BY coupon, ms, seq, idx, epoch ORDER BY n)
  ), answer AS (
    SELECT n, CASE
        WHEN usr <> coalesce(known_user, lead_user) THEN 'id_conflict'
        WHEN n <> lead AND known_user IS NULL AND lead_verdict = 'settled' THEN 'replayed'
        ELSE coalesce(known_outcome, lead_verdict) END AS outcome,
      -- Of a purged coupon nothing is recorded: what its claims became is forgotten for good.
      open AND status IS DISTINCT FROM 'purged' AS fresh,
      CASE
        WHEN NOT open OR verdict <> 'settled' THEN NULL
        WHEN gaps IS NULL THEN nth
        ELSE gaps[nth - held] END AS ordinal
    FROM led ORDER BY n
  )
  SELECT array_agg(a.outcome), array_agg(a.fresh), array_agg(a.ordinal::integer), count(a.ordinal),
         count(*) FILTER (WHERE a.fresh AND a.ordinal IS NULL)
  INTO outcomes, freshes, ordinals, settled, refused FROM answer a;
END $$;

-- known_outcome: 0014_settle_parts.sql
CREATE FUNCTION known_outcome(p_coupon bigint, p_epoch integer, p_ms bigint, p_seq bigint, p_index integer)
    RETURNS TABLE(user_id bigint, outcome text)
    LANGUAGE sql STABLE
    AS $$
  SELECT u.user_id, 'replayed' AS outcome FROM user_coupon u
  WHERE (u.coupon_id, u.epoch, u.entry_ms, u.entry_seq, u.entry_index) = (p_coupon, p_epoch, p_ms, p_seq, p_index)
  UNION ALL
  SELECT r.user_id, r.reason FROM claim_rejection r
  WHERE (r.coupon_id, r.epoch, r.entry_ms, r.entry_seq, r.entry_index) = (p_coupon, p_epoch, p_ms, p_seq, p_index)
  LIMIT 1
$$;

-- lock_coupons: 0014_settle_parts.sql
CREATE FUNCTION lock_coupons(p_coupon bigint[])
    RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM FROM coupon WHERE id = ANY (p_coupon) ORDER BY id FOR NO KEY UPDATE;
END $$;
REVOKE ALL ON FUNCTION lock_coupons(p_coupon bigint[]) FROM PUBLIC;

-- log_operation: 0005_operate.sql
CREATE FUNCTION log_operation(p_id bigint, p_operation text)
    RETURNS coupon_state
    LANGUAGE sql
    AS $$
  INSERT INTO coupon_event (coupon_id, version, operation, state)
  SELECT s.id, s.version, p_operation, s FROM coupon_state s WHERE s.id = p_id
  RETURNING state
$$;

-- operate_coupon: 0013_compare_and_set.sql
CREATE FUNCTION operate_coupon(p_id bigint, p_operation text, p_version bigint DEFAULT NULL::bigint, OUT verdict text, OUT state coupon_state)
    RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
  v_status text;
  v_version bigint;
  v_next text := CASE p_operation WHEN 'publish' THEN 'issuing' WHEN 'pause' THEN 'paused' WHEN 'resume' THEN 'issuing'
                                  WHEN 'end' THEN 'ended' END;
BEGIN
  IF v_next IS NULL THEN
    RAISE EXCEPTION 'operate_coupon: publish, pause, resume or end' USING ERRCODE = '22023';
  END IF;
  SELECT c.status, c.version INTO v_status, v_version FROM coupon c WHERE c.id = p_id FOR NO KEY UPDATE;
  verdict := CASE
    WHEN v_status IS NULL OR v_status = 'purged' THEN 'not_found'
    WHEN v_version <> p_version THEN 'moved'
    WHEN v_status = v_next THEN 'unchanged'
    WHEN (v_status, p_operation) IN (('draft', 'publish'), ('issuing', 'pause'), ('paused', 'resume'),
                                     ('draft', 'end'), ('issuing', 'end'), ('paused', 'end')) THEN 'applied'
    ELSE 'wrong_status' END;
  IF verdict = 'applied' THEN
    UPDATE coupon c
    SET status = v_next, version = c.version + 1,
        publish_version = CASE p_operation WHEN 'publish' THEN c.version + 1 ELSE c.publish_version END
    WHERE c.id = p_id;
    state := log_operation(p_id, p_operation);
  ELSE
    SELECT s.* INTO state FROM coupon_state s WHERE s.id = p_id;
  END IF;
END $$;
REVOKE ALL ON FUNCTION operate_coupon(p_id bigint, p_operation text, p_version bigint, OUT verdict text, OUT state coupon_state) FROM PUBLIC;

-- purge_claims: 0005_operate.sql, 0008_access.sql
CREATE FUNCTION purge_claims(p_id bigint, p_max integer)
    RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
  WITH settled AS (
    DELETE FROM user_coupon WHERE ctid IN (
      SELECT u.ctid FROM user_coupon u JOIN coupon c ON c.id = u.coupon_id
      WHERE u.coupon_id = p_id AND c.status = 'purged' LIMIT p_max)
    RETURNING 1
  ), refused AS (
    DELETE FROM claim_rejection WHERE ctid IN (
      SELECT r.ctid FROM claim_rejection r LEFT JOIN coupon c ON c.id = r.coupon_id
      WHERE r.coupon_id = p_id AND c.status = 'purged' LIMIT p_max)
    RETURNING 1
  )
  SELECT (SELECT count(*) FROM settled) + (SELECT count(*) FROM refused)
$$;
REVOKE ALL ON FUNCTION purge_claims(p_id bigint, p_max integer) FROM PUBLIC;

-- purge_coupon: 0013_compare_and_set.sql
CREATE FUNCTION purge_coupon(p_id bigint, p_version bigint DEFAULT NULL::bigint, OUT verdict text, OUT state coupon_state)
    RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
  PERFORM FROM coupon c WHERE c.id = p_id FOR NO KEY UPDATE;
  SELECT s.* INTO state FROM coupon_state s WHERE s.id = p_id;
  verdict := CASE
    WHEN state.id IS NULL THEN 'not_found'
    WHEN state.status = 'purged' THEN 'unchanged'
    WHEN state.version <> p_version THEN 'moved'
    WHEN state.status <> 'ended' THEN 'wrong_status'
    ELSE 'applied' END;
  IF verdict = 'applied' THEN
    UPDATE coupon c SET status = 'purged', version = c.version + 1 WHERE c.id = p_id;
    state := log_operation(p_id, 'purge');
  END IF;
END $$;
REVOKE ALL ON FUNCTION purge_coupon(p_id bigint, p_version bigint, OUT verdict text, OUT state coupon_state) FROM PUBLIC;

-- reconcile_rows: 0006_reconcile.sql
CREATE FUNCTION reconcile_rows(p_coupon bigint, p_epoch integer, p_last_ms bigint, p_last_seq bigint, p_ms bigint[], p_seq bigint[])
    RETURNS TABLE(rows bigint, epoch integer, version bigint, target_total bigint, highest_ms bigint, highest_seq bigint)
    LANGUAGE sql STABLE
    AS $$
  SELECT c.issue_num
           - (SELECT count(*) FROM user_coupon u WHERE u.coupon_id = c.id AND u.epoch > p_epoch)
           - (SELECT count(*) FROM user_coupon u
              WHERE u.coupon_id = c.id AND u.epoch = p_epoch AND (u.entry_ms, u.entry_seq) > (p_last_ms, p_last_seq))
           - (SELECT count(*) FROM flying_entries(p_ms, p_seq) f JOIN user_coupon u
                ON u.coupon_id = c.id AND u.epoch = p_epoch AND u.entry_ms = f.ms AND u.entry_seq = f.seq
              WHERE (f.ms, f.seq) <= (p_last_ms, p_last_seq)),
         c.epoch, c.version, c.target_total, h.ms, h.seq
  FROM coupon c LEFT JOIN LATERAL highest_entry(c.id, p_epoch) h ON true
  WHERE c.id = p_coupon
$$;

-- reconcile_user_rows: 0006_reconcile.sql
CREATE FUNCTION reconcile_user_rows(p_coupon bigint, p_epoch integer, p_last_ms bigint, p_last_seq bigint, p_ms bigint[], p_seq bigint[], p_users bigint[])
    RETURNS TABLE(n integer, rows bigint)
    LANGUAGE sql STABLE
    AS $$
  SELECT q.n::integer, count(u.user_id) FILTER (WHERE
           u.epoch < p_epoch
           OR (u.epoch = p_epoch AND f.ms IS NULL AND (u.entry_ms, u.entry_seq) <= (p_last_ms, p_last_seq)))
  FROM unnest(p_users) WITH ORDINALITY AS q(usr, n)
  LEFT JOIN user_coupon u ON u.coupon_id = p_coupon AND u.user_id = q.usr
  LEFT JOIN flying_entries(p_ms, p_seq) f ON u.epoch = p_epoch AND f.ms = u.entry_ms AND f.seq = u.entry_seq
  GROUP BY q.n ORDER BY q.n
$$;

-- record_event: 0014_settle_parts.sql
CREATE FUNCTION record_event(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[], p_outcomes text[], p_freshes boolean[])
    RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO settlement_event (decided_at, coupon, epoch, ms, seq, idx, usr, outcome, fresh)
  SELECT statement_timestamp(), p_coupon, p_epoch, p_ms, p_seq, p_index, p_user, p_outcomes, p_freshes
  FROM settlement_feed WHERE wanted;
END $$;
REVOKE ALL ON FUNCTION record_event(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[], p_outcomes text[], p_freshes boolean[]) FROM PUBLIC;

-- settle_claims: 0014_settle_parts.sql
CREATE FUNCTION settle_claims(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[], p_mode text DEFAULT 'settle'::text)
    RETURNS TABLE(n integer, outcome text, fresh boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
  v_judged record;
  v_locked boolean := false; -- the coupon rows are ours: what judge_claims reads of them is final
BEGIN
  PERFORM check_batch(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user, p_mode);

  -- Invariant: locks in a statement of their own. A statement's snapshot is older than its wait for a lock; only the
  -- statements after this one see what the previous holder decided (INV-3).
  PERFORM pg_advisory_xact_lock(1179402567, stripe) FROM claim_stripes(p_coupon, p_ms, p_seq, p_user) AS stripe;

  IF p_mode = 'settle' AND settle_fresh(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user) THEN
    RETURN QUERY SELECT o.n, 'settled'::text, true FROM generate_series(1, cardinality(p_coupon)) AS o(n);
    RETURN;
  END IF;

  LOOP
    SELECT * INTO v_judged FROM judge_claims(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user, p_mode);
    -- A refusal is final: it is judged under the locks of the coupon rows. The way of a batch that fits needs no such lock.
    IF v_judged.refused = 0 OR v_locked OR p_mode = 'reject' THEN
      EXIT WHEN write_judged(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user, v_judged.outcomes, v_judged.freshes,
                             v_judged.ordinals, v_judged.settled, v_judged.refused);
      IF v_locked THEN
        RAISE EXCEPTION 'a coupon moved though it was locked' USING ERRCODE = 'FC001';
      END IF;
    END IF;
    PERFORM lock_coupons(p_coupon); -- once more, with the coupons locked
    v_locked := true;
  END LOOP;

  RETURN QUERY SELECT o.n::integer, o.outcome, o.fresh
  FROM unnest(v_judged.outcomes, v_judged.freshes) WITH ORDINALITY AS o(outcome, fresh, n);
END $$;
REVOKE ALL ON FUNCTION settle_claims(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[], p_mode text) FROM PUBLIC;

-- settle_fresh: 0014_settle_parts.sql
CREATE FUNCTION settle_fresh(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[])
    RETURNS boolean
    LANGUAGE plpgsql
    AS $$
DECLARE
  v_single boolean; -- every coupon of the batch gives each user one
  v_refusals boolean; -- one of them has refusals
BEGIN
  SELECT bool_and(user_limit = 1), bool_or(EXISTS (SELECT FROM claim_rejection r WHERE r.coupon_id = coupon.id))
  INTO v_single, v_refusals FROM coupon WHERE id = ANY (p_coupon);
  IF v_refusals AND entry_was_refused(p_coupon, p_epoch, p_ms, p_seq) THEN
    RETURN false;
  END IF;

  IF v_single THEN
    PERFORM insert_first_rows(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user);
  ELSIF NOT insert_next_rows(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user) THEN
    RAISE EXCEPTION 'a limit is near' USING ERRCODE = 'FC002';
  END IF;
  PERFORM record_event(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user,
                       array_fill('settled'::text, ARRAY[cardinality(p_coupon)]),
                       array_fill(true, ARRAY[cardinality(p_coupon)]));
  IF NOT count_issued(p_coupon, p_epoch) THEN
    RAISE EXCEPTION 'not every claim fits' USING ERRCODE = 'FC002';
  END IF;
  RETURN true;
EXCEPTION WHEN unique_violation OR SQLSTATE 'FC002' THEN -- savepoint back
  RETURN false;
END $$;
REVOKE ALL ON FUNCTION settle_fresh(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[]) FROM PUBLIC;

-- settlement_events: 0009_settlement_events.sql
CREATE FUNCTION settlement_events(p_max integer)
    RETURNS TABLE(id bigint, decided_ms bigint, coupon bigint, epoch integer, ms bigint, seq bigint, idx integer, usr bigint, outcome text)
    LANGUAGE sql STABLE
    AS $$
  SELECT e.id, (extract(epoch FROM e.decided_at) * 1000)::bigint, c.coupon, c.epoch, c.ms, c.seq, c.idx, c.usr, c.outcome
  FROM (SELECT * FROM settlement_event ORDER BY id LIMIT p_max) e,
       LATERAL unnest(e.coupon, e.epoch, e.ms, e.seq, e.idx, e.usr, e.outcome, e.fresh)
         AS c(coupon, epoch, ms, seq, idx, usr, outcome, fresh)
  WHERE c.fresh
  ORDER BY e.id, c.coupon, c.outcome = 'settled' DESC, c.ms, c.seq, c.idx
$$;

-- update_coupon: 0013_compare_and_set.sql
CREATE FUNCTION update_coupon(p_id bigint, p_name text, p_total bigint, p_user_limit integer, p_end_ms bigint, p_max_inflight bigint, p_begin_ms bigint DEFAULT NULL::bigint, p_version bigint DEFAULT NULL::bigint, OUT verdict text, OUT state coupon_state)
    RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
  v_draft boolean;
BEGIN
  PERFORM FROM coupon c WHERE c.id = p_id FOR NO KEY UPDATE;
  SELECT s.* INTO state FROM coupon_state s WHERE s.id = p_id;
  v_draft := state.status = 'draft' AND state.issue_num = 0;
  verdict := CASE
    WHEN state.id IS NULL OR state.status = 'purged' THEN 'not_found'
    WHEN state.version <> p_version THEN 'moved'
    WHEN (coalesce(p_name, state.name), coalesce(p_total, state.target_total), coalesce(p_user_limit, state.user_limit),
          coalesce(p_begin_ms, state.begin_ms), coalesce(p_end_ms, state.end_ms),
          coalesce(p_max_inflight, state.max_inflight))
       = (state.name, state.target_total, state.user_limit, state.begin_ms, state.end_ms, state.max_inflight)
      THEN 'unchanged'
    -- of an ended coupon only a cut may be taken back: Redis, told of it together with the end, may find it too deep
    WHEN state.status = 'ended' AND NOT (p_total = state.total_num
      AND num_nonnulls(p_name, p_user_limit, p_begin_ms, p_end_ms, p_max_inflight) = 0) THEN 'wrong_status'
    WHEN p_total < state.issue_num THEN 'below_issued'
    WHEN NOT v_draft AND (p_user_limit < state.user_limit OR p_end_ms < state.end_ms) THEN 'shrinks'
    WHEN NOT v_draft AND p_begin_ms > state.begin_ms THEN 'shrinks'
    ELSE 'applied' END;
  IF verdict = 'applied' THEN
    UPDATE coupon c
    SET name = coalesce(p_name, c.name),
        target_total = coalesce(p_total, c.target_total),
        total_num = CASE WHEN v_draft THEN coalesce(p_total, c.total_num) ELSE greatest(c.total_num, p_total) END,
        user_limit = coalesce(p_user_limit, c.user_limit),
        issue_begin_time = coalesce(to_timestamp(p_begin_ms / 1000.0), c.issue_begin_time),
        issue_end_time = coalesce(to_timestamp(p_end_ms / 1000.0), c.issue_end_time),
        max_inflight = coalesce(p_max_inflight, c.max_inflight),
        version = c.version + 1
    WHERE c.id = p_id;
    state := log_operation(p_id, 'update');
  END IF;
END $$;
REVOKE ALL ON FUNCTION update_coupon(p_id bigint, p_name text, p_total bigint, p_user_limit integer, p_end_ms bigint, p_max_inflight bigint, p_begin_ms bigint, p_version bigint, OUT verdict text, OUT state coupon_state) FROM PUBLIC;

-- user_holdings: 0014_settle_parts.sql
CREATE FUNCTION user_holdings(p_coupon bigint[], p_user bigint[])
    RETURNS TABLE(coupon bigint, usr bigint, held bigint, gaps integer[])
    LANGUAGE sql STABLE
    AS $$
  WITH line AS MATERIALIZED (
    SELECT id, user_limit FROM coupon WHERE id = ANY (p_coupon)
  ), highest AS (
    SELECT i.coupon, i.usr, count(*) AS claims,
           coalesce((SELECT u.ordinal FROM user_coupon u WHERE u.coupon_id = i.coupon AND u.user_id = i.usr
                     ORDER BY u.ordinal DESC LIMIT 1), 0) AS top
    FROM unnest(p_coupon, p_user) AS i(coupon, usr) GROUP BY i.coupon, i.usr
  ), held AS ( -- rows are counted only where the limit is near: far from it the highest ordinal is as good
    SELECT h.coupon, h.usr, h.claims, h.top,
           CASE WHEN h.top + h.claims <= line.user_limit THEN h.top
                ELSE (SELECT count(*) FROM user_coupon u WHERE u.coupon_id = h.coupon AND u.user_id = h.usr) END AS held
    FROM highest h LEFT JOIN line ON line.id = h.coupon
    OFFSET 0 -- counted once, though it is used twice below
  )
  SELECT h.coupon, h.usr, h.held,
         CASE WHEN h.held < h.top THEN
           ARRAY(SELECT free::integer FROM generate_series(1, h.top + h.claims) AS free
                 EXCEPT SELECT u.ordinal FROM user_coupon u WHERE u.coupon_id = h.coupon AND u.user_id = h.usr
                 ORDER BY 1 LIMIT h.claims) END
  FROM held h
$$;

-- want_settlement_events: 0009_settlement_events.sql
CREATE FUNCTION want_settlement_events(p_wanted boolean)
    RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
  UPDATE settlement_feed SET wanted = p_wanted
$$;
REVOKE ALL ON FUNCTION want_settlement_events(p_wanted boolean) FROM PUBLIC;

-- write_judged: 0014_settle_parts.sql
CREATE FUNCTION write_judged(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[], p_outcomes text[], p_freshes boolean[], p_ordinals integer[], p_settled bigint, p_refused bigint)
    RETURNS boolean
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM insert_judged_rows(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user, p_ordinals);
  IF p_refused > 0 THEN
    PERFORM insert_refusals(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user, p_outcomes, p_freshes);
  END IF;
  IF p_settled + p_refused > 0 THEN
    PERFORM record_event(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user, p_outcomes, p_freshes);
  END IF;
  IF NOT count_issued(
       ARRAY(SELECT coupon FROM unnest(p_coupon, p_ordinals) WITH ORDINALITY AS c(coupon, ordinal, n)
             WHERE ordinal IS NOT NULL ORDER BY n),
       ARRAY(SELECT epoch FROM unnest(p_epoch, p_ordinals) WITH ORDINALITY AS c(epoch, ordinal, n)
             WHERE ordinal IS NOT NULL ORDER BY n)) THEN
    RAISE EXCEPTION 'a coupon moved while its claims were judged' USING ERRCODE = 'FC001';
  END IF;
  RETURN true;
EXCEPTION WHEN SQLSTATE 'FC001' THEN -- savepoint back
  RETURN false;
END $$;
REVOKE ALL ON FUNCTION write_judged(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[], p_outcomes text[], p_freshes boolean[], p_ordinals integer[], p_settled bigint, p_refused bigint) FROM PUBLIC;
