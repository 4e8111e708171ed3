-- Reads and checks stored values, for all scripts. Port of `machine::damage`, over texts.
--
-- The text of `prologue.rs` is in front: constants of the protocol, VALUES, and the codes of the reply, in capitals.
--
-- Provides: lua_pcall; call, pcall, floor, sub, find, KEYS, ARGV, tonumber, as locals, which Lua finds faster; int,
--       wrong_type, damaged, naturals, number, needed, decided, check_nonce, check, overdue_at; `wrong`,
--       the first error of a check; `far`, the latest instant that a record may hold, set by the script.
--
-- Numbers are doubles: integers are exact up to MAX_EXACT, which microseconds do not exceed until the year 2255.
-- Commands get numbers as such or as the text that the caller sent; `tostring` and `..` would round them to 14
-- digits.

local lua_pcall = pcall -- not that of Redis
local call, pcall, floor, sub, find = redis.call, redis.pcall, math.floor, string.sub, string.find
local KEYS, ARGV, tonumber = KEYS, ARGV, tonumber
local wrong, far = nil, nil

-- A stored integer that no decision depends on. Any other value counts as 0.
local function int(text)
  local n = text and tonumber(text)
  if n and n >= -MAX_EXACT and n <= MAX_EXACT and n % 1 == 0 then
    return n
  end
  return 0
end

-- An error if the key holds another type than the one that the script writes.
local function wrong_type(key, wanted)
  local found = call('TYPE', key).ok
  if found == wanted or found == 'none' then
    return nil
  end
  return redis.error_reply('SOTYPE ' .. key .. ' holds a ' .. found .. ', not a ' .. wanted)
end

-- Refuses a field of a record that no script stores: every decision depends on these fields.
local function damaged(key, field, value)
  local shown = string.gsub(sub(value or 'nothing', 1, 40), '[^%w%p]', '?')
  wrong = wrong or redis.error_reply('SODAMAGED ' .. key .. ' has ' .. shown .. ' as ' .. field)
end

-- Integers from 0 by their texts; nil for other texts, and 0 for false, which replies have for a missing field. The
-- records and claims of a batch have few different instants, and to convert a text takes ten times as long as to find
-- it here.
local naturals = setmetatable({ [false] = 0 }, { __index = function(known, text)
  local n = tonumber(text)
  if n and n >= 0 and n <= MAX_EXACT and n % 1 == 0 then
    known[text] = n
    return n
  end
end })

-- An integer of a record, from 0 to `most`; 0 if the record has none.
local function number(key, field, text, most)
  local n = naturals[text or false]
  if n and n <= most then
    return n
  end
  damaged(key, field, text)
  return 0
end

-- An integer that a record must have while a run is active.
local function needed(key, field, text, most)
  if not text then
    damaged(key, field, text)
  end
  return number(key, field, text, most)
end

-- Checks the tick of a start: it was decided, so it is not after the high-water mark. A wrong one would reach the
-- nodes as newest start, and outlive the key.
local function decided(key, field, text, hwm)
  if text and not wrong and naturals[text] > hwm then
    damaged(key, field, text)
  end
end

local function check_nonce(key, non)
  -- To search for one other character takes twice as long as to match all that are allowed.
  if non and (#non > MAX_NONCE_BYTES or not find(non, '^[ -~]*$')) then
    damaged(key, 'non', non)
  end
end

-- Checks the queue of a unit. Each tick in it was decided: it is not after the high-water mark. Attempts count from 1.
local function check_wait(key, wait, hwm)
  local at = 1
  while at <= #wait do
    local tick, attempt, reruns, after = string.match(wait, '^(%d+):(%d+):(%d+)()', at)
    local ends = after == #wait + 1 or (after and after < #wait and sub(wait, after, after) == ',')
    if not ends or tonumber(tick) > hwm or tonumber(attempt) < 1 or tonumber(attempt) > MAX_COUNT
      or tonumber(reruns) > MAX_COUNT then
      return damaged(key, 'wait', sub(wait, at))
    end
    at = after + 1
  end
end

-- Checks state, nonce and queue of a record.
local function check(key, st, non, wait, hwm)
  if st and st ~= 'idle' and st ~= 'run' and st ~= 'stop' then
    damaged(key, 'st', st)
  end
  check_nonce(key, non)
  if wait then
    check_wait(key, wait, hwm)
  end
end

-- Score in `leases`: the instant at which a heartbeat begins to report the run (`overdue_at_ms`).
local function overdue_at(until_ms, lease_ms)
  return until_ms - lease_ms + floor(lease_ms * OVERDUE_PERCENT / 100)
end

