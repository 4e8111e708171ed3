-- A node's sign of life.
--
-- KEYS  4 nodes
-- ARGV  4 node   5 alive or leaving   6 a node is gone after so many ms
--       7 how many units to name, at most
-- Returns the head; how many nodes are alive, and each of them; in how many
--       units something waits and can start, and each of them, by name; then
--       the units whose renewal is overdue, oldest first: see read_overdue.lua

wrong = wrong_type(KEYS[3], 'zset') or wrong_type(KEYS[4], 'zset')
if wrong then
  return wrong
end
commit()

call('ZREMRANGEBYSCORE', KEYS[4], '-inf', string.format('(%.0f', now - ARGV[6]))
-- Beats of the future: the clock went back, or somebody made them up.
call('ZREMRANGEBYSCORE', KEYS[4], string.format('(%.0f', now + ARGV[6]), '+inf')
if ARGV[5] == 'alive' then
  call('ZADD', KEYS[4], now, ARGV[4])
else
  call('ZREM', KEYS[4], ARGV[4])
end

local n = #out
local function reply(names)
  for i, it in ipairs(names) do
    out[n + i] = it
  end
  n = n + #names
end

-- The names that can be those of units. What else stands in a set is taken out:
-- it would hide what stands behind it.
local function units(set, found)
  local kept = {}
  for _, unit in ipairs(found) do
    local job, rest = string.match(unit, '^([%w_.:/-]+)(.*)$')
    local place = rest and (string.match(rest, '^#%d+(.*)$') or rest)
    if job and #unit <= MAX_UNIT_BYTES and (place == '' or string.match(place, '^~%d+$')) then
      kept[#kept + 1] = unit
    else
      call('ZREM', set, unit)
    end
  end
  return kept
end

local nodes = call('ZRANGEBYSCORE', KEYS[4], '-inf', '+inf')
n = n + 1
out[n] = #nodes
reply(nodes)
-- If there are more than may be named, each heartbeat names others: whatever is in
-- front, perhaps of jobs that no node has, what is behind it has its turn.
local most = tonumber(ARGV[7])
local ready = call('ZRANGEBYSCORE', KEYS[3], '-inf', '+inf', 'LIMIT', 0, most)
if #ready == most then
  local all = call('ZRANGEBYSCORE', KEYS[3], '-inf', '+inf', 'LIMIT', 0, MAX_READY)
  local from = floor(now / 1000) * most % #all
  ready = { unpack(all, from + 1, math.min(from + most, #all)) }
end
ready = units(KEYS[3], ready)
n = n + 1
out[n] = #ready
reply(ready)
reply(units(KEYS[2], call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, most)))
return out
