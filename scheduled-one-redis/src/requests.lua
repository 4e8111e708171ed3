-- Ids of requests. A unit and an id have one request, and the newest ids are kept.
--
-- Provides: tick_of, know, forget_oldest.

local function member_of(key, id)
  return unit_of(key) .. ' ' .. id
end

-- The tick of the request with this id, of the unit whose record is `key`, if it is known.
local function tick_of(asked, key, id)
  return call('HMGET', asked, member_of(key, id))[1]
end

-- Keeps an id.
local function know(asked, asks, key, id, tick)
  local member = member_of(key, id)
  call('HSET', asked, member, tick)
  call('ZADD', asks, tick, member)
end

-- Forgets the oldest ids beyond the number that is kept. Called once for a batch: to look costs as much as the number.
local function forget_oldest(asked, asks)
  while #call('ZRANGEBYSCORE', asks, '-inf', '+inf', 'LIMIT', KNOWN_REQUESTS, 1) > 0 do
    local oldest = call('ZRANGEBYSCORE', asks, '-inf', '+inf', 'LIMIT', 0, 1)[1]
    call('ZREM', asks, oldest)
    call('HDEL', asked, oldest)
  end
end

