-- Records runs as lost that the caller saw stand still for a whole lease of
-- its own clock. Port of `protocol::write_off`.
--
-- KEYS  3.. for each run: its unit's record, its unit's ledger
-- ARGV  4.. for each run: nonce, seq
-- Returns the head, then for each run 0 (lost), 1 (changed) or 2 (quarantined)

for i = 3, #KEYS, 2 do
  local r, err = load(KEYS[i])
  if not r then
    return err
  end
  wrong = wrong_type(KEYS[i + 1], 'stream')
  if wrong then
    return wrong
  end
end
commit()

local over, n = {}, #out
for i = 3, #KEYS, 2 do
  local key, a = KEYS[i], 4 + (i - 3)
  local r = load(key)
  n = n + 1
  if now < quarantine_until then
    out[n] = 2
  elseif not r.running or r.non ~= ARGV[a] or r.seq ~= tonumber(ARGV[a + 1]) or r.until_ > now then
    out[n] = 1
  else
    local v = call('HMGET', key, 'tick', 'own', 'att', 'at')
    local tick = int(v[1])
    -- The old run is refused from now on: it is older than what is stored.
    r.running, r.non, r.tok = false, '', r.tok + 1
    call('HSET', key, 'st', 'idle', 'non', '', 'tok', r.tok)
    ledger_line(KEYS[i + 1], tick, tick, 1, 'lost',
      'no sign of life for a whole lease, seen by ' .. name, v[2] or '', r.rtok, int(v[3]),
      int(v[4]), now, '')
    over[#over + 1] = unit_of(key)
    out[n] = 0
  end
end
if #over > 0 then
  call('ZREM', KEYS[2], unpack(over))
end
return out
