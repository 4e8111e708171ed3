-- Checks the claims of a request, and starts runs for them. KEYS and ARGV are those of `claim.lua`.
--
-- Provides: leases, due_at, can_start, n, unsaved, now_s: what is written and replied at the end; reply, note, terms,
--       start, granted, granted_before, is_stale, stale, held_by_lane, merge_lane, early.

wrong = wrong_type(KEYS[4], 'zset') or each_claim(check_claim) or read_directives()
if wrong then
  return wrong
end
commit()

local leases, due_at, n = {}, {}, #out
-- Whether what waits can start, by the names of units of which that may have changed. A unit may be in a batch twice:
-- the last state counts.
local can_start = {}
-- Whether the watermarks of the record are newer than what is stored.
local unsaved
local now_s, now_us_s = string.format('%.0f', now), string.format('%.0f', now_us)

local function reply(value)
  n = n + 1
  out[n] = value
end

local function note(tick, outcome, why)
  ledger_line(KEYS[i + 1], key, false, tick, tick, 1, outcome, why, name, 0, 0, 0, now_s, '')
end

-- Ends of a lease as number and as text, and of a quarantine, cached by length of the lease: jobs have few different
-- lengths.
local terms = setmetatable({}, { __index = function(cache, lease)
  local ms = tonumber(lease)
  local term = {
    lease = ms,
    quarantine_until = unit_quarantine(ms, 0),
    until_ms = now + ms,
    until_s = string.format('%.0f', now + ms),
    overdue_s = string.format('%.0f', overdue_at(now + ms, ms)),
  }
  cache[lease] = term
  return term
end })

-- Starts a run under the key of the unit or of a slot, with the token after `last`. Returns the token and the end of
-- the lease.
local function start(at_key, last, hwm, tick_s, attempt, takeovers)
  local tok, tok_s = now_us, now_us_s
  if last >= now_us then
    tok = last + 1
    tok_s = string.format('%.0f', tok)
  end
  local lease = ARGV[a + 4]
  local term, m = terms[lease], #leases
  call('HSET', at_key, 'hwm', hwm, 'tok', tok_s, 'st', 'run', 'tick', tick_s, 'own', name, 'non', nonce,
    'att', attempt, 'rtok', tok_s, 'until', term.until_s, 'seq', '1', 'lease', lease, 'at', now_s,
    'rer', takeovers)
  records[at_key] = nil
  leases[m + 1] = term.overdue_s
  leases[m + 2] = unit_of(at_key)
  return tok, term.until_ms
end

local function granted(tick, tok, until_ms, attempt, slot)
  reply(tick)
  reply(tok)
  reply(until_ms)
  reply(attempt)
  reply(slot)
  return GRANTED_RUN
end

-- Replies to a repeated claim as before, without claiming twice.
local function granted_before()
  for slot = 0, ask.allow do
    local p = in_slot(slot)
    if holds(p, nonce) then
      -- The nonce is written again, unchanged: a `WAIT` after this request waits for the writes of its own
      -- connection, and would return at once without one.
      call('HSET', slot_key(slot), 'non', nonce)
      return granted(p.tick, p.rtok, p.until_, p.att, slot)
    end
  end
end

local function is_stale(p)
  return p.running and p.until_ <= now
end

local function stale(slot, p)
  reply(slot)
  reply(p.non)
  reply(p.seq)
  reply(p.lease)
  return STALE
end

-- The verdict if the lane is not known, or a run in it is in the way of what waits; nothing otherwise.
local function held_by_lane()
  if r.ask and not ask.lane then
    return LANE
  elseif lane_blocks() then
    if is_stale(lane()) then
      stale(0, lane())
      return STALE_LANE
    end
    return BUSY
  end
end

-- Takes the lane into account: tokens increase over unit and lane together, and an empty lane is left out from the next
-- claim on.
local function merge_lane()
  local l = lane()
  if l and not r.running then
    if l.tok > r.tok then
      r.tok, unsaved = l.tok, true
    end
    if r.ask and not l.running and l.wait == '' then
      r.ask = false
      call('HSET', key, 'ask', '0')
    end
  end
end

local function early(due)
  reply(due - now)
  return EARLY
end

