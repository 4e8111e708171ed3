-- Extends leases. Port of `protocol::renew`.
--
-- KEYS  3.. for each renewal: its unit's record
-- ARGV  4.. for each renewal: nonce, tick, token, attempt, lease, granted at,
--       valid until
-- Returns the head, then for each renewal 0 (renewed) and until, 1 (readopted)
--       and until, 2 (lost) or 3 (late)

for i = 3, #KEYS do
  local r, err = load(KEYS[i])
  if not r then
    return err
  end
end
commit()

local leases = {}
local function extend(key, r)
  local m = #leases
  leases[m + 1], leases[m + 2] = overdue_at(r.until_, r.lease), unit_of(key)
  return r.until_
end

local n = #out
for i = 3, #KEYS do
  local key, a = KEYS[i], 4 + (i - 3) * 7
  local r, nonce = load(key), ARGV[a]
  local token, lease = tonumber(ARGV[a + 2]), tonumber(ARGV[a + 4])
  n = n + 1
  if now > tonumber(ARGV[a + 6]) then
    out[n] = 3
  elseif holds(r, nonce) then
    r.until_, r.seq = math.max(r.until_, now + lease), r.seq + 1
    call('HSET', key, 'until', r.until_, 'seq', r.seq)
    out[n], out[n + 1] = 0, extend(key, r)
    n = n + 1
  elseif forgot(r, nonce, token) then
    readopt(key, r, 'run', nonce, tonumber(ARGV[a + 1]), token, tonumber(ARGV[a + 3]), lease,
      tonumber(ARGV[a + 5]))
    out[n], out[n + 1] = 1, extend(key, r)
    n = n + 1
  else
    out[n] = 2
  end
end
if #leases > 0 then
  call('ZADD', KEYS[2], unpack(leases))
end
return out
