-- One claim as the seed settles it: one transaction under a lock on the coupon, checked again, one row. By pgbench.
\set usr random(1, 9000000000)
BEGIN;
SELECT total_num, issue_num, user_limit, epoch FROM coupon WHERE id = :coupon FOR UPDATE;
SELECT count(*) FROM user_coupon WHERE coupon_id = :coupon AND user_id = :usr;
INSERT INTO user_coupon (coupon_id, user_id, entry_ms, entry_seq, claimed_at, settled_at, epoch, entry_index, ordinal)
VALUES (:coupon, :usr, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, :client_id, now(), now(), 1, 0, 1);
UPDATE coupon SET issue_num = issue_num + 1 WHERE id = :coupon;
COMMIT;
