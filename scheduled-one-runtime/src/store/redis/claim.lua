-- Decides ticks. Port of `protocol::claim`.
--
-- KEYS  4.. for each claim: its unit's record, its job's ledger, and the records
--       of its unit's places, if it has some
-- ARGV  4 valid until   5.. for each claim: nonce, tick, after, floor token,
--       lease, what. `what` is a letter for the intent: r(un), c(atch up),
--       f(orgo) or n(ext); and one for each thing that is not as usual, whose
--       values follow in that order: v(alid until), h(igh-water mark that is the
--       floor, if it is not `after`), d(ue), t(akeovers), q(ueue: how many),
--       s(top what runs: no value), a(llow: how many), m(issed: first, last,
--       count, outcome, reason), b(egun: tick and attempt of the newest start that
--       was seen)
-- Returns the head, then for each claim: born, hwm, token, verdict, and of
--       GRANTED: until; DECIDED: owner; EARLY: by; STALE: place, nonce, seq, lease;
--       GRANTED_RUN: tick, token, until, attempt, place; READY more if something
--       waits in the unit and can start; at the end, but for GRANTED, tick and
--       attempt of the newest start, if the token is more than the floor
--
-- This is the hot path: a grant is one HMGET and one HSET. Records stay the
-- array that HMGET returned, what only a running or a decided unit needs is
-- read for those, and texts of numbers are used as they came.

local BORN, HWM, TOK, ST, NON, WAIT = 1, 2, 3, 4, 5, 6
local RTOK, UNTIL, OWN, ATT, SEQ, LEASE, TICK, AT, BT, BA = 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
local now_s, now_us_s = string.format('%.0f', now), string.format('%.0f', now_us)

local function is_running(v)
  return v[ST] == 'run' or v[ST] == 'stop'
end

-- The rest of the record of a run that is going.
local function load_run(key, v)
  local more = call('HMGET', key, 'rtok', 'until', 'own', 'att', 'seq', 'lease', 'tick', 'at')
  v[RTOK] = needed(key, 'rtok', more[1], MAX_TOKEN)
  v[UNTIL], v[OWN] = needed(key, 'until', more[2], far), more[3] or ''
  v[ATT], v[SEQ] = needed(key, 'att', more[4], MAX_COUNT), needed(key, 'seq', more[5], MAX_SEQ)
  v[LEASE], v[TICK] = needed(key, 'lease', more[6], MAX_LEASE_MS), needed(key, 'tick', more[7], far)
  v[AT] = needed(key, 'at', more[8], far)
  decided(key, 'tick', more[7], v[HWM])
end

-- The record, as far as the claim needs it, or nil and an error.
local function load(key)
  local v = pcall('HMGET', key, 'born', 'hwm', 'tok', 'st', 'non', 'wait')
  if v.err then
    return nil, wrong_type(key, 'hash') or v
  end
  v[BORN], v[HWM] = number(key, 'born', v[BORN], far), number(key, 'hwm', v[HWM], far)
  v[TOK] = number(key, 'tok', v[TOK], MAX_TOKEN)
  if v[WAIT] == '' then
    v[WAIT] = false
  end
  check_state(key, v[ST])
  check_nonce(key, v[NON])
  check_wait(key, v[WAIT], v[HWM])
  if is_running(v) then
    load_run(key, v)
  end
  if wrong then
    return nil, wrong
  end
  return v
end

-- What a claim asks for, of which `what` is at ARGV[at].
local USUAL = {
  intent = 'r', takeovers = '0', values = 6, places = 0, valid_until = tonumber(ARGV[4]),
}
local function asked(at)
  local what = ARGV[at]
  if what == 'r' then
    return USUAL
  end
  local ask = {
    intent = string.sub(what, 1, 1), takeovers = '0', places = 0, valid_until = USUAL.valid_until,
  }
  local first = at - 5
  for letter in string.gmatch(string.sub(what, 2), '.') do
    if letter == 's' then
      ask.stop = true
    else
      at = at + 1
      if letter == 'v' then
        ask.valid_until = tonumber(ARGV[at])
      elseif letter == 'h' then
        ask.floor_hwm = tonumber(ARGV[at])
      elseif letter == 'd' then
        ask.due = tonumber(ARGV[at])
      elseif letter == 't' then
        ask.takeovers = ARGV[at]
      elseif letter == 'q' then
        ask.queue = tonumber(ARGV[at])
      elseif letter == 'a' then
        ask.places = tonumber(ARGV[at])
      elseif letter == 'b' then
        ask.begun = at
        at = at + 1
      else
        ask.missed = at
        at = at + 4
      end
    end
  end
  ask.values = at + 1 - first
  return ask
end

-- Check everything: after this loop nothing can fail half-way. A record that was
-- written to is taken out of `records`, and read again where it comes again.
local asks, records, starts_waiting = {}, {}, false
local a, i = 5, 4
while i <= #KEYS do
  local key, ask = KEYS[i], asked(a + 5)
  local again = records[key]
  local v, err = load(key)
  if not v then
    return err
  end
  records[key] = v
  local unusual = ask.intent ~= 'r' or ask.missed or ask.places > 0 or ask.begun
  if unusual or again or v[WAIT] or is_running(v) then
    for place = 1, ask.places do
      local in_place = KEYS[i + 1 + place]
      records[in_place], err = load(in_place)
      if err then
        return err
      end
    end
    wrong = wrong_type(KEYS[i + 1], 'stream')
    if wrong then
      return wrong
    end
    starts_waiting = starts_waiting or ask.intent == 'n' or ask.begun
  end
  asks[#asks + 1] = ask
  a, i = a + ask.values, i + 2 + ask.places
end
wrong = starts_waiting and wrong_type(KEYS[3], 'zset')
if wrong then
  return wrong
end
commit()

local leases, started, n = {}, {}, #out
local quarantined = now < quarantine_until

local function record(key)
  local v = records[key]
  if not v then
    v = load(key)
    records[key] = v
  end
  return v
end

-- What a lease of this length comes to; jobs have few different ones, and
-- numbers cost more to write than texts.
local terms = setmetatable({}, { __index = function(cache, lease)
  local ms = tonumber(lease)
  local term = {
    until_ms = now + ms,
    until_s = string.format('%.0f', now + ms),
    overdue_s = string.format('%.0f', overdue_at(now + ms, ms)),
  }
  cache[lease] = term
  return term
end })

-- Starts a run under the key, with the token after `last`. Returns the token and
-- the end of the lease.
local function start(key, last, hwm, tick, nonce, lease, attempt, takeovers)
  local tok, tok_s = last + 1, nil
  if tok <= now_us then
    tok, tok_s = now_us, now_us_s
  else
    tok_s = string.format('%.0f', tok)
  end
  local term = terms[lease]
  call('HSET', key, 'hwm', hwm, 'tok', tok_s, 'st', 'run', 'tick', tick, 'own', name, 'non', nonce,
    'att', attempt, 'rtok', tok_s, 'until', term.until_s, 'seq', '1', 'lease', lease, 'at', now_s,
    'rer', takeovers)
  records[key] = nil
  local m = #leases
  leases[m + 1], leases[m + 2] = term.overdue_s, unit_of(key)
  return tok, term.until_ms
end

-- In the functions that decide, `i` and `a` are where the claim begins in KEYS
-- and ARGV, `v` is the unit's record. They return whether its marks are still to
-- be written, the verdict, and how many values go with it, which they put into
-- `out` from n + 5 on: after the marks and the verdict.

local function granted(write, tick, tok, until_ms, attempt, place)
  out[n + 5], out[n + 6], out[n + 7], out[n + 8], out[n + 9] = tick, tok, until_ms, attempt, place
  return write, GRANTED_RUN, 5
end

local function stale(write, v, place)
  out[n + 5], out[n + 6], out[n + 7], out[n + 8] = place, v[NON] or '', v[SEQ], v[LEASE]
  return write, STALE, 4
end

local function is_stale(v)
  return is_running(v) and v[UNTIL] <= now
end

-- Whether a repeated claim was granted before: it must not claim twice.
local function holds(v, nonce)
  return is_running(v) and v[NON] == nonce and v[RTOK] == v[TOK]
end

-- What was granted to a request whose answer was lost is written again, as it
-- stands: a `WAIT` behind this request asks for what its own connection wrote,
-- and would else be answered at once, whatever the replicas have.
local function write_again(key, nonce)
  call('HSET', key, 'non', nonce)
end

local function note(i, tick, outcome, why)
  ledger_line(KEYS[i + 1], KEYS[i], false, tick, tick, 1, outcome, why, name, 0, 0, 0, now_s, '')
end

local function write_waiting(key, v, wait)
  v[WAIT] = wait ~= '' and wait
  call('HSET', key, 'wait', wait)
end

local function start_of(tick, attempt, hwm)
  local at, count = int(tick), int(attempt)
  if at < 0 or at > hwm or count < 0 or count > MAX_COUNT then
    return 0, 0
  end
  return at, count
end

-- The newest start: that of the run, unless callers told of a newer one. Rarely
-- asked for, and not before something may have been written: what is none that
-- a script has stored says nothing.
local function last_start(key, v)
  if v[BT] == nil then
    local more = call('HMGET', key, 'bt', 'ba', 'tick', 'att')
    v[BT], v[BA] = start_of(more[1], more[2], v[HWM])
    v[TICK], v[ATT] = start_of(more[3], more[4], v[HWM])
  end
  if v[BT] > v[TICK] or (v[BT] == v[TICK] and v[BA] > v[ATT]) then
    return v[BT], v[BA]
  end
  return v[TICK], v[ATT]
end

-- The caller saw that start. What a store that was rolled back still has waiting
-- up to there is dropped.
local function raise_started(key, v, tick, attempt)
  local last_tick, last_attempt = last_start(key, v)
  if tick < last_tick or (tick == last_tick and attempt <= last_attempt) then
    return
  end
  v[BT], v[BA] = tick, attempt
  call('HSET', key, 'bt', tick, 'ba', attempt)
  if v[WAIT] then
    local kept = {}
    for one, its_tick, its_attempt in string.gmatch(v[WAIT], '((-?%d+):(%d+):%d+)') do
      local at = int(its_tick)
      if at > tick or (at == tick and int(its_attempt) > attempt) then
        kept[#kept + 1] = one
      end
    end
    write_waiting(key, v, table.concat(kept, ','))
  end
end

-- The tick is decided and the unit is busy.
local function overlap(i, a, v, ask)
  local key, tick = KEYS[i], ARGV[a + 1]
  local one = tick .. ':1:' .. ask.takeovers
  if ask.queue then
    local ticks = 0
    for attempt in string.gmatch(v[WAIT] or '', ':(%d+):') do
      ticks = ticks + (attempt == '1' and 1 or 0)
    end
    if ticks < ask.queue then
      write_waiting(key, v, v[WAIT] and v[WAIT] .. ',' .. one or one)
      return true, QUEUED, 0
    end
  elseif ask.stop then
    -- What was taken over goes on; a tick that waited gives way.
    local kept = {}
    for old, old_tick, attempt in string.gmatch(v[WAIT] or '', '((-?%d+):(%d+):%d+)') do
      if tonumber(attempt) > 1 then
        kept[#kept + 1] = old
      else
        note(i, old_tick, OUTCOME_SKIPPED, 'superseded')
      end
    end
    kept[#kept + 1] = one
    if is_running(v) then
      call('HSET', key, 'st', 'stop')
    end
    write_waiting(key, v, table.concat(kept, ','))
    return true, QUEUED, 0
  end
  note(i, tick, OUTCOME_SKIPPED, ask.queue and 'queue full' or 'overlap')
  return true, SKIPPED, 0
end

-- Starts what waits.
local function next_of(i, a, v, write)
  local key, wait = KEYS[i], v[WAIT]
  if is_stale(v) then
    return stale(write, v, 0)
  end
  if is_running(v) then
    return write, BUSY, 0
  end
  if v[NON] == ARGV[a] or call('HMGET', key, 'done')[1] == ARGV[a] then
    return write, NOTHING, 0 -- a copy that was under way for longer than its run took
  end
  if not wait then
    return write, NOTHING, 0
  end
  local earliest = tonumber(ARGV[a + 1])
  for tick, attempt, takeovers, more in string.gmatch(wait, '(-?%d+):(%d+):(%d+),?()') do
    local at = int(tick)
    if attempt ~= '1' or at >= earliest then
      v[HWM] = math.max(v[HWM], at)
      local tok, until_ms = start(key, v[TOK], v[HWM], tick, ARGV[a], ARGV[a + 4], attempt, takeovers)
      v[TOK], v[ST], v[BT] = tok, 'run', nil -- the newest start is another now
      write_waiting(key, v, string.sub(wait, more))
      return granted(false, at, tok, until_ms, int(attempt), 0)
    end
    note(i, tick, OUTCOME_MISSED, 'waited past its start deadline')
  end
  write_waiting(key, v, '')
  return write, NOTHING, 0
end

-- Whether the tick is late, or what is in its way was.
local function catches_up(i, v, places, due)
  if now - due > LATE_MS then
    return true
  end
  for place = 0, places do
    local key = place == 0 and KEYS[i] or KEYS[i + 1 + place]
    local p = place == 0 and v or record(key)
    if is_running(p) and p[AT] - p[TICK] > LATE_MS then
      return true
    end
  end
  return false
end

local function decide(i, a, v, ask, write)
  local key, nonce = KEYS[i], ARGV[a]
  local running = is_running(v)
  if running and holds(v, nonce) then
    write_again(key, nonce)
    return granted(write, v[TICK], v[RTOK], v[UNTIL], v[ATT], 0)
  end
  local places = ask.places
  for place = 1, places do
    local in_place = KEYS[i + 1 + place]
    local p = record(in_place)
    if holds(p, nonce) then
      write_again(in_place, nonce)
      return granted(write, p[TICK], p[RTOK], p[UNTIL], p[ATT], place)
    end
  end
  if now > ask.valid_until then
    return write, LATE, 0
  end
  if quarantined then
    return write, QUARANTINED, 0
  end
  local intent = ask.intent
  if intent == 'n' then
    return next_of(i, a, v, write)
  end
  local tick = tonumber(ARGV[a + 1])
  local due = ask.due or tick
  if due > now + EARLY_TOLERANCE_MS then
    out[n + 5] = due - now
    return write, EARLY, 1
  end
  local decided_to = v[HWM] > 0 and v[HWM] or v[BORN]
  if tick <= decided_to then
    out[n + 5] = v[OWN] or call('HMGET', key, 'own')[1] or ''
    return write, DECIDED, 1
  end
  if decided_to > 0 and tonumber(ARGV[a + 2]) ~= decided_to then
    return write, MOVED, 0
  end
  -- In which place a run can start: 0 is the unit itself. The tokens of its
  -- places may be ahead of those of the unit: what is taken over takes some.
  local free, last = not running and not v[WAIT] and 0, v[TOK]
  if places > 0 then
    local own = free
    free = false
    for place = 1, places do
      local p = record(KEYS[i + 1 + place])
      last = math.max(last, p[TOK])
      if own and not free and not is_running(p) and not p[WAIT] then
        free = place
      end
    end
  end
  if not free and intent ~= 'f' then
    if due > now then
      -- Claimed ahead: whether it overlaps shows when it is due.
      out[n + 5] = due - now
      return write, EARLY, 1
    end
    for place = 0, places do
      local in_place = place == 0 and key or KEYS[i + 1 + place]
      local p = place == 0 and v or record(in_place)
      if is_stale(p) then
        return stale(write, p, place)
      end
    end
    if intent == 'c' and catches_up(i, v, places, due) then
      return write, BUSY, 0
    end
  end
  -- From here on the tick is decided.
  local m = ask.missed
  if m then
    ledger_line(KEYS[i + 1], key, false, ARGV[m], ARGV[m + 1], ARGV[m + 2], ARGV[m + 3], ARGV[m + 4],
      name, 0, 0, 0, now_s, '')
  end
  v[HWM] = tick
  if intent == 'f' then
    return true, FORGONE, 0
  end
  if not free then
    return overlap(i, a, v, ask)
  end
  local tick_s, lease, tok, until_ms = ARGV[a + 1], ARGV[a + 4], nil, nil
  if free == 0 then
    tok, until_ms = start(key, last, tick_s, tick_s, nonce, lease, '1', ask.takeovers)
    v[TOK], out[n + 5] = tok, until_ms
    return false, GRANTED, 1
  end
  local in_place = KEYS[i + 1 + free]
  local hwm = math.max(record(in_place)[HWM], tick)
  tok, until_ms = start(in_place, last, hwm, tick_s, nonce, lease, '1', ask.takeovers)
  v[TOK] = tok
  return granted(true, tick, tok, until_ms, 1, free)
end

a, i = 5, 4
for _, ask in ipairs(asks) do
  local key = KEYS[i]
  local v = record(key)
  -- Each living node is a replica of what it saw decided: floors are kept
  -- with every verdict.
  local floor_hwm, floor_token = ask.floor_hwm or tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
  local begun = ask.begun
  if begun then
    floor_hwm = math.max(floor_hwm, tonumber(ARGV[begun])) -- it was decided
  end
  local write, verdict, values = false, nil, nil
  if floor_hwm > v[HWM] then
    v[HWM], write = floor_hwm, true
  end
  if floor_token > v[TOK] then
    v[TOK], write = floor_token, true
  end
  if begun then
    raise_started(key, v, tonumber(ARGV[begun]), tonumber(ARGV[begun + 1]))
  end
  write, verdict, values = decide(i, a, v, ask, write)
  if verdict ~= GRANTED and v[TOK] > floor_token then
    out[n + 5 + values], out[n + 6 + values] = last_start(key, v)
    values = values + 2
  end
  if write then
    call('HSET', key, 'hwm', v[HWM], 'tok', v[TOK])
  end
  local ready = v[WAIT] and not is_running(v)
  if (ask.intent == 'n' or begun) and not ready then
    started[#started + 1] = unit_of(key)
  end
  out[n + 1], out[n + 2], out[n + 3] = v[BORN], v[HWM], v[TOK]
  out[n + 4] = ready and verdict + READY or verdict
  n = n + 4 + values
  a, i = a + ask.values, i + 2 + ask.places
end
if #leases > 0 then
  call('ZADD', KEYS[2], unpack(leases))
end
if #started > 0 then
  call('ZREM', KEYS[3], unpack(started))
end
return unwritten or out
