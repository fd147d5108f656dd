-- Two operators at once: an operation that says which version it read (p_version) is carried out only on that version;
-- otherwise it is `moved`, with the coupon as it is, and nothing was written. Without p_version it takes the coupon as it is.
--
-- `moved` comes before `unchanged`: whoever added 500 to what he read must not be told "done already" by another's 500.
-- Only after an operation, complete_cut and begin_rebuild are as they were.
--
-- Who it was stands in coupon_event.actor: what the session calls itself (`flashclaim.by`, which flashctl sets), else its
-- application_name.
ALTER TABLE coupon_event ALTER COLUMN actor
  SET DEFAULT coalesce(nullif(current_setting('flashclaim.by', true), ''), current_setting('application_name'));

DROP FUNCTION operate_coupon(bigint, text);
CREATE FUNCTION operate_coupon(p_id bigint, p_operation text, p_version bigint DEFAULT NULL,
                               OUT verdict text, OUT state coupon_state)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
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

-- As in 0007, and the begin: a draft's is free; a published coupon may open earlier than it was told, never later.
DROP FUNCTION update_coupon(bigint, text, bigint, integer, bigint, bigint);
CREATE FUNCTION update_coupon(p_id bigint, p_name text, p_total bigint, p_user_limit integer, p_end_ms bigint,
                              p_max_inflight bigint, p_begin_ms bigint DEFAULT NULL, p_version bigint DEFAULT NULL,
                              OUT verdict text, OUT state coupon_state)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
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

DROP FUNCTION purge_coupon(bigint);
CREATE FUNCTION purge_coupon(p_id bigint, p_version bigint DEFAULT NULL, OUT verdict text, OUT state coupon_state)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
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

-- As 0008: who may call them is granted by `flashctl access postgres`, to be run again after this migration.
REVOKE EXECUTE ON FUNCTION operate_coupon(bigint, text, bigint),
  update_coupon(bigint, text, bigint, integer, bigint, bigint, bigint, bigint), purge_coupon(bigint, bigint)
FROM PUBLIC;
