-- Begins every request, in front of each script except `read_overdue`. Port of `machine::enter`.
--
-- KEYS  1 meta   2 leases   3 ready   (then those of the script)
-- ARGV  1 longest quarantine of a unit of the caller, ms   2 name of the calling node
--       3 most lines of a ledger   (then those of the script)
--       last but one: margin that is added to a lease for a quarantine, ms
--       last: number of buckets that the caller is configured with
-- Provides: name, ledger_limit; unit_from, unit_of; now, now_us; quarantine_from, margin,
--       unit_quarantine, control_version, directs; denied, why nothing may be written, in a script that LOOKS; out,
--       the reply, which begins with its head: now_us, store identity,
--       quarantine_from, quarantine_until, control_version; commit.
--
-- Scripts do not roll back. So each script reads and checks everything first, and writes only from `commit()` on.

local name, ledger_limit = ARGV[2], ARGV[3]

-- The name of the unit whose record is `key`.
local unit_from = #KEYS[1] - #'meta' + #'job:' + 1
local function unit_of(key)
  return sub(key, unit_from)
end

-- A permission that is revoked while jobs run must not stop a script halfway: each repetition would write its ledger
-- lines again. Redis before 7 has no call for this: see `commit`.
-- A script that only looks goes on without writing, for a user who may only read.
local denied = nil
if redis.acl_check_cmd then
  local writes = {
    { 'hset', KEYS[1], 'a', '1' }, { 'zadd', KEYS[2], '1', 'a' }, { 'zrem', KEYS[2], 'a' },
    { 'zremrangebyscore', KEYS[2], '1', '1' }, { 'xadd', KEYS[1], '*', 'a', '1' }, { 'hdel', KEYS[1], 'a' },
  }
  for _, write in ipairs(writes) do
    if not redis.acl_check_cmd(unpack(write)) then
      denied = "NOPERM this user has no permissions to run the '" .. write[1] .. "' command"
      if not LOOKS then
        return redis.error_reply(denied)
      end
    end
  end
end

local replication = call('INFO', 'replication')
if not find(replication, 'role:master', 1, true) then
  return redis.error_reply("READONLY You can't write against a read only replica.")
end
-- The value of a field of INFO, or nothing. To find the field first saves to try the pattern at each character.
local function info(text, field)
  local _, at = find(text, field, 1, true)
  return at and string.match(text, '^%w+', at + 1) or ''
end
local serving = info(call('INFO', 'server'), 'run_id:') .. ':' .. info(replication, 'master_replid:')

local clock = call('TIME')
local now_us = clock[1] * 1000000 + clock[2]
local now = clock[1] * 1000 + floor(clock[2] / 1000)
far = now + MAX_AHEAD_MS

local meta = pcall('HMGET', KEYS[1], 'ver', 'rid', 'qs', 'q', 'buckets', 'cv')
if meta.err then
  return wrong_type(KEYS[1], 'hash') or meta
end
local version = int(meta[1])
if version > VERSION then
  return redis.error_reply(string.format('SONEWER %.0f', version))
end
-- The first request to a namespace sets its number of buckets. A namespace from before the number was stored has one
-- bucket.
local ours, buckets = tonumber(ARGV[#ARGV]), int(meta[5])
local meta_changed = version == 0 or buckets == 0
local stored_version = version == 0 and FIRST_VERSION or version
-- Changes with each change of a directive; 0 before the first.
local control_version = int(meta[6])
-- Whether there may be directives, also if somebody deleted their version.
local directs = control_version > 0 or version >= CONTROL_VERSION
if buckets == 0 then
  -- A damaged value counts as none: the caller sets the number again.
  buckets = (version == 0 or meta[5]) and ours or 1
end
if buckets ~= ours or ours == 0 then
  return redis.error_reply(string.format('SOBUCKETS %.0f %.0f', buckets, ours))
end
wrong = wrong_type(KEYS[2], 'zset')
if wrong then
  return wrong
end

local quarantine_from, quarantine_until = int(meta[3]), int(meta[4])
local longest_of_caller, margin = tonumber(ARGV[1]), tonumber(ARGV[#ARGV - 1])
local longest = math.max(longest_of_caller, MAX_QUARANTINE_MS)
if meta[2] ~= serving or now < quarantine_from or quarantine_until < quarantine_from
  or quarantine_until - quarantine_from > longest then
  -- The store identity changed or the clock went back: decisions may be lost. Or no script stored these instants, and
  -- the quarantine they describe might never end.
  quarantine_from, quarantine_until = now, now + longest_of_caller
  meta_changed = true
elseif now < quarantine_from + longest_of_caller
  and quarantine_from + longest_of_caller > quarantine_until then
  -- The caller has longer leases than the node that began the quarantine.
  quarantine_until = quarantine_from + longest_of_caller
  meta_changed = true
end

-- The end of the quarantine of a unit whose runs have this lease: until then, a forgotten run of the unit may be
-- active. `stated` is the end that registrations have stored in the record. 0 if there was no quarantine.
local function unit_quarantine(lease, stated)
  if quarantine_from == 0 then
    return 0
  end
  local own = quarantine_from + math.min(lease + margin, longest_of_caller)
  -- No registration stores a later end: somebody edited it, and it might never come.
  return stated <= quarantine_from + MAX_QUARANTINE_MS and math.max(own, stated) or own
end

local function commit()
  if denied then
    return
  end
  if not redis.acl_check_cmd then
    -- Calls of all commands that write, without an effect: a right that is missing ends the script here. `meta` is
    -- written again unchanged, because no call of HSET is without an effect.
    call('ZADD', KEYS[2], 'XX', 1, '')
    call('ZREM', KEYS[2], '')
    call('ZREMRANGEBYSCORE', KEYS[2], 1, 0)
    call('HDEL', KEYS[1], '')
    -- `meta` is no stream, and a script may use no key that is not in KEYS.
    local tried = pcall('XADD', KEYS[1], 'NOMKSTREAM', '*', 'a', 1)
    if tried and tried.err and not string.find(tried.err, 'WRONGTYPE', 1, true) then
      call('XADD', KEYS[1], 'NOMKSTREAM', '*', 'a', 1)
    end
    meta_changed = true
  end
  if meta_changed then
    call('HSET', KEYS[1], 'ver', stored_version, 'rid', serving, 'qs', quarantine_from,
      'q', quarantine_until, 'buckets', buckets)
  end
end

local out = { now_us, serving, quarantine_from, quarantine_until, control_version }

