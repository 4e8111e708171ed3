-- What is stored for units, for the scripts that are not as hot as claims.

wrong = wrong_type(KEYS[3], 'zset')
if wrong then
  return wrong
end

-- The record under the key, without what is only shown (own, at) or rarely
-- asked for (rer); or nil and an error. Records are kept by key: a unit may come
-- twice in a batch, and the second must see what the first did.
local records = {}
local function load(key)
  local r = records[key]
  if r then
    return r
  end
  local v = pcall('HMGET', key, 'born', 'hwm', 'tok', 'st', 'non', 'rtok', 'until', 'seq', 'lease',
    'att', 'wait', 'done', 'tick', 'bt', 'ba')
  if v.err then
    return nil, wrong_type(key, 'hash') or v
  end
  local running = v[4] == 'run' or v[4] == 'stop'
  local of_run = running and needed or number
  r = {
    born = number(key, 'born', v[1], far), hwm = number(key, 'hwm', v[2], far),
    tok = number(key, 'tok', v[3], MAX_TOKEN), running = running, stop = v[4] == 'stop',
    non = v[5] or '', rtok = of_run(key, 'rtok', v[6], MAX_TOKEN),
    until_ = of_run(key, 'until', v[7], far), seq = of_run(key, 'seq', v[8], MAX_SEQ),
    lease = of_run(key, 'lease', v[9], MAX_LEASE_MS), att = of_run(key, 'att', v[10], MAX_COUNT),
    wait = v[11] or '', done = v[12] or '',
    tick = of_run(key, 'tick', v[13], far), bt = number(key, 'bt', v[14], far),
    ba = number(key, 'ba', v[15], MAX_COUNT),
  }
  check_state(key, v[4])
  check_nonce(key, v[5])
  check_wait(key, v[11], r.hwm)
  decided(key, 'tick', v[13], r.hwm)
  decided(key, 'bt', v[14], r.hwm)
  if wrong then
    return nil, wrong
  end
  records[key] = r
  return r
end

-- What is only shown of a run, or rarely asked for; nil and an error if it is
-- none that a script has stored.
local function load_shown(key, r)
  local v, of_run = call('HMGET', key, 'own', 'at', 'rer'), r.running and needed or number
  r.own, r.at = v[1] or '', of_run(key, 'at', v[2], far)
  r.rer = number(key, 'rer', v[3], MAX_COUNT)
  return wrong == nil and r or nil, wrong
end

-- The run of this nonce is going and none came after it.
local function holds(r, nonce)
  return r.running and r.non == nonce and r.rtok == r.tok
end

-- The store has no newer run than this one: it forgot it.
local function forgot(r, nonce, token)
  return r.non ~= nonce and r.tok <= token
end

-- What waits in a unit is one field: `tick:attempt:reruns` of each, the first
-- to start in front, with commas in between.
local function waits(tick, attempt, reruns)
  return string.format('%.0f:%.0f:%.0f', tick, attempt, reruns)
end

-- Something waits and nothing is in its way.
local function ready(r)
  return not r.running and r.wait ~= ''
end

-- What waits without what a run of this tick and attempt shows to have started
-- already, in a store that was rolled back.
local function not_started(wait, tick, attempt)
  local kept = {}
  for one, its_tick, its_attempt in string.gmatch(wait, '((-?%d+):(%d+):%d+)') do
    local at = int(its_tick)
    if at > tick or (at == tick and int(its_attempt) > attempt) then
      kept[#kept + 1] = one
    end
  end
  return table.concat(kept, ',')
end

-- The newest start: that of the run, unless callers told of a newer one.
local function last_start(r)
  if r.bt > r.tick or (r.bt == r.tick and r.ba > r.att) then
    return r.bt, r.ba
  end
  return r.tick, r.att
end

-- Writes a run back that begins at ARGV[a]: nonce, tick, token, attempt, lease,
-- granted at, reruns. It is at `attempt` then, and goes on, or has ended.
local function readopt(key, r, goes_on, attempt, a)
  local nonce, tick, token = ARGV[a], tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  local lease = tonumber(ARGV[a + 4])
  r.hwm = math.max(r.hwm, tick)
  r.tok, r.rtok, r.running, r.stop = token, token, goes_on, false
  r.non, r.until_, r.seq, r.lease, r.att, r.tick = nonce, now + lease, 1, lease, attempt, tick
  if r.wait ~= '' then
    r.wait, r.waited = not_started(r.wait, tick, int(ARGV[a + 3])), true
    call('HSET', key, 'wait', r.wait)
  end
  call('HSET', key, 'hwm', r.hwm, 'tok', token, 'st', goes_on and 'run' or 'idle', 'tick', tick,
    'own', name, 'non', nonce, 'att', attempt, 'rtok', token, 'until', r.until_, 'seq', 1,
    'lease', lease, 'at', ARGV[a + 5], 'rer', ARGV[a + 6])
end

-- Brings `leases` and `ready` to what the records say that changed. At the end:
-- of a unit that comes twice, only the last state counts.
local changed = {}
local function settle()
  local leases, over, free, busy = {}, {}, {}, {}
  for _, key in ipairs(changed) do
    local r, unit = records[key], unit_of(key)
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

