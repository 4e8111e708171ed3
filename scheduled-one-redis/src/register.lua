-- Registers units with their lower bounds. Port of `machine::register`.
--
-- KEYS  4.. for each unit: its record
-- ARGV  4.. for each unit: first seen, lower bounds of hwm and token, tick and attempt of the
--       newest start that the caller observed, lease
-- Returns the head, then for each unit: born, hwm, token, tick and attempt of the newest start

for i = 4, #KEYS do
  local r, err = load(KEYS[i])
  if not r then
    return err
  end
end
commit()

-- In a quarantine, the unit waits until runs with this lease are surely over, and runs with the lease of the last run
-- that the record has: perhaps the lease of another release, and longer than all leases of the caller.
local function state_lease(key, r, lease)
  local recorded = r.lease > 0 and math.min(r.lease + margin, MAX_QUARANTINE_MS) or 0
  local stated = quarantine_from + math.max(math.min(lease + margin, longest_of_caller), recorded)
  if quarantine_from > 0 and now < stated and stated > r.q then
    r.q = stated
    call('HSET', key, 'q', stated)
  end
end

local n = #out
for i = 4, #KEYS do
  local key, a = KEYS[i], 4 + (i - 4) * VALUES
  local r = load(key)
  state_lease(key, r, tonumber(ARGV[a + 5]))
  -- A tick that started was decided.
  local hwm = math.max(r.hwm, tonumber(ARGV[a + 1]), tonumber(ARGV[a + 3]))
  local tok = math.max(r.tok, tonumber(ARGV[a + 2]))
  local born, seen = r.born, math.min(tonumber(ARGV[a]), now)
  if born == 0 or seen < born then
    born = seen
  end
  if born ~= r.born or hwm ~= r.hwm or tok ~= r.tok then
    r.born, r.hwm, r.tok = born, hwm, tok
    call('HSET', key, 'born', born, 'hwm', hwm, 'tok', tok)
  end
  local tick, attempt = tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
  if raise_started(key, r, tick, attempt) and r.waited then
    changed[#changed + 1] = key
  end
  out[n + 1], out[n + 2], out[n + 3] = born, hwm, tok
  out[n + 4], out[n + 5] = last_start(r)
  n = n + 5
end
settle()
return out
