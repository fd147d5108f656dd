-- apply_state: open, pause, resume, end, restock, cut: one call with absolute values, so every operation can be repeated
-- and reordered.

-- True when nothing was ever in the stream and there is no stock: a coupon that Redis never held.
local function is_blank(keys)
  return redis.call('EXISTS', keys[2]) == 0 and stream_length(keys[3]) == 0 and last_entry_id(keys[3]) == '0-0'
end

-- The group exists afterwards, and the stream. Precondition: the key is a stream or missing. Below `-- writes`.
local function ensure_group(claims_key)
  redis.pcall('XGROUP', 'CREATE', claims_key, MIRROR_GROUP, '0', 'MKSTREAM') -- BUSYGROUP: it is there
end

-- True when the same version is told again to a coupon that is `ended` only because the clock was past its end.
local function was_retired(settings, coupon)
  return settings.version == coupon.version and settings.epoch == coupon.epoch and coupon.status == 'ended'
    and settings.status ~= 'ended' and now_ms() < settings.end_ms
end

-- apply_state
-- KEYS  coupon, stock, claims, ready, issuing
-- ARGV  epoch, version, status (issuing | paused | ended), name, total, userLimit, beginMs, endMs, maxInflight,
--       create (1: the coupon may be new to this Redis)
-- REPLY APPLIED
--       REOPENED   this version was applied before, and retire_coupon ended the coupon since, by a clock that was past its
--                  end and is not any more: it has its status again
--       OLD        this version or a newer one was applied before
--       NOT_READY  no coupon and no marker: this Redis lost its data
--       NOT_LOADED no coupon and create=0, or remains of one: needs a rebuild
--       LOADING    a rebuild is under way
--       EPOCH      another epoch than the stored one
--       SHORT      a cut by more than what is left
-- ERROR ARGUMENT (also for a window in seconds or microseconds), DAMAGED
-- COST  O(1)
--
-- An existing stock is never set: it moves by total - stored totalNum. A new coupon's stock is its total. INV-1.
local function apply_state(keys, args)
  need_keys(keys, 5)
  need_args(args, 10, 10)
  local settings = need_settings(args)
  local create = need_flag(args[10], 'create')
  local coupon = read_coupon(keys[1])
  local delta, reopened
  if not coupon then
    if redis.call('EXISTS', keys[4]) == 0 then
      return 'NOT_READY'
    elseif not create or not is_blank(keys) then
      return 'NOT_LOADED'
    end
    delta = settings.total
  else
    if coupon.status == 'loading' then
      return 'LOADING'
    elseif settings.version <= coupon.version and not was_retired(settings, coupon) then
      return 'OLD'
    elseif settings.epoch ~= coupon.epoch then
      return 'EPOCH'
    end
    local stock = read_stock(keys[2])
    if not stock then
      return 'NOT_LOADED'
    end
    reopened = settings.version == coupon.version
    delta = reopened and 0 or settings.total - coupon.total
    if delta < 0 and stock + delta < 0 then
      return 'SHORT'
    end
  end

  -- writes (SADD may still refuse, before anything else was written; it comes before the coupon opens)
  if settings.status ~= 'ended' then
    read('issuing', 'SADD', keys[5], string.match(keys[1], '{(.+)}'))
  end
  if not coupon then
    ensure_group(keys[3])
    redis.call('HSET', keys[1], 'inflight', '0', 'fixSeq', '0', settings_fields(settings))
  elseif reopened then
    redis.call('HSET', keys[1], 'status', settings.status)
  else
    redis.call('HSET', keys[1], settings_fields(settings))
  end
  if delta ~= 0 or not coupon then
    redis.call('INCRBY', keys[2], decimal(delta))
  end
  return reopened and 'REOPENED' or 'APPLIED'
end
