-- settle_claims in small functions, each with one job. Answers, locks, the order of the writes and the cost are as in 0012.
--
--   settle_claims            locks, tries the quick way, else judges and writes: the contract stands over it, at the end
--     check_batch              refuses what is no batch
--     claim_stripes            which advisory locks a batch takes (0004, unchanged)
--     settle_fresh             the quick way: new claims, far from every limit, written without a judgement
--       entry_was_refused        whether one of the batch's entries holds a refused claim
--       insert_first_rows        the rows of coupons that give each user one
--       insert_next_rows         the rows of the others: each user's next ordinals
--     judge_claims             the outcome of every claim; writes nothing
--       known_outcome            what one claim became earlier
--       user_holdings            what the users of the batch hold, and which of their ordinals are free
--     write_judged             writes what was judged, or nothing
--       insert_judged_rows       the settled claims
--       insert_refusals          the refused claims
--     record_event             the settlement event of a batch, while events are wanted
--     count_issued             adds to the coupons' issue_num, last of all
--     lock_coupons             the locks of the coupon rows
--
-- None but settle_claims is called by anybody else: they run as its owner, and with its settings of the planner.

-- Raises 25001 or 22023 when settle_claims may not go on; see there.
CREATE FUNCTION check_batch(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[],
                            p_user bigint[], p_mode text) RETURNS void
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

-- Locks the coupons' rows, in id order, to the end of the transaction.
CREATE FUNCTION lock_coupons(p_coupon bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  PERFORM FROM coupon WHERE id = ANY (p_coupon) ORDER BY id FOR NO KEY UPDATE;
END $$;

-- One row for the batch, as it was given and as it was decided. Before the coupon rows are locked: nobody waits meanwhile.
CREATE FUNCTION record_event(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[],
                             p_user bigint[], p_outcomes text[], p_freshes boolean[]) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  INSERT INTO settlement_event (decided_at, coupon, epoch, ms, seq, idx, usr, outcome, fresh)
  SELECT statement_timestamp(), p_coupon, p_epoch, p_ms, p_seq, p_index, p_user, p_outcomes, p_freshes
  FROM settlement_feed WHERE wanted;
END $$;

-- Counts these claims as issued, by coupon and epoch. False: one of the coupons is gone, of another epoch, or has not that much
-- left; the caller then goes back to its savepoint.
-- Invariant: the coupon rows are the last locks, in id order, held from here to the commit only.
CREATE OR REPLACE FUNCTION count_issued(p_coupon bigint[], p_epoch integer[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE
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

-- Whether a claim of these entries was refused: such a claim must not settle (INV-3). One probe for each entry.
CREATE FUNCTION entry_was_refused(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[]) RETURNS boolean
LANGUAGE plpgsql STABLE
AS $$
BEGIN
  PERFORM FROM (SELECT DISTINCT coupon, epoch, ms, seq FROM unnest(p_coupon, p_epoch, p_ms, p_seq) AS c(coupon, epoch, ms, seq)) e
  WHERE EXISTS (SELECT FROM claim_rejection r
                WHERE (r.coupon_id, r.epoch, r.entry_ms, r.entry_seq) = (e.coupon, e.epoch, e.ms, e.seq))
  LIMIT 1;
  RETURN FOUND;
END $$;

-- The rows of claims on coupons with a user limit of 1. That a user holds one already is a unique_violation.
CREATE FUNCTION insert_first_rows(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[],
                                  p_user bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  INSERT INTO user_coupon (coupon_id, user_id, entry_ms, entry_seq, claimed_at, settled_at, epoch, entry_index, ordinal)
  SELECT coupon, usr, ms, seq, to_timestamp(ms / 1000.0::float8), statement_timestamp(), epoch, idx, 1
  FROM unnest(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user) AS c(coupon, epoch, ms, seq, idx, usr);
END $$;

-- The rows of claims on coupons with any user limit: each user's next ordinals. False: one of them is above the limit or its
-- coupon unknown, its row was left out, and the caller then goes back to its savepoint.
-- OFFSET 0: the probes come before the sort, so before the inserts; one in between would walk over the rows that this
-- statement has just made.
CREATE FUNCTION insert_next_rows(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[],
                                 p_user bigint[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE
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

-- The quick way of settle_claims: claims that nobody has seen, of users whose limit is not near. They need no judgement: the
-- insert proves by the unique indexes that they are new, and the update of the coupons proves epoch and stock. Tried under
-- the locks of its caller; false: it was not so, and nothing was changed.
CREATE OR REPLACE FUNCTION settle_fresh(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[], p_user bigint[])
RETURNS boolean
LANGUAGE plpgsql VOLATILE
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

-- What a claim became earlier, and whose it was: no row or one. LIMIT 1: probed LATERALly it is one index probe in each table,
-- whatever the statistics say. Inlined in judge_claims.
CREATE FUNCTION known_outcome(p_coupon bigint, p_epoch integer, p_ms bigint, p_seq bigint, p_index integer)
RETURNS TABLE (user_id bigint, outcome text)
LANGUAGE sql STABLE
AS $$
  SELECT u.user_id, 'replayed' AS outcome FROM user_coupon u
  WHERE (u.coupon_id, u.epoch, u.entry_ms, u.entry_seq, u.entry_index) = (p_coupon, p_epoch, p_ms, p_seq, p_index)
  UNION ALL
  SELECT r.user_id, r.reason FROM claim_rejection r
  WHERE (r.coupon_id, r.epoch, r.entry_ms, r.entry_seq, r.entry_index) = (p_coupon, p_epoch, p_ms, p_seq, p_index)
  LIMIT 1
$$;

-- Each user of the batch once, however many claims it has here: how many rows it holds of the coupon and, where rows are
-- missing below its highest ordinal, the free ordinals, lowest first. Inlined in judge_claims.
CREATE FUNCTION user_holdings(p_coupon bigint[], p_user bigint[])
RETURNS TABLE (coupon bigint, usr bigint, held bigint, gaps integer[])
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

-- Judges the batch as the database stands; writes nothing. Arrays by position: the outcome, whether it is new, and the
-- ordinal of a claim that is to be inserted; and how many of the new ones are to be inserted and to be refused.
-- Copies of a claim travel as rows of their own and look to their lead; windows of the same order share one sort.
CREATE OR REPLACE FUNCTION judge_claims(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[],
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

-- The rows of the claims that were judged to settle: those with an ordinal.
CREATE FUNCTION insert_judged_rows(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[],
                                   p_user bigint[], p_ordinals integer[]) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  INSERT INTO user_coupon (coupon_id, user_id, entry_ms, entry_seq, claimed_at, settled_at, epoch, entry_index, ordinal)
  SELECT coupon, usr, ms, seq, to_timestamp(ms / 1000.0::float8), statement_timestamp(), epoch, idx, ordinal
  FROM unnest(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user, p_ordinals) AS c(coupon, epoch, ms, seq, idx, usr, ordinal)
  WHERE ordinal IS NOT NULL;
END $$;

-- The rows of the claims that were judged and are refused.
CREATE FUNCTION insert_refusals(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[],
                                p_user bigint[], p_outcomes text[], p_freshes boolean[]) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  INSERT INTO claim_rejection (coupon_id, user_id, entry_ms, entry_seq, rejected_at, epoch, entry_index, reason)
  SELECT coupon, usr, ms, seq, statement_timestamp(), epoch, idx, outcome
  FROM unnest(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user, p_outcomes, p_freshes)
       AS c(coupon, epoch, ms, seq, idx, usr, outcome, fresh)
  WHERE fresh AND outcome <> 'settled';
END $$;

-- Writes what judge_claims found: rows, refusals, event, coupons, in this order. False: a coupon moved meanwhile, and nothing
-- was changed.
CREATE FUNCTION write_judged(p_coupon bigint[], p_epoch integer[], p_ms bigint[], p_seq bigint[], p_index integer[],
                             p_user bigint[], p_outcomes text[], p_freshes boolean[], p_ordinals integer[],
                             p_settled bigint, p_refused bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE
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

-- Who calls settle_claims is told by its grants; its parts are nobody's.
REVOKE EXECUTE ON FUNCTION
  lock_coupons(bigint[]),
  record_event(bigint[], integer[], bigint[], bigint[], integer[], bigint[], text[], boolean[]),
  insert_first_rows(bigint[], integer[], bigint[], bigint[], integer[], bigint[]),
  insert_next_rows(bigint[], integer[], bigint[], bigint[], integer[], bigint[]),
  insert_judged_rows(bigint[], integer[], bigint[], bigint[], integer[], bigint[], integer[]),
  insert_refusals(bigint[], integer[], bigint[], bigint[], integer[], bigint[], text[], boolean[]),
  write_judged(bigint[], integer[], bigint[], bigint[], integer[], bigint[], text[], boolean[], integer[], bigint, bigint)
FROM PUBLIC;

-- settle_claims: the last word on a batch of claims.
--
-- ARGUMENTS six arrays of one length: claim i is (coupon, epoch, entry ms, entry seq, index, user) at position i; any
--           order, duplicates allowed. p_mode: 'settle', or 'reject' (what has no outcome yet becomes `rejected`).
-- RETURNS   one row per position: n, outcome, fresh (decided by this call). Outcomes: settled, replayed, over_limit,
--           out_of_stock, stale_epoch, unknown_coupon, rejected; id_conflict (this id is known with another user: nothing
--           is recorded for it, its neighbours are).
-- LOCKS     advisory stripes in ascending order, then coupon rows in id order: callers never deadlock.
-- ERRORS    25001 not READ COMMITTED; 22023 arrays of different lengths, more than 10,000 claims, unknown mode; 235xx an
--           id or a number outside its range. Nothing is changed then.
-- COST      about ten statements, whatever the size of the batch, the rows that its users hold, and the number of coupons.
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
