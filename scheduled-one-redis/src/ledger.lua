-- Writes lines of ledgers.
--
-- Provides: ledger_line; `unwritten`, the error of the last line that its ledger did not take.

local NO_FIELDS, unwritten = {}, nil

-- Errors of all requests, until they end or an operator corrects them, keep their own codes. Redis before 7 puts the
-- position in the script in front of the code.
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

-- Writes a line into `log` about the unit whose record is `key`. Returns the reason if the line is lost. A line names
-- its unit only if that is a shard, and never its slot or lane. Most lines are the last of their tick, and have no
-- field `retried`; most have no field `id`, the identity of their node. `from`: cause, request and actor of a run that
-- somebody asked for.
local function ledger_line(log, key, retried, tick, last, n, out, why, node, tok, att, fired, ended,
    err, id, from)
  local more = NO_FIELDS
  if string.find(key, '#', unit_from, true) then
    more = { 'unit', string.match(unit_of(key), '^[^~!]*') }
  end
  if retried then
    more = { 'retried', 1, unpack(more) }
  end
  if id and id ~= '' then
    more = { 'id', id, unpack(more) }
  end
  if from then
    more = { 'cause', from.cause, 'req', from.request, 'by', from.actor, unpack(more) }
  end
  -- One error cannot be checked before the first write: the ids of a stream that another program wrote to may be used
  -- up. The rest of the request is carried out, and the error returned at its end.
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

