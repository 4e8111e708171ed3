-- Renews leases. Port of `machine::renew`.
--
-- KEYS  4.. for each renewal: record of its unit; then for each lane: record of its unit, its requests
-- ARGV  4.. for each renewal: nonce, tick, token, attempt, lease, granted at, takeovers, origin, valid until
-- Returns the head, then for each renewal UNTIL, READOPTED or STOP and the end of the lease, or CANCELLED, the end of
--       the lease and why, or LOST or LATE

local last = 3 + (#ARGV - 5) / VALUES
for i = 4, last do
  local r, err = load(KEYS[i])
  err = err or is_lane(KEYS[i]) and wrong_type(own_key(KEYS[i]), 'hash')
  if err then
    return err
  end
end
commit()

local n = #out
for i = 4, last do
  local key, a = KEYS[i], 4 + (i - 4) * VALUES
  local r, nonce = load(key), ARGV[a]
  local token, lease = tonumber(ARGV[a + 2]), tonumber(ARGV[a + 4])
  n = n + 1
  if now > tonumber(ARGV[a + 8]) then
    out[n] = LATE
  elseif holds(r, nonce) then
    r.until_, r.seq = math.max(r.until_, now + lease), r.seq + 1
    -- A store that was rolled back may have forgotten attempts of the run.
    r.att = math.max(r.att, tonumber(ARGV[a + 3]))
    call('HSET', key, 'until', r.until_, 'seq', r.seq, 'att', r.att)
    changed[#changed + 1] = key
    local said = r.stop and call('HMGET', key, 'why')[1]
    local of, why = string.match(said or '', '^(%d+) (.+)$')
    if of and tonumber(of) == r.rtok then
      out[n], out[n + 1], out[n + 2] = CANCELLED, r.until_, why
      n = n + 2
    else
      out[n], out[n + 1] = r.stop and STOP or UNTIL, r.until_
      n = n + 1
    end
  elseif forgot(r, nonce, token) then
    readopt(key, r, true, tonumber(ARGV[a + 3]), a)
    changed[#changed + 1] = key
    out[n], out[n + 1] = READOPTED, r.until_
    n = n + 1
  else
    out[n] = LOST
  end
  end_requests(key, r)
end
settle()
return out
