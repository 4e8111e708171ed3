-- Writes lines into ledgers, of runs without a lease.
--
-- KEYS  4.. for each line: record of its unit, used for its name only, and ledger of its job
-- ARGV  4.. for each line: tick, last tick, count, outcome, reason, node, token, attempt,
--       fired at, ended at, error, identity of the node or empty, retried: 0 or 1, cause or empty, request, actor
-- Returns the head, then for each line an empty text, or why the line is lost

for i = 5, #KEYS, 2 do
  wrong = wrong_type(KEYS[i], 'stream')
  if wrong then
    return wrong
  end
end
commit()

-- If a line was written, the reply is not an error: a repetition would write the line again. If none was written, the
-- error shows whether repeating helps.
local n, written = #out, false
for i = 4, #KEYS, 2 do
  local a = 4 + (i - 4) / 2 * VALUES
  local line = { unpack(ARGV, a, a + 11) }
  if ARGV[a + 13] ~= '' then
    line[#line + 1] = { cause = ARGV[a + 13], request = ARGV[a + 14], actor = ARGV[a + 15] }
  end
  local why = ledger_line(KEYS[i + 1], KEYS[i], ARGV[a + 12] == '1', unpack(line))
  n, written = n + 1, written or not why
  out[n] = why or ''
end
return not written and unwritten or out
