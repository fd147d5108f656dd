-- Strict parsing: decimal digits only, canonical, bounded. `tonumber` alone would take '0x10', ' 1' and '1e1'.

-- True for [1-9][0-9]{0,18} up to 2^63-1.
local function is_id(text)
  local length = #text
  return length <= 19 and string.find(text, '^[1-9]%d*$') ~= nil and (length < 19 or text <= MAX_ID)
end

-- The number of a canonical non-negative decimal below 10^15, else nil. Nil and false pass through as nil.
local function parse_number(text)
  local small = SMALL_NUMBER[text]
  if small then
    return small
  end
  if text and #text <= NUMBER_DIGITS and string.find(text, '^[1-9]%d*$') then
    return tonumber(text)
  end
  return nil
end

-- The same with an optional minus sign ('-0' is refused).
local function parse_signed(text)
  local digits = text and string.match(text, '^%-([1-9]%d*)$')
  if digits then
    local number = parse_number(digits)
    return number and -number
  end
  return parse_number(text)
end

-- The two decimals of a stream entry id, as text, or nil.
local function parse_entry_id(text)
  local ms, seq = string.match(text or '', '^(%d+)%-(%d+)$')
  if not ms or #ms > 19 or #seq > 19 or (ms ~= '0' and not is_id(ms)) or (seq ~= '0' and not is_id(seq)) then
    return nil
  end
  return ms, seq
end

-- -1, 0 or 1: compares canonical decimals of any length.
local function compare_decimals(a, b)
  if #a ~= #b then
    return #a < #b and -1 or 1
  end
  if a == b then
    return 0
  end
  return a < b and -1 or 1
end

-- True when stream entry id `a` is above `b`.
local function is_above(a, b)
  local a_ms, a_seq = string.match(a, '^(%d+)%-(%d+)$')
  local b_ms, b_seq = string.match(b, '^(%d+)%-(%d+)$')
  local order = compare_decimals(a_ms, b_ms)
  return order > 0 or (order == 0 and compare_decimals(a_seq, b_seq) > 0)
end

-- Refuse unless there are exactly `count` keys (`most`: at most that many instead).
local function need_keys(keys, count, most)
  if #keys < count or #keys > (most or count) then
    refuse('ARGUMENT', 'number of keys')
  end
end

-- Refuse unless there are `least` to `most` arguments.
local function need_args(args, least, most)
  if #args < least or #args > most then
    refuse('ARGUMENT', 'number of arguments')
  end
end

local function need_number(text, what)
  return parse_number(text) or refuse('ARGUMENT', what)
end

local function need_positive(text, what)
  local number = need_number(text, what)
  if number < 1 then
    refuse('ARGUMENT', what)
  end
  return number
end

local function need_signed(text, what)
  return parse_signed(text) or refuse('ARGUMENT', what)
end

local function need_id(text, what)
  if not is_id(text) then
    refuse('ARGUMENT', what)
  end
  return text
end

local function need_entry_id(text)
  if not parse_entry_id(text) then
    refuse('ARGUMENT', 'entry id')
  end
  return text
end

local function need_flag(text, what)
  if text ~= '0' and text ~= '1' then
    refuse('ARGUMENT', what)
  end
  return text == '1'
end

-- A time in epoch milliseconds: one that can only be seconds or microseconds is refused.
local function need_time(text, what)
  local time = need_number(text, what)
  if time < TIME_MIN_MS or time > TIME_MAX_MS then
    refuse('ARGUMENT', what .. ' is not in milliseconds')
  end
  return time
end

-- The hash tag of `prs:coupon:{id}`.
local function need_tag(coupon_key)
  return string.match(coupon_key, '^prs:coupon:({[1-9][%d:]*})$') or refuse('ARGUMENT', 'coupon key')
end

-- The settings of apply_state and rebuild_open: args[1..9] = epoch version status name total userLimit beginMs endMs
-- maxInflight.
local function need_settings(args)
  local settings = {
    epoch = need_positive(args[1], 'epoch'),
    version = need_positive(args[2], 'version'),
    status = args[3],
    name = args[4],
    total = need_number(args[5], 'total'),
    user_limit = need_positive(args[6], 'userLimit'),
    begin_ms = need_time(args[7], 'beginMs'),
    end_ms = need_time(args[8], 'endMs'),
    max_inflight = need_positive(args[9], 'maxInflight'),
  }
  if settings.status ~= 'issuing' and settings.status ~= 'paused' and settings.status ~= 'ended' then
    refuse('ARGUMENT', 'status')
  end
  if #settings.name > NAME_MAX then
    refuse('ARGUMENT', 'name')
  end
  if settings.begin_ms >= settings.end_ms then
    refuse('ARGUMENT', 'endMs is not after beginMs')
  end
  return settings
end
