-- Registers units with their lower bounds, leases and schedules. Port of `machine::register`.
--
-- KEYS  4 nodes   5 due   6 asked   7 asks   8.. for each unit: its record; then for each lane: record of its unit, its
--       requests
-- ARGV  4 identity of the calling node   5.. for each unit: first seen, lower bounds of hwm and
--       token, tick and attempt of the newest start that the caller observed, lease, identity of
--       its schedule, the schedule that decides as the caller observed it, occasion: start, again,
--       succession or gone, valid until, when the next tick may start (0: never), requests of a lane that the
--       caller was granted: tick and id of each, with spaces in between; generation of its schedule
-- Returns the head, then for each unit: born, hwm, token, tick and attempt of the newest start, the
--       schedule that decides

wrong = wrong_type(KEYS[4], 'zset') or wrong_type(KEYS[5], 'zset') or wrong_type(KEYS[6], 'hash')
  or wrong_type(KEYS[7], 'zset')
if wrong then
  return wrong
end
fields[16], fields[17] = 'q', 'sch'
local last = 7 + (#ARGV - 6) / VALUES
for i = 8, last do
  local r, err = load(KEYS[i])
  err = err or is_lane(KEYS[i]) and wrong_type(own_key(KEYS[i]), 'hash')
  if err then
    return err
  end
end
commit()

local node = ARGV[4]

-- Integers as texts: registrations have few different instants, and formatting costs more than finding them here.
local texts = setmetatable({}, { __index = function(known, n)
  local text = string.format('%.0f', n)
  known[n] = text
  return text
end })

-- In a quarantine, the unit waits until runs with this lease are surely over, and runs with the lease of the last run
-- that the record has: perhaps the lease of another release, and longer than all leases of the caller.
local function state_lease(r, lease)
  local recorded = r.lease > 0 and math.min(r.lease + margin, MAX_QUARANTINE_MS) or 0
  local stated = quarantine_from + math.max(math.min(lease + margin, longest_of_caller), recorded)
  if quarantine_from > 0 and now < stated and stated > r.q then
    r.q = stated
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
local function begin(r, since)
  r.hwm = math.max(r.hwm, since)
end

local function decides(r, id, registered, since, by, generation)
  local named = generation > 0 and texts[generation] .. '@' .. by or by
  r.sch = id .. ':' .. texts[registered] .. ':' .. texts[since] .. ':' .. named
end

-- Takes into account what the caller observed: the later registration counts.
local function merge(r, seen)
  local id, registered, since, by, generation = schedule_of(seen)
  if not id then
    return
  end
  local old_id, old_registered, old_since, old_by, old_generation = schedule_of(r.sch)
  if old_id then
    if not (registered > old_registered or (registered == old_registered and id > old_id)) then
      id, old_id = old_id, id
      registered, since, by, generation, old_since = old_registered, old_since, old_by, old_generation, since
    end
    if id == old_id then
      since = math.max(since, old_since)
    else
      since = since == 0 and registered or since
      begin(r, math.min(since, now))
    end
  end
  decides(r, id, registered, since, by, generation)
end

-- Registers the caller's own schedule: at its start, and if the node is gone that registered another one. Or none, if
-- no node has the job, as far as the caller observed.
local function register_schedule(r, own, occasion, valid_until, lease, seen, generation)
  local id, registered, since, by, theirs = schedule_of(r.sch)
  if not id and occasion == 'gone' then
    return
  end
  local gives_way = id and id ~= own and id ~= NO_SCHEDULE and theirs > generation
  local takes_over = not id or (occasion == 'start' and now <= valid_until and not gives_way)
  if not takes_over and occasion == 'succession' and now >= unit_quarantine(lease, r.q) then
    takes_over = id == NO_SCHEDULE or by == node or theirs < generation or not lives(by)
  elseif occasion == 'gone' then
    takes_over = r.sch == seen and now >= unit_quarantine(lease, r.q)
  end
  if not takes_over then
    return
  end
  if id and id ~= own then
    since = now
    begin(r, now)
  end
  if id == own then
    generation = math.max(generation, theirs)
  end
  decides(r, own, math.max(now, (registered or 0) + 1), since or 0, node, generation)
end

-- Writes what has changed, in one call: a call for each field would take most of a registration.
local function save(key, r, born, hwm, tok, q, sch)
  local set = {}
  if r.born ~= born or r.hwm ~= hwm or r.tok ~= tok then
    set = { 'born', texts[r.born], 'hwm', texts[r.hwm], 'tok', texts[r.tok] }
  end
  if r.q ~= q then
    set[#set + 1] = 'q'
    set[#set + 1] = texts[r.q]
  end
  if r.sch ~= sch then
    set[#set + 1] = 'sch'
    set[#set + 1] = r.sch
  end
  if #set > 0 then
    call('HSET', key, unpack(set))
  end
end

-- A request was granted, and its id waits once more, because the store had forgotten it when somebody asked again.
-- Returns whether it waited.
local function drop_repetition(key, r, tick)
  local kept = {}
  for one in string.gmatch(r.wait, '[^,]+') do
    kept[#kept + 1] = sub(one, 1, #tick + 3) ~= tick .. ':1:' and one or nil
  end
  local wait = table.concat(kept, ',')
  if wait == r.wait then
    return false
  end
  set_wait(key, r, wait)
  r.waited, changed[#changed + 1] = true, key
  return true
end

-- When units are due, as texts; the second of units of which nothing else is known. A unit may be in a batch twice.
local due_at, due_at_last = {}, {}

-- `knows`: whether the caller knows when the unit is due. What another one believes counts only if nothing is stored.
local function due(unit, at, knows)
  if knows then
    due_at[unit], due_at_last[unit] = at, nil
  elseif at ~= '0' and due_at[unit] == '0' then
    due_at[unit] = at
  elseif at ~= '0' and not due_at[unit] then
    due_at_last[unit] = due_at_last[unit] or at
  end
end

-- Raises the lower bounds, and registers lease and schedule of the caller.
local function register(key, r, a)
  local lease = tonumber(ARGV[a + 5])
  local old_born, old_hwm, old_tok, old_q, old_sch = r.born, r.hwm, r.tok, r.q, r.sch
  state_lease(r, lease)
  -- A tick that started was decided.
  local seen_hwm = math.max(tonumber(ARGV[a + 1]), tonumber(ARGV[a + 3]))
  local seen = math.min(tonumber(ARGV[a]), now)
  -- Of a unit of which nothing is decided, a tick may be due since the unit was seen first.
  local has_seen_all = seen_hwm >= r.hwm and (seen_hwm > 0 or r.born == 0 or seen <= r.born)
  r.hwm, r.tok = math.max(r.hwm, seen_hwm), math.max(r.tok, tonumber(ARGV[a + 2]))
  if r.born == 0 or seen < r.born then
    r.born = seen
  end
  local tick, attempt = tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
  if raise_started(key, r, tick, attempt) and r.waited then
    changed[#changed + 1] = key
  end
  local decided_before = schedule_of(r.sch)
  merge(r, ARGV[a + 7])
  if ARGV[a + 6] ~= '' then
    register_schedule(r, ARGV[a + 6], ARGV[a + 8], tonumber(ARGV[a + 9]), lease, ARGV[a + 7],
      tonumber(ARGV[a + 12]))
  end
  save(key, r, old_born, old_hwm, old_tok, old_q, old_sch)
  -- A caller that has seen every decision knows when the next tick is due, if its schedule decides; so does one whose
  -- schedule decides from now on. What another one believes is too early, and better than nothing.
  local deciding = schedule_of(r.sch)
  local takes_over = decided_before and decided_before ~= deciding
  if not deciding or deciding == ARGV[a + 6] then
    due(unit_of(key), ARGV[a + 10], has_seen_all or takes_over)
  end
end

local n, knows_more = #out, false
for i = 8, last do
  local key, a = KEYS[i], 5 + (i - 8) * VALUES
  local r = load(key)
  -- A job that is gone and has no schedule was forgotten meanwhile: nothing is stored of it again.
  if ARGV[a + 8] ~= 'gone' or schedule_of(r.sch) then
    register(key, r, a)
  end
  local deciding = schedule_of(r.sch)
  if is_lane(key) then
    bring_lane(own_key(key))
  end
  for request_tick, id in string.gmatch(ARGV[a + 11], '(%d+) (%S+)') do
    local known = tick_of(KEYS[6], own_key(key), id)
    if not known or (known ~= request_tick and drop_repetition(key, r, known)) then
      know(KEYS[6], KEYS[7], own_key(key), id, request_tick)
      knows_more = true
    end
  end
  end_requests(key, r)
  out[n + 1], out[n + 2], out[n + 3] = r.born, r.hwm, r.tok
  out[n + 4], out[n + 5] = last_start(r)
  out[n + 6] = deciding and r.sch or ''
  n = n + 6
end
write_due(KEYS[5], due_at)
local last_dues = {}
for unit, at in pairs(due_at_last) do
  last_dues[#last_dues + 1] = at
  last_dues[#last_dues + 1] = unit
end
if #last_dues > 0 then
  call('ZADD', KEYS[5], 'NX', unpack(last_dues))
end
if knows_more then
  forget_oldest(KEYS[6], KEYS[7])
end
settle()
return out
