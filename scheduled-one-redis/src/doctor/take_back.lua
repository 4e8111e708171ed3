-- Takes back what was decided ahead of the clock of Redis, for all units of a namespace; an operator pastes it. It is
-- no request of the protocol: nodes remember what they saw decided, so it has no effect while they run.
--
-- KEYS  1 due   2 leases
-- ARGV  1 an instant that is surely over, ms   2 how far ahead of it a record may be, ms
-- Returns how many records were changed.
--
-- Ticks up to now stay decided, so none of them can run a second time. Tokens are not lowered. A run that is active
-- counts as one whose node died. A lane in which requests wait or run keeps them, and so its ticks, unless those are
-- farther ahead than a record may be. The same rule for stores with SQL is `fields::take_back` of the protocol.
--
-- The text stands in single quotes, and in logs: texts have long brackets, so that nothing needs a backslash.
local clock = redis.call([[TIME]])
local now = math.max(clock[1] * 1000 + math.floor(clock[2] / 1000), ARGV[1])
local prefix = string.sub(KEYS[1], 1, -4) .. [[job:]]
local changed = 0
local function ahead(key, field)
  return (tonumber(redis.call([[HGET]], key, field) or 0) or 0) > now
end
local function to_now(key, fields)
  for _, field in ipairs(fields) do
    if ahead(key, field) then
      redis.call([[HSET]], key, field, now)
    end
  end
end
local function keeps_requests(key)
  local is_open = (redis.call([[HGET]], key, [[wait]]) or [[]]) ~= [[]]
  local state = redis.call([[HGET]], key, [[st]])
  is_open = is_open or state == [[run]] or state == [[stop]]
  return string.sub(key, -1) == [[!]] and is_open and tonumber(redis.call([[HGET]], key, [[hwm]])) <= now + ARGV[2]
end
local function take_back(unit)
  local key = prefix .. unit
  local keeps = ahead(key, [[hwm]]) and keeps_requests(key)
  local is_decided_ahead = ahead(key, [[hwm]]) and not keeps
  if not is_decided_ahead and not ahead(key, [[until]]) then
    return
  end
  if is_decided_ahead then
    redis.call([[HDEL]], key, [[wait]], [[q]], [[sch]])
  end
  if ahead(key, [[tick]]) and not keeps then
    redis.call([[HSET]], key, [[rer]], 0)
  end
  to_now(key, { [[at]], [[until]] })
  if not keeps then
    to_now(key, { [[born]], [[hwm]], [[tick]], [[bt]] })
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
