-- Decides ticks. Port of `protocol::claim`.
--
-- KEYS  3.. for each claim: its unit's record, its unit's ledger
-- ARGV  4.. for each claim: nonce, tick, after, floor hwm, floor token, valid
--       until, lease, intent: r(un) or f(orgo); a capital if missed ticks
--       follow: first, last, count, reason
-- Returns the head, then for each claim: born, hwm, token, verdict, and
--       0 granted: until, attempt   3 decided: owner   5 early: by
--       8 stale: nonce, seq, lease  (1 skipped, 2 forgone, 4 moved, 6 late,
--       7 quarantined: nothing)
--
-- This is the hot path: a grant is one HMGET and one HSET. Records stay the
-- array that HMGET returned, what only a running or a decided unit needs is
-- read when it is needed, and texts of numbers are used as they came.

local BORN, HWM, TOK, ST, NON, RTOK, UNTIL, OWN, ATT, SEQ, LEASE = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
local EARLY_TOLERANCE_MS = 10
local now_s, now_us_s = string.format('%.0f', now), string.format('%.0f', now_us)

-- The rest of the record, if it was not read yet.
local function rest(key, v)
  if v[RTOK] == nil then
    local more = call('HMGET', key, 'rtok', 'until', 'own', 'att', 'seq', 'lease')
    v[RTOK], v[UNTIL], v[OWN] = int(more[1]), int(more[2]), more[3] or ''
    v[ATT], v[SEQ], v[LEASE] = int(more[4]), int(more[5]), int(more[6])
  end
  return v
end

-- The part of a record that each claim needs, or nil and an error.
local function load(key)
  local v = pcall('HMGET', key, 'born', 'hwm', 'tok', 'st', 'non')
  if v.err then
    return nil, wrong_type(key, 'hash') or v
  end
  v[BORN], v[HWM], v[TOK] = int(v[BORN]), int(v[HWM]), int(v[TOK])
  return v
end

-- Check everything: after this loop nothing can fail half-way.
local records, seen = {}, {}
local a = 4
for i = 3, #KEYS, 2 do
  local key, intent = KEYS[i], ARGV[a + 7]
  local again = seen[key]
  local v, err = load(key)
  if not v then
    return err
  end
  local missed = intent == 'R' or intent == 'F'
  if missed or again or v[ST] == 'run' then
    wrong = wrong_type(KEYS[i + 1], 'stream')
    if wrong then
      return wrong
    end
  end
  -- A unit that comes again is read again, after what comes before it.
  records[i], seen[key] = not again and v, true
  a = a + (missed and 12 or 8)
end
commit()

local leases, n = {}, #out
local quarantined = now < quarantine_until

-- What a lease of this length comes to; jobs have few different ones, and
-- numbers cost more to write than texts.
local terms = setmetatable({}, { __index = function(cache, lease)
  local ms = tonumber(lease)
  local term = {
    until_ms = now + ms,
    until_s = string.format('%.0f', now + ms),
    overdue_s = string.format('%.0f', overdue_at(now + ms, ms)),
  }
  cache[lease] = term
  return term
end })

local function grant(key, v, tick, nonce, lease)
  local tok, tok_s = v[TOK] + 1, nil
  if tok <= now_us then
    tok, tok_s = now_us, now_us_s
  else
    tok_s = string.format('%.0f', tok)
  end
  local term = terms[lease]
  call('HSET', key, 'hwm', tick, 'tok', tok_s, 'st', 'run', 'tick', tick, 'own', name,
    'non', nonce, 'att', '1', 'rtok', tok_s, 'until', term.until_s, 'seq', '1', 'lease', lease,
    'at', now_s)
  v[HWM], v[TOK] = tonumber(tick), tok
  local m = #leases
  leases[m + 1], leases[m + 2] = term.overdue_s, unit_of(key)
  return 0, term.until_ms, 1
end

-- The verdict and what goes with it. Writes what it decides, but for a raised
-- mark: that is the caller's, unless `raised` comes back false.
local function decide(key, log, v, a, raised)
  local nonce = ARGV[a]
  local running = v[ST] == 'run'
  if running and v[NON] == nonce and rest(key, v)[RTOK] == v[TOK] then
    return raised, 0, v[UNTIL], v[ATT]
  end
  if now > tonumber(ARGV[a + 5]) then
    return raised, 6
  end
  if quarantined then
    return raised, 7
  end
  local tick = tonumber(ARGV[a + 1])
  if tick > now + EARLY_TOLERANCE_MS then
    return raised, 5, tick - now
  end
  local decided_to = v[HWM] > 0 and v[HWM] or v[BORN]
  if tick <= decided_to then
    return raised, 3, rest(key, v)[OWN]
  end
  if decided_to > 0 and tonumber(ARGV[a + 2]) ~= decided_to then
    return raised, 4
  end
  local intent = ARGV[a + 7]
  local forgo = intent == 'f' or intent == 'F'
  if not forgo and running and rest(key, v)[UNTIL] <= now then
    return raised, 8, v[NON] or '', v[SEQ], v[LEASE]
  end
  -- From here on the tick is decided.
  if intent == 'R' or intent == 'F' then
    ledger_line(log, ARGV[a + 8], ARGV[a + 9], ARGV[a + 10], 'missed', ARGV[a + 11], name,
      0, 0, 0, now_s, '')
  end
  if not forgo and not running then
    return false, grant(key, v, ARGV[a + 1], nonce, ARGV[a + 6])
  end
  v[HWM] = tick
  if forgo then
    return true, 2
  end
  ledger_line(log, ARGV[a + 1], ARGV[a + 1], 1, 'skipped', 'overlap', name, 0, 0, 0, now_s, '')
  return true, 1
end

a = 4
for i = 3, #KEYS, 2 do
  local key, intent = KEYS[i], ARGV[a + 7]
  local v = records[i] or load(key)
  -- Each living node is a replica of what it saw decided: floors are kept
  -- with every verdict.
  local floor_hwm, floor_token = tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
  local raised = false
  if floor_hwm > v[HWM] then
    v[HWM], raised = floor_hwm, true
  end
  if floor_token > v[TOK] then
    v[TOK], raised = floor_token, true
  end
  local write, verdict, x, y, z = decide(key, KEYS[i + 1], v, a, raised)
  if write then
    call('HSET', key, 'hwm', v[HWM], 'tok', v[TOK])
  end
  out[n + 1], out[n + 2], out[n + 3], out[n + 4] = v[BORN], v[HWM], v[TOK], verdict
  n = n + 4
  if x then
    n = n + 1
    out[n] = x
    if y then
      n = n + 1
      out[n] = y
      if z then
        n = n + 1
        out[n] = z
      end
    end
  end
  a = a + ((intent == 'R' or intent == 'F') and 12 or 8)
end
if #leases > 0 then
  call('ZADD', KEYS[2], unpack(leases))
end
return out
