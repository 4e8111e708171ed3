-- Takes directives into account, changes one, and shows all; enters jobs into the catalog. Port of `machine::control`.
--
-- KEYS  4 ctl   5 jobs   6 trail
-- ARGV  4 number of directives that the caller saw   5.. for each: subject, version, text
--       then the change: subject, or nothing; version that the caller saw; text without version; what is done, in a
--       word, or nothing if the trail has no entry of it; who asked for it, why, and the end of the pause
--       then 1 if the caller wants the catalog, else 0; then job and descriptor of each job that it describes
-- Returns the head; what became of the change, and the version that it has; number of jobs in the catalog that was
--       wanted; job and text of each; then subject and text of each directive

wrong = wrong_type(KEYS[4], 'hash') or wrong_type(KEYS[5], 'hash') or check_trail(KEYS[6])
if wrong then
  return wrong
end
local directives, versions, newest = {}, {}, 0
local stored = call('HGETALL', KEYS[4])
for i = 1, #stored, 2 do
  local subject, text = stored[i], stored[i + 1]
  directives[subject], versions[subject] = text, parse_directive(KEYS[4], subject, text)
  newest = math.max(newest, versions[subject])
end
if wrong then
  return wrong
end
local changes = ARGV[4] ~= '0'
local at_change = 5 + 3 * tonumber(ARGV[4])
changes = changes or ARGV[at_change] ~= '' or #ARGV > at_change + 9
if denied and changes then
  return redis.error_reply(denied)
end
commit()

local function put(subject, version, text)
  directives[subject], versions[subject] = text, version
  newest = math.max(newest, version)
  call('HSET', KEYS[4], subject, text)
end

-- Somebody edited the version: nodes would not read what is stored.
local is_news, before = control_version < newest, control_version
local a = 5
for _ = 1, tonumber(ARGV[4]) do
  local subject, version = ARGV[a], tonumber(ARGV[a + 1])
  if version > (versions[subject] or 0) then
    put(subject, version, ARGV[a + 2])
    is_news = true
  end
  a = a + 3
end
if is_news then
  control_version = math.max(now_us, control_version + 1, newest)
end
local subject, outcome, version = ARGV[a], NOTHING, 0
if subject ~= '' then
  outcome = CONFLICT
  if (versions[subject] or 0) == tonumber(ARGV[a + 1]) then
    outcome, version = TO, math.max(now_us, control_version + 1)
    if ARGV[a + 3] ~= '' then
      enter_trail(KEYS[6], ARGV[a + 3], subject, ARGV[a + 4], ARGV[a + 5], '', string.format('%.0f', version),
        ARGV[a + 1], '0', ARGV[a + 6])
    end
    put(subject, version, string.format('%.0f ', version) .. ARGV[a + 2])
    control_version = version
  end
end
if not denied and (control_version ~= before or (control_version > 0 and stored_version < CONTROL_VERSION)) then
  -- From here on, nodes that know nothing of directives would start what is paused.
  stored_version = math.max(stored_version, CONTROL_VERSION)
  call('HSET', KEYS[1], 'ver', stored_version, 'cv', string.format('%.0f', control_version))
end
for i = a + 8, #ARGV - 2, 2 do
  local job = ARGV[i]
  -- An entry that somebody edited counts as none.
  local entry = call('HMGET', KEYS[5], job)[1] or ''
  local first = string.match(entry, '^(%d+) %d+ ') or string.format('%.0f', now)
  call('HSET', KEYS[5], job, first .. string.format(' %.0f ', now) .. ARGV[i + 1])
end
out[#out], out[#out + 1], out[#out + 2] = control_version, outcome, version
local catalog = ARGV[a + 7] == '1' and call('HGETALL', KEYS[5]) or {}
local n = #out + 1
out[n] = #catalog / 2
for i = 1, #catalog do
  out[n + i] = catalog[i]
end
n = n + #catalog
for its_subject, text in pairs(directives) do
  out[n + 1], out[n + 2] = its_subject, text
  n = n + 2
end
return out
