-- Start of every script of the protocol; textually in front of each. Port of
-- `protocol::enter`, and the helpers that the scripts share.
--
-- KEYS  1 meta   2 leases   3 ready   (then those of the script)
-- ARGV  1 quarantine ms   2 name of the calling node   3 lines a ledger keeps
--       (then those of the script)
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
local name, ledger_limit = ARGV[2], ARGV[3]

-- A stored integer. What is none (somebody edited the record) counts as 0.
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
local NOTHING = {}
local function ledger_line(log, key, retried, tick, last, n, out, why, node, tok, att, fired, ended,
    err)
  local more = NOTHING
  if string.find(key, '#', unit_from, true) then
    more = { 'unit', string.match(unit_of(key), '^[^~]*') }
  end
  if retried then
    more = { 'retried', 1, unpack(more) }
  end
  call('XADD', log, 'MAXLEN', '=', ledger_limit, '*', 'tick', tick, 'last', last, 'n', n,
    'out', out, 'why', why, 'node', node, 'tok', tok, 'att', att, 'fired', fired,
    'ended', ended, 'err', err, unpack(more))
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

local meta = pcall('HMGET', KEYS[1], 'ver', 'rid', 'qs', 'q')
if meta.err then
  return wrong_type(KEYS[1], 'hash') or meta
end
local version = int(meta[1])
if version > VERSION then
  return redis.error_reply(string.format('SONEWER %.0f', version))
end
local wrong = wrong_type(KEYS[2], 'zset')
if wrong then
  return wrong
end

local quarantine_from, quarantine_until = int(meta[3]), int(meta[4])
local meta_changed = version ~= VERSION
if meta[2] ~= serving or now < quarantine_from then
  -- Another process, or the clock went back: it may have forgotten.
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
      'q', quarantine_until)
  end
end

local out = { now_us, serving, quarantine_until }

