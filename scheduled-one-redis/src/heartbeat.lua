-- The heartbeat of a node. Port of `machine::heartbeat`.
--
-- KEYS  4 nodes   5 members   6 lists   7 due   8 load
-- ARGV  4 node   5 alive or leaving   6 ms without a heartbeat after which a node is gone
--       7 most units to name   8 digest of the node's jobs   9 their names, or nothing
--       10 version of the membership that the node has seen   11 wanted digest, or nothing
--       12 ms without a heartbeat after which a node is suspect
--       13 ms after which a tick counts as unclaimed   14 labels of the node, a comma in front of each
--       15 its load: active runs, and LOAD_STEP if it is busy, twice that if it is full; see `members` and `load`
--       16 1 if the node asks for the runs of all nodes, else 0
--       17 its wall clock minus the clock of the store, ms, or nothing
-- Returns the head; version of the membership; -1, or number of the living nodes and for each its
--       name in the cluster, digest, labels and name in one text, and its 17; number and names of the
--       suspects, of the busy nodes and of the full ones; active runs of all nodes, -1 without 16;
--       1 if the store has the list of the node's jobs, else 0; the wanted list, or nothing; number
--       and names of the units with a tick that waits and can start; the same of those with a tick
--       that nobody claims; then the names of the units whose renewal is overdue, oldest first: see
--       read_overdue.lua

wrong = wrong_type(KEYS[3], 'zset') or wrong_type(KEYS[4], 'zset') or wrong_type(KEYS[5], 'hash')
  or wrong_type(KEYS[6], 'hash') or wrong_type(KEYS[7], 'zset') or wrong_type(KEYS[8], 'zset')
if wrong then
  return wrong
end
local node, is_alive = ARGV[4], ARGV[5] == 'alive'
if denied and is_alive then
  return redis.error_reply(denied)
end
commit()

local gone = 0
if not denied then
  gone = call('ZREMRANGEBYSCORE', KEYS[4], '-inf', string.format('(%.0f', now - ARGV[6]))
  -- Heartbeats in the future: the clock went back, or the key was edited.
  gone = gone + call('ZREMRANGEBYSCORE', KEYS[4], string.format('(%.0f', now + ARGV[6]), '+inf')
end
local stored = call('HMGET', KEYS[1], 'mv', 'mr')
local version = int(stored[1])
-- Active runs of all nodes. Kept as a sum, so that no heartbeat reads the runs of each node.
local running, running_before = int(stored[2]), int(stored[2])
local has_changed = not denied and (gone > 0 or version == 0)
if is_alive then
  local member = ARGV[8] .. ARGV[14] .. ' ' .. name
  local mine = ARGV[15] % LOAD_STEP
  if ARGV[15] - mine > 0 then
    call('ZADD', KEYS[8], string.format('%.0f', ARGV[15] - mine), node)
  else
    call('ZREM', KEYS[8], node)
  end
  local before = call('HMGET', KEYS[5], node, node .. ' running', node .. ' offset')
  if int(before[2]) ~= mine then
    call('HSET', KEYS[5], node .. ' running', string.format('%.0f', mine))
    running = math.max(running + mine - int(before[2]), 0)
  end
  -- Scripts of older releases remove it when a node comes or goes.
  if (before[3] or '') ~= ARGV[17] then
    if ARGV[17] == '' then
      call('HDEL', KEYS[5], node .. ' offset')
    else
      call('HSET', KEYS[5], node .. ' offset', ARGV[17])
    end
  end
  if call('ZADD', KEYS[4], now, node) == 1 or before[1] ~= member then
    call('HSET', KEYS[5], node, member)
    has_changed = true
  end
elseif not denied and call('ZREM', KEYS[4], node) == 1 then
  has_changed = true
end

local living = nil
if has_changed then
  version = math.max(now_us, version + 1)
  call('HSET', KEYS[1], 'mv', string.format('%.0f', version))
  -- Forgets what belongs to no living node.
  living = call('ZRANGEBYSCORE', KEYS[4], '-inf', '+inf')
  local lives, used = {}, {}
  for _, it in ipairs(living) do
    lives[it] = true
  end
  local members = call('HGETALL', KEYS[5])
  running = 0
  for i = 1, #members, 2 do
    local runs_of = string.match(members[i], '^(.*) running$')
    local offset_of = string.match(members[i], '^(.*) offset$')
    if not lives[runs_of or offset_of or members[i]] then
      call('HDEL', KEYS[5], members[i])
    elseif runs_of then
      running = running + int(members[i + 1])
    elseif not offset_of then
      used[sub(members[i + 1], 1, #ARGV[8])] = true
    end
  end
  for _, it in ipairs(call('ZRANGEBYSCORE', KEYS[8], '-inf', '+inf')) do
    if not lives[it] then
      call('ZREM', KEYS[8], it)
    end
  end
  for _, digest in ipairs(call('HKEYS', KEYS[6])) do
    if not used[digest] then
      call('HDEL', KEYS[6], digest)
    end
  end
end
if running ~= running_before then
  call('HSET', KEYS[1], 'mr', string.format('%.0f', running))
end
if is_alive and ARGV[9] ~= '' then
  call('HSET', KEYS[6], ARGV[8], ARGV[9])
end

local n = #out
local function reply(names)
  for i, it in ipairs(names) do
    out[n + i] = it
  end
  n = n + #names
end

-- The names that may be those of units. Other members are removed from the set: they would take the place of units.
local function units(set, found)
  local kept = {}
  for _, unit in ipairs(found) do
    local job, rest = string.match(unit, '^(%$?[%w_.:/-]+)(.*)$')
    local place = rest and (string.match(rest, '^#%d+(.*)$') or rest)
    local is_place = place == '' or place == '!' or place and string.match(place, '^~%d+$')
    if job and #unit <= MAX_UNIT_BYTES and is_place then
      kept[#kept + 1] = unit
    elseif not denied then
      call('ZREM', set, unit)
    end
  end
  return kept
end

local function count_and_names(names)
  n = n + 1
  out[n] = #names
  reply(names)
end

reply({ version })
if tonumber(ARGV[10]) == version then
  reply({ -1 })
else
  living = living or call('ZRANGEBYSCORE', KEYS[4], string.format('%.0f', now - ARGV[6]), '+inf')
  reply({ #living })
  for first = 1, #living, FIELDS_AT_ONCE / 2 do
    local some = {}
    for i = first, math.min(first + FIELDS_AT_ONCE / 2 - 1, #living) do
      some[#some + 1] = living[i]
      some[#some + 1] = living[i] .. ' offset'
    end
    local found = call('HMGET', KEYS[5], unpack(some))
    for i = 1, #some, 2 do
      reply({ some[i], found[i] or '', found[i + 1] or '' })
    end
  end
end
count_and_names(call('ZRANGEBYSCORE', KEYS[4], '-inf', string.format('(%.0f', now - ARGV[12])))
count_and_names(call('ZRANGEBYSCORE', KEYS[8], LOAD_STEP, string.format('(%.0f', 2 * LOAD_STEP)))
count_and_names(call('ZRANGEBYSCORE', KEYS[8], 2 * LOAD_STEP, '+inf'))
reply({ ARGV[16] == '1' and running or -1 })
reply({ call('HEXISTS', KEYS[6], ARGV[8]), ARGV[11] ~= '' and call('HMGET', KEYS[6], ARGV[11])[1] or '' })
-- Units of a set up to a score. With more units than may be named, every batch is named in turn, even behind units of
-- jobs that no node has: the next one a second later, or to who asks again after ASK_AGAIN_MS.
local most = tonumber(ARGV[7])
local turn = floor(now / 1000) + floor(now % 1000 / ASK_AGAIN_MS)
local function in_turn(set, score)
  local found = call('ZRANGEBYSCORE', set, '-inf', score, 'LIMIT', 0, most)
  if #found == most then
    local all = call('ZRANGEBYSCORE', set, '-inf', score, 'LIMIT', 0, MAX_READY)
    local from = turn % math.ceil(#all / most) * most
    found = { unpack(all, from + 1, math.min(from + most, #all)) }
  end
  return units(set, found)
end

count_and_names(in_turn(KEYS[3], '+inf'))
count_and_names(in_turn(KEYS[7], now - ARGV[13]))
reply(units(KEYS[2], call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, most)))
return out
