-- reconcile: one atomic look at a coupon, and a correction that is applied only if nobody corrected in between.

-- The numbers of a coupon at one moment, as one text, and its `returns`; or nil and NO_COUPON or NOT_READY.
local function read_numbers(keys)
  local coupon = read_coupon(keys[1])
  if not coupon then
    return nil, 'NO_COUPON'
  end
  local stock = read_stock(keys[2])
  if coupon.status == 'loading' or not stock then
    return nil, 'NOT_READY'
  end
  local returns = stored_number(read('coupon', 'HGET', keys[1], 'returns'), 'coupon returns') or 0
  local last, added = last_entry_id(keys[3])
  local head = { decimal(coupon.epoch), decimal(coupon.version), decimal(coupon.fix_seq), decimal(coupon.suspect),
    decimal(stock), decimal(coupon.total), decimal(coupon.inflight), last, decimal(stream_length(keys[3])),
    decimal(added), decimal(returns), coupon.status }
  return table.concat(head, ' '), returns
end

-- reconcile_counters
-- KEYS  coupon, stock, claims
-- ARGV  [since: the `returns` of an earlier reply]
-- REPLY [`epoch version fixSeq suspect stock totalNum inflight lastId entries added returns status` (entries in the stream
--       now, and ever), `entryId n entryId n …` for each finish since then that returned n units to the stock] | NO_COUPON |
--       NOT_READY (a rebuild is under way or due: loading, or no stock) | FORGOTTEN (more returned units than the log
--       holds: look again from the start)
-- ERROR ARGUMENT, DAMAGED
-- COST  O(1), and the finishes since then (4096 at most)
--
-- A long stream cannot be looked at in one moment. Entries leave it, none comes below its last id. So take the counters and
-- the last id L, walk the entries up to L (XRANGE, page by page), and ask for the counters again with `since`: what left
-- before the walk came to it is settled, and the database counts it, or was returned, and stands in this log.
local function reconcile_counters(keys, args)
  need_keys(keys, 3)
  need_args(args, 0, 1)
  local since = args[1] and need_number(args[1], 'since')
  local tag = need_tag(keys[1])
  local head, returns = read_numbers(keys)
  if not head then
    return returns
  end
  local list = {}
  if since and since ~= returns then
    if since > returns or returns - since > RETURNS_KEPT then
      return 'FORGOTTEN'
    end
    list = read('returned', 'LRANGE', returns_key(tag), decimal(since - returns), '-1')
    if #list < returns - since then
      return 'FORGOTTEN'
    end
  end
  return { head, table.concat(list, ' ') }
end

-- reconcile_snapshot
-- KEYS  coupon, stock, claims
-- ARGV  none
-- REPLY [the first line of reconcile_counters, `entryId n entryId n …` for each entry in flight, oldest first] | NO_COUPON |
--       NOT_READY | TOO_MANY (more than 128 entries in flight, or 256 KiB of users: reconcile_counters says how to look)
-- ERROR ARGUMENT, DAMAGED
-- COST  O(claims in flight): about 5 microseconds an entry of one claim, 12 of 64
local function reconcile_snapshot(keys, args)
  need_keys(keys, 3)
  need_args(args, 0, 0)
  local head, why_not = read_numbers(keys)
  if not head then
    return why_not
  end
  local list, m = {}, 0
  local few = each_entry(keys[3], '-', SNAPSHOT_ENTRIES_MAX, SNAPSHOT_BYTES_MAX, function(entry_id, users)
    local _, commas = string.gsub(users, ',', '')
    list[m + 1] = entry_id
    list[m + 2] = decimal(commas + 1)
    m = m + 2
  end)
  return few and { head, table.concat(list, ' ') } or 'TOO_MANY'
end

-- The coupon if it is still the one of a snapshot, else nil: another epoch, a fix or a rebuild came in between.
local function read_unmoved(coupon_key, epoch, fix_seq)
  local coupon = read_coupon(coupon_key)
  if not coupon or coupon.status == 'loading' or coupon.epoch ~= epoch or coupon.fix_seq ~= fix_seq then
    return nil
  end
  return coupon
end

-- reconcile_fix
-- KEYS  coupon, stock
-- ARGV  epoch, fixSeq, suspect (the three of the snapshot), stockDelta, inflightDelta
-- REPLY FIXED (fixSeq rose; the suspect marks are gone unless one came after the snapshot) | MOVED: nothing changed
-- ERROR ARGUMENT, DAMAGED
-- COST  O(1)
--
-- Stock may become negative when more was given than there was: claim takes that for sold out.
local function reconcile_fix(keys, args)
  need_keys(keys, 2)
  need_args(args, 5, 5)
  local epoch = need_positive(args[1], 'epoch')
  local fix_seq = need_number(args[2], 'fixSeq')
  local suspect = need_number(args[3], 'suspect')
  local stock_delta = need_signed(args[4], 'stockDelta')
  local inflight_delta = need_signed(args[5], 'inflightDelta')
  local coupon = read_unmoved(keys[1], epoch, fix_seq)
  local stock = read_stock(keys[2])
  if not coupon or not stock then
    return 'MOVED'
  end

  -- writes
  redis.call('INCRBY', keys[2], decimal(stock_delta))
  redis.call('HINCRBY', keys[1], 'inflight', decimal(inflight_delta))
  redis.call('HINCRBY', keys[1], 'fixSeq', '1')
  if coupon.suspect == suspect then
    redis.call('HDEL', keys[1], 'suspect')
  end
  return 'FIXED'
end

-- The users of args[from], args[from + step] …, distinct ids.
local function need_users(args, from, step)
  local users, seen = {}, {}
  for i = from, #args, step do
    local user = need_id(args[i], 'user')
    if seen[user] then
      refuse('ARGUMENT', 'user twice')
    end
    seen[user] = true
    users[#users + 1] = user
  end
  return users, seen
end

-- user_counts
-- KEYS  coupon, claims
-- ARGV  known (an entry id: the caller has walked over the entries up to it), n, n times a user, each once (1..1000), then
--       the entries up to `known` in which these have claims (0..500)
-- REPLY [`epoch fixSeq lastId`, the users' counts in order joined by a space (0 when there is no key),
--       for each of the entries 1 (it is in flight) or 0, joined by a space,
--       `entryId user entryId user …`: their claims in flight above `known`] | NO_COUPON | NOT_READY (loading) |
--       BEHIND (more than 64 entries above `known`, or 16 KiB of users: walk over them first)
-- ERROR ARGUMENT, DAMAGED
-- COST  O(users + entries): 1 microsecond a user, 4 an entry
--
-- Entries leave the stream and none comes below its last id: who has once walked over them knows all that can be in flight,
-- and this call says which of them still are, at the moment of the counts.
local function user_counts(keys, args)
  need_keys(keys, 2)
  need_args(args, 3, 2 + USERS_MAX + KNOWN_ENTRIES_MAX)
  local known = need_entry_id(args[1])
  local n = need_positive(args[2], 'number of users')
  if n > USERS_MAX or #args < 2 + n or #args > 2 + n + KNOWN_ENTRIES_MAX then
    refuse('ARGUMENT', 'number of users')
  end
  local users, wanted = need_users({ unpack(args, 3, 2 + n) }, 1, 1)
  for i = 3 + n, #args do
    need_entry_id(args[i])
  end
  local coupon = read_coupon(keys[1])
  if not coupon then
    return 'NO_COUPON'
  elseif coupon.status == 'loading' then
    return 'NOT_READY'
  end
  local list, m = {}, 0
  local few = each_entry(keys[2], '(' .. known, TAIL_ENTRIES_MAX, TAIL_BYTES_MAX, function(entry_id, in_flight)
    for user in string.gmatch(in_flight, '[^,]+') do
      if wanted[user] then
        list[m + 1] = entry_id
        list[m + 2] = user
        m = m + 2
      end
    end
  end)
  if not few then
    return 'BEHIND'
  end
  local counts = read_user_counts(keys[1], users)
  for i = 1, #counts do
    counts[i] = decimal(counts[i])
  end
  local present = {}
  for i = 3 + n, #args do
    present[i - 2 - n] = read_entry(keys[2], args[i]) and '1' or '0'
  end
  local head = { decimal(coupon.epoch), decimal(coupon.fix_seq), (last_entry_id(keys[2])) }
  return { table.concat(head, ' '), table.concat(counts, ' '), table.concat(present, ' '), table.concat(list, ' ') }
end

-- user_counts_fix
-- KEYS  coupon
-- ARGV  epoch, fixSeq, then 1..1000 times user, delta
-- REPLY FIXED (fixSeq rose) | MOVED: nothing changed
-- ERROR ARGUMENT (also for a delta that would make a count negative), DAMAGED
-- COST  O(users)
local function user_counts_fix(keys, args)
  need_keys(keys, 1)
  need_args(args, 4, 2 + 2 * USERS_MAX)
  local epoch = need_positive(args[1], 'epoch')
  local fix_seq = need_number(args[2], 'fixSeq')
  if #args % 2 ~= 0 then
    refuse('ARGUMENT', 'number of arguments')
  end
  local users = need_users(args, 3, 2)
  local deltas = {}
  for i = 1, #users do
    deltas[i] = need_signed(args[2 + 2 * i], 'delta')
  end
  if not read_unmoved(keys[1], epoch, fix_seq) then
    return 'MOVED'
  end
  local counts, user_keys = read_user_counts(keys[1], users)
  for i = 1, #users do
    counts[i] = counts[i] + deltas[i]
    if counts[i] < 0 then
      refuse('ARGUMENT', 'delta')
    end
  end

  -- writes
  write_user_counts(user_keys, counts)
  redis.call('HINCRBY', keys[1], 'fixSeq', '1')
  return 'FIXED'
end
