-- Reads or writes what a run leaves for the next run of its unit. Port of `machine::checkpoint`.
--
-- KEYS  4 record of the unit   5 checkpoints
-- ARGV  4 the unit   5 fencing token of the run that writes, or nothing to read   6 what it leaves
-- Returns the head, then FOUND with token and text, NONE, WRITTEN or SUPERSEDED

wrong = wrong_type(KEYS[5], 'hash')
if wrong then
  return wrong
end
local r, err = load(KEYS[4])
if not r then
  return err
end
local stored = call('HMGET', KEYS[5], ARGV[4])[1]
local token, text = string.match(stored or '', '^(%d+) (.*)$')
if stored and not text then
  damaged(KEYS[5], ARGV[4], stored)
end
token = number(KEYS[5], ARGV[4], token, MAX_TOKEN)
if wrong then
  return wrong
end
commit()

local n, write = #out + 1, ARGV[5] ~= '' and tonumber(ARGV[5])
if not write and stored then
  out[n], out[n + 1], out[n + 2] = FOUND, token, text
elseif not write then
  out[n] = NONE
elseif write < r.tok or (stored and write < token) then
  out[n] = SUPERSEDED
else
  call('HSET', KEYS[5], ARGV[4], ARGV[5] .. ' ' .. ARGV[6])
  out[n] = WRITTEN
end
return out
