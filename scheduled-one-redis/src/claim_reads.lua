-- Reads and checks the claims of a request and the records that they need. KEYS and ARGV are those of `claim.lua`.
--
-- Provides: each_claim, and for its current claim: i and a, the first index of its keys and of its
--       values; ask, its unusual values with the usual ones as default; key, nonce; r, tick,
--       after, set by the step; check_claim, a step; access to records: load_for_claim,
--       load_started, slot_key, in_slot; lane_key, lane, lane_blocks; read_directives, in_force.

local USUAL = {
  intent = 'run', takeovers = '0', allow = 0, control = 0, valid_until = tonumber(ARGV[4]),
}
local OR_USUAL = { __index = USUAL }

local i, a, ask, key, nonce, tick, after, r

-- Calls the step for each claim, until one returns an error.
local asks = {}
local function each_claim(step)
  i, a = 6, 5
  local keys, nth = #KEYS, 0
  while i <= keys do
    nth = nth + 1
    ask, key, nonce = asks[nth], KEYS[i], ARGV[a]
    if not ask then
      local unusual = ARGV[a + 7]
      ask = unusual == '' and USUAL or setmetatable(cmsgpack.unpack(unusual), OR_USUAL)
      asks[nth] = ask
    end
    local err = step()
    if err then
      return err
    end
    i, a = i + 2 + ask.allow + (ask.lane and 1 or 0), a + VALUES
  end
end

-- The end of a unit's quarantine is read only as long as there may be one.
local may_wait = now < quarantine_from + MAX_QUARANTINE_MS

-- The record under the key, with its run only if one is active; or nil and an error. A record in which a run was
-- started is removed from `records`, and is read again.
local function load_for_claim(key)
  local r = records[key]
  if r then
    return r
  end
  local v
  if may_wait then
    v = pcall('HMGET', key, 'born', 'hwm', 'tok', 'st', 'non', 'wait', 'sch', 'ask', 'q')
  else
    v = pcall('HMGET', key, 'born', 'hwm', 'tok', 'st', 'non', 'wait', 'sch', 'ask')
  end
  if v.err then
    return nil, wrong_type(key, 'hash') or v
  end
  r = state_of(key, v, v[9], v[7])
  if v[8] == '1' then
    r.ask = true
  end
  if r.running then
    v = call('HMGET', key, 'rtok', 'until', 'seq', 'lease', 'att', 'tick', 'at', 'own', 'org')
    add_run(key, r, v, 0)
    r.at, r.own, r.org = needed(key, 'at', v[7], far), v[8], v[9]
  end
  if wrong then
    return nil, wrong
  end
  records[key] = r
  return r
end

local function start_of(tick, attempt, hwm)
  local at, count = int(tick), int(attempt)
  if at < 0 or at > hwm or count < 0 or count > MAX_COUNT then
    return 0, 0
  end
  return at, count
end

-- Adds the newest starts to the record. Rarely needed, and possibly after the first write, when the request can no
-- longer be refused: a start that no script stores counts as none.
local function load_started()
  if r.bt == nil then
    local v = call('HMGET', key, 'bt', 'ba', 'tick', 'att')
    r.bt, r.ba = start_of(v[1], v[2], r.hwm)
    r.tick, r.att = start_of(v[3], v[4], r.hwm)
  end
end

-- The key of a slot of the unit; 0 is the unit itself.
local function slot_key(slot)
  return slot == 0 and key or KEYS[i + 1 + slot]
end

local function in_slot(slot)
  return slot == 0 and r or load_for_claim(slot_key(slot))
end

-- The lane of the unit, which only claims bring that were made again.
local function lane_key()
  return KEYS[i + 2 + ask.allow]
end

local function lane()
  return ask.lane and load_for_claim(lane_key()) or nil
end

-- True if a run in the lane is in the way of ticks.
local function lane_blocks()
  local l = lane()
  local from = l and l.running and (origin_of(l.org) or {})
  return from and not from.beside
end

-- True if the claim may write into the ledger or read slots or the lane.
local function is_unusual()
  return ask.intent ~= 'run' or ask.missed or ask.started or ask.allow > 0 or ask.lane
end

-- What the directives for a job and for all jobs say: the higher version, and whether one of them pauses the job.
local forces = {}
local function job_of(key)
  return string.match(unit_of(key), '^[^#~]*')
end

-- Reads the directives that concern the claims of the request, with one command; with none if there are no directives.
-- Returns an error.
local function read_directives()
  if not directs then
    return nil
  end
  local subjects = { '*' }
  each_claim(function()
    local job = job_of(key)
    if not forces[job] then
      forces[job] = { 0, false }
      subjects[#subjects + 1] = job
    end
  end)
  local texts = pcall('HMGET', KEYS[5], unpack(subjects))
  if texts.err then
    return wrong_type(KEYS[5], 'hash') or texts
  end
  local for_all = { 0, false }
  for at, subject in ipairs(subjects) do
    local version, since, till = 0, 0, 0
    if texts[at] then
      version, since, till = parse_directive(KEYS[5], subject, texts[at])
    end
    local paused = since > 0 and (till == 0 or now < till)
    if at == 1 then
      for_all = { version, paused }
    else
      forces[subject] = { math.max(version, for_all[1]), paused or for_all[2] }
    end
  end
  return wrong
end

-- Version of the directives that are in force for the unit of the claim, and whether they pause it.
local function in_force()
  if not directs then
    return 0, false
  end
  local force = forces[job_of(key)]
  return force[1], force[2]
end

-- Reads and checks all keys that the claim may use. Returns an error.
local function check_claim()
  local again, err = records[key], nil
  r, err = load_for_claim(key)
  if not r then
    return err
  end
  if not (again or r.running or r.wait ~= '' or ask ~= USUAL and is_unusual()) then
    return nil
  end
  for slot = 1, ask.allow do
    local p, of_slot = load_for_claim(slot_key(slot))
    if not p then
      return of_slot
    end
  end
  if ask.lane then
    local l, of_lane = load_for_claim(lane_key())
    if not l then
      return of_lane
    end
  end
  wrong = wrong_type(KEYS[i + 1], 'stream')
  if not wrong and (ask.intent == 'next' or ask.started or ask.lane) then
    wrong = wrong_type(KEYS[3], 'zset')
  end
  return wrong
end

