-- Removes what is stored of a job that no living node has, or takes back what a clock that was ahead has decided of it.
-- Port of `machine::forget`.
--
-- KEYS  4 nodes   5 members   6 lists   7 jobs   8 ctl   9 trail   10 due   11 checkpoints   12 asked   13 asks
--       14 ledger of the job   15 probe   16.. records of its units, with slots and lanes; then the requests of each
--       lane
-- ARGV  4 the job   5 the subject of its backfill   6 when it was described last, as the caller saw it
--       7 text without version of the directives that take the place of its own   8 who asks   9 why   10 number of
--       units   11 1 to take back what is ahead of the clock, else 0
-- Returns the head; what became of it; TAKEN_BACK: number of units; LIVES: number and labels of the nodes that have
-- the job; QUARANTINED: until when; RUNNING: the unit

wrong = wrong_type(KEYS[4], 'zset') or wrong_type(KEYS[5], 'hash') or wrong_type(KEYS[6], 'hash')
  or wrong_type(KEYS[7], 'hash') or wrong_type(KEYS[8], 'hash') or check_trail(KEYS[9])
  or wrong_type(KEYS[3], 'zset') or wrong_type(KEYS[10], 'zset') or wrong_type(KEYS[11], 'hash')
  or wrong_type(KEYS[12], 'hash') or wrong_type(KEYS[13], 'zset') or wrong_type(KEYS[14], 'stream')
if wrong then
  return wrong
end
local job, first, last = ARGV[4], 16, 15 + tonumber(ARGV[10])
local takes_back, tolerated = ARGV[11] == '1', now + EARLY_TOLERANCE_MS
fields[16], fields[17] = 'q', 'sch'
for i = first, last do
  local r, err = load(KEYS[i])
  if r then
    r, err = load_shown(KEYS[i], r)
  end
  if not r then
    return err
  end
end
-- A right that is missing shows before the first write.
local tried = pcall('DEL', KEYS[15])
if tried and type(tried) == 'table' and tried.err then
  return tried
end
local versions = {}
for _, subject in ipairs({ job, ARGV[5] }) do
  local text = call('HMGET', KEYS[8], subject)[1]
  if text then
    versions[subject] = parse_directive(KEYS[8], subject, text)
  end
end
if wrong then
  return wrong
end

-- The label of a node, if it has the job, or if it is not known which jobs it has.
local function label_with_job(node)
  local member = call('HMGET', KEYS[5], node)[1] or ''
  local list = call('HMGET', KEYS[6], string.match(member, '^%x+') or '')[1]
  local has = not list
  for entry in string.gmatch(list or '', '[^ ]+') do
    has = has or string.match(entry, '^[^=*]*') == job
  end
  return has and (string.match(member, ' (.*)$') or '')
end

local function labels_with_job()
  local living = call('ZRANGEBYSCORE', KEYS[4], now - NODE_GONE_MS, now + NODE_GONE_MS)
  table.sort(living)
  local labels = {}
  for _, node in ipairs(living) do
    local label = label_with_job(node)
    if label and #labels < MAX_NODES then
      labels[#labels + 1] = label
    end
  end
  return labels
end

-- A clock that was ahead has granted or renewed the run: no other reaches so far.
local function is_leased_ahead(r)
  return r.running and r.until_ - r.lease > tolerated
end

local function active_unit()
  local found = nil
  for i = first, last do
    local r, unit = load(KEYS[i]), unit_of(KEYS[i])
    local is_excused = takes_back and is_leased_ahead(r)
    if r.running and r.until_ > now and not is_excused and not (found and found < unit) then
      found = unit
    end
  end
  return found
end

local n, labels = #out + 1, labels_with_job()
local entry = call('HMGET', KEYS[7], job)[1]
-- An entry that somebody edited was described at no instant.
local described = tonumber(string.match(entry or '', '^%d+ (%d+) ') or '0')
if now < quarantine_until then
  -- Also the nodes and the catalog may be forgotten.
  out[n], out[n + 1] = QUARANTINED, quarantine_until
elseif not entry and ARGV[6] ~= '0' then
  out[n] = UNKNOWN
elseif #labels > 0 then
  out[n], out[n + 1] = LIVES, #labels
  for i, label in ipairs(labels) do
    out[n + 1 + i] = label
  end
elseif described ~= tonumber(ARGV[6]) then
  out[n] = DESCRIBED
elseif active_unit() then
  out[n], out[n + 1] = RUNNING, active_unit()
else
  out[n] = takes_back and TAKEN_BACK or REMOVED
end
commit()
if out[n] ~= REMOVED and out[n] ~= TAKEN_BACK then
  return out
end

-- Takes back what is decided of a unit ahead of the clock. Returns whether anything was.
local function take_back(key, r)
  local now_s = string.format('%.0f', now)
  -- A lane in which requests wait or run keeps them, and so its ticks: nothing waits there for an instant.
  local keeps_requests = is_lane(key) and (r.running or r.wait ~= '')
  if not (r.hwm > tolerated and not keeps_requests or is_leased_ahead(r)) then
    return false
  end
  if keeps_requests then
    for field, instant in pairs({ at = r.at, ['until'] = r.until_ }) do
      if instant > now then
        call('HSET', key, field, now_s)
      end
    end
    call('ZADD', KEYS[2], overdue_at(math.min(r.until_, now), r.lease), unit_of(key))
    return true
  end
  if r.hwm > now then
    r.wait = ''
    call('HDEL', key, 'wait', 'q', 'sch')
    call('ZREM', KEYS[3], unit_of(key))
  end
  if r.tick > now then
    call('HSET', key, 'rer', '0')
  end
  local instants = { born = r.born, hwm = r.hwm, tick = r.tick, at = r.at, until_ = r.until_, bt = r.bt }
  for field, instant in pairs(instants) do
    if instant > now then
      call('HSET', key, field == 'until_' and 'until' or field, now_s)
    end
  end
  -- The request of a tick that is no longer that of the run has ended, too.
  r.tick = math.min(r.tick, now)
  end_requests(key, r)
  if r.running then
    call('ZADD', KEYS[2], overdue_at(math.min(r.until_, now), r.lease), unit_of(key))
  elseif ready(r) then
    call('ZADD', KEYS[3], '0', unit_of(key))
  end
  return true
end

if takes_back then
  local count = 0
  for i = first, last do
    count = count + (take_back(KEYS[i], load(KEYS[i])) and 1 or 0)
  end
  if count > 0 then
    enter_trail(KEYS[9], 'take-back', job, ARGV[8], ARGV[9], '', '0', '0', '0', '0')
  end
  out[n + 1] = count
  return out
end

-- A directive that is stored becomes an empty one: nodes would repeat it if it were deleted.
local function empty(subject)
  if not versions[subject] then
    return 0, 0
  end
  control_version = math.max(now_us, control_version + 1)
  local version = string.format('%.0f', control_version)
  call('HSET', KEYS[8], subject, version .. ' ' .. ARGV[7])
  return version, string.format('%.0f', versions[subject])
end

local version, before = empty(job)
empty(ARGV[5])
if version ~= 0 or versions[ARGV[5]] then
  call('HSET', KEYS[1], 'ver', math.max(stored_version, CONTROL_VERSION), 'cv', string.format('%.0f', control_version))
end
out[#out - 1] = control_version
local now_s, before_s = version == 0 and '0' or version, before == 0 and '0' or before
enter_trail(KEYS[9], 'forget', job, ARGV[8], ARGV[9], '', now_s, before_s, '0', '0')
call('HDEL', KEYS[7], job)
local units = {}
for i = first, last do
  local unit = unit_of(KEYS[i])
  units[unit] = true
  call('DEL', KEYS[i])
  call('ZREM', KEYS[2], unit)
  call('ZREM', KEYS[3], unit)
  call('ZREM', KEYS[10], unit)
  call('HDEL', KEYS[11], unit)
end
for i = last + 1, #KEYS do
  call('DEL', KEYS[i])
end
for _, member in ipairs(call('HKEYS', KEYS[12])) do
  if units[string.match(member, '^([^ ]*)')] then
    call('HDEL', KEYS[12], member)
    call('ZREM', KEYS[13], member)
  end
end
call('DEL', KEYS[14])
return out
