-- Ends runs and records what came of them. Port of `protocol::finish`.
--
-- KEYS  3.. for each run: its unit's record, its unit's ledger
-- ARGV  4.. for each run: nonce, tick, token, attempt, lease, granted at,
--       outcome, reason, error, fired at, ended at
-- Returns the head, then for each run 0 (recorded) or 1 (refused)

local WITHOUT_LEASE = 'finished_without_lease'

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

-- Ends the run if it holds the lease, or the store forgot that it did; then
-- true. Whatever the store says, a run that reports its end is over.
local function ended(key, r, a)
  local nonce, token = ARGV[a], tonumber(ARGV[a + 2])
  local good = holds(r, nonce)
  if not good and forgot(r, nonce, token) then
    good = true
    readopt(key, r, 'idle', nonce, tonumber(ARGV[a + 1]), token, tonumber(ARGV[a + 3]),
      tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5]))
  elseif r.non == nonce then
    r.running = false
    call('HSET', key, 'st', 'idle')
  end
  return good
end

local over, n = {}, #out
for i = 3, #KEYS, 2 do
  local key, a = KEYS[i], 4 + (i - 3) / 2 * 11
  local r = load(key)
  n = n + 1
  if r.non == ARGV[a] and not r.running then
    out[n] = 0 -- by an earlier request of the same
  else
    local outcome, why = ARGV[a + 6], ARGV[a + 7]
    if not ended(key, r, a) and outcome ~= WITHOUT_LEASE then
      outcome, why = WITHOUT_LEASE, 'reported ' .. outcome .. ' after its lease'
    end
    if not r.running then
      over[#over + 1] = unit_of(key)
    end
    ledger_line(KEYS[i + 1], ARGV[a + 1], ARGV[a + 1], 1, outcome, why, name, ARGV[a + 2],
      ARGV[a + 3], ARGV[a + 9], ARGV[a + 10], ARGV[a + 8])
    out[n] = outcome == WITHOUT_LEASE and 1 or 0
  end
end
if #over > 0 then
  call('ZREM', KEYS[2], unpack(over))
end
return out
