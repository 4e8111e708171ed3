-- Records of units. Port of `machine::Record`.
--
-- Provides: schedule_of, origin_of, records, state_of, add_run, fields, load, load_shown; holds, forgot, ready, newer,
--       last_start; waits, set_wait, drop_started, raise_started; is_lane, own_key, requests_key, end_requests;
--       write_due.
--
-- A record is a table: born, hwm, tok, running, non and wait always; stop, if the run is to stop; of its run rtok,
-- until_, seq, lease, att and tick; then done, and bt and ba, the newest start that nodes reported; and q, sch (the
-- schedule that decides), ask (the lane of the unit may not be empty), own, at, rer and org (where the run comes from)
-- where a script needs them. Of a lane: open, the ticks that wait or run.

-- Identity, registration, beginning, node and generation of the schedule in a text that a script stored; nothing
-- otherwise: a schedule that somebody edited counts as none, until a node registers its own.
local function schedule_of(text)
  local id, registered, since, node = string.match(text or '', '^([0-9a-f]+):(%d+):(%d+):(.*)$')
  if id and #id == SCHEDULE_DIGITS and tonumber(registered) <= far and tonumber(since) <= far then
    local generation, named = string.match(node, '^(%d+)@(.*)$')
    if not generation or tonumber(generation) > MAX_GENERATION then
      generation, named = '0', node
    end
    return id, tonumber(registered), tonumber(since), named, tonumber(generation)
  end
end

-- Where a run comes from that somebody asked for; nothing of other runs.
local function origin_of(text)
  local cause, logical, beside, request, actor = string.match(text or '', '^(%l+) (%d+) ([01]) (%S+) (.*)$')
  return cause and { cause = cause, logical = logical, beside = beside == '1', request = request, actor = actor }
end

-- A lane is the record next to that of its unit.
local function is_lane(key)
  return sub(key, -1) == '!'
end

-- The record of the unit that has this lane.
local function own_key(lane)
  return sub(lane, 1, -2)
end

-- The requests of a lane by tick.
local function requests_key(lane)
  return sub(KEYS[1], 1, -1 - #'meta') .. 'ask:' .. sub(unit_of(lane), 1, -2)
end

-- Ticks that wait or run, as texts.
local function open_ticks(r)
  local open = {}
  for tick in string.gmatch(r.wait, '(%d+):%d+:%d+') do
    open[tick] = true
  end
  if r.running then
    open[string.format('%.0f', r.tick)] = true
  end
  return open
end

-- A request is stored for as long as its tick waits or runs in its lane. Called after each step on a record.
local function end_requests(key, r)
  if not r.open then
    return
  end
  local open = open_ticks(r)
  for tick in pairs(r.open) do
    if not open[tick] then
      call('HDEL', requests_key(key), tick)
    end
  end
  r.open = open
end

-- Records by key: a unit may be in a batch twice, and the second request must find the changes of the first.
local records = {}

-- A record from its values of born, hwm, tok, st, non and wait, without its run, and from those of q and sch.
local function state_of(key, v, q, sch)
  local born, hwm, tok, st = naturals[v[1]], naturals[v[2]], naturals[v[3]], v[4]
  if not (born and hwm and tok) or born > far or hwm > far or tok > MAX_TOKEN then
    born, hwm = number(key, 'born', v[1], far), number(key, 'hwm', v[2], far)
    tok = number(key, 'tok', v[3], MAX_TOKEN)
  end
  -- A usual claim sets no other fields. Lua has places for eight or sixteen; sixteen, or growth, cost half a read.
  local r = {
    born = born, hwm = hwm, tok = tok, running = st == 'run' or st == 'stop',
    non = v[5] or '', wait = v[6] or '', sch = sch,
    -- A damaged value counts as none, and `unit_quarantine` takes none that is too late.
    q = q and (naturals[q] or int(q)) or 0,
  }
  if st == 'stop' then
    r.stop = true
  end
  check(key, st, v[5], v[6], hwm)
  return r
end

-- Adds the run to a record, from its values of rtok, until, seq, lease, att and tick, which follow `v[i]`. An active
-- run has all of them.
local function add_run(key, r, v, i)
  local of_run = r.running and needed or number
  r.rtok = of_run(key, 'rtok', v[i + 1], MAX_TOKEN)
  r.until_ = of_run(key, 'until', v[i + 2], far)
  r.seq = of_run(key, 'seq', v[i + 3], MAX_SEQ)
  r.lease = of_run(key, 'lease', v[i + 4], MAX_LEASE_MS)
  r.att = of_run(key, 'att', v[i + 5], MAX_COUNT)
  r.tick = of_run(key, 'tick', v[i + 6], far)
  decided(key, 'tick', v[i + 6], r.hwm)
end

-- What `load` reads. A script adds q, sch and ask if it needs them.
local fields = { 'born', 'hwm', 'tok', 'st', 'non', 'wait', 'rtok', 'until', 'seq', 'lease', 'att', 'tick', 'done',
  'bt', 'ba' }

-- The record under the key, without the fields of `load_shown`; or nil and an error.
local function load(key)
  local r = records[key]
  if r then
    return r
  end
  local v = pcall('HMGET', key, unpack(fields))
  if v.err then
    return nil, wrong_type(key, 'hash') or v
  end
  r = state_of(key, v, v[16], v[17])
  add_run(key, r, v, 6)
  r.done, r.bt, r.ba = v[13] or '', number(key, 'bt', v[14], far), number(key, 'ba', v[15], MAX_COUNT)
  if v[18] == '1' then
    r.ask = true
  end
  decided(key, 'bt', v[14], r.hwm)
  if wrong then
    return nil, wrong
  end
  if is_lane(key) then
    wrong = wrong_type(requests_key(key), 'hash')
    if wrong then
      return nil, wrong
    end
    r.open = open_ticks(r)
  end
  records[key] = r
  return r
end

-- Adds fields of a run that are only displayed or rarely used; nil and an error if no script stores such a value.
local function load_shown(key, r)
  local v, of_run = call('HMGET', key, 'own', 'at', 'rer', 'org'), r.running and needed or number
  r.own, r.at = v[1] or '', of_run(key, 'at', v[2], far)
  r.rer, r.org = number(key, 'rer', v[3], MAX_COUNT), v[4]
  return wrong == nil and r or nil, wrong
end

-- True if the run of this nonce is active and is the newest of the unit.
local function holds(r, nonce)
  return r.running and r.non == nonce and r.rtok == r.tok
end

-- True if the store has forgotten this run, and has no newer one.
local function forgot(r, nonce, token)
  return r.non ~= nonce and r.tok <= token
end

-- True if a tick waits and no run is active.
local function ready(r)
  return not r.running and r.wait ~= ''
end

-- True if the first start is after the second: starts are ordered by tick and attempt.
local function newer(tick, attempt, than_tick, than_attempt)
  return tick > than_tick or (tick == than_tick and attempt > than_attempt)
end

-- Tick and attempt of the newest start: that of the run, unless nodes reported a newer one.
local function last_start(r)
  if newer(r.bt, r.ba, r.tick, r.att) then
    return r.bt, r.ba
  end
  return r.tick, r.att
end

-- An entry of the queue of a unit. The queue is one field, with commas between its entries, the first to start in
-- front.
local function waits(tick, attempt, takeovers)
  return string.format('%.0f:%.0f:%.0f', tick, attempt, takeovers)
end

local function set_wait(key, r, wait)
  r.wait = wait
  call('HSET', key, 'wait', wait)
end

-- Removes entries from the queue up to a start: in a store that was rolled back they have started before.
local function drop_started(key, r, tick, attempt)
  if r.wait == '' then
    return
  end
  local kept = {}
  for one, its_tick, its_attempt in string.gmatch(r.wait, '((-?%d+):(%d+):%d+)') do
    if newer(int(its_tick), int(its_attempt), tick, attempt) then
      kept[#kept + 1] = one
    end
  end
  r.waited = true
  set_wait(key, r, table.concat(kept, ','))
end

-- Raises the newest start to one that the caller observed. Returns whether it is newer.
local function raise_started(key, r, tick, attempt)
  if not newer(tick, attempt, last_start(r)) then
    return false
  end
  r.bt, r.ba = tick, attempt
  call('HSET', key, 'bt', tick, 'ba', attempt)
  drop_started(key, r, tick, attempt)
  return true
end

-- Writes when units are due, in the set `key`: texts by names of units, '0' of one that is never due again. Called at
-- the end, because only the last instant of a unit counts that is in a batch twice.
local function write_due(key, due_at)
  local dues, never = {}, {}
  for unit, at in pairs(due_at) do
    if at == '0' then
      never[#never + 1] = unit
    else
      dues[#dues + 1] = at
      dues[#dues + 1] = unit
    end
  end
  if #never > 0 then
    call('ZREM', key, unpack(never))
  end
  if #dues > 0 then
    call('ZADD', key, unpack(dues))
  end
end
