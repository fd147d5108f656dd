-- The quick way of settle_claims: what needs no judgement gets none.

-- Most batches are claims that nobody has seen, of users who hold nothing of coupons with a user limit of 1. Those need no
-- judgement: one insert with ordinal 1 proves all of it, by the unique indexes, and the update of the coupons proves epoch
-- and stock. settle_fresh tries that, under the locks of its caller; false: it was not so, and nothing was changed.
CREATE FUNCTION settle_fresh(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[])
RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  v_lines bigint; -- coupons in the batch, by epoch
  v_fits bigint; -- those of them that are open under this epoch and have room
BEGIN
  -- A refusal of one of these claims would have to be found first: rare enough to leave to the judgement.
  PERFORM FROM coupon
  WHERE id = ANY (p_coupon) AND (user_limit > 1 OR EXISTS (SELECT FROM claim_rejection r WHERE r.coupon_id = coupon.id))
  LIMIT 1;
  IF FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO user_coupon (coupon_id, user_id, entry_ms, entry_seq, claimed_at, settled_at, epoch, entry_index, ordinal)
  SELECT coupon, usr, ms, seq, to_timestamp(ms / 1000.0::float8), statement_timestamp(), epoch, idx, 1
  FROM unnest(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user) AS c(coupon, epoch, ms, seq, idx, usr);

  -- Before the coupon rows: nobody waits for them meanwhile.
  INSERT INTO settlement_event (decided_at, coupon, epoch, ms, seq, idx, usr, outcome, fresh)
  SELECT statement_timestamp(), p_coupon, p_epoch, p_ms, p_seq, p_index, p_user,
         array_fill('settled'::text, ARRAY[cardinality(p_coupon)]), array_fill(true, ARRAY[cardinality(p_coupon)])
  FROM settlement_feed WHERE wanted;

  -- Invariant: the coupon rows are the last locks, in id order, held from here to the commit only.
  PERFORM FROM coupon WHERE id = ANY (p_coupon) ORDER BY id FOR NO KEY UPDATE;
  WITH line AS (
    SELECT c.coupon, c.epoch, count(*) AS claims FROM unnest(p_coupon, p_epoch) AS c(coupon, epoch) GROUP BY c.coupon, c.epoch
  ), fit AS (
    UPDATE coupon SET issue_num = issue_num + line.claims FROM line
    WHERE id = line.coupon AND coupon.epoch = line.epoch AND issue_num + line.claims <= total_num AND status <> 'purged'
    RETURNING 1
  )
  SELECT (SELECT count(*) FROM line), (SELECT count(*) FROM fit) INTO v_lines, v_fits;
  IF v_fits < v_lines THEN
    RAISE EXCEPTION 'not every claim fits' USING ERRCODE = 'FC002';
  END IF;
  RETURN true;
EXCEPTION WHEN unique_violation OR SQLSTATE 'FC002' THEN -- savepoint back
  RETURN false;
END $$;

REVOKE EXECUTE ON FUNCTION settle_fresh(bigint[], integer[], bigint[], bigint[], integer[], bigint[]) FROM PUBLIC;

-- settle_claims as in 0009, and settle_fresh before the judgement.
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

  IF p_mode = 'settle' AND settle_fresh(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user) THEN
    RETURN QUERY SELECT o.n, 'settled'::text, true FROM generate_series(1, cardinality(p_coupon)) AS o(n);
    RETURN;
  END IF;

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
