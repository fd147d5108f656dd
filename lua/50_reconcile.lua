-- reconcile: one atomic look at a coupon, and a correction that is applied only if nobody corrected in between.

-- reconcile_snapshot
-- KEYS  coupon, stock, claims
-- ARGV  none
-- REPLY [`epoch version fixSeq suspect stock totalNum inflight lastId`, `entryId n entryId n …` for each entry in flight,
--       oldest first] | NO_COUPON | NOT_READY (a rebuild is under way or due: loading, or no stock) |
--       TOO_MANY (more than 200,000 entries in flight: ask again when they have drained)
-- ERROR ARGUMENT, DAMAGED
-- COST  O(claims in flight): about 5 microseconds an entry of one claim and 12 of 64, during which Redis serves nobody else
local function reconcile_snapshot(keys, args)
  need_keys(keys, 3)
  need_args(args, 0, 0)
  local coupon = read_coupon(keys[1])
  if not coupon then
    return 'NO_COUPON'
  end
  local stock = read_stock(keys[2])
  if coupon.status == 'loading' or not stock then
    return 'NOT_READY'
  elseif stream_length(keys[3]) > SCAN_ENTRIES_MAX then
    return 'TOO_MANY'
  end
  local list, m = {}, 0
  each_entry(keys[3], function(entry_id, users)
    local _, commas = string.gsub(users, ',', '')
    list[m + 1] = entry_id
    list[m + 2] = decimal(commas + 1)
    m = m + 2
  end)
  local head = { decimal(coupon.epoch), decimal(coupon.version), decimal(coupon.fix_seq), decimal(coupon.suspect),
    decimal(stock), decimal(coupon.total), decimal(coupon.inflight), last_entry_id(keys[3]) }
  return { table.concat(head, ' '), table.concat(list, ' ') }
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
-- ARGV  1..1000 times a user, each once
-- REPLY [`epoch fixSeq lastId`, the users' counts in order joined by a space (0 when there is no key),
--       `entryId user entryId user …`: each claim of theirs in flight] | NO_COUPON | NOT_READY (loading) |
--       TOO_MANY (more than 200,000 entries in flight: ask again when they have drained)
-- ERROR ARGUMENT, DAMAGED
-- COST  O(users + claims in flight): about 4 microseconds an entry of one claim and 30 of 64, during which Redis serves
--       nobody else
local function user_counts(keys, args)
  need_keys(keys, 2)
  need_args(args, 1, USERS_MAX)
  local users, wanted = need_users(args, 1, 1)
  local coupon = read_coupon(keys[1])
  if not coupon then
    return 'NO_COUPON'
  elseif coupon.status == 'loading' then
    return 'NOT_READY'
  elseif stream_length(keys[2]) > SCAN_ENTRIES_MAX then
    return 'TOO_MANY'
  end
  local counts = read_user_counts(keys[1], users)
  for i = 1, #counts do
    counts[i] = decimal(counts[i])
  end
  local list, m = {}, 0
  each_entry(keys[2], function(entry_id, in_flight)
    for user in string.gmatch(in_flight, '[^,]+') do
      if wanted[user] then
        list[m + 1] = entry_id
        list[m + 2] = user
        m = m + 2
      end
    end
  end)
  local head = { decimal(coupon.epoch), decimal(coupon.fix_seq), last_entry_id(keys[2]) }
  return { table.concat(head, ' '), table.concat(counts, ' '), table.concat(list, ' ') }
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
