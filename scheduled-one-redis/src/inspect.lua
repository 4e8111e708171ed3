-- Reads the status of units. Writes nothing.
--
-- KEYS  4.. for each unit: its record; then for each lane: record of its unit, its requests
-- ARGV  4 number of units
-- Returns the head, then for each unit: born, hwm, token, tick and attempt of the newest start;
--       the schedule that decides; RUNNING and tick and token of the run, or IDLE; number of waiting ticks, and each
--       of them

wrong = wrong_type(KEYS[3], 'zset')
if wrong then
  return wrong
end
fields[16], fields[17] = 'q', 'sch'
local last = 3 + tonumber(ARGV[4])
for i = 4, last do
  local r, err = load(KEYS[i])
  if r then
    r, err = load_shown(KEYS[i], r)
  end
  if not r then
    return err
  end
end
commit()

local n = #out
local function reply(value)
  n = n + 1
  out[n] = value
end

for i = 4, last do
  local r = load(KEYS[i])
  reply(r.born)
  reply(r.hwm)
  reply(r.tok)
  local start_tick, start_attempt = last_start(r)
  reply(start_tick)
  reply(start_attempt)
  reply(schedule_of(r.sch) and r.sch or '')
  if r.running then
    reply(RUNNING)
    reply(r.tick)
    reply(r.rtok)
  else
    reply(IDLE)
  end
  n = n + 1
  local count, waiting = n, 0
  for tick in string.gmatch(r.wait, '(-?%d+):%d+:%d+') do
    reply(int(tick))
    waiting = waiting + 1
  end
  out[count] = waiting
end
return out
