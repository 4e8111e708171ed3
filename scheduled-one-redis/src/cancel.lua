-- Cancels active runs. Port of `machine::cancel`.
--
-- KEYS  4.. for each run: record of its unit; then for each lane: record of its unit, its requests
-- ARGV  4.. for each run: its token, and by whom and why it is cancelled
-- Returns the head, then for each run CANCELLING or GONE

local last = 3 + (#ARGV - 5) / VALUES
for i = 4, last do
  local r, err = load(KEYS[i])
  if not r then
    return err
  end
end
commit()

local n = #out
for i = 4, last do
  local key, a = KEYS[i], 4 + (i - 4) * VALUES
  local r = load(key)
  n = n + 1
  if r.running and r.rtok == tonumber(ARGV[a]) then
    r.stop = true
    call('HSET', key, 'st', 'stop', 'why', ARGV[a] .. ' ' .. ARGV[a + 1])
    out[n] = CANCELLING
  else
    out[n] = GONE
  end
end
return out
