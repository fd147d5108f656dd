-- What a user would write instead: one claim, one EVALSHA. The peers of bench/compare.sh run it; the product does not.
-- KEYS: coupon hash, stock, claims of the user, stream. ARGV: user. REPLY: the entry's id, or a word.
local coupon = redis.call('HMGET', KEYS[1], 'issueBeginTime', 'issueEndTime', 'userLimit')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not coupon[1] then return 'NO_COUPON' end
if now < tonumber(coupon[1]) then return 'NOT_STARTED' end
if now >= tonumber(coupon[2]) then return 'ENDED' end
if tonumber(redis.call('GET', KEYS[3]) or '0') >= tonumber(coupon[3]) then return 'LIMIT_REACHED' end
if tonumber(redis.call('GET', KEYS[2]) or '0') <= 0 then return 'SOLD_OUT' end
redis.call('DECR', KEYS[2])
redis.call('INCR', KEYS[3])
return redis.call('XADD', KEYS[4], '*', 'u', ARGV[1])
