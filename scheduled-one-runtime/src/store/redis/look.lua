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

local now, out = tonumber(ARGV[1]), {}

-- A stored integer, or nil if somebody made it something else.
local function int(text)
  local n = tonumber(text or '')
  return n and n % 1 == 0 and n or nil
end

for i = 2, #KEYS do
  local v = redis.pcall('HMGET', KEYS[i], 'st', 'until', 'lease', 'non', 'seq')
  local until_ms, lease = int(v[2]), int(v[3])
  local n = #out
  if (v[1] ~= 'run' and v[1] ~= 'stop') or not until_ms or not lease then
    redis.call('ZREM', KEYS[1], ARGV[i])
    out[n + 1] = 0
  else
    local overdue = until_ms - lease + math.floor(lease * 23 / 100)
    if overdue > now then
      redis.call('ZADD', KEYS[1], overdue, ARGV[i])
      out[n + 1] = 0
    else
      out[n + 1], out[n + 2], out[n + 3], out[n + 4] = 1, v[4] or '', int(v[5]) or 0, lease
    end
  end
end
return out
