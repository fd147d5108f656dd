-- Settlement events: what settle_claims decided, for others to hear of. One row per batch, written in the transaction that
-- decides (a transactional outbox), published and then deleted by a relay (consumer/relay.h). Only while they are wanted.

CREATE TABLE settlement_event (
  id         bigint      GENERATED ALWAYS AS IDENTITY CONSTRAINT settlement_event_pkey PRIMARY KEY,
  decided_at timestamptz NOT NULL,
  coupon     bigint[]    NOT NULL, -- the batch as settle_claims was given it, by position
  epoch      integer[]   NOT NULL,
  ms         bigint[]    NOT NULL,
  seq        bigint[]    NOT NULL,
  idx        integer[]   NOT NULL,
  usr        bigint[]    NOT NULL,
  outcome    text[]      NOT NULL,
  fresh      boolean[]   NOT NULL  -- decided by this batch: the others were told of before
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE settlement_event ALTER coupon SET COMPRESSION lz4, ALTER epoch SET COMPRESSION lz4, ALTER ms SET COMPRESSION lz4,
  ALTER seq SET COMPRESSION lz4, ALTER idx SET COMPRESSION lz4, ALTER usr SET COMPRESSION lz4,
  ALTER outcome SET COMPRESSION lz4, ALTER fresh SET COMPRESSION lz4;

-- One row: whether settle_claims records events. Off until somebody subscribes.
CREATE TABLE settlement_feed (
  wanted boolean NOT NULL DEFAULT false,
  one    boolean CONSTRAINT settlement_feed_pkey PRIMARY KEY DEFAULT true,
  CONSTRAINT settlement_feed_one_row CHECK (one)
);
INSERT INTO settlement_feed DEFAULT VALUES;

-- Off keeps what was recorded: it is published all the same.
CREATE FUNCTION want_settlement_events(p_wanted boolean) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE settlement_feed SET wanted = p_wanted
$$;

-- The oldest p_max batches, claim by claim: settled ones, and refused ones with their reason, in an order in which those of
-- a batch, a coupon and a kind stand together. Changes nothing.
CREATE FUNCTION settlement_events(p_max integer)
RETURNS TABLE (id bigint, decided_ms bigint, coupon bigint, epoch integer, ms bigint, seq bigint, idx integer, usr bigint,
               outcome text)
LANGUAGE sql STABLE AS $$
  SELECT e.id, (extract(epoch FROM e.decided_at) * 1000)::bigint, c.coupon, c.epoch, c.ms, c.seq, c.idx, c.usr, c.outcome
  FROM (SELECT * FROM settlement_event ORDER BY id LIMIT p_max) e,
       LATERAL unnest(e.coupon, e.epoch, e.ms, e.seq, e.idx, e.usr, e.outcome, e.fresh)
         AS c(coupon, epoch, ms, seq, idx, usr, outcome, fresh)
  WHERE c.fresh
  ORDER BY e.id, c.coupon, c.outcome = 'settled' DESC, c.ms, c.seq, c.idx
$$;

-- After every message of these batches was confirmed. By their ids: a batch with a lower id may be committed later.
CREATE FUNCTION forget_settlement_events(p_ids bigint[]) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH gone AS (DELETE FROM settlement_event WHERE id = ANY (p_ids) RETURNING 1) SELECT count(*) FROM gone
$$;

REVOKE EXECUTE ON FUNCTION want_settlement_events(boolean), forget_settlement_events(bigint[]) FROM PUBLIC;

-- settle_claims as in 0004 and 0008, and the event.
--
-- ARGUMENTS six arrays of one length: claim i is (coupon, epoch, entry ms, entry seq, index, user) at position i; any
--           order, duplicates allowed. p_mode: 'settle', or 'reject' (what has no outcome yet becomes `rejected`).
-- RETURNS   one row per position: n, outcome, fresh (decided by this call). Outcomes: settled, replayed, over_limit,
--           out_of_stock, stale_epoch, unknown_coupon, rejected; id_conflict (this id is known with another user: nothing
--           is recorded for it, its neighbours are).
-- LOCKS     advisory stripes in ascending order, then coupon rows in id order: callers never deadlock.
-- ERRORS    25001 not READ COMMITTED; 22023 arrays of different lengths, more than 10,000 claims, unknown mode; 235xx an
--           id or a number outside its range. Nothing is changed then.
-- COST      about ten statements, whatever the size of the batch.
--
-- One call is one autocommit statement. It judges epoch, stock and user limit, in that order, claim after claim in (entry,
-- index) order; window and status were judged when Redis accepted the claim.
CREATE OR REPLACE FUNCTION settle_claims(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[],
                              p_user bigint[], p_mode text DEFAULT 'settle')
RETURNS TABLE (n integer, outcome text, fresh boolean)
LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = public, pg_temp
-- One generic plan of index probes, made on the first call of a session: tables that were empty when it was made must not
-- leave a sequential scan behind.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET enable_mergejoin = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  v_judged record;
  v_lines bigint; -- coupons that get rows
  v_fits bigint; -- those of them that the rows still fit
  v_locked boolean := false; -- the coupon rows are ours: what judge_claims reads of them is final
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

  -- Invariant: locks in a statement of their own. A statement's snapshot is older than its wait for a lock; only the
  -- statements after this one see what the previous holder decided (INV-3).
  PERFORM pg_advisory_xact_lock(1179402567, stripe) FROM claim_stripes(p_coupon, p_ms, p_seq, p_user) AS stripe;

  LOOP
    SELECT * INTO v_judged FROM judge_claims(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user, p_mode);
    -- A refusal is final: it is judged under the locks of the coupon rows. The way of a batch that fits needs no such lock.
    IF v_judged.refused > 0 AND NOT v_locked AND p_mode = 'settle' THEN
      PERFORM FROM coupon WHERE id = ANY (p_coupon) ORDER BY id FOR NO KEY UPDATE;
      v_locked := true;
      CONTINUE;
    END IF;

    BEGIN
      INSERT INTO user_coupon (coupon_id, user_id, entry_ms, entry_seq, claimed_at, settled_at, epoch, entry_index, ordinal)
      SELECT coupon, usr, ms, seq, to_timestamp(ms / 1000.0::float8), statement_timestamp(), epoch, idx, ordinal
      FROM unnest(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user, v_judged.ordinals)
           AS c(coupon, epoch, ms, seq, idx, usr, ordinal)
      WHERE ordinal IS NOT NULL;

      IF v_judged.refused > 0 THEN
        INSERT INTO claim_rejection (coupon_id, user_id, entry_ms, entry_seq, rejected_at, epoch, entry_index, reason)
        SELECT coupon, usr, ms, seq, statement_timestamp(), epoch, idx, outcome
        FROM unnest(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user, v_judged.outcomes, v_judged.freshes)
             AS c(coupon, epoch, ms, seq, idx, usr, outcome, fresh)
        WHERE fresh AND outcome <> 'settled';
      END IF;

      -- Before the coupon rows: nobody waits for them meanwhile.
      IF v_judged.settled + v_judged.refused > 0 THEN
        INSERT INTO settlement_event (decided_at, coupon, epoch, ms, seq, idx, usr, outcome, fresh)
        SELECT statement_timestamp(), p_coupon, p_epoch, p_ms, p_seq, p_index, p_user, v_judged.outcomes, v_judged.freshes
        FROM settlement_feed WHERE wanted;
      END IF;

      -- Invariant: the coupon rows are the last locks, in id order, held from here to the commit only.
      PERFORM FROM coupon
      WHERE id = ANY (ARRAY(SELECT coupon FROM unnest(p_coupon, v_judged.ordinals) AS c(coupon, ordinal)
                            WHERE ordinal IS NOT NULL))
      ORDER BY id FOR NO KEY UPDATE;
      GET DIAGNOSTICS v_lines = ROW_COUNT;
      UPDATE coupon SET issue_num = issue_num + line.claims
      FROM (SELECT c.coupon, c.epoch, count(*) AS claims
            FROM unnest(p_coupon, p_epoch, v_judged.ordinals) AS c(coupon, epoch, ordinal) WHERE c.ordinal IS NOT NULL
            GROUP BY c.coupon, c.epoch) AS line
      WHERE id = line.coupon AND coupon.epoch = line.epoch AND issue_num + line.claims <= total_num AND status <> 'purged';
      GET DIAGNOSTICS v_fits = ROW_COUNT;
      IF v_fits < v_lines THEN
        RAISE EXCEPTION 'a coupon moved while its claims were judged' USING ERRCODE = 'FC001';
      END IF;
      EXIT;
    EXCEPTION WHEN SQLSTATE 'FC001' THEN -- savepoint back, and once more with the coupons locked
      IF v_locked THEN RAISE; END IF;
      PERFORM FROM coupon WHERE id = ANY (p_coupon) ORDER BY id FOR NO KEY UPDATE;
      v_locked := true;
    END;
  END LOOP;

  RETURN QUERY SELECT o.n::integer, o.outcome, o.fresh
  FROM unnest(v_judged.outcomes, v_judged.freshes) WITH ORDINALITY AS o(outcome, fresh, n);
END $$;
