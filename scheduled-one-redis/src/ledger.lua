-- Lines of ledgers.
--
-- Provides: ledger_line; `unwritten`, the error of the last line that its ledger
--       did not take.

local NO_FIELDS, unwritten = {}, nil

-- Errors that keep any request from being carried out, for now or until a right
-- is granted, keep their own codes. Redis before 7 puts the place in the script
-- in front.
local NOT_OF_THE_LEDGER = { OOM = true, MISCONF = true, NOREPLICAS = true, READONLY = true,
  NOPERM = true }
local function takes_no_line(why, text)
  local code = string.match(why, '^%-?(%u+) ') or string.match(why, ': %-(%u+) ')
  if string.find(why, "The user executing the script can't", 1, true) then
    code = 'NOPERM' -- in the words of Redis 7.0
  end
  code = NOT_OF_THE_LEDGER[code] and code or 'SOLEDGER'
  return redis.error_reply(code .. ' ' .. text)
end

-- Writes a line into `log` about the unit whose record is `key`; returns why it
-- is lost, if it is. A line names its unit only if that is a shard, not the whole
-- job, and never its slot. Most lines are the last of their tick, and have no
-- field `retried`.
local function ledger_line(log, key, retried, tick, last, n, out, why, node, tok, att, fired, ended,
    err)
  local more = NO_FIELDS
  if string.find(key, '#', unit_from, true) then
    more = { 'unit', string.match(unit_of(key), '^[^~]*') }
  end
  if retried then
    more = { 'retried', 1, unpack(more) }
  end
  -- All else is checked before something is written; one thing cannot be: the ids
  -- of a stream that somebody wrote to may be used up. The rest of the request is
  -- done all the same, and the error returned at its end.
  local added = pcall('XADD', log, 'MAXLEN', '=', ledger_limit, '*', 'tick', tick, 'last', last, 'n', n,
    'out', out, 'why', why, 'node', node, 'tok', tok, 'att', att, 'fired', fired,
    'ended', ended, 'err', err, unpack(more))
  if not added.err then
    return nil
  end
  local lost = log .. ' takes no line: ' .. added.err
  unwritten = takes_no_line(added.err, lost)
  return lost
end

