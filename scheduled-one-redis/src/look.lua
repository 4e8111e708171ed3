-- Looks at the runs that a beat named as overdue. A script of its own, because
-- a script may only touch keys that it was given.
--
-- KEYS  1 leases, then a record for each unit
-- ARGV  1 the clock of that beat in ms, then the units
-- Returns for each unit 1, nonce, seq, lease; or 0, if its run is over or was
--       renewed meanwhile
--
-- Puts right what it finds wrong in `leases`: an entry that names no run would
-- hide others behind it, because a beat names only so many.

-- Where a record is damaged, claims of its unit say so: here it must only not
-- keep others from being seen.

local now, out = tonumber(ARGV[1]), {}
local AHEAD_MS, DAY_MS, MAX_SEQ = 31622400000, 86400000, 4503599627370496

-- A stored integer, or nil if somebody made it something else.
local function number(text, most)
  local n = tonumber(text or '')
  return n and n >= 0 and n <= most and n % 1 == 0 and n or nil
end

for i = 2, #KEYS do
  local v = redis.pcall('HMGET', KEYS[i], 'st', 'until', 'lease', 'non', 'seq')
  local until_ms, lease, seq = number(v[2], now + AHEAD_MS), number(v[3], DAY_MS), number(v[5], MAX_SEQ)
  local non, n = v[4] or '', #out
  local running = v[1] == 'run' or v[1] == 'stop'
  if not (running and until_ms and lease and seq) or #non > 512 or string.find(non, '[^ -~]') then
    redis.call('ZREM', KEYS[1], ARGV[i])
    out[n + 1] = 0
  else
    local overdue = until_ms - lease + math.floor(lease * 23 / 100)
    if overdue > now then
      redis.call('ZADD', KEYS[1], overdue, ARGV[i])
      out[n + 1] = 0
    else
      out[n + 1], out[n + 2], out[n + 3], out[n + 4] = 1, non, seq, lease
    end
  end
end
return out
