-- Writes off runs that the caller observed unchanged for nine tenths of their leases: records them as lost, or queues
-- their takeover. Port of `machine::write_off`.
--
-- KEYS  4.. for each run: record of its unit, ledger of its job; then for each lane: record of its unit, its requests
-- ARGV  4.. for each run: nonce, seq
-- Returns the head, then for each run LOST, CHANGED, QUARANTINED or TAKEN_OVER

fields[16] = 'q'
local last = 3 + 2 * (#ARGV - 5) / VALUES
for i = 4, last, 2 do
  local r, err = load(KEYS[i])
  if r then
    r, err = load_shown(KEYS[i], r)
  end
  if not r then
    return err
  end
  wrong = wrong_type(KEYS[i + 1], 'stream')
  if wrong then
    return wrong
  end
end
commit()

local n = #out
for i = 4, last, 2 do
  local key, a = KEYS[i], 4 + (i - 4) / 2 * VALUES
  local r = load(key)
  n = n + 1
  if now < unit_quarantine(r.lease, r.q) then
    out[n] = QUARANTINED
  elseif not r.running or r.non ~= ARGV[a] or r.seq ~= tonumber(ARGV[a + 1]) or r.until_ > now then
    out[n] = CHANGED
  else
    local tick, reruns = r.tick, r.rer
    -- No takeover of a run that was cancelled for a newer tick, nor of one that a later tick has followed: then the
    -- record was rolled back to before the end of the run.
    local start_tick, start_attempt = last_start(r)
    -- A takeover that a rollback of the record lost was one, too.
    if start_tick == tick then
      reruns = math.max(0, reruns - math.max(0, start_attempt - r.att))
    end
    local taken_over = reruns > 0 and not r.stop and start_tick <= tick
    if taken_over then
      local next_one = waits(tick, start_attempt + 1, reruns - 1)
      r.wait = r.wait == '' and next_one or next_one .. ',' .. r.wait
    end
    -- The old run is refused from now on: its token is lower than the stored one.
    r.running, r.non, r.tok = false, '', r.tok + 1
    call('HSET', key, 'st', 'idle', 'non', '', 'tok', r.tok, 'wait', r.wait)
    changed[#changed + 1] = key
    local from = origin_of(r.org)
    tick = from and from.logical or tick
    ledger_line(KEYS[i + 1], key, taken_over, tick, tick, 1, taken_over and OUTCOME_TAKEN_OVER or OUTCOME_LOST,
      'no sign of life, seen by ' .. name, r.own, r.rtok, r.att,
      r.at, now, '', nil, from)
    end_requests(key, r)
    out[n] = taken_over and TAKEN_OVER or LOST
  end
end
settle()
return unwritten or out
