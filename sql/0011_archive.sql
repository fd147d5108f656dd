-- What the engine asks when Redis has forgotten: outcomes by claim id, and what a user holds. Nothing here writes. Both act as
-- the owner of the schema, so that the engine's role reads no table: with its password one learns about claims and users
-- that one can name, and cannot copy them all.
--
-- Plans of index probes whatever the statistics say, as in settle_claims: a table that was empty a minute ago must not
-- leave a sequential scan behind.

-- ARGUMENTS five arrays of one length: claim i is (coupon, epoch, entry ms, entry seq, index) at position i.
-- RETURNS   one row for each position n whose claim has an outcome: its user, and why it was refused (NULL: settled).
-- COST      two index probes a claim.
CREATE FUNCTION archived_claims(p_coupon bigint[], p_epoch bigint[], p_ms bigint[], p_seq bigint[], p_index bigint[])
RETURNS TABLE (n integer, usr bigint, refusal text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $$
  SELECT c.n::integer, o.user_id, o.refusal
  FROM unnest(p_coupon, p_epoch, p_ms, p_seq, p_index) WITH ORDINALITY AS c(coupon, epoch, ms, seq, idx, n)
  CROSS JOIN LATERAL (SELECT o.user_id, o.refusal FROM claim_outcome o
                      WHERE (o.coupon_id, o.epoch, o.entry_ms, o.entry_seq, o.entry_index)
                          = (c.coupon, c.epoch, c.ms, c.seq, c.idx) LIMIT 1) o
$$;

-- ARGUMENTS the user; the place to go on from, (p_coupon, p_ordinal): what stands before it in the order below; at most
--           p_limit rows; at most p_look coupons are looked at.
-- RETURNS   what the user holds, highest coupon id first, of one coupon the latest ordinal first. And, when there may be
--           more behind the p_look coupons, a row with ordinal 0: the lowest of them. All of them were looked at then,
--           unless there are p_limit rows.
-- COST      one index probe a coupon until the page is full, p_look at the most.
--
-- There is no index on the user and shall be none: users come in random order, so a third index on user_coupon would cost
-- every settled row a page of its own, in the sale, for a list that is read seldom. What there is is (coupon_id, user_id,
-- ordinal), and coupons are few.
CREATE FUNCTION archived_coupons(p_user bigint, p_coupon bigint, p_ordinal bigint, p_limit integer, p_look integer)
RETURNS TABLE (coupon bigint, ordinal integer, name text, epoch integer, ms bigint, seq bigint, idx integer,
               claimed_ms bigint, settled_ms bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET jit = off
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

REVOKE EXECUTE ON FUNCTION archived_claims(bigint[], bigint[], bigint[], bigint[], bigint[]),
  archived_coupons(bigint, bigint, bigint, integer, integer)
FROM PUBLIC;
