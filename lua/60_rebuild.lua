-- rebuild: freeze, drain, begin, clear and load, open. From freeze to open the status is loading: claims answer NOT_READY.

-- True when a rebuild is under way at exactly this epoch: what another one sends is refused.
local function is_loading(coupon_key, epoch)
  local coupon = read_coupon(coupon_key)
  return coupon ~= nil and coupon.status == 'loading' and coupon.epoch == epoch
end

-- rebuild_freeze
-- KEYS  coupon, claims
-- ARGV  none
-- REPLY `FROZEN <n>`: n entries are in the stream and must be finished before rebuild_begin
-- ERROR ARGUMENT, DAMAGED
-- COST  O(1)
--
-- Where there is neither a hash nor an entry it makes none: a freeze that comes after a purge leaves nothing behind.
local function rebuild_freeze(keys, args)
  need_keys(keys, 2)
  need_args(args, 0, 0)
  local entries = stream_length(keys[2])
  read('coupon', 'HGET', keys[1], 'status')
  local is_here = redis.call('EXISTS', keys[1]) == 1

  -- writes
  if is_here or entries > 0 then
    redis.call('HSET', keys[1], 'status', 'loading')
  end
  return 'FROZEN ' .. decimal(entries)
end

-- rebuild_begin
-- KEYS  coupon, stock, claims, dead
-- ARGV  newEpoch
-- REPLY BEGUN (the epoch is set, the status is loading; stock and dead marks are gone) | NOT_LOADING (open: freeze first) |
--       NOT_DRAINED (the stream is not empty) | EPOCH (not above the stored one)
-- ERROR ARGUMENT, DAMAGED
-- COST  O(dead marks)
local function rebuild_begin(keys, args)
  need_keys(keys, 4)
  need_args(args, 1, 1)
  local epoch = need_positive(args[1], 'epoch')
  local tag = need_tag(keys[1])
  local coupon = read_coupon(keys[1])
  if coupon and coupon.status ~= 'loading' then
    return 'NOT_LOADING'
  elseif stream_length(keys[3]) > 0 then
    return 'NOT_DRAINED'
  elseif coupon and coupon.epoch and epoch <= coupon.epoch then
    return 'EPOCH'
  end

  -- writes
  local fix_seq = coupon and coupon.fix_seq or 0
  redis.call('HSET', keys[1], 'status', 'loading', 'epoch', decimal(epoch), 'inflight', '0', 'fixSeq', decimal(fix_seq + 1))
  redis.call('HDEL', keys[1], 'suspect', 'unaccepted')
  redis.call('DEL', keys[2], keys[4], returns_key(tag))
  return 'BEGUN'
end

-- rebuild_clear_users
-- KEYS  coupon, then 1..1000 keys of user counts of this coupon
-- ARGV  epoch
-- REPLY CLEARED | REFUSED (not loading, or another epoch)
-- ERROR ARGUMENT, DAMAGED
-- COST  O(keys)
local function rebuild_clear_users(keys, args)
  need_keys(keys, 2, 1 + USERS_MAX)
  need_args(args, 1, 1)
  local epoch = need_positive(args[1], 'epoch')
  local prefix = user_key(keys[1], '')
  for i = 2, #keys do
    if keys[i]:sub(1, #prefix) ~= prefix then
      refuse('ARGUMENT', 'key of another coupon')
    end
  end
  if not is_loading(keys[1], epoch) then
    return 'REFUSED'
  end

  -- writes
  redis.call('DEL', unpack(keys, 2))
  return 'CLEARED'
end

-- rebuild_load_stock
-- KEYS  coupon, stock
-- ARGV  epoch, stock
-- REPLY LOADED | REFUSED (not loading, or another epoch)
-- ERROR ARGUMENT, DAMAGED; OOM at maxmemory
-- COST  O(1)
local function rebuild_load_stock(keys, args)
  need_keys(keys, 2)
  need_args(args, 2, 2)
  local epoch = need_positive(args[1], 'epoch')
  local stock = need_number(args[2], 'stock')
  if not is_loading(keys[1], epoch) then
    return 'REFUSED'
  end

  -- writes
  redis.call('SET', keys[2], decimal(stock))
  return 'LOADED'
end

-- rebuild_load_users
-- KEYS  coupon
-- ARGV  epoch, then 1..1000 times user, count (at least 1)
-- REPLY LOADED | REFUSED (not loading, or another epoch)
-- ERROR ARGUMENT, DAMAGED; OOM at maxmemory
-- COST  O(users)
local function rebuild_load_users(keys, args)
  need_keys(keys, 1)
  need_args(args, 3, 1 + 2 * USERS_MAX)
  local epoch = need_positive(args[1], 'epoch')
  if #args % 2 ~= 1 then
    refuse('ARGUMENT', 'number of arguments')
  end
  local users = need_users(args, 2, 2)
  local user_keys, counts = {}, {}
  for i = 1, #users do
    user_keys[i] = user_key(keys[1], users[i])
    counts[i] = need_positive(args[1 + 2 * i], 'count')
  end
  if not is_loading(keys[1], epoch) then
    return 'REFUSED'
  end

  -- writes
  write_user_counts(user_keys, counts)
  return 'LOADED'
end

-- rebuild_open
-- KEYS  coupon, stock, claims, issuing
-- ARGV  epoch, version, status, name, total, userLimit, beginMs, endMs, maxInflight
-- REPLY OPEN | REFUSED (not loading, or another epoch) | NOT_READY (no stock was loaded)
-- ERROR ARGUMENT, DAMAGED
-- COST  O(1)
local function rebuild_open(keys, args)
  need_keys(keys, 4)
  need_args(args, 9, 9)
  local settings = need_settings(args)
  if not is_loading(keys[1], settings.epoch) then
    return 'REFUSED'
  elseif not read_stock(keys[2]) then
    return 'NOT_READY'
  end
  stream_length(keys[3])

  -- writes (SADD may still refuse, before anything else was written)
  if settings.status ~= 'ended' then
    read('issuing', 'SADD', keys[4], string.match(keys[1], '{(.+)}'))
  end
  ensure_group(keys[3])
  redis.call('HSET', keys[1], settings_fields(settings))
  return 'OPEN'
end
