-- INV-2 also for a draft that holds rows. Redis never accepts claims of a draft, but settle_claims does not ask for the status,
-- and its promise must not rest on what arrives: with rows, a draft's limit and end can shrink as little as those of any
-- other coupon. (Found by SqlModel: claims of a draft with limit 3, then the limit lowered to 2 below a user's rows.)
-- Otherwise update_coupon is as in 0005.
CREATE OR REPLACE FUNCTION update_coupon(p_id bigint, p_name text, p_total bigint, p_user_limit integer, p_end_ms bigint,
                              p_max_inflight bigint, OUT verdict text, OUT state coupon_state)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_draft boolean;
BEGIN
  PERFORM FROM coupon c WHERE c.id = p_id FOR NO KEY UPDATE;
  SELECT s.* INTO state FROM coupon_state s WHERE s.id = p_id;
  v_draft := state.status = 'draft' AND state.issue_num = 0;
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
