-- Whoever calls these functions acts as the owner of the schema: the roles of the programs may call what they need and
-- write no table themselves. Who may call which is granted by `flashctl access postgres`; PUBLIC may call none. The other
-- functions read, and do so with the rights of their caller.
-- A later CREATE OR REPLACE of one of them must repeat SECURITY DEFINER and search_path (the grants stay).
ALTER FUNCTION settle_claims(bigint[], integer[], bigint[], bigint[], integer[], bigint[], text)
  SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION create_coupon(bigint, text, bigint, integer, bigint, bigint, bigint)
  SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION operate_coupon(bigint, text) SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION update_coupon(bigint, text, bigint, integer, bigint, bigint)
  SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION complete_cut(bigint, bigint) SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION begin_rebuild(bigint) SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION purge_coupon(bigint) SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION purge_claims(bigint, integer) SECURITY DEFINER SET search_path = public, pg_temp;

REVOKE EXECUTE ON FUNCTION
  settle_claims(bigint[], integer[], bigint[], bigint[], integer[], bigint[], text),
  create_coupon(bigint, text, bigint, integer, bigint, bigint, bigint), operate_coupon(bigint, text),
  update_coupon(bigint, text, bigint, integer, bigint, bigint), complete_cut(bigint, bigint), begin_rebuild(bigint),
  purge_coupon(bigint), purge_claims(bigint, integer)
FROM PUBLIC;
