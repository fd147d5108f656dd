-- claim: who wins. The whole decision about a batch of claims of one coupon, and its durable record.

-- The users of the arguments and, where given, the names of the idempotency keys (nil when none was).
local function need_claims(tag, args)
  local users, names = {}, nil
  for i = 1, #args do
    local arg = args[i]
    if is_id(arg) then
      users[i] = arg
    else
      local user, key = string.match(arg, '^(%d+):([A-Za-z0-9_%-]+)$')
      if not user or not is_id(user) or #key > 64 then
        refuse('ARGUMENT', 'claim')
      end
      users[i] = user
      names = names or {}
      names[i] = 'coupon:key:' .. tag .. ':' .. user .. ':' .. key
    end
  end
  return users, names
end

-- Why nobody can claim now, as a verdict for the whole batch, and, before the begin, the ms until it; or nil and what the
-- judgement needs.
local function read_gate(keys)
  local values = read('coupon', 'HMGET', keys[1], 'status', 'epoch', 'issueBeginTime', 'issueEndTime', 'userLimit',
    'inflight', 'maxInflight')
  local status = values[1]
  if not status then
    if redis.call('EXISTS', keys[1]) == 1 then
      refuse('DAMAGED', 'coupon status')
    end
    return redis.call('EXISTS', keys[4]) == 1 and 'NO_COUPON' or 'NOT_READY'
  end
  if status == 'loading' then
    return 'NOT_READY'
  end
  local begin_ms, end_ms = parse_number(values[3]), parse_number(values[4])
  local limit, inflight, max_inflight = parse_number(values[5]), parse_signed(values[6]), parse_number(values[7])
  if not (parse_number(values[2]) and begin_ms and end_ms and limit and inflight and max_inflight) then
    refuse('DAMAGED', 'coupon')
  end
  local stock = read_stock(keys[2])
  if not stock then
    return 'NOT_READY'
  elseif status == 'paused' then
    return 'PAUSED'
  elseif status == 'ended' then
    return 'ENDED'
  elseif status ~= 'issuing' then
    refuse('DAMAGED', 'coupon status')
  end
  local now = now_ms()
  if now < begin_ms then
    return 'NOT_STARTED', begin_ms - now
  elseif now >= end_ms then
    return 'ENDED'
  end
  return nil, { epoch = values[2], limit = limit, left = stock, room = max_inflight - inflight }
end

-- One read for all that the judgement needs of single claims: counts[user] (unless the gate is closed) and, when there are
-- names, replays[name] = 'REPLAYED=…'.
local function read_claimants(coupon_key, users, names, closed)
  local asked, owners, counts, replays, m = {}, {}, {}, names and {}, 0
  if not closed then
    local prefix = user_key(coupon_key, '')
    for i = 1, #users do
      local user = users[i]
      if not counts[user] then
        counts[user] = 0
        m = m + 1
        asked[m] = prefix .. user
        owners[m] = user
      end
    end
  end
  local users_end = m
  if names then
    for _, name in pairs(names) do
      m = m + 1
      asked[m] = name
    end
  end
  if m == 0 then
    return counts, replays
  end
  local values = read_strings('user count or idempotency key', asked)
  for i = 1, users_end do
    local value = values[i]
    if value then
      counts[owners[i]] = parse_number(value) or refuse('DAMAGED', 'user count')
    end
  end
  for i = users_end + 1, m do
    if values[i] then
      if not string.find(values[i], '^%d+%-%d+%-%d+%-%d+$') then
        refuse('DAMAGED', 'idempotency key')
      end
      replays[asked[i]] = 'REPLAYED=' .. values[i]
    end
  end
  return counts, replays
end

-- The verdicts in order. Counts are raised as claims are accepted, so the same user twice is judged in order; the same key
-- twice replays the index that the first was given (`echoes`: its text waits for the entry's id).
local function judge(users, names, closed, gate, counts, replays)
  local words, winners, stored, echoes, accepted = {}, {}, names and {}, names and {}, 0
  local limit, left, room
  if gate then
    limit, left, room = gate.limit, gate.left, gate.room
  end
  for i = 1, #users do
    local user = users[i]
    local name = names and names[i]
    local replay = name and (replays[name] or stored[name])
    if replay then
      words[i] = replay
      if stored[name] then
        echoes[#echoes + 1] = i
      end
    elseif closed then
      words[i] = closed
    elseif counts[user] >= limit then
      words[i] = 'LIMIT_REACHED'
    elseif left <= accepted then
      words[i] = 'SOLD_OUT'
    elseif room <= accepted then
      words[i] = 'BUSY'
    else
      words[i] = 'ACCEPTED'
      if name then
        stored[name] = accepted
      end
      accepted = accepted + 1
      winners[accepted] = user
      counts[user] = counts[user] + 1
    end
  end
  return words, winners, stored, echoes
end

-- The verdict that every claim without a key would get for the next ms, unless a key is changed: `<verdict> <ms>`. Or nil.
local function shut_for(closed, opens_in_ms, left)
  if closed then
    return closed .. ' ' .. decimal(math.min(opens_in_ms or SHUT_MS, SHUT_MS))
  elseif left <= 0 then
    return 'SOLD_OUT ' .. decimal(SHUT_MS)
  end
  return nil
end

-- The counts of the winners, each user once. Below `-- writes`.
local function write_raised_counts(prefix, winners, counts)
  local pairs_to_set, m = {}, 0
  for i = 1, #winners do
    local user = winners[i]
    local count = counts[user]
    if count then
      pairs_to_set[m + 1] = prefix .. user
      pairs_to_set[m + 2] = decimal(count)
      m = m + 2
      counts[user] = nil
    end
  end
  redis.call('MSET', unpack(pairs_to_set))
end

-- What each key was given; the repeats in this batch learn it too. Below `-- writes`.
local function write_replays(claim_prefix, stored, echoes, words)
  for name, index in pairs(stored) do
    redis.call('SET', name, claim_prefix .. '-' .. decimal(index), 'EX', IDEMPOTENCY_TTL_S)
  end
  for _, i in ipairs(echoes) do
    words[i] = 'REPLAYED=' .. claim_prefix .. '-' .. decimal(words[i])
  end
end

-- claim
-- KEYS  coupon, stock, claims, ready
-- ARGV  1..256 times `<user>` or `<user>:<idempotencyKey>` (key: 1..64 of [A-Za-z0-9_-])
-- REPLY [`<epoch>-<ms>-<seq>` of the new stream entry, or '' when none was accepted,
--       verdicts joined by one space, in the order of ARGV: ACCEPTED | REPLAYED=<epoch>-<ms>-<seq>-<index> | NOT_STARTED |
--       PAUSED | ENDED | LIMIT_REACHED | SOLD_OUT | BUSY | NOT_READY | NO_COUPON,
--       The index of an accepted claim is its order among the ACCEPTED.
--       and, when nobody can claim any more or yet: `<verdict> <ms>`, what a host may answer by itself, for so long from
--       the moment it asked, to claims without a key (one with a key may be a replay)]
-- ERROR ARGUMENT, DAMAGED; OOM at maxmemory (before anything was written)
-- COST  8 commands a call, O(1) a claim; each accepted claim with a key adds one SET
--
-- Order: replay, then coupon, status, window, user limit, stock, room in flight. A stock of 0 or less is SOLD_OUT; a missing
-- one is NOT_READY, like a missing stream: state that was lost is never "sold out". The user and idempotency keys are
-- derived here and share the slot of the declared keys. INV-1, INV-2, INV-5.
local function claim(keys, args)
  need_keys(keys, 4)
  need_args(args, 1, CLAIMS_MAX)
  local coupon_key = keys[1]
  local users, names = need_claims(need_tag(coupon_key), args)
  local closed, gate = read_gate(keys)
  local opens_in_ms
  if closed then
    opens_in_ms, gate = gate, nil
  end
  local counts, replays = read_claimants(coupon_key, users, names, closed)
  local words, winners, stored, echoes = judge(users, names, closed, gate, counts, replays)
  local accepted = #winners
  if accepted == 0 then
    return { '', table.concat(words, ' '), shut_for(closed, opens_in_ms, gate and gate.left) }
  end

  -- writes (XADD may still refuse, before anything else was written)
  local list = table.concat(winners, ',')
  local id = read('claims', 'XADD', keys[3], 'NOMKSTREAM', '*', 'e', gate.epoch, 'u', list, 'h',
    checksum(gate.epoch, list))
  if not id then
    return { '', table.concat(judge(users, names, 'NOT_READY', nil, counts, replays), ' ') }
  end
  local claim_prefix = gate.epoch .. '-' .. id
  write_raised_counts(user_key(coupon_key, ''), winners, counts)
  redis.call('DECRBY', keys[2], decimal(accepted))
  redis.call('HINCRBY', coupon_key, 'inflight', decimal(accepted))
  if names then
    write_replays(claim_prefix, stored, echoes, words)
  end
  return { claim_prefix, table.concat(words, ' '), shut_for(nil, nil, gate.left - accepted) }
end
