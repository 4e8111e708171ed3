-- Takes back what was decided ahead of the clock of Redis, for all units of a namespace; an operator pastes it. It is
-- no request of the protocol: nodes remember what they saw decided, so it has no effect while they run.
--
-- KEYS  1 due   2 leases
-- ARGV  1 an instant that is surely over, ms
-- Returns how many records were changed.
--
-- Ticks up to now stay decided, so none of them can run a second time. Tokens are not lowered. A run that is active
-- counts as one whose node died. The same rule for stores with SQL is `fields::take_back` of the protocol.
--
-- The text stands in single quotes, and in logs: texts have long brackets, so that nothing needs a backslash.
local clock = redis.call([[TIME]])
local now = math.max(clock[1] * 1000 + math.floor(clock[2] / 1000), ARGV[1])
local prefix = string.sub(KEYS[1], 1, -4) .. [[job:]]
local changed = 0
local function ahead(key, field)
  return (tonumber(redis.call([[HGET]], key, field) or 0) or 0) > now
end
local function take_back(unit)
  local key = prefix .. unit
  if ahead(key, [[hwm]]) then
    redis.call([[HDEL]], key, [[wait]], [[q]], [[sch]])
  elseif not ahead(key, [[until]]) then
    return
  end
  if ahead(key, [[tick]]) then
    redis.call([[HSET]], key, [[rer]], 0)
  end
  for _, field in ipairs({ [[born]], [[hwm]], [[tick]], [[at]], [[until]], [[bt]] }) do
    if ahead(key, field) then
      redis.call([[HSET]], key, field, now)
    end
  end
  redis.call([[ZADD]], KEYS[2], [[XX]], now, unit)
  changed = changed + 1
end
for _, unit in ipairs(redis.call([[ZRANGE]], KEYS[1], 0, -1)) do
  local name, slot = unit, 0
  while redis.call([[EXISTS]], prefix .. name) == 1 do
    take_back(name)
    slot = slot + 1
    name = unit .. [[~]] .. slot
  end
  take_back(unit .. [[!]])
end
return changed
