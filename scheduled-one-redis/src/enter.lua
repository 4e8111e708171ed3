-- Start of every script of the protocol; textually in front of each. Port of
-- `protocol::enter`, and the helpers that the scripts share.
--
-- KEYS  1 meta   2 leases   3 ready   (then those of the script)
-- ARGV  1 quarantine ms   2 name of the calling node   3 lines a ledger keeps
--       (then those of the script)   last: how many buckets the caller believes in
-- Leaves behind: now, now_us, quarantine_until, out (the reply, begun with its
-- head: now_us, serving, quarantine_until), and `commit()`.
--
-- Scripts do not roll back. So each reads and checks everything first, and
-- writes from `commit()` on.
--
-- Numbers are doubles: integers are exact to 2^53, which microseconds fit
-- until the year 2255. They are given to commands as numbers or as the text
-- the caller sent; `tostring` and `..` would round them to 14 digits.

local call, pcall, floor, sub = redis.call, redis.pcall, math.floor, string.sub
local KEYS, ARGV, tonumber = KEYS, ARGV, tonumber -- locals are found faster
local VERSION, EXACT = 1, 9007199254740992
-- What no script has stored: tokens so high that they would soon be no longer
-- exact, instants that are farther ahead than clocks are wrong, other numbers
-- beyond what leases, attempts and renewals come to.
local MAX_TOKEN, AHEAD_MS, DAY_MS = EXACT - 4294967296, 31622400000, 86400000
local MAX_COUNT, MAX_SEQ = 1000000, EXACT / 2
local name, ledger_limit = ARGV[2], ARGV[3]
local wrong, far = nil, nil -- the first thing found wrong; the latest instant that may be stored

-- A stored integer, where nothing rests on it. What is none counts as 0.
local function int(text)
  local n = text and tonumber(text)
  if n and n >= -EXACT and n <= EXACT and n % 1 == 0 then
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

-- Something in a record that no script has put there. It is refused, whatever it
-- is, as what a job did and who runs it rests on all of it.
local function damaged(key, field, value)
  local shown = string.gsub(sub(value or 'nothing', 1, 40), '[^%w%p]', '?')
  wrong = wrong or redis.error_reply('SODAMAGED ' .. key .. ' has ' .. shown .. ' as ' .. field)
end

-- An integer of a record from 0 to `most`, or 0 if it has none.
local function number(key, field, text, most)
  local n = tonumber(text or 0)
  if n and n >= 0 and n <= most and n % 1 == 0 then
    return n
  end
  damaged(key, field, text)
  return 0
end

-- One that a record must have, because a run is going.
local function needed(key, field, text, most)
  if not text then
    damaged(key, field, text)
  end
  return number(key, field, text, most)
end

-- What has started was decided: its tick is not after the high-water mark. Nodes
-- would learn it as the newest start, and tell it on when the key is gone.
local function decided(key, field, text, hwm)
  if text and not wrong and tonumber(text) > hwm then
    damaged(key, field, text)
  end
end

-- Looks whether state, nonce and queue of a record are such. What waits was
-- decided: it is not after the high-water mark.
local function check(key, st, non, wait, hwm)
  if st and st ~= 'run' and st ~= 'stop' and st ~= 'idle' then
    damaged(key, 'st', st)
  end
  if non and (#non > 512 or string.find(non, '[^ -~]')) then
    damaged(key, 'non', non)
  end
  local at = 1
  while wait and at <= #wait do
    local tick, attempt, reruns, after = string.match(wait, '^(%d+):(%d+):(%d+)()', at)
    local ends = after == #wait + 1 or (after and after < #wait and sub(wait, after, after) == ',')
    if not ends or tonumber(tick) > hwm or tonumber(attempt) > MAX_COUNT
      or tonumber(reruns) > MAX_COUNT then
      return damaged(key, 'wait', sub(wait, at))
    end
    at = after + 1
  end
end

-- Score in `leases`: when a beat starts to report the run (`overdue_at_ms`).
local function overdue_at(until_ms, lease_ms)
  return until_ms - lease_ms + floor(lease_ms * 23 / 100)
end

local unit_from = #KEYS[1] - #'meta' + #'job:' + 1
local function unit_of(key)
  return sub(key, unit_from)
end

-- What waits in a unit is one field: `tick:attempt:reruns` of each, the first
-- to start in front, with commas in between.
local function waits(tick, attempt, reruns)
  return string.format('%.0f:%.0f:%.0f', tick, attempt, reruns)
end

-- `key` is that of the record. A line names its unit only if that is a shard,
-- not the whole job, and never its place. Most are the last of their tick, and
-- do not say so.
local NOTHING, unwritten = {}, nil

-- What keeps any request from being carried out, for now or until somebody grants
-- a right, has its own code. Redis before 7 puts the place in the script in front.
local NOT_OF_THE_LEDGER = { OOM = true, MISCONF = true, NOREPLICAS = true, READONLY = true,
  NOPERM = true }
local function takes_no_line(why, text)
  local code = string.match(why, '^%-?(%u+) ') or string.match(why, ': %-(%u+) ')
  if string.find(why, "The user executing the script can't", 1, true) then
    code = 'NOPERM' -- as Redis 7.0 says it
  end
  code = NOT_OF_THE_LEDGER[code] and code or 'SOLEDGER'
  return redis.error_reply(code .. ' ' .. text)
end

local function ledger_line(log, key, retried, tick, last, n, out, why, node, tok, att, fired, ended,
    err)
  local more = NOTHING
  if string.find(key, '#', unit_from, true) then
    more = { 'unit', string.match(unit_of(key), '^[^~]*') }
  end
  if retried then
    more = { 'retried', 1, unpack(more) }
  end
  -- Everything else is checked before something is written; this is not known
  -- before: the ids of a stream that somebody wrote to may be used up. Then the
  -- rest is done all the same, and the error told at the end.
  local added = pcall('XADD', log, 'MAXLEN', '=', ledger_limit, '*', 'tick', tick, 'last', last, 'n', n,
    'out', out, 'why', why, 'node', node, 'tok', tok, 'att', att, 'fired', fired,
    'ended', ended, 'err', err, unpack(more))
  if not added.err then
    return nil
  end
  local why = log .. ' takes no line: ' .. added.err
  unwritten = takes_no_line(added.err, why)
  return why
end

-- A right that is taken away while jobs run must not stop a script half-way:
-- each repetition of it would write its ledger lines again. Redis before 7
-- cannot be asked.
if redis.acl_check_cmd then
  local writes = {
    { 'hset', KEYS[1], 'a', '1' }, { 'zadd', KEYS[2], '1', 'a' }, { 'zrem', KEYS[2], 'a' },
    { 'zremrangebyscore', KEYS[2], '1', '1' }, { 'xadd', KEYS[1], '*', 'a', '1' },
  }
  for _, write in ipairs(writes) do
    if not redis.acl_check_cmd(unpack(write)) then
      return redis.error_reply("NOPERM this user has no permissions to run the '" .. write[1]
        .. "' command")
    end
  end
end

local replication = call('INFO', 'replication')
if not string.find(replication, 'role:master', 1, true) then
  return redis.error_reply("READONLY You can't write against a read only replica.")
end
local serving = (string.match(call('INFO', 'server'), 'run_id:(%w+)') or '')
  .. ':' .. (string.match(replication, 'master_replid:(%w+)') or '')

local clock = call('TIME')
local now_us = clock[1] * 1000000 + clock[2]
local now = clock[1] * 1000 + floor(clock[2] / 1000)
far = now + AHEAD_MS

local meta = pcall('HMGET', KEYS[1], 'ver', 'rid', 'qs', 'q', 'buckets')
if meta.err then
  return wrong_type(KEYS[1], 'hash') or meta
end
local version = int(meta[1])
if version > VERSION then
  return redis.error_reply(string.format('SONEWER %.0f', version))
end
-- How many buckets there are, the first says that comes to a namespace. One
-- that was used before they were counted has one.
local ours, buckets = tonumber(ARGV[#ARGV]), int(meta[5])
local meta_changed = version ~= VERSION or buckets == 0
if buckets == 0 then
  -- Rubbish says nothing: then the first says it again.
  buckets = (version == 0 or meta[5]) and ours or 1
end
if buckets ~= ours then
  return redis.error_reply(string.format('SOBUCKETS %.0f %.0f', buckets, ours))
end
wrong = wrong_type(KEYS[2], 'zset')
if wrong then
  return wrong
end

local quarantine_from, quarantine_until = int(meta[3]), int(meta[4])
local longest = math.max(tonumber(ARGV[1]), DAY_MS)
if meta[2] ~= serving or now < quarantine_from or quarantine_until < quarantine_from
  or quarantine_until - quarantine_from > longest then
  -- Another process, or the clock went back: it may have forgotten. Or these
  -- instants are none of ours, and one that is never over would be the end.
  quarantine_from, quarantine_until = now, now + ARGV[1]
  meta_changed = true
elseif now < quarantine_until and quarantine_from + ARGV[1] > quarantine_until then
  -- A node with longer leases than the one that noticed the change.
  quarantine_until = quarantine_from + ARGV[1]
  meta_changed = true
end

local function commit()
  if meta_changed then
    call('HSET', KEYS[1], 'ver', VERSION, 'rid', serving, 'qs', quarantine_from,
      'q', quarantine_until, 'buckets', buckets)
  end
end

local out = { now_us, serving, quarantine_until }

