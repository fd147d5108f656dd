-- Reading keys: what is missing is an answer, what has the wrong type or holds garbage is DAMAGED.

-- A reading command; `what` names the key in the refusal. Other errors (NOPERM …) pass with their code.
local function read(what, ...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    if string.find(reply.err, '^WRONGTYPE') or string.find(reply.err, '^ERR') then
      refuse('DAMAGED', what)
    end
    error({ refusal = reply.err })
  end
  return reply
end

-- The number in a key or field; nil when it is missing.
local function stored_number(value, what)
  if not value then
    return nil
  end
  return parse_number(value) or refuse('DAMAGED', what)
end

local function stored_signed(value, what)
  if not value then
    return nil
  end
  return parse_signed(value) or refuse('DAMAGED', what)
end

local KNOWN_STATUS = { issuing = true, paused = true, ended = true, loading = true }

-- The fields that decide, of a coupon's hash; nil when there is none. A hash in status loading may lack all the others; one
-- in any other status lacks nothing but suspect and fixSeq, or is DAMAGED.
local function read_coupon(key)
  local values = read('coupon', 'HMGET', key, 'status', 'epoch', 'version', 'inflight', 'suspect', 'fixSeq', 'totalNum')
  local status = values[1]
  if not status then
    if redis.call('EXISTS', key) == 1 then
      refuse('DAMAGED', 'coupon status')
    end
    return nil
  end
  if not KNOWN_STATUS[status] then
    refuse('DAMAGED', 'coupon status')
  end
  local coupon = {
    status = status,
    epoch = stored_number(values[2], 'coupon epoch'),
    version = stored_number(values[3], 'coupon version'),
    inflight = stored_signed(values[4], 'coupon inflight'),
    suspect = stored_number(values[5], 'coupon suspect') or 0,
    fix_seq = stored_number(values[6], 'coupon fixSeq') or 0,
    total = stored_number(values[7], 'coupon totalNum'),
  }
  if status ~= 'loading' and not (coupon.epoch and coupon.version and coupon.inflight and coupon.total) then
    refuse('DAMAGED', 'coupon lacks a field')
  end
  return coupon
end

-- The number in `coupon:stock`; nil when it is missing. Negative after a repair that found more given than there was.
local function read_stock(key)
  return stored_signed(read('stock', 'GET', key), 'stock')
end

-- Entries in the stream; 0 when it is missing.
local function stream_length(key)
  return read('claims', 'XLEN', key)
end

-- The highest id the stream ever gave out, and how many entries it ever got; '0-0' and 0 when it is missing.
local function last_entry_id(key)
  if redis.call('EXISTS', key) == 0 then
    return '0-0', 0
  end
  local info = read('claims', 'XINFO', 'STREAM', key)
  local last, added
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      last = info[i + 1]
    elseif info[i] == 'entries-added' then
      added = info[i + 1]
    end
  end
  if not last or not added then
    refuse('DAMAGED', 'claims')
  end
  return last, added
end

local function checksum(epoch, users)
  return redis.sha1hex(epoch .. ' ' .. users):sub(1, 16)
end

-- The users (one text, joined by ',') and the epoch of a stream entry's fields, verified.
local function entry_users(fields)
  if #fields ~= 6 or fields[1] ~= 'e' or fields[3] ~= 'u' or fields[5] ~= 'h'
    or fields[6] ~= checksum(fields[2], fields[4]) then
    refuse('DAMAGED', 'entry')
  end
  return fields[4], fields[2]
end

local function split_users(users)
  local list = {}
  for user in string.gmatch(users, '[^,]+') do
    list[#list + 1] = user
  end
  return list
end

-- The fields of one entry, or nil.
local function read_entry(key, entry_id)
  local found = read('claims', 'XRANGE', key, entry_id, entry_id)[1]
  return found and found[2]
end

-- Calls visit(entry id, users) for each entry of the stream above `from` (`-`, or `(` and an id), oldest first. False,
-- after visiting none, when there are more than `most`, or their users more than `bytes` long.
local function each_entry(key, from, most, bytes, visit)
  local entries = read('claims', 'XRANGE', key, from, '+', 'COUNT', most + 1)
  for i = 1, #entries do
    bytes = bytes - #(entries[i][2][4] or '')
  end
  if #entries > most or bytes < 0 then
    return false
  end
  for i = 1, #entries do
    visit(entries[i][1], (entry_users(entries[i][2])))
  end
  return true
end

-- A list: `<entryId> <n>` of each finish that returned n units, the latest RETURNS_KEPT. The coupon's field `returns` counts
-- them all.
local function returns_key(tag)
  return 'coupon:returned:' .. tag
end

-- The values of string keys; false where missing. MGET takes a key of another type for a missing one, so those are counted.
local function read_strings(what, keys)
  if #keys == 1 then
    return { read(what, 'GET', keys[1]) }
  end
  local values = redis.call('MGET', unpack(keys))
  local missing = {}
  for i = 1, #keys do
    if not values[i] then
      missing[#missing + 1] = keys[i]
    end
  end
  if #missing > 0 and redis.call('EXISTS', unpack(missing)) > 0 then
    refuse('DAMAGED', what)
  end
  return values
end

local function user_key(coupon_key, user)
  return coupon_key .. ':prs:usr:coupon:' .. user
end

-- For each of the users (ids, distinct): the claims that it holds, 0 when there is no key.
local function read_user_counts(coupon_key, users)
  local keys = {}
  for i = 1, #users do
    keys[i] = user_key(coupon_key, users[i])
  end
  local counts = read_strings('user count', keys)
  for i = 1, #users do
    counts[i] = stored_number(counts[i], 'user count') or 0
  end
  return counts, keys
end

-- `settings` of need_settings as HSET takes them. What claim reads comes first: a small hash is searched from its front.
local function settings_fields(settings)
  return 'status', settings.status, 'epoch', decimal(settings.epoch), 'issueBeginTime', decimal(settings.begin_ms),
    'issueEndTime', decimal(settings.end_ms), 'userLimit', decimal(settings.user_limit), 'maxInflight',
    decimal(settings.max_inflight), 'totalNum', decimal(settings.total), 'version', decimal(settings.version), 'name',
    settings.name
end

-- The new user counts as one MSET and one DEL; `keys`, `counts` run in parallel. A count of 0 is no key. Below `-- writes`.
local function write_user_counts(keys, counts)
  local set, gone = {}, {}
  for i = 1, #keys do
    if counts[i] > 0 then
      set[#set + 1] = keys[i]
      set[#set + 1] = decimal(counts[i])
    else
      gone[#gone + 1] = keys[i]
    end
  end
  if #set > 0 then
    redis.call('MSET', unpack(set))
  end
  if #gone > 0 then
    redis.call('DEL', unpack(gone))
  end
end
