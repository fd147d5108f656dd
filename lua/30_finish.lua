-- finish: all claims of an entry have final outcomes in the database. Removes the entry and returns what was refused.

local REFUSALS = { over_limit = true, out_of_stock = true, stale_epoch = true, unknown_coupon = true, rejected = true }
-- The database refused what Redis thought it had: Redis counts too much, and reconcile must look.
local SUSPICIOUS = { over_limit = true, out_of_stock = true }

-- refused[index] = reason, from args[from] on; nil when the indices are not strictly increasing below n.
local function need_refusals(args, from, n)
  local refused, last, ordered = {}, -1, true
  for i = from, #args do
    local digits, reason = string.match(args[i], '^(%d+)=([a-z_]+)$')
    local index = digits and parse_number(digits)
    if not index or not REFUSALS[reason] then
      refuse('ARGUMENT', 'refusal')
    end
    ordered = ordered and index > last and index < n
    last = index
    refused[index] = reason
  end
  return ordered and refused or nil
end

-- What an absent entry means: finished before, or an id that this Redis never gave out (it lost data, or the message is
-- forged). `settled` claims of it were settled by this delivery.
local function absent_entry(keys, coupon, epoch, entry_id, fresh, settled)
  local word = 'ABSENT'
  local suspicious = fresh
  local known = redis.call('EXISTS', keys[5]) == 1
  if coupon.epoch and epoch < coupon.epoch then
    suspicious = false -- a message from before a rebuild: its entry went with the old data
  elseif is_above(entry_id, last_entry_id(keys[3])) or (coupon.epoch and epoch > coupon.epoch) then
    word, suspicious = 'BEYOND', true
  end

  -- writes (the second may fail on a garbage field, and changes nothing then)
  if suspicious then
    redis.call('HINCRBY', keys[1], 'suspect', '1')
    if fresh and settled > 0 and not known then
      redis.pcall('HINCRBY', keys[1], 'unaccepted', decimal(settled))
    end
  end
  return word
end

local function size_of(set)
  local size = 0
  for _ in pairs(set) do
    size = size + 1
  end
  return size
end

-- How many claims each refused user gets back, as parallel lists, and the outcome of each claim.
local function outcomes_of(users, refused)
  local losers, times, position, outcomes, suspicious, count = {}, {}, {}, {}, false, 0
  for i = 1, #users do
    local reason = refused[i - 1]
    outcomes[i] = reason or 'settled'
    if reason then
      count = count + 1
      suspicious = suspicious or SUSPICIOUS[reason]
      local user = users[i]
      if not position[user] then
        position[user] = #losers + 1
        losers[#losers + 1] = user
        times[#times + 1] = 0
      end
      times[position[user]] = times[position[user]] + 1
    end
  end
  return outcomes, losers, times, count, suspicious
end

-- What a walk over the stream has to know of the entries that left it meanwhile (reconcile_counters). Below `-- writes`; a
-- log that cannot be written is found too short by its reader.
local function log_return(coupon_key, tag, entry_id, returned)
  local log = returns_key(tag)
  redis.pcall('RPUSH', log, entry_id .. ' ' .. decimal(returned))
  redis.pcall('LTRIM', log, decimal(-RETURNS_KEPT), '-1')
  redis.pcall('EXPIRE', log, RETURNS_TTL_S)
  redis.pcall('HINCRBY', coupon_key, 'returns', '1')
end

-- finish
-- KEYS  coupon, stock, claims, dead, result
-- ARGV  epoch, entryId, n, fresh (1: a claim of it was decided by this delivery), then `<index>=<reason>`…, indices strictly
--       increasing, reason over_limit | out_of_stock | stale_epoch | unknown_coupon | rejected
-- REPLY FINISHED  removed by this call: only this caller compensates
--       ABSENT    finished before; fresh=1 marks the coupon suspect (but not for an older epoch)
--       BEYOND    an id or epoch that this Redis never gave out; marks the coupon suspect
--       With both, claims that were settled just now, of an entry that Redis knows nothing of, are counted in the field
--       `unaccepted`: Redis lost them, or never accepted them (a forged message). Only a rebuild clears it.
--       MISMATCH  another epoch, number of claims or indices: nothing changed
--       NO_COUPON no such coupon here: nothing changed
-- ERROR ARGUMENT, DAMAGED
-- COST  8 commands, and 8 more when claims were refused; O(n)
--
-- Says `<entryId> <result>` on the shard channel coupon:finished:{id}: whoever waits for a claim learns its outcome without
-- asking again (engine/claim). With nobody there it costs one look-up; that it may not be said changes nothing.
-- Stock and the users' counts are returned for refused claims only, and only to keys that exist: a missing one belongs to a
-- rebuild. During a rebuild's drain the hash may hold nothing but its status. INV-3, INV-4.
local function finish(keys, args)
  need_keys(keys, 5)
  need_args(args, 4, 4 + CLAIMS_MAX)
  local tag = need_tag(keys[1])
  local epoch = need_positive(args[1], 'epoch')
  local entry_id = need_entry_id(args[2])
  local n = need_positive(args[3], 'n')
  local fresh = need_flag(args[4], 'fresh')
  local refused = need_refusals(args, 5, n)
  local coupon = read_coupon(keys[1])
  if not coupon then
    return 'NO_COUPON'
  end
  if not refused then
    return 'MISMATCH'
  end
  local fields = read_entry(keys[3], entry_id)
  if not fields then
    return absent_entry(keys, coupon, epoch, entry_id, fresh, n - size_of(refused))
  end
  local list, entry_epoch = entry_users(fields)
  local users = split_users(list)
  if entry_epoch ~= args[1] or #users ~= n or (coupon.epoch and coupon.epoch ~= epoch) then
    return 'MISMATCH'
  end
  local outcomes, losers, times, returned, suspicious = outcomes_of(users, refused)
  local stock, counts, user_keys
  if returned > 0 then
    stock = read_stock(keys[2])
    counts, user_keys = read_user_counts(keys[1], losers)
    for i = 1, #losers do
      counts[i] = counts[i] - times[i]
    end
  end

  -- writes (SREM may still refuse, before anything else was written)
  read('dead', 'SREM', keys[4], entry_id)
  redis.call('XDEL', keys[3], entry_id)
  if returned > 0 then
    if stock then
      redis.call('INCRBY', keys[2], decimal(returned))
    end
    write_user_counts(user_keys, counts)
    log_return(keys[1], tag, entry_id, returned)
  end
  if coupon.inflight then
    redis.call('HINCRBY', keys[1], 'inflight', decimal(-n))
  end
  if suspicious then
    redis.call('HINCRBY', keys[1], 'suspect', '1')
  end
  local result = args[1] .. ' ' .. list .. ' ' .. table.concat(outcomes, ',')
  redis.call('SET', keys[5], result, 'EX', RESULT_TTL_S)
  redis.pcall('SPUBLISH', 'coupon:finished:' .. tag, entry_id .. ' ' .. result)
  return 'FINISHED'
end

-- entry_view: what Redis knows of the entry that a message is about, before the database is asked.
-- KEYS  claims, result (of the entry)
-- ARGV  epoch, entryId, checksum (of the message's epoch and users, as claim computes it for the entry)
-- REPLY WAITING  in the stream, with these claims
--       FINISHED finish was called for exactly these claims: each has its outcome in the database
--       OTHER    in the stream, or finished lately, under this epoch with other claims: the message is not about it
--       UNKNOWN  nothing of this epoch: finished more than an hour ago, or lost by this Redis, or never accepted, or of
--                before a rebuild. Proves nothing
-- ERROR ARGUMENT, DAMAGED
-- COST  one XRANGE of one entry; O(n) when it is not there
--
-- Invariant: FINISHED rests on the result that finish wrote in the same call as its XDEL. That an entry is absent is no
-- proof: a claim that was answered 202 and lost here may live in this message alone, and must be settled (INV-3).
local function entry_view(keys, args)
  need_keys(keys, 2)
  need_args(args, 3, 3)
  need_positive(args[1], 'epoch')
  local entry_id = need_entry_id(args[2])
  if not string.find(args[3], '^%x+$') or #args[3] ~= 16 then
    refuse('ARGUMENT', 'checksum')
  end
  local fields = read_entry(keys[1], entry_id)
  if fields then
    if fields[2] == args[1] and fields[6] == args[3] then
      return 'WAITING'
    end
    local _, epoch = entry_users(fields)
    return epoch == args[1] and 'OTHER' or 'UNKNOWN'
  end
  local result = read('result', 'GET', keys[2])
  if not result then
    return 'UNKNOWN'
  end
  local epoch, list = string.match(result, '^(%d+) ([%d,]+) [a-z_,]+$')
  if not epoch then
    refuse('DAMAGED', 'result')
  end
  if epoch ~= args[1] then
    return 'UNKNOWN'
  end
  return checksum(epoch, list) == args[3] and 'FINISHED' or 'OTHER'
end
