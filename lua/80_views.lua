-- What the API shows: a claim, a coupon, the library itself. Nothing here writes.

-- claim_view
-- KEYS  coupon, claims, result (of the entry), ready
-- ARGV  epoch, entryId, index
-- REPLY `PENDING <user>` | `SETTLED <user>` | `REFUSED <user> <reason>` | NONE (not here, or no longer: ask the database) |
--       NOT_READY (not here, and this Redis lost its data or is being rebuilt)
-- ERROR ARGUMENT, DAMAGED
-- COST  O(n) of one entry
local function claim_view(keys, args)
  need_keys(keys, 4)
  need_args(args, 3, 3)
  need_positive(args[1], 'epoch')
  local entry_id = need_entry_id(args[2])
  local position = need_number(args[3], 'index') + 1
  local fields = read_entry(keys[2], entry_id)
  if fields then
    local list, epoch = entry_users(fields)
    local user = split_users(list)[position]
    return epoch == args[1] and user and 'PENDING ' .. user or 'NONE'
  end
  local result = read('result', 'GET', keys[3])
  if result then
    local epoch, list, outcomes = string.match(result, '^(%d+) ([%d,]+) ([a-z_,]+)$')
    if not epoch then
      refuse('DAMAGED', 'result')
    end
    local user, outcome = split_users(list)[position], split_users(outcomes)[position]
    if epoch ~= args[1] or not user or not outcome then
      return 'NONE'
    end
    return outcome == 'settled' and 'SETTLED ' .. user or 'REFUSED ' .. user .. ' ' .. outcome
  end
  local status = read('coupon', 'HGET', keys[1], 'status')
  if status == 'loading' or redis.call('EXISTS', keys[4]) == 0 then
    return 'NOT_READY'
  end
  return 'NONE'
end

-- coupon_view
-- KEYS  coupon, stock, ready
-- ARGV  [user]
-- REPLY [status, name, beginMs, endMs, nowMs, total, left, userLimit, mine, version] | NO_COUPON |
--       NOT_READY (this Redis lost its data, or the coupon is being rebuilt)
-- ERROR ARGUMENT, DAMAGED
-- COST  O(1)
--
-- `issuing` past its end reads `ended`; `left` is never negative; `mine` is 0 without a user.
local function coupon_view(keys, args)
  need_keys(keys, 3)
  need_args(args, 0, 1)
  local users = need_users(args, 1, 1)
  local coupon = read_coupon(keys[1])
  if not coupon then
    return redis.call('EXISTS', keys[3]) == 1 and 'NO_COUPON' or 'NOT_READY'
  end
  local stock = read_stock(keys[2])
  if coupon.status == 'loading' or not stock then
    return 'NOT_READY'
  end
  local values = redis.call('HMGET', keys[1], 'name', 'issueBeginTime', 'issueEndTime', 'userLimit')
  local end_ms = parse_number(values[3])
  if not values[1] or not parse_number(values[2]) or not end_ms or not parse_number(values[4]) then
    refuse('DAMAGED', 'coupon')
  end
  local mine = #users > 0 and read_user_counts(keys[1], users)[1] or 0
  local now = now_ms()
  local status = coupon.status == 'issuing' and now >= end_ms and 'ended' or coupon.status
  local left = stock > 0 and stock or 0
  return { status, values[1], values[2], values[3], decimal(now), decimal(coupon.total), decimal(left), values[4],
    decimal(mine), decimal(coupon.version) }
end

-- flashclaim_version
-- KEYS  none
-- ARGV  none
-- REPLY [version, hash of the text]
-- ERROR ARGUMENT
-- COST  O(1)
local function flashclaim_version(keys, args)
  need_keys(keys, 0)
  need_args(args, 0, 0)
  return { LIBRARY_VERSION, LIBRARY_HASH }
end
