-- Cancels active runs. Port of `machine::cancel`.
--
-- KEYS  4 trail   5.. for each run: record of its unit; then for each lane: record of its unit, its requests
-- ARGV  4.. for each run: its token, by whom and why it is cancelled in one text, by whom, and why
-- Returns the head, then for each run CANCELLING or GONE

local last = 4 + (#ARGV - 5) / VALUES
wrong = check_trail(KEYS[4])
if wrong then
  return wrong
end
for i = 5, last do
  local r, err = load(KEYS[i])
  if not r then
    return err
  end
end
commit()

local n = #out
for i = 5, last do
  local key, a = KEYS[i], 4 + (i - 5) * VALUES
  local r = load(key)
  n = n + 1
  if r.running and r.rtok == tonumber(ARGV[a]) then
    local why = ARGV[a] .. ' ' .. ARGV[a + 1]
    -- A repetition has no entry of its own.
    if not r.stop or call('HMGET', key, 'why')[1] ~= why then
      enter_trail(KEYS[4], 'cancel', string.match(unit_of(key), '^[^~!]*'), ARGV[a + 2], ARGV[a + 3], '', '0', '0',
        ARGV[a], '0')
    end
    r.stop = true
    call('HSET', key, 'st', 'stop', 'why', why)
    out[n] = CANCELLING
  else
    out[n] = GONE
  end
end
return out
