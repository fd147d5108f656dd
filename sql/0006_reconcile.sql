-- What PostgreSQL contributes to reconcile: the rows that Redis' snapshot does not count itself. (Design: reconcile.)
--
-- ARGUMENTS the snapshot: p_epoch, the last generated entry L (p_last_ms, p_last_seq), and the entries in flight F (p_ms,
--           p_seq, parallel arrays). A claim of F is counted by Redis whether it has its row already or not; an entry above
--           L was accepted after the snapshot. Everything else that settled is counted here.

-- The entries of F that are worth a look, each once.
CREATE FUNCTION flying_entries(p_ms bigint[], p_seq bigint[]) RETURNS TABLE (ms bigint, seq bigint)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT DISTINCT f.ms, f.seq FROM unnest(p_ms, p_seq) AS f(ms, seq) $$;

-- The highest entry of that epoch with an outcome, settled or refused; no row when there is none.
CREATE FUNCTION highest_entry(p_coupon bigint, p_epoch integer) RETURNS TABLE (ms bigint, seq bigint)
LANGUAGE sql STABLE AS $$
  (SELECT e.ms, e.seq FROM (
    (SELECT entry_ms, entry_seq FROM user_coupon WHERE coupon_id = p_coupon AND epoch = p_epoch
     ORDER BY entry_ms DESC, entry_seq DESC LIMIT 1)
    UNION ALL
    (SELECT entry_ms, entry_seq FROM claim_rejection WHERE coupon_id = p_coupon AND epoch = p_epoch
     ORDER BY entry_ms DESC, entry_seq DESC LIMIT 1)) AS e(ms, seq)
   ORDER BY e.ms DESC, e.seq DESC LIMIT 1)
$$;

-- RETURNS no row for an unknown coupon; else rows, the database's epoch, version and target_total, and the highest entry
--         of p_epoch with an outcome (NULL: none). Higher than L means that Redis rolled back.
-- COST    one probe per entry in flight, plus the rows above L: not the rows of the coupon. rows = issue_num minus what
--         the snapshot counts itself: settle_claims keeps issue_num equal to the number of rows in one transaction (the
--         invariant checker counts them), and issue_num is what it holds against total_num.
CREATE FUNCTION reconcile_rows(p_coupon bigint, p_epoch integer, p_last_ms bigint, p_last_seq bigint,
                               p_ms bigint[], p_seq bigint[])
RETURNS TABLE (rows bigint, epoch integer, version bigint, target_total bigint, highest_ms bigint, highest_seq bigint)
LANGUAGE sql STABLE AS $$
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

-- The same formula per user: one row per position n of p_users.
CREATE FUNCTION reconcile_user_rows(p_coupon bigint, p_epoch integer, p_last_ms bigint, p_last_seq bigint,
                                    p_ms bigint[], p_seq bigint[], p_users bigint[])
RETURNS TABLE (n integer, rows bigint)
LANGUAGE sql STABLE AS $$
  SELECT q.n::integer, count(u.user_id) FILTER (WHERE
           u.epoch < p_epoch
           OR (u.epoch = p_epoch AND f.ms IS NULL AND (u.entry_ms, u.entry_seq) <= (p_last_ms, p_last_seq)))
  FROM unnest(p_users) WITH ORDINALITY AS q(usr, n)
  LEFT JOIN user_coupon u ON u.coupon_id = p_coupon AND u.user_id = q.usr
  LEFT JOIN flying_entries(p_ms, p_seq) f ON u.epoch = p_epoch AND f.ms = u.entry_ms AND f.seq = u.entry_seq
  GROUP BY q.n ORDER BY q.n
$$;

-- The rows themselves, counted for the invariant checker (issue_num is one of the things it checks).
CREATE FUNCTION coupon_counts(p_coupon bigint)
RETURNS TABLE (rows bigint, issue_num bigint, total_num bigint, users bigint, max_per_user bigint, over_limit_users bigint,
               rejections bigint, doubled bigint)
LANGUAGE sql STABLE AS $$
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
