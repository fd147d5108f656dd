-- wrk: claims of ever new users. Arguments: api COUPON FIRST_USER, or webdis SHA FIRST_USER. Ends with one line of TSV:
-- RESULT, answers per second, answers that are not 2xx or 3xx, broken ones, p50 and p99 in microseconds.
local kind, target, user

function init(arguments)
  kind, target, user = arguments[1], arguments[2], tonumber(arguments[3])
end

function request()
  user = user + 1
  local id = string.format('%d', user)
  if kind == 'webdis' then
    return wrk.format('GET', '/EVALSHA/' .. target .. '/4/coupon/stock/user:' .. id .. '/claims/' .. id)
  end
  return wrk.format('POST', '/coupons/' .. target .. '/receive', { ['X-User-Id'] = id, ['Content-Length'] = '0' })
end

function done(summary, latency)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('RESULT\t%.0f\t%d\t%d\t%d\t%d\n', summary.requests / (summary.duration / 1e6), errors.status,
    broken, latency:percentile(50), latency:percentile(99)))
end
