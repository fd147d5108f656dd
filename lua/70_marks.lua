-- Marks (ready, dead, suspect) and the end of a coupon's life (retire, purge).

-- mark_ready
-- KEYS  ready
-- ARGV  none
-- REPLY READY
-- ERROR ARGUMENT
-- COST  O(1)
local function mark_ready(keys, args)
  need_keys(keys, 1)
  need_args(args, 0, 0)

  -- writes
  redis.call('SET', keys[1], '1')
  return 'READY'
end

-- mark_dead: before the entry's message goes to the DLQ.
-- KEYS  claims, dead
-- ARGV  entryId
-- REPLY MARKED | ABSENT (no such entry: nothing to keep)
-- ERROR ARGUMENT, DAMAGED
-- COST  O(1)
local function mark_dead(keys, args)
  need_keys(keys, 2)
  need_args(args, 1, 1)
  local entry_id = need_entry_id(args[1])
  if not read_entry(keys[1], entry_id) then
    return 'ABSENT'
  end

  -- writes
  read('dead', 'SADD', keys[2], entry_id)
  return 'MARKED'
end

-- unmark_dead
-- KEYS  claims, dead
-- ARGV  entryId
-- REPLY UNMARKED
-- ERROR ARGUMENT, DAMAGED
-- COST  O(1)
local function unmark_dead(keys, args)
  need_keys(keys, 2)
  need_args(args, 1, 1)
  local entry_id = need_entry_id(args[1])

  -- writes
  read('dead', 'SREM', keys[2], entry_id)
  return 'UNMARKED'
end

-- mark_suspect
-- KEYS  coupon
-- ARGV  none
-- REPLY MARKED | NO_COUPON
-- ERROR ARGUMENT, DAMAGED
-- COST  O(1)
local function mark_suspect(keys, args)
  need_keys(keys, 1)
  need_args(args, 0, 0)
  if not read_coupon(keys[1]) then
    return 'NO_COUPON'
  end

  -- writes
  redis.call('HINCRBY', keys[1], 'suspect', '1')
  return 'MARKED'
end

-- retire_coupon
-- KEYS  coupon, claims, issuing
-- ARGV  couponId
-- REPLY RETIRED (over, nothing in flight, not suspect: it left `coupon:issuing`) | KEPT
-- ERROR ARGUMENT, DAMAGED
-- COST  O(1)
--
-- A coupon past its end is ended here as well: a clock set back must not let claims into a stream that nobody reads. A
-- later extension of the window comes with a new version and opens it again; if it was the clock that was wrong, the same
-- version told again does (apply_state). A suspected coupon stays: the mender looks at what is in `coupon:issuing`.
local function retire_coupon(keys, args)
  need_keys(keys, 3)
  need_args(args, 1, 1)
  local id = need_id(args[1], 'coupon id')
  local coupon = read_coupon(keys[1])
  if not coupon or coupon.status == 'loading' or coupon.suspect > 0 or stream_length(keys[2]) > 0 then
    return 'KEPT'
  end
  local end_ms = stored_number(read('coupon', 'HGET', keys[1], 'issueEndTime'), 'coupon issueEndTime')
    or refuse('DAMAGED', 'coupon issueEndTime')
  if coupon.status ~= 'ended' and now_ms() < end_ms then
    return 'KEPT'
  end

  -- writes (SREM may still refuse, before anything else was written)
  read('issuing', 'SREM', keys[3], id)
  redis.call('HSET', keys[1], 'status', 'ended')
  return 'RETIRED'
end

-- purge_coupon
-- KEYS  coupon, stock, claims, dead, issuing
-- ARGV  couponId
-- REPLY PURGED (the five are gone; also when there was nothing) | NOT_ENDED | NOT_EMPTY (the stream holds entries)
-- ERROR ARGUMENT, DAMAGED
-- COST  O(1), and the freeing of an empty stream and a small set
--
-- The users' counts are scanned away before (flashctl): a coupon can have millions. One that is loading goes too: the
-- database decides what is purged, and a rebuild that comes between is refused from then on.
local function purge_coupon(keys, args)
  need_keys(keys, 5)
  need_args(args, 1, 1)
  local id = need_id(args[1], 'coupon id')
  local tag = need_tag(keys[1])
  local coupon = read_coupon(keys[1])
  if coupon and coupon.status ~= 'ended' and coupon.status ~= 'loading' then
    return 'NOT_ENDED'
  elseif stream_length(keys[3]) > 0 then
    return 'NOT_EMPTY'
  end

  -- writes (SREM may still refuse, before anything else was written)
  read('issuing', 'SREM', keys[5], id)
  redis.call('DEL', keys[1], keys[2], keys[3], keys[4], returns_key(tag))
  return 'PURGED'
end
