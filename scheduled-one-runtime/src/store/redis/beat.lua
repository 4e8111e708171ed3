-- A node's sign of life.
--
-- KEYS  4 nodes
-- ARGV  4 node   5 alive or leaving   6 a node is gone after so many ms
--       7 how many units to name, at most
-- Returns the head; how many nodes beat lately, and each of them; in how many
--       units something waits and can start, and each of them, by name; then
--       the units whose renewal is overdue, oldest first: see look.lua

wrong = wrong_type(KEYS[3], 'zset') or wrong_type(KEYS[4], 'zset')
if wrong then
  return wrong
end
commit()

call('ZREMRANGEBYSCORE', KEYS[4], '-inf', string.format('(%.0f', now - ARGV[6]))
if ARGV[5] == 'alive' then
  call('ZADD', KEYS[4], now, ARGV[4])
else
  call('ZREM', KEYS[4], ARGV[4])
end

local n = #out
local function tell(names)
  for i, it in ipairs(names) do
    out[n + i] = it
  end
  n = n + #names
end

local nodes = call('ZRANGEBYSCORE', KEYS[4], '-inf', '+inf')
n = n + 1
out[n] = #nodes
tell(nodes)
local ready = call('ZRANGEBYSCORE', KEYS[3], '-inf', '+inf', 'LIMIT', 0, ARGV[7])
n = n + 1
out[n] = #ready
tell(ready)
tell(call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[7]))
return out
