-- settle_claims: PostgreSQL's last word on a batch of claims. Its contract stands over the function, below its two parts.

-- The stripes that a batch locks: of its users (what a user holds is read, then used) and of its entries (whether a claim
-- has an outcome is read, then used, even when one id comes with two users). At most 1024 in the whole database, because
-- every advisory lock takes room in the shared lock table. An entry of many claims is one stripe.
CREATE FUNCTION claim_stripes(p_coupon bigint[], p_ms bigint[], p_seq bigint[], p_user bigint[])
RETURNS SETOF integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT DISTINCT s.stripe
  FROM unnest(p_coupon, p_ms, p_seq, p_user) AS c(coupon, ms, seq, usr),
       LATERAL (VALUES ((hashint8extended(usr, coupon) & 1023)::integer),
                       ((hashint8extended(ms, hashint8extended(seq, coupon)) & 1023)::integer)) AS s(stripe)
  ORDER BY s.stripe
$$;

-- Judges the batch as the database stands; writes nothing. Arrays by position: the outcome, whether it is new, and the
-- ordinal of a claim that is to be inserted; and how many of the new ones are to be inserted and to be refused.
-- Claims are probed by LATERAL ... LIMIT 1: one index probe each, whatever the statistics say. Copies of a claim travel as
-- rows of their own and look to their lead; windows of the same order share one sort.
CREATE FUNCTION judge_claims(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[],
                             p_user bigint[], p_mode text, OUT outcomes text[], OUT freshes boolean[],
                             OUT ordinals integer[], OUT settled bigint, OUT refused bigint)
LANGUAGE plpgsql STABLE
SET enable_nestloop = off -- the line is hashed; a LATERAL probe is a nested loop all the same
AS $$
BEGIN
  WITH input AS ( -- lead: the position of the first copy of the same claim id
    SELECT *, first_value(n) OVER (PARTITION BY coupon, ms, seq, idx, epoch ORDER BY n) AS lead
    FROM unnest(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user) WITH ORDINALITY AS c(coupon, epoch, ms, seq, idx, usr, n)
  ), line AS MATERIALIZED (
    SELECT id, status, epoch AS coupon_epoch, user_limit, total_num - issue_num AS remaining
    FROM coupon WHERE id = ANY (p_coupon)
  ), facing AS ( -- what is known of the claim; an open one meets the coupon and what its user holds
    SELECT i.*, line.*, done.user_id AS known_user, done.outcome AS known_outcome, own.held, own.top,
           i.n = i.lead AND done.user_id IS NULL AS open,
           i.n = i.lead AND done.user_id IS NULL AND i.epoch IS NOT DISTINCT FROM line.coupon_epoch AS current
    FROM input i
    LEFT JOIN line ON line.id = i.coupon
    LEFT JOIN LATERAL (
      SELECT u.user_id, 'replayed' AS outcome FROM user_coupon u
      WHERE (u.coupon_id, u.epoch, u.entry_ms, u.entry_seq, u.entry_index) = (i.coupon, i.epoch, i.ms, i.seq, i.idx)
      UNION ALL
      SELECT r.user_id, r.reason FROM claim_rejection r
      WHERE (r.coupon_id, r.epoch, r.entry_ms, r.entry_seq, r.entry_index) = (i.coupon, i.epoch, i.ms, i.seq, i.idx)
      LIMIT 1) done ON true
    CROSS JOIN LATERAL (
      SELECT count(*) AS held, coalesce(max(u.ordinal), 0) AS top
      FROM user_coupon u WHERE u.coupon_id = i.coupon AND u.user_id = i.usr) own
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
        WHEN top = held THEN nth
        ELSE (SELECT free FROM generate_series(1, nth + top) AS free -- rows are missing below the top: fill the gaps
              WHERE NOT EXISTS (SELECT FROM user_coupon u
                                WHERE u.coupon_id = led.coupon AND u.user_id = led.usr AND u.ordinal = free)
              ORDER BY free OFFSET nth - held - 1 LIMIT 1) END AS ordinal
    FROM led ORDER BY n
  )
  SELECT array_agg(a.outcome), array_agg(a.fresh), array_agg(a.ordinal::integer), count(a.ordinal),
         count(*) FILTER (WHERE a.fresh AND a.ordinal IS NULL)
  INTO outcomes, freshes, ordinals, settled, refused FROM answer a;
END $$;

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
CREATE FUNCTION settle_claims(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[],
                              p_user bigint[], p_mode text DEFAULT 'settle')
RETURNS TABLE (n integer, outcome text, fresh boolean)
LANGUAGE plpgsql VOLATILE
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
