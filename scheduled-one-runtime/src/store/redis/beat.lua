-- A node's sign of life.
--
-- KEYS  3 nodes
-- ARGV  4 node   5 alive or leaving   6 a node is gone after so many ms
--       7 how many overdue units to name
-- Returns the head, then how many nodes beat lately, then the units whose
--       renewal is overdue, oldest first: see look.lua

wrong = wrong_type(KEYS[3], 'zset')
if wrong then
  return wrong
end
commit()

call('ZREMRANGEBYSCORE', KEYS[3], '-inf', string.format('(%.0f', now - ARGV[6]))
if ARGV[5] == 'alive' then
  call('ZADD', KEYS[3], now, ARGV[4])
else
  call('ZREM', KEYS[3], ARGV[4])
end
out[4] = call('ZCARD', KEYS[3])
for i, unit in ipairs(call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[7])) do
  out[4 + i] = unit
end
return out
