-- Reads the runs that a heartbeat named as overdue. A script of its own, because a
-- script may only touch keys that it was given; so `enter.lua` is not in front.
--
-- KEYS  1 leases, then a record for each unit
-- ARGV  1 the clock of that heartbeat in ms, then the units
-- Returns for each unit OVERDUE, nonce, seq, lease; or GONE, if its run is over or
--       was renewed meanwhile
--
-- Puts right what it finds wrong in `leases`: an entry that names no run would
-- hide others behind it, because a heartbeat names only so many. A damaged record is
-- left out, too: claims of its unit report it, and others must be seen.

local now, out = tonumber(ARGV[1]), {}
far = now + MAX_AHEAD_MS

-- The instant from which the run is overdue, its nonce, sequence number and lease;
-- nil if none is going, or its record is damaged.
local function run_of(key)
  local v = pcall('HMGET', key, 'st', 'non', 'until', 'seq', 'lease')
  if v[1] ~= 'run' and v[1] ~= 'stop' then
    return nil
  end
  wrong = nil
  check_nonce(key, v[2])
  local until_ms, seq = needed(key, 'until', v[3], far), needed(key, 'seq', v[4], MAX_SEQ)
  local lease = needed(key, 'lease', v[5], MAX_LEASE_MS)
  if wrong then
    return nil
  end
  return overdue_at(until_ms, lease), v[2] or '', seq, lease
end

for i = 2, #KEYS do
  local unit, n = ARGV[i], #out
  local overdue, non, seq, lease = run_of(KEYS[i])
  if overdue and overdue <= now then
    out[n + 1], out[n + 2], out[n + 3], out[n + 4] = OVERDUE, non, seq, lease
  else
    out[n + 1] = GONE
    if overdue then
      call('ZADD', KEYS[1], overdue, unit)
    else
      call('ZREM', KEYS[1], unit)
    end
  end
end
return out
