-- Makes units known, and the store know what the caller saw. Port of
-- `protocol::enroll`.
--
-- KEYS  4.. for each unit: its record
-- ARGV  4.. for each unit: first seen, floor hwm, floor token
-- Returns the head, then for each unit: born, hwm, token

for i = 4, #KEYS do
  local r, err = load(KEYS[i])
  if not r then
    return err
  end
end
commit()

local n = #out
for i = 4, #KEYS do
  local key, a = KEYS[i], 4 + (i - 4) * 3
  local r = load(key)
  local hwm = math.max(r.hwm, tonumber(ARGV[a + 1]))
  local tok = math.max(r.tok, tonumber(ARGV[a + 2]))
  local born, seen = r.born, math.min(tonumber(ARGV[a]), now)
  if born == 0 or seen < born then
    born = seen
  end
  if born ~= r.born or hwm ~= r.hwm or tok ~= r.tok then
    r.born, r.hwm, r.tok = born, hwm, tok
    call('HSET', key, 'born', born, 'hwm', hwm, 'tok', tok)
  end
  out[n + 1], out[n + 2], out[n + 3] = born, hwm, tok
  n = n + 3
end
return out
