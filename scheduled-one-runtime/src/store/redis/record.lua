-- Records, for the scripts that are not as hot as claims.

-- The record under the key, without what is only shown (tick, own, att, at); or
-- nil and an error. Records are kept by key: a unit may come twice in a batch,
-- and the second must see what the first did.
local records = {}
local function load(key)
  local r = records[key]
  if r then
    return r
  end
  local v = pcall('HMGET', key, 'born', 'hwm', 'tok', 'st', 'non', 'rtok', 'until', 'seq', 'lease')
  if v.err then
    return nil, wrong_type(key, 'hash') or v
  end
  r = {
    born = int(v[1]), hwm = int(v[2]), tok = int(v[3]), running = v[4] == 'run', non = v[5] or '',
    rtok = int(v[6]), until_ = int(v[7]), seq = int(v[8]), lease = int(v[9]),
  }
  records[key] = r
  return r
end

-- The run of this nonce is going and none came after it.
local function holds(r, nonce)
  return r.running and r.non == nonce and r.rtok == r.tok
end

-- The store has no newer run than this one: it forgot it.
local function forgot(r, nonce, token)
  return r.non ~= nonce and r.tok <= token
end

-- Writes a run back. `state` is that of the run afterwards, `run` or `idle`.
local function readopt(key, r, state, nonce, tick, token, attempt, lease, at)
  r.hwm = math.max(r.hwm, tick)
  r.tok, r.rtok, r.running = token, token, state == 'run'
  r.non, r.until_, r.seq, r.lease = nonce, now + lease, 1, lease
  call('HSET', key, 'hwm', r.hwm, 'tok', token, 'st', state, 'tick', tick, 'own', name,
    'non', nonce, 'att', attempt, 'rtok', token, 'until', r.until_, 'seq', 1, 'lease', lease,
    'at', at)
end

