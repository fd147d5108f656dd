-- The operations on a coupon. Each takes the coupon's row, checks, and writes version + 1 and its coupon_event in one
-- transaction: Redis, told the same state twice or in another order, keeps the highest version.
--
-- RETURNS everywhere: verdict (applied, unchanged, not_found, exists, wrong_status, moved, below_issued, shrinks) and the
-- coupon as it is afterwards. Only `applied` wrote anything. A duplicate is `unchanged`, never an error.
-- ERRORS  23514 with the name of the constraint: a value outside its limits.

-- For the operations only: the coupon's row was just updated, this writes what it became.
CREATE FUNCTION log_operation(p_id bigint, p_operation text) RETURNS coupon_state
LANGUAGE sql VOLATILE AS $$
  INSERT INTO coupon_event (coupon_id, version, operation, state)
  SELECT s.id, s.version, p_operation, s FROM coupon_state s WHERE s.id = p_id
  RETURNING state
$$;

-- A draft: epoch 1, version 1. The id of a purged coupon stays taken for ever.
CREATE FUNCTION create_coupon(p_id bigint, p_name text, p_total bigint, p_user_limit integer, p_begin_ms bigint,
                              p_end_ms bigint, p_max_inflight bigint,
                              OUT verdict text, OUT state coupon_state)
LANGUAGE plpgsql VOLATILE AS $$
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

-- The state machine. publish: draft -> issuing. pause: issuing -> paused. resume: paused -> issuing. end: any -> ended.
CREATE FUNCTION operate_coupon(p_id bigint, p_operation text, OUT verdict text, OUT state coupon_state)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_status text;
  v_next text := CASE p_operation WHEN 'publish' THEN 'issuing' WHEN 'pause' THEN 'paused' WHEN 'resume' THEN 'issuing'
                                  WHEN 'end' THEN 'ended' END;
BEGIN
  IF v_next IS NULL THEN
    RAISE EXCEPTION 'operate_coupon: publish, pause, resume or end' USING ERRCODE = '22023';
  END IF;
  SELECT c.status INTO v_status FROM coupon c WHERE c.id = p_id FOR NO KEY UPDATE;
  verdict := CASE
    WHEN v_status IS NULL OR v_status = 'purged' THEN 'not_found'
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

-- Restock, cut, new name, later end, higher limit; NULL keeps a value. total is what Redis is to be told: above total_num
-- it lifts both (a raise goes to the database first), below it only lowers target_total (a cut goes to Redis first:
-- complete_cut follows), equal to it takes a cut back. A draft is free: Redis does not know it yet.
CREATE FUNCTION update_coupon(p_id bigint, p_name text, p_total bigint, p_user_limit integer, p_end_ms bigint,
                              p_max_inflight bigint, OUT verdict text, OUT state coupon_state)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_draft boolean;
BEGIN
  PERFORM FROM coupon c WHERE c.id = p_id FOR NO KEY UPDATE;
  SELECT s.* INTO state FROM coupon_state s WHERE s.id = p_id;
  v_draft := state.status = 'draft';
  verdict := CASE
    WHEN state.id IS NULL OR state.status = 'purged' THEN 'not_found'
    WHEN (coalesce(p_name, state.name), coalesce(p_total, state.target_total), coalesce(p_user_limit, state.user_limit),
          coalesce(p_end_ms, state.end_ms), coalesce(p_max_inflight, state.max_inflight))
       = (state.name, state.target_total, state.user_limit, state.end_ms, state.max_inflight) THEN 'unchanged'
    -- of an ended coupon only a cut may be taken back: Redis, told of it together with the end, may find it too deep
    WHEN state.status = 'ended' AND NOT (p_total = state.total_num
      AND num_nonnulls(p_name, p_user_limit, p_end_ms, p_max_inflight) = 0) THEN 'wrong_status'
    WHEN p_total < state.issue_num THEN 'below_issued'
    WHEN NOT v_draft AND (p_user_limit < state.user_limit OR p_end_ms < state.end_ms) THEN 'shrinks'
    ELSE 'applied' END;
  IF verdict = 'applied' THEN
    UPDATE coupon c
    SET name = coalesce(p_name, c.name),
        target_total = coalesce(p_total, c.target_total),
        total_num = CASE WHEN v_draft THEN coalesce(p_total, c.total_num) ELSE greatest(c.total_num, p_total) END,
        user_limit = coalesce(p_user_limit, c.user_limit),
        issue_end_time = coalesce(to_timestamp(p_end_ms / 1000.0), c.issue_end_time),
        max_inflight = coalesce(p_max_inflight, c.max_inflight),
        version = c.version + 1
    WHERE c.id = p_id;
    state := log_operation(p_id, 'update');
  END IF;
END $$;

-- The end of a cut, when everything that Redis had in flight at p_version is finished: total_num = target_total. p_version
-- is what the caller read before it began to wait: if an operation came between, the wait proves nothing (`moved`).
CREATE FUNCTION complete_cut(p_id bigint, p_version bigint, OUT verdict text, OUT state coupon_state)
LANGUAGE plpgsql VOLATILE AS $$
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

-- epoch + 1: from this commit on, claims of the old epoch are refused. A settle_claims that is under way either holds the
-- coupon's row before us, or finds the new epoch when it comes to it.
CREATE FUNCTION begin_rebuild(p_id bigint, OUT verdict text, OUT state coupon_state)
LANGUAGE plpgsql VOLATILE AS $$
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

-- ended -> purged, the tombstone, committed before the first row is deleted: a late redelivery must not settle again what
-- was deleted. purge_claims then deletes in bounded steps.
CREATE FUNCTION purge_coupon(p_id bigint, OUT verdict text, OUT state coupon_state)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM FROM coupon c WHERE c.id = p_id FOR NO KEY UPDATE;
  SELECT s.* INTO state FROM coupon_state s WHERE s.id = p_id;
  verdict := CASE
    WHEN state.id IS NULL THEN 'not_found'
    WHEN state.status = 'purged' THEN 'unchanged'
    WHEN state.status <> 'ended' THEN 'wrong_status'
    ELSE 'applied' END;
  IF verdict = 'applied' THEN
    UPDATE coupon c SET status = 'purged', version = c.version + 1 WHERE c.id = p_id;
    state := log_operation(p_id, 'purge');
  END IF;
END $$;

-- Deletes at most p_max rows and refusals of a purged coupon; returns how many: 0 = nothing is left.
CREATE FUNCTION purge_claims(p_id bigint, p_max integer) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
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
