-- Ends runs or attempts of them, and records their outcomes. Port of `machine::finish`.
--
-- KEYS  4.. for each run: record of its unit, ledger of its job; then for each lane: record of its unit, its requests
-- ARGV  4.. for each run: nonce, tick, token, attempt, lease, granted at, takeovers, origin,
--       outcome, reason, error, fired at, ended at, retried: 0 or 1
-- Returns the head, then for each run RECORDED or REFUSED. READY is added if a tick waits in the
--       unit and can start.

local last = 3 + 2 * (#ARGV - 5) / VALUES
for i = 4, last, 2 do
  local r, err = load(KEYS[i])
  err = err or is_lane(KEYS[i]) and wrong_type(own_key(KEYS[i]), 'hash') or wrong_type(KEYS[i + 1], 'stream')
  if err then
    return err
  end
end
commit()

-- Ends the run or the attempt. Returns the outcome and its reason. A run that reports its end is over, whatever the
-- record has.
local function finished(key, r, a)
  local nonce, attempt = ARGV[a], naturals[ARGV[a + 3]]
  local outcome, why = ARGV[a + 8], ARGV[a + 9]
  local good = holds(r, nonce)
  local back = not good and forgot(r, nonce, tonumber(ARGV[a + 2]))
  if not good and not back and outcome ~= OUTCOME_WITHOUT_LEASE then
    outcome, why = OUTCOME_WITHOUT_LEASE, 'reported ' .. outcome .. ' after its lease'
  end
  local goes_on = ARGV[a + 13] == '1' and outcome ~= OUTCOME_WITHOUT_LEASE
  -- The end is stored with the nonce, so that a repetition is recognized when another run has begun.
  if not goes_on then
    r.done = nonce
  end
  if back then
    readopt(key, r, goes_on, goes_on and attempt + 1 or attempt, a)
  elseif r.non == nonce then
    -- A store that was rolled back may have forgotten attempts of the run.
    local att = math.max(r.att, attempt) + (goes_on and 1 or 0)
    if att ~= r.att then
      r.att = att
      call('HSET', key, 'att', att)
    end
    if not goes_on then
      r.running = false
      call('HSET', key, 'st', 'idle', 'done', nonce)
    end
  end
  if not goes_on and (back or r.non ~= nonce) then
    call('HSET', key, 'done', nonce)
  end
  return outcome, why, goes_on
end

local n = #out
for i = 4, last, 2 do
  local key, a = KEYS[i], 4 + (i - 4) / 2 * VALUES
  local r, code = load(key), RECORDED
  -- The same run, and it is over: an earlier copy of this request ended it.
  local over = r.non == ARGV[a] and not (r.running and r.att <= naturals[ARGV[a + 3]])
  if not over and r.done ~= ARGV[a] then
    local outcome, why, goes_on = finished(key, r, a)
    changed[#changed + 1] = key
    local from = origin_of(ARGV[a + 7])
    local tick = from and from.logical or ARGV[a + 1]
    ledger_line(KEYS[i + 1], key, goes_on, tick, tick, '1', outcome, why, name,
      ARGV[a + 2], ARGV[a + 3], ARGV[a + 11], ARGV[a + 12], ARGV[a + 10], nil, from)
    code = outcome == OUTCOME_WITHOUT_LEASE and REFUSED or RECORDED
  end
  end_requests(key, r)
  n = n + 1
  out[n] = ready(r) and code + READY or code
end
settle()
return unwritten or out
