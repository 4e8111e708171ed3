-- Readopts runs, and updates the sets after changes of records. For scripts that change records and are less frequent
-- than claims.
--
-- Provides: bring_lane; readopt; changed, the keys of the changed records; settle.

wrong = wrong_type(KEYS[3], 'zset')
if wrong then
  return wrong
end

-- Claims of the unit take its lane into account from now on. Nodes that know nothing of lanes are refused: they would
-- not see a run in it, and start ticks next to it.
local function bring_lane(own)
  call('HSET', own, 'ask', '1')
  if stored_version < CONTROL_VERSION then
    stored_version = CONTROL_VERSION
    call('HSET', KEYS[1], 'ver', stored_version)
  end
end

-- Writes a run back whose values begin at ARGV[a]: nonce, tick, token, attempt, lease, granted at, takeovers, origin.
-- Its attempt is then `attempt`, and it is active or has ended.
local function readopt(key, r, goes_on, attempt, a)
  local nonce, tick, token = ARGV[a], tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  local lease = tonumber(ARGV[a + 4])
  r.hwm = math.max(r.hwm, tick)
  r.tok, r.rtok, r.running, r.stop = token, token, goes_on, false
  r.non, r.until_, r.seq, r.lease, r.att, r.tick = nonce, now + lease, 1, lease, attempt, tick
  drop_started(key, r, tick, int(ARGV[a + 3]))
  call('HSET', key, 'hwm', r.hwm, 'tok', token, 'st', goes_on and 'run' or 'idle', 'tick', tick,
    'own', name, 'non', nonce, 'att', attempt, 'rtok', token, 'until', r.until_, 'seq', 1,
    'lease', lease, 'at', ARGV[a + 5], 'rer', ARGV[a + 6], 'org', ARGV[a + 7], 'why', '')
  if goes_on and is_lane(key) then
    bring_lane(own_key(key))
  end
end

-- Updates `leases` and `ready` for the changed records. Called at the end, because only the last state of a unit
-- counts that is in a batch twice.
local changed = {}
local function settle()
  local leases, over, free, busy = {}, {}, {}, {}
  local once = {}
  for _, key in ipairs(changed) do
    once[key] = unit_of(key)
  end
  for key, unit in pairs(once) do
    local r = records[key]
    if r.running then
      leases[#leases + 1] = overdue_at(r.until_, r.lease)
      leases[#leases + 1] = unit
    else
      over[#over + 1] = unit
    end
    if ready(r) then
      free[#free + 1] = 0
      free[#free + 1] = unit
    elseif r.wait ~= '' or r.waited then
      busy[#busy + 1] = unit
    end
  end
  if #leases > 0 then
    call('ZADD', KEYS[2], unpack(leases))
  end
  if #over > 0 then
    call('ZREM', KEYS[2], unpack(over))
  end
  if #free > 0 then
    call('ZADD', KEYS[3], unpack(free))
  end
  if #busy > 0 then
    call('ZREM', KEYS[3], unpack(busy))
  end
end

