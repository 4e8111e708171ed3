-- Registers units with their lower bounds, leases and schedules. Port of `machine::register`.
--
-- KEYS  4 nodes   5 due   6.. for each unit: its record
-- ARGV  4 identity of the calling node   5.. for each unit: first seen, lower bounds of hwm and
--       token, tick and attempt of the newest start that the caller observed, lease, identity of
--       its schedule, the schedule that decides as the caller observed it, occasion: start, again
--       or succession, valid until, when the next tick may start (0: never)
-- Returns the head, then for each unit: born, hwm, token, tick and attempt of the newest start, the
--       schedule that decides

wrong = wrong_type(KEYS[4], 'zset') or wrong_type(KEYS[5], 'zset')
if wrong then
  return wrong
end
for i = 6, #KEYS do
  local r, err = load(KEYS[i])
  if not r then
    return err
  end
end
commit()

local node = ARGV[4]

-- In a quarantine, the unit waits until runs with this lease are surely over, and runs with the lease of the last run
-- that the record has: perhaps the lease of another release, and longer than all leases of the caller.
local function state_lease(key, r, lease)
  local recorded = r.lease > 0 and math.min(r.lease + margin, MAX_QUARANTINE_MS) or 0
  local stated = quarantine_from + math.max(math.min(lease + margin, longest_of_caller), recorded)
  if quarantine_from > 0 and now < stated and stated > r.q then
    r.q = stated
    call('HSET', key, 'q', stated)
  end
end

local function lives(other)
  for _, it in ipairs(call('ZRANGEBYSCORE', KEYS[4], now - NODE_GONE_MS, now + NODE_GONE_MS)) do
    if it == other then
      return true
    end
  end
  return false
end

-- Ticks up to the instant are none of the schedule that decides.
local function begin(key, r, since)
  if since > r.hwm then
    r.hwm = since
    call('HSET', key, 'hwm', since)
  end
end

local function decides(key, r, id, registered, since, by)
  r.sch = string.format('%s:%.0f:%.0f:%s', id, registered, since, by)
  call('HSET', key, 'sch', r.sch)
end

-- Takes into account what the caller observed: the later registration counts.
local function merge(key, r, seen)
  local id, registered, since, by = schedule_of(seen)
  if not id then
    return
  end
  local old_id, old_registered, old_since, old_by = schedule_of(r.sch)
  if old_id then
    if not (registered > old_registered or (registered == old_registered and id > old_id)) then
      id, old_id = old_id, id
      registered, since, by, old_since = old_registered, old_since, old_by, since
    end
    if id == old_id then
      since = math.max(since, old_since)
    else
      since = since == 0 and registered or since
      begin(key, r, math.min(since, now))
    end
  end
  decides(key, r, id, registered, since, by)
end

-- Registers the caller's own schedule: at its start, and if the node is gone that registered another one.
local function register_schedule(key, r, own, occasion, valid_until, lease)
  local id, registered, since, by = schedule_of(r.sch)
  local takes_over = not id or (occasion == 'start' and now <= valid_until)
  if not takes_over and occasion == 'succession' and now >= unit_quarantine(lease, r.q) then
    takes_over = by == node or not lives(by)
  end
  if not takes_over then
    return
  end
  if id and id ~= own then
    since = now
    begin(key, r, now)
  end
  decides(key, r, own, math.max(now, (registered or 0) + 1), since or 0, node)
end

local n = #out
for i = 6, #KEYS do
  local key, a = KEYS[i], 5 + (i - 6) * VALUES
  local r, lease = load(key), tonumber(ARGV[a + 5])
  state_lease(key, r, lease)
  -- A tick that started was decided.
  local seen_hwm = math.max(tonumber(ARGV[a + 1]), tonumber(ARGV[a + 3]))
  local hwm = math.max(r.hwm, seen_hwm)
  local has_seen_all = seen_hwm >= r.hwm
  local tok = math.max(r.tok, tonumber(ARGV[a + 2]))
  local born, seen = r.born, math.min(tonumber(ARGV[a]), now)
  if born == 0 or seen < born then
    born = seen
  end
  if born ~= r.born or hwm ~= r.hwm or tok ~= r.tok then
    r.born, r.hwm, r.tok = born, hwm, tok
    call('HSET', key, 'born', born, 'hwm', hwm, 'tok', tok)
  end
  local tick, attempt = tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
  if raise_started(key, r, tick, attempt) and r.waited then
    changed[#changed + 1] = key
  end
  local decided_before = schedule_of(r.sch)
  merge(key, r, ARGV[a + 7])
  if ARGV[a + 6] ~= '' then
    register_schedule(key, r, ARGV[a + 6], ARGV[a + 8], tonumber(ARGV[a + 9]), lease)
  end
  -- A caller that has seen every decision knows when the next tick is due, if its schedule decides; so does one whose
  -- schedule decides from now on.
  local deciding = schedule_of(r.sch)
  local takes_over = decided_before and decided_before ~= deciding
  if (has_seen_all or takes_over) and (not deciding or deciding == ARGV[a + 6]) then
    if ARGV[a + 10] == '0' then
      call('ZREM', KEYS[5], unit_of(key))
    else
      call('ZADD', KEYS[5], ARGV[a + 10], unit_of(key))
    end
  end
  out[n + 1], out[n + 2], out[n + 3] = r.born, r.hwm, r.tok
  out[n + 4], out[n + 5] = last_start(r)
  out[n + 6] = deciding and r.sch or ''
  n = n + 6
end
settle()
return out
