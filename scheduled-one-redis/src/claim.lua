-- Decides ticks. Port of `machine::claim`.
--
-- KEYS  4 due   5 ctl   6.. for each claim: record of its unit, ledger of its job, and, with `allow`, records of
--       the slots that it may take, and, with `lane`, record of the lane
-- ARGV  4 valid until   5.. for each claim: nonce, tick, after, lower bound of the token, lease,
--       identity of the schedule, when the next tick may start (0: never), and its unusual values:
--       usually empty, otherwise a map in MessagePack of
--         intent        catch_up, mark_missed or next instead of run
--         valid_until   instead of ARGV[4]
--         floor_hwm     lower bound of the high-water mark, instead of `after`
--         started       newest start that the caller observed: tick, attempt
--         due           instead of the tick
--         takeovers     instead of 0
--         lane          the claim takes the lane into account
--         queue, cancel_running or allow   overlap policy instead of skip, with its number
--                       (`true` for cancel_running)
--         control       version of the directives that the tick was planned with, instead of 0
--         missed        first, last, count, outcome, reason
-- Returns the head, then for each claim: born, hwm, token, verdict, and the values of the verdict.
--       GRANTED: until; DECIDED: owner; EARLY: by; QUARANTINED: until;
--       OTHER_SCHEDULE: the schedule that decides; STALE, STALE_LANE: slot, nonce, seq, lease;
--       GRANTED_RUN: tick, token, until, attempt, slot. READY is added to the verdict if a tick
--       waits in the unit and can start. At the end, except for GRANTED, tick and attempt of the
--       newest start, if the token is greater than its lower bound.
--
-- This script is the hot path: a usual claim of an idle unit is one HMGET and one HSET. Other fields are read only of
-- units that are not idle. Numbers are passed on as the texts that the caller sent, because formatting costs more.
-- Function calls cost time as well: `answer` and `decide` make few for a usual claim.

-- Starts the first tick that waits in the unit.
local function start_next()
  if is_stale(r) then
    return stale(0, r)
  elseif r.running then
    return BUSY
  end
  local held = held_by_lane()
  if held then
    return held
  elseif r.non == nonce or call('HMGET', key, 'done')[1] == nonce then
    return QUEUE_EMPTY -- a repetition that arrived after its run had ended
  end
  for tick_s, attempt, takeovers, rest in string.gmatch(r.wait, '(-?%d+):(%d+):(%d+),?()') do
    local at = int(tick_s)
    if attempt ~= '1' or at >= tick then
      r.hwm = math.max(r.hwm, at)
      local tok, until_ms = start(key, r.tok, r.hwm, tick_s, attempt, takeovers)
      set_wait(key, r, sub(r.wait, rest))
      -- The run is now the newest start.
      r.tok, r.running, r.bt, unsaved = tok, true, nil, false
      return granted(at, tok, until_ms, int(attempt), 0)
    end
    note(tick_s, OUTCOME_MISSED, 'waited past its start deadline')
  end
  if r.wait ~= '' then
    set_wait(key, r, '')
  end
  return QUEUE_EMPTY
end

local function is_idle(p)
  return not p.running and p.wait == ''
end

-- The slot in which a run can start while so many runs in the lane are in its way, if there is one.
local function free_slot(in_lane)
  if r.running or r.wait ~= '' then
    return nil
  end
  if ask.allow == 0 then
    return in_lane == 0 and 0 or nil
  end
  local found, free = nil, 0
  for slot = 1, ask.allow do
    if is_idle(in_slot(slot)) then
      found, free = found or slot, free + 1
    end
    -- A run in the lane is one of those that may be active at the same time.
    if free > in_lane then
      return found
    end
  end
end

-- True if the tick is late, or an active run of the unit started late.
local function catches_up(due)
  for slot = 0, ask.allow do
    local p = in_slot(slot)
    if p.running and p.at - p.tick > LATE_MS then
      return true
    end
  end
  return now - due > LATE_MS
end

-- True if only a run of a backfill is in the way of a tick that would be skipped.
local function waits_for_backfill()
  if ask.queue or ask.cancel_running or not lane_blocks() then
    return false
  end
  local from = origin_of(lane().org)
  return from and from.cause == 'backfill' and free_slot(0) ~= nil
end

-- The verdict for a busy unit that leaves the tick undecided, if there is one.
local function undecided(due)
  if due > now then
    return early(due) -- claimed ahead of time: overlap is decided when the tick is due
  end
  for slot = 0, ask.allow do
    local p = in_slot(slot)
    if is_stale(p) then
      return stale(slot, p)
    end
  end
  if lane_blocks() and is_stale(lane()) then
    stale(0, lane())
    return STALE_LANE
  end
  return (ask.intent == 'catch_up' and catches_up(due) or waits_for_backfill()) and BUSY or nil
end

-- Skips the waiting ticks. Returns the waiting takeovers, which remain.
local function superseded()
  local kept = {}
  for one, its_tick, attempt in string.gmatch(r.wait, '((-?%d+):(%d+):%d+)') do
    if tonumber(attempt) > 1 then
      kept[#kept + 1] = one
    else
      note(its_tick, OUTCOME_SKIPPED, SKIP_SUPERSEDED)
    end
  end
  return table.concat(kept, ',')
end

-- Applies the overlap policy: the tick is decided, and the unit is busy.
local function overlap()
  local wait, reason = nil, SKIP_OVERLAP
  if ask.queue then
    local _, ticks = string.gsub(r.wait, ':1:', '')
    if ticks < ask.queue then
      wait = r.wait
    end
    reason = SKIP_QUEUE_FULL
  elseif ask.cancel_running then
    wait = superseded()
    if r.running then
      call('HSET', key, 'st', 'stop')
    end
    if lane_blocks() then
      call('HSET', lane_key(), 'st', 'stop')
    end
  end
  if not wait then
    note(ARGV[a + 1], OUTCOME_SKIPPED, reason)
    return SKIPPED
  end
  local one = waits(tick, 1, ask.takeovers)
  set_wait(key, r, wait == '' and one or wait .. ',' .. one)
  if ask.lane and not r.running then
    can_start[unit_of(key)] = true -- the lane is in its way, or what waits in front
  end
  return QUEUED
end

-- Starts a run of the tick in the slot.
local function grant(slot)
  local last, tick_s = r.tok, ARGV[a + 1]
  if slot == 0 then
    local tok, until_ms = start(key, last, tick_s, tick_s, '1', ask.takeovers)
    r.tok, unsaved = tok, false
    n = n + 1
    out[n] = until_ms
    return GRANTED
  end
  -- A takeover in a slot takes tokens that the record of the unit does not have.
  for other = 1, ask.allow do
    last = math.max(last, in_slot(other).tok)
  end
  local hwm = math.max(in_slot(slot).hwm, tick)
  local tok, until_ms = start(slot_key(slot), last, hwm, tick_s, '1', ask.takeovers)
  r.tok = tok
  return granted(tick, tok, until_ms, 1, slot)
end

-- The tick is decided: the unit is due again at the instant that the claim names.
local function next_due()
  due_at[unit_of(key)] = ARGV[a + 6]
end

-- The verdict if directives keep the claim from deciding anything. Takeovers, which wait in front of the queue, go on.
local function forbidden()
  local version, paused = in_force()
  if ask.intent == 'next' then
    return paused and string.find(r.wait, '^%d+:1:') and PAUSED
  end
  return paused and PAUSED or (version ~= ask.control and MOVED)
end

-- Appends the values of the verdict to the reply. Returns the verdict.
local function decide()
  local again = (r.running or ask.allow > 0) and granted_before()
  if again then
    return again
  elseif now > ask.valid_until then
    return LATE
  end
  local term = terms[ARGV[a + 4]]
  -- The quarantine ends with the later of the two, if at all.
  if now < term.quarantine_until or now < r.q then
    local quarantine_until = unit_quarantine(term.lease, r.q)
    if now < quarantine_until then
      reply(quarantine_until)
      return QUARANTINED
    end
  end
  if directs or ask.control > 0 then
    local stays = forbidden()
    if stays then
      return stays
    end
  end
  if ask.intent == 'next' then
    return start_next()
  end
  -- One schedule at a time decides the ticks of a unit.
  local own = ARGV[a + 5]
  if r.sch and own ~= '' and sub(r.sch, 1, #own) ~= own and schedule_of(r.sch) then
    reply(r.sch)
    return OTHER_SCHEDULE
  end
  local due, decided_to = ask.due or tick, r.hwm > 0 and r.hwm or r.born
  if due > now + EARLY_TOLERANCE_MS then
    return early(due)
  elseif tick <= decided_to then
    reply(r.own or call('HMGET', key, 'own')[1] or '')
    return DECIDED
  elseif decided_to > 0 and after ~= decided_to then
    return CONFLICT
  elseif r.ask and not ask.lane and ask.intent ~= 'mark_missed' then
    return LANE
  end
  local slot = free_slot(lane_blocks() and 1 or 0)
  local stays = not slot and ask.intent ~= 'mark_missed' and undecided(due)
  if stays then
    return stays
  end
  -- From here on the tick is decided.
  local missed = ask.missed
  if missed then
    ledger_line(KEYS[i + 1], key, false, missed.first, missed.last, missed.count, missed.outcome,
      missed.reason, name, 0, 0, 0, now_s, '')
  end
  r.hwm, unsaved = tick, true
  next_due()
  if ask.intent == 'mark_missed' then
    return MARKED_MISSED
  end
  return slot and grant(slot) or overlap()
end

local function answer()
  r = records[key] or load_for_claim(key)
  local tick_s, after_s, token_s = ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
  tick, after = naturals[tick_s] or tonumber(tick_s), naturals[after_s] or tonumber(after_s)
  unsaved = false
  -- Every live node is a replica of the decisions that it observed: lower bounds are stored with every verdict.
  local at, seen = n, ask.started
  local floor_hwm, floor_token = ask.floor_hwm or after, naturals[token_s] or tonumber(token_s)
  if seen and seen.tick > floor_hwm then
    floor_hwm = seen.tick -- a start was decided
  end
  if floor_hwm > r.hwm then
    r.hwm, unsaved = floor_hwm, true
  end
  if floor_token > r.tok then
    r.tok, unsaved = floor_token, true
  end
  if seen then
    load_started()
    raise_started(key, r, seen.tick, seen.attempt)
  end
  merge_lane()
  -- The other three values are set after the verdict.
  out[n + 1] = r.born
  out[n + 2] = 0
  out[n + 3] = 0
  out[n + 4] = 0
  n = n + 4
  local verdict = decide()
  if verdict ~= GRANTED and r.tok > floor_token then
    load_started()
    local start_tick, start_attempt = last_start(r)
    reply(start_tick)
    reply(start_attempt)
  end
  if unsaved then
    call('HSET', key, 'hwm', r.hwm, 'tok', r.tok)
  end
  local is_ready = r.wait ~= '' and ready(r)
  if seen or ask.intent == 'next' then
    can_start[unit_of(key)] = is_ready
  end
  -- What waits for a run in the lane is named by heartbeats.
  local is_named = is_ready and verdict ~= BUSY and verdict ~= LANE
  out[at + 2], out[at + 3], out[at + 4] = r.hwm, r.tok, is_named and verdict + READY or verdict
end

each_claim(answer)
if #leases > 0 then
  call('ZADD', KEYS[2], unpack(leases))
end
write_due(KEYS[4], due_at)
for unit, can in pairs(can_start) do
  if can then
    call('ZADD', KEYS[3], 0, unit)
  else
    call('ZREM', KEYS[3], unit)
  end
end
return unwritten or out
