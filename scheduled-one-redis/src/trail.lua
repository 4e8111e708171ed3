-- Enters what somebody asked for, and gets, into the trail. Port of `TrailEntry`.
--
-- Provides: check_trail, enter_trail.

-- An error if the trail would not take an entry. Called before the first write: what has no entry is not done.
local function check_trail(key)
  local err = wrong_type(key, 'stream')
  if err then
    return err
  end
  -- The ids of a stream that another program wrote to may be used up.
  local newest = pcall('XREVRANGE', key, '+', '-', 'COUNT', 1)
  local id = newest[1] and string.match(newest[1][1], '^(%d+)-')
  if id and tonumber(id) > MAX_EXACT then
    return redis.error_reply('SODAMAGED ' .. key .. ' has ' .. newest[1][1] .. ' as newest-entry')
  end
  return newest.err and newest
end

-- Fields that are empty or 0 are left out.
local function enter_trail(key, action, subject, by, note, request, version, before, token, instant)
  local entry = { 'at', string.format('%.0f', now), 'act', action, 'subj', subject }
  local function add(name, value, nothing)
    if value ~= nothing then
      entry[#entry + 1], entry[#entry + 2] = name, value
    end
  end
  add('by', by, '')
  add('note', note, '')
  add('req', request, '')
  add('ver', version, '0')
  add('was', before, '0')
  add('tok', token, '0')
  add('for', instant, '0')
  call('XADD', key, 'MAXLEN', '=', MAX_TRAIL, '*', unpack(entry))
end

