-- Extends leases. Port of `protocol::renew`.
--
-- KEYS  4.. for each renewal: its unit's record
-- ARGV  4.. for each renewal: nonce, tick, token, attempt, lease, granted at,
--       reruns, valid until
-- Returns the head, then for each renewal 0 (renewed), 1 (readopted) or 4 (to
--       stop) and until; 2 (lost) or 3 (late)

for i = 4, #KEYS do
  local r, err = load(KEYS[i])
  if not r then
    return err
  end
end
commit()

local n = #out
for i = 4, #KEYS do
  local key, a = KEYS[i], 4 + (i - 4) * 8
  local r, nonce = load(key), ARGV[a]
  local token, lease = tonumber(ARGV[a + 2]), tonumber(ARGV[a + 4])
  n = n + 1
  if now > tonumber(ARGV[a + 7]) then
    out[n] = 3
  elseif holds(r, nonce) then
    r.until_, r.seq = math.max(r.until_, now + lease), r.seq + 1
    -- A store that was rolled back may have forgotten attempts of the run.
    r.att = math.max(r.att, tonumber(ARGV[a + 3]))
    call('HSET', key, 'until', r.until_, 'seq', r.seq, 'att', r.att)
    changed[#changed + 1] = key
    out[n], out[n + 1] = r.stop and 4 or 0, r.until_
    n = n + 1
  elseif forgot(r, nonce, token) then
    readopt(key, r, true, tonumber(ARGV[a + 3]), a)
    changed[#changed + 1] = key
    out[n], out[n + 1] = 1, r.until_
    n = n + 1
  else
    out[n] = 2
  end
end
settle()
return out
