-- Starts what waits in lanes. Port of `machine::take`.
--
-- KEYS  4 ctl   5.. for each claim: record of the lane, ledger of its job, record of the unit, requests of the lane,
--       and, with `allow`, records of the slots of the unit
-- ARGV  4.. for each claim: nonce, valid until, lease, takeovers, lower bounds of hwm and token, tick and attempt of
--       the newest start that the caller observed, overlap policy: skip, queue, cancel_running or allow, number of
--       slots
-- Returns the head, then for each claim: born, hwm, token, verdict, and the values of the verdict.
--       GRANTED_RUN: tick, token, until, attempt, 0, and 1 and the request, or 0 if it was deleted;
--       STALE and STALE_LANE: slot, nonce, seq, lease; QUARANTINED: until. READY is added to the verdict if another
--       request waits and can start. At the end tick and attempt of the newest start, if the token is greater than its
--       lower bound.
--
-- A request is a map in MessagePack: id, cause, actor, note, logical (0: the instant of the request), busy, params.

local n = #out
local function reply(value)
  n = n + 1
  out[n] = value
end

-- Calls the step for each claim, until one returns an error.
local i, a
local function each_take(step)
  i, a = 5, 4
  while a < #ARGV - 1 do
    local err = step()
    if err then
      return err
    end
    i, a = i + 4 + tonumber(ARGV[a + 9]), a + VALUES
  end
end

-- Whether directives pause a job. A request starts all the same, but does not wait for ticks that wait in its unit.
local paused = {}
local function read_pause()
  local job = string.match(unit_of(KEYS[i]), '^[^#!]*')
  if not directs or paused[job] ~= nil then
    return
  end
  local texts = pcall('HMGET', KEYS[4], '*', job)
  if texts.err then
    wrong = wrong_type(KEYS[4], 'hash') or texts
    return
  end
  paused[job] = false
  for at, subject in ipairs({ '*', job }) do
    if texts[at] then
      local _, since, till = parse_directive(KEYS[4], subject, texts[at])
      paused[job] = paused[job] or (since > 0 and (till == 0 or now < till))
    end
  end
end

local REQUEST = { id = 'string', cause = 'string', actor = 'string', note = 'string', logical = 'number',
  busy = 'string', params = 'string' }
local CAUSES = { manual = true, rerun = true, backfill = true }
local WAYS = { [''] = true, skip = true, wait = true, cancel = true, allow = true }

-- A request from the text that `ask` stored, or nothing if there is none. Other values are refused.
local function read_request(tick_s, text)
  local ok, q = lua_pcall(cmsgpack.unpack, text)
  ok = ok and type(q) == 'table'
  for field, kind in pairs(REQUEST) do
    ok = ok and type(q[field]) == kind
  end
  if ok and CAUSES[q.cause] and WAYS[q.busy] and q.logical >= 0 and q.logical <= MAX_EXACT and q.logical % 1 == 0 then
    return q
  end
  damaged(KEYS[i + 3], 'request:' .. tick_s, #text .. '-bytes') -- no value: parameters may be secret
  return false
end

-- The request of the lane with this tick. Those that may start are read before the first write.
local requests = {}
local function request_of(tick_s)
  local at = KEYS[i + 3] .. ' ' .. tick_s
  if requests[at] == nil then
    local text = call('HMGET', KEYS[i + 3], tick_s)[1]
    requests[at] = text and read_request(tick_s, text)
  end
  return requests[at]
end

local function read_requests(lane)
  if lane.running then
    request_of(string.format('%.0f', lane.tick))
  end
  for tick_s, attempt in string.gmatch(lane.wait, '(%d+):(%d+):%d+') do
    request_of(tick_s)
    -- What has started, as the caller saw, is dropped.
    if newer(int(tick_s), int(attempt), tonumber(ARGV[a + 6]), tonumber(ARGV[a + 7])) then
      return
    end
  end
end

fields[16], fields[17], fields[18] = 'q', 'sch', 'ask'
wrong = each_take(function()
  for k = i, i + 3 + tonumber(ARGV[a + 9]) do
    if k ~= i + 1 and k ~= i + 3 then
      local r, err = load(KEYS[k])
      if not r then
        return err
      end
    end
  end
  read_pause()
  read_requests(load(KEYS[i]))
  return wrong or wrong_type(KEYS[i + 1], 'stream')
end)
if wrong then
  return wrong
end
commit()

local function in_place(slot)
  return load(slot == 0 and KEYS[i + 2] or KEYS[i + 3 + slot])
end

-- Whether ticks are in the way, the first slot whose run is stale, and the highest token of all records.
local function unit_of_lane(lane)
  local slots, tok, running, stale_slot = tonumber(ARGV[a + 9]), lane.tok, 0, nil
  for slot = 0, slots do
    local p = in_place(slot)
    tok = math.max(tok, p.tok)
    running = running + (p.running and 1 or 0)
    stale_slot = stale_slot or (p.running and p.until_ <= now and slot or nil)
  end
  local own = in_place(0)
  if ARGV[a + 8] == 'allow' then
    return running >= slots, stale_slot, tok
  end
  local is_paused = paused[string.match(unit_of(KEYS[i]), '^[^#!]*')]
  local waits = own.wait ~= '' and not (is_paused and string.find(own.wait, '^%d+:1:'))
  return own.running or waits, stale_slot, tok
end

local function stale(slot, p)
  reply(slot or 0)
  reply(p.non)
  reply(p.seq)
  reply(p.lease)
  return slot and STALE or STALE_LANE
end

local function granted(lane)
  reply(lane.tick)
  reply(lane.rtok)
  reply(lane.until_)
  reply(lane.att)
  reply(0)
  local q = request_of(string.format('%.0f', lane.tick))
  if not q then
    reply(0)
    return GRANTED_RUN
  end
  reply(1)
  for _, field in ipairs({ 'id', 'cause', 'actor', 'note', 'logical', 'busy', 'params' }) do
    reply(q[field])
  end
  return GRANTED_RUN
end

local ON_BUSY = { skip = 'skip', allow = 'skip', queue = 'wait', cancel_running = 'cancel' }

-- Starts the first request that waits.
local function start_next(lane)
  local busy, stale_slot, last = unit_of_lane(lane)
  local nonce = ARGV[a]
  if lane.running and lane.until_ <= now then
    return stale(nil, lane)
  elseif lane.running then
    return BUSY
  elseif lane.non == nonce or lane.done == nonce then
    return QUEUE_EMPTY -- a repetition that arrived after its run had ended
  end
  local tick_s, attempt, takeovers, rest = string.match(lane.wait, '^(%d+):(%d+):(%d+),?()')
  if not tick_s then
    return QUEUE_EMPTY
  end
  local key, log = KEYS[i], KEYS[i + 1]
  changed[#changed + 1], lane.waited = key, true
  local q = request_of(tick_s)
  if not q then
    set_wait(key, lane, sub(lane.wait, rest)) -- somebody deleted it, or only its run was written back after a loss
    local of_run = attempt ~= '1' and lane.tick == int(tick_s) and call('HMGET', key, 'org')[1]
    local from = origin_of(of_run or '')
    if from then
      ledger_line(log, key, false, from.logical, from.logical, 1, OUTCOME_LOST, '', name, 0, 0, 0, now, '', nil, from)
    end
    return QUEUE_EMPTY
  end
  local on_busy = q.busy ~= '' and q.busy or ON_BUSY[ARGV[a + 8]]
  local logical = q.logical > 0 and string.format('%.0f', q.logical) or tick_s
  if busy and on_busy ~= 'allow' then
    if stale_slot then
      return stale(stale_slot, in_place(stale_slot))
    elseif on_busy == 'skip' and attempt == '1' then
      set_wait(key, lane, sub(lane.wait, rest))
      local from = { cause = q.cause, request = q.id, actor = q.actor }
      ledger_line(log, key, false, logical, logical, 1, OUTCOME_SKIPPED, SKIP_OVERLAP, name, 0, 0, 0, now,
        '', nil, from)
      return SKIPPED
    elseif on_busy == 'cancel' and in_place(0).running and not in_place(0).stop then
      in_place(0).stop = true
      local by = q.actor ~= '' and ' of ' .. q.actor or ''
      local why = string.format('%.0f by request ', in_place(0).rtok) .. q.id .. by
      call('HSET', KEYS[i + 2], 'st', 'stop', 'why', why)
    end
    return BUSY
  end
  local tick, tok, lease = int(tick_s), math.max(last + 1, now_us), tonumber(ARGV[a + 2])
  local org = table.concat({ q.cause, logical, on_busy == 'allow' and '1' or '0', q.id, q.actor }, ' ')
  lane.hwm, lane.tok, lane.rtok, lane.tick, lane.att = math.max(lane.hwm, tick), tok, tok, tick, int(attempt)
  lane.running, lane.stop, lane.non, lane.seq, lane.lease = true, false, nonce, 1, lease
  lane.until_ = now + lease
  lane.wait = sub(lane.wait, rest)
  call('HSET', key, 'hwm', lane.hwm, 'tok', tok, 'st', 'run', 'tick', tick, 'own', name, 'non', nonce, 'att', attempt,
    'rtok', tok, 'until', lane.until_, 'seq', 1, 'lease', lease, 'at', now,
    'rer', attempt == '1' and ARGV[a + 3] or takeovers, 'org', org, 'why', '', 'wait', lane.wait)
  if not in_place(0).ask then
    in_place(0).ask = true
    call('HSET', KEYS[i + 2], 'ask', '1')
  end
  return granted(lane)
end

local function decide(lane)
  if holds(lane, ARGV[a]) then
    call('HSET', KEYS[i], 'non', ARGV[a]) -- for a `WAIT` behind this request
    return granted(lane)
  elseif now > tonumber(ARGV[a + 1]) then
    return LATE
  end
  local lease = tonumber(ARGV[a + 2])
  local quarantine_until = math.max(unit_quarantine(lease, in_place(0).q), unit_quarantine(lease, lane.q))
  if now < quarantine_until then
    reply(quarantine_until)
    return QUARANTINED
  end
  return start_next(lane)
end

each_take(function()
  local key, lane = KEYS[i], load(KEYS[i])
  local floor_token = tonumber(ARGV[a + 5])
  local hwm = math.max(lane.hwm, tonumber(ARGV[a + 4]), tonumber(ARGV[a + 6]))
  local tok = math.max(lane.tok, floor_token)
  if hwm ~= lane.hwm or tok ~= lane.tok then
    lane.hwm, lane.tok = hwm, tok
    call('HSET', key, 'hwm', hwm, 'tok', tok)
  end
  if raise_started(key, lane, tonumber(ARGV[a + 6]), tonumber(ARGV[a + 7])) then
    changed[#changed + 1] = key
  end
  local at = n
  n = n + 4
  out[at + 1], out[at + 2], out[at + 3], out[at + 4] = lane.born, 0, 0, 0
  local verdict = decide(lane)
  end_requests(key, lane)
  if lane.tok > floor_token then
    local start_tick, start_attempt = last_start(lane)
    reply(start_tick)
    reply(start_attempt)
  end
  local is_ready = ready(lane) and verdict ~= BUSY
  out[at + 2], out[at + 3], out[at + 4] = lane.hwm, lane.tok, is_ready and verdict + READY or verdict
end)
settle()
return unwritten or out
