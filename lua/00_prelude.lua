-- What every function of the library stands on: constants, the two coded errors, registration.
--
-- Redis does not undo a function that fails half-way. So each function has two halves, parted by a line `-- writes`: above
-- it everything is read and judged and may be refused; below it nothing can fail.
--
-- Numbers are doubles here: counts and times are checked to stay below 10^15 and are exact; ids are never converted.
-- `..` keeps 14 digits of a number: use `decimal`, also for arguments of commands (Redis prints numbers slowly).
-- File-scope locals live between calls: constants only. While a library loads, Redis gives it nothing but `redis`: string,
-- table, math and pcall exist only inside functions.

local CLAIMS_MAX = 256 -- claims in one call of `claim`
local USERS_MAX = 1000 -- users in one call of the repairs: with unpack, well below Lua's limit of about 8000
local NAME_MAX = 1024 -- bytes of a coupon's name
local MAX_ID = '9223372036854775807'
local NUMBER_DIGITS = 15
local TIME_MIN_MS = 1e11 -- below it a time was given in seconds
local TIME_MAX_MS = 1e14 -- above it in microseconds
local RESULT_TTL_S = '3600'
local IDEMPOTENCY_TTL_S = '86400'
local SHUT_MS = 100 -- how old a refusal may be that a host repeats by itself (INV-5)
-- What one call may look at, while Redis serves nobody else: a few milliseconds, also for entries of 256 claims.
local SNAPSHOT_ENTRIES_MAX = 128
local SNAPSHOT_BYTES_MAX = 262144 -- of users' ids: checksums cost by the byte
local TAIL_ENTRIES_MAX = 64
local TAIL_BYTES_MAX = 16384
local KNOWN_ENTRIES_MAX = 500
local RETURNS_KEPT = 4096 -- finishes with refusals that the log remembers
local RETURNS_TTL_S = '3600'
local MIRROR_GROUP = 'mirror'

-- Refuse the call: nothing was changed. `code` is ARGUMENT (the caller is wrong) or DAMAGED (a key is); `what` names the
-- argument or key and never repeats what was given. Only above `-- writes`.
local function refuse(code, what)
  error({ refusal = code .. ' ' .. what })
end

-- Decimal text of a whole number, exact up to 2^53.
local SMALL_TEXT, SMALL_NUMBER = {}, {}
for n = 0, 255 do
  SMALL_TEXT[n] = n .. ''
  SMALL_NUMBER[SMALL_TEXT[n]] = n
end
local function decimal(n)
  return SMALL_TEXT[n] or string.format('%.0f', n)
end

-- The clock of this Redis in whole milliseconds, which judges every window (never a host's clock).
local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Register `body(keys, args)`: a refusal becomes a coded error reply, anything else thrown is a bug and passes.
local function register(name, flags, body)
  redis.register_function({
    function_name = name,
    flags = flags,
    callback = function(keys, args)
      local done, reply = pcall(body, keys, args)
      if done then
        return reply
      end
      if type(reply) == 'table' and reply.refusal then
        return redis.error_reply(reply.refusal)
      end
      return error(reply)
    end,
  })
end
