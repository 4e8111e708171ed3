-- Writes lines into ledgers, of runs that need no lease.
--
-- KEYS  4.. for each line: the record of its unit, of which only the name
--       counts, and its job's ledger
-- ARGV  4.. for each line: tick, last tick, count, outcome, reason, node, token,
--       attempt, fired at, ended at, error, retried: 0 or 1
-- Returns the head

for i = 5, #KEYS, 2 do
  wrong = wrong_type(KEYS[i], 'stream')
  if wrong then
    return wrong
  end
end
commit()

for i = 4, #KEYS, 2 do
  local a = 4 + (i - 4) / 2 * 12
  ledger_line(KEYS[i + 1], KEYS[i], ARGV[a + 11] == '1', unpack(ARGV, a, a + 10))
end
return unwritten or out
