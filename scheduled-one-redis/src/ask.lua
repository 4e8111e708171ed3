-- Lets requests wait in the lanes of their units. Port of `machine::ask`.
--
-- KEYS  4 asked: ticks by unit and id   5 asks: the same by tick   6 trail   7.. for each request: record of its unit,
--       record of the lane, requests of the lane
-- ARGV  4.. for each request: its id, and the request, a map in MessagePack: see take.lua
-- Returns the head, then for each request QUEUED or KNOWN and its tick, or FULL

wrong = wrong_type(KEYS[4], 'hash') or wrong_type(KEYS[5], 'zset') or check_trail(KEYS[6])
if wrong then
  return wrong
end
fields[16], fields[17], fields[18] = 'q', 'sch', 'ask'
for i = 7, #KEYS, 3 do
  local r, err = load(KEYS[i])
  if r then
    r, err = load(KEYS[i + 1])
  end
  if not r then
    return err
  end
end
commit()

local n = #out
-- Requests of a backfill have no entries: it has one of its own.
local ACTIONS = { manual = 'run', rerun = 'rerun' }
local function enter_ask(key, text)
  local q = cmsgpack.unpack(text)
  if ACTIONS[q.cause] then
    enter_trail(KEYS[6], ACTIONS[q.cause], unit_of(key), q.actor, q.note, q.id, '0', '0', '0',
      string.format('%.0f', q.logical))
  end
end

for i = 7, #KEYS, 3 do
  local key, lane_key, a = KEYS[i], KEYS[i + 1], 4 + (i - 7) / 3 * VALUES
  local r, lane = load(key), load(lane_key)
  local known = tick_of(KEYS[4], key, ARGV[a])
  local _, waiting = string.gsub(lane.wait, '[^,]+', '')
  n = n + 1
  if known then
    out[n], out[n + 1] = KNOWN, int(known)
    n = n + 1
  elseif waiting >= MAX_WAITING_REQUESTS then
    out[n] = FULL
  else
    enter_ask(key, ARGV[a + 1])
    local tick = math.max(now, lane.hwm + 1)
    local tick_s, one = string.format('%.0f', tick), waits(tick, 1, 0)
    lane.hwm, lane.wait, r.ask = tick, lane.wait == '' and one or lane.wait .. ',' .. one, true
    call('HSET', lane_key, 'hwm', tick_s, 'wait', lane.wait)
    bring_lane(key)
    call('HSET', KEYS[i + 2], tick_s, ARGV[a + 1])
    know(KEYS[4], KEYS[5], key, ARGV[a], tick_s)
    changed[#changed + 1] = lane_key
    out[n], out[n + 1] = QUEUED, tick
    n = n + 1
  end
end
forget_oldest(KEYS[4], KEYS[5])
settle()
return out
