-- Reads and checks of stored values, for all scripts. Port of `machine::damage`,
-- over texts.
--
-- The text of `prologue.rs` stands in front: constants of the protocol, VALUES,
-- and the codes of the reply, in capitals.
--
-- Provides: call, pcall, floor, sub, KEYS, ARGV, tonumber, as locals, which are
--       found faster; int, wrong_type, damaged, number, needed, decided,
--       check_nonce, check, overdue_at; `wrong`, the first error that a check
--       has found; `far`, the latest instant that a record may hold, which the
--       script sets.
--
-- Numbers are doubles: integers are exact to MAX_EXACT, which microseconds fit
-- until the year 2255. Commands get them as numbers or as the text that the
-- caller sent; `tostring` and `..` would round them to 14 digits.

local call, pcall, floor, sub = redis.call, redis.pcall, math.floor, string.sub
local KEYS, ARGV, tonumber = KEYS, ARGV, tonumber
local wrong, far = nil, nil

-- A stored integer on which nothing rests. Any other value counts as 0.
local function int(text)
  local n = text and tonumber(text)
  if n and n >= -MAX_EXACT and n <= MAX_EXACT and n % 1 == 0 then
    return n
  end
  return 0
end

-- An error if the key holds something else than the script is about to write.
local function wrong_type(key, wanted)
  local found = call('TYPE', key).ok
  if found == wanted or found == 'none' then
    return nil
  end
  return redis.error_reply('SOTYPE ' .. key .. ' holds a ' .. found .. ', not a ' .. wanted)
end

-- Refuses a field of a record that no script can have stored: what a job did and
-- who runs it rests on all of them.
local function damaged(key, field, value)
  local shown = string.gsub(sub(value or 'nothing', 1, 40), '[^%w%p]', '?')
  wrong = wrong or redis.error_reply('SODAMAGED ' .. key .. ' has ' .. shown .. ' as ' .. field)
end

-- An integer of a record from 0 to `most`; 0 if the record has none.
local function number(key, field, text, most)
  local n = tonumber(text or 0)
  if n and n >= 0 and n <= most and n % 1 == 0 then
    return n
  end
  damaged(key, field, text)
  return 0
end

-- An integer that a record must have, because a run is going.
local function needed(key, field, text, most)
  if not text then
    damaged(key, field, text)
  end
  return number(key, field, text, most)
end

-- Checks the tick of a start: it was decided, so it is not after the high-water
-- mark. Nodes would learn it as the newest start, and it would outlive the key.
local function decided(key, field, text, hwm)
  if text and not wrong and tonumber(text) > hwm then
    damaged(key, field, text)
  end
end

local function check_nonce(key, non)
  if non and (#non > MAX_NONCE_BYTES or string.find(non, '[^ -~]')) then
    damaged(key, 'non', non)
  end
end

-- Checks the queue of a unit. Each tick in it was decided: it is not after the
-- high-water mark.
local function check_wait(key, wait, hwm)
  local at = 1
  while at <= #wait do
    local tick, attempt, reruns, after = string.match(wait, '^(%d+):(%d+):(%d+)()', at)
    local ends = after == #wait + 1 or (after and after < #wait and sub(wait, after, after) == ',')
    if not ends or tonumber(tick) > hwm or tonumber(attempt) > MAX_COUNT
      or tonumber(reruns) > MAX_COUNT then
      return damaged(key, 'wait', sub(wait, at))
    end
    at = after + 1
  end
end

-- Checks state, nonce and queue of a record.
local function check(key, st, non, wait, hwm)
  if st and st ~= 'run' and st ~= 'stop' and st ~= 'idle' then
    damaged(key, 'st', st)
  end
  check_nonce(key, non)
  if wait then
    check_wait(key, wait, hwm)
  end
end

-- Score in `leases`: when a heartbeat starts to report the run (`overdue_at_ms`).
local function overdue_at(until_ms, lease_ms)
  return until_ms - lease_ms + floor(lease_ms * OVERDUE_PERCENT / 100)
end

