-- Writes lines into ledgers, of runs that need no lease.
--
-- KEYS  4.. for each line: the record of its unit, of which only the name
--       counts, and its job's ledger
-- ARGV  4.. for each line: tick, last tick, count, outcome, reason, node, token,
--       attempt, fired at, ended at, error, retried: 0 or 1
-- Returns the head, then for each line nothing, or why it is lost

for i = 5, #KEYS, 2 do
  wrong = wrong_type(KEYS[i], 'stream')
  if wrong then
    return wrong
  end
end
commit()

-- If some lines are written, that is the answer: asked for again they would be
-- written again. If none is, the error says whether that makes sense.
local n, written = #out, false
for i = 4, #KEYS, 2 do
  local a = 4 + (i - 4) / 2 * VALUES
  local why = ledger_line(KEYS[i + 1], KEYS[i], ARGV[a + 11] == '1', unpack(ARGV, a, a + 10))
  n, written = n + 1, written or not why
  out[n] = why or ''
end
return not written and unwritten or out
