"""The Lua scripts of what has to happen in one step inside Redis.

All keys have the prefix of the store; `{0}` is the partition, which is one hash slot:

* `{0}:meta`: `incarnation position all_hard all_soft identity`. If it is lost, or another server wrote it, a new order
  of positions begins.
* `{0}:t:TAG`: `incarnation hard soft`, the record of a tag. If it is missing, no entry with the tag is usable.
* `{0}:log`: a sorted set of the recently invalidated tags by position. The score of its member `` is the position up to
  which it may lack some.
* `{0}:near1`: a hash about near stores, whole or not there: `incarnation`, a name for the order of messages, `identity`
  of the server, `sequence`, the number of the last message, `beats`, the number of the last heartbeat of anybody,
  `settled`, 1 once no lease of an incarnation before can be good, and `f:ID`, the number of a follower's last one.
  Its name is also that of the channel of messages; `{0}:near1:ORIGIN` is that of what is told to one process.
* `l:{NAME}`: a lease, for as long as it is good: its token, and the origins of those that are to be told of its end; or
  nothing, for as long as nobody is to wait since the response was not storable.
* `e:{URL}:VARIANT`: an entry; `u:{URL}`: the selecting header fields of the URL's responses; `v:{URL}`: its variants.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final, NamedTuple


class Script(NamedTuple):
    """A script, and the SHA-1 digest by which Redis finds it."""

    text: str
    sha: str


# Every script begins with this. KEYS[1] meta, KEYS[2] log; ARGV[1] a random incarnation, used if a new order begins,
# ARGV[2] the identity of this server, ARGV[3] milliseconds to keep meta and log.
_META: Final = """
local meta, log, keep = KEYS[1], KEYS[2], tonumber(ARGV[3])

local function keep_for(key, milliseconds)
  if redis.call('PEXPIRE', key, milliseconds, 'GT') == 0 then redis.call('PEXPIRE', key, milliseconds, 'NX') end
end

local function write_meta(m)
  redis.call('SET', meta, string.format('%s %.0f %.0f %.0f %s', m.incarnation, m.position, m.hard, m.soft, ARGV[2]),
    'KEEPTTL')
end

local function read_meta()
  local found = redis.call('GET', meta)
  local m = {}
  local identity
  if found then
    m.incarnation, m.position, m.hard, m.soft, identity =
      string.match(found, '^(' .. string.rep('%x', 16) .. ') (%d+) (%d+) (%d+) (%S+)$')
  end
  if identity == ARGV[2] then
    m.position, m.hard, m.soft = tonumber(m.position), tonumber(m.hard), tonumber(m.soft)
  else
    m = {incarnation = ARGV[1], position = 1, hard = 0, soft = 0}
    redis.call('DEL', log)
    redis.call('DEL', meta)
    write_meta(m)
  end
  keep_for(meta, keep)
  return m
end

local function read_record(key, incarnation)
  local found = redis.call('GET', key)
  if found then
    local of, hard, soft = string.match(found, '^(%x+) (%d+) (%d+)$')
    if of == incarnation then return tonumber(hard), tonumber(soft) end
  end
end

local function write_record(key, incarnation, hard, soft, ...)
  redis.call('SET', key, string.format('%s %.0f %.0f', incarnation, hard, soft), ...)
end
"""
# KEYS[1] of the scripts of near stores alone, KEYS[3] of INVALIDATE. A hash that is lost, or that another server wrote,
# begins anew without followers: leases that they hold may still be good, so nothing is settled.
_NEAR: Final = """
local function read_near(key)
  local found = redis.call('HMGET', key, 'incarnation', 'identity', 'sequence', 'beats', 'settled')
  if found[2] ~= ARGV[2] or not (found[1] and found[3] and found[4] and found[5]) then
    redis.call('DEL', key)
    redis.call('HSET', key, 'incarnation', ARGV[1], 'identity', ARGV[2], 'sequence', 0, 'beats', 0, 'settled', 0)
    found = {ARGV[1], ARGV[2], '0', '0', '0'}
  end
  redis.call('PEXPIRE', key, ARGV[3])
  return {incarnation = found[1], sequence = tonumber(found[3]), settled = tonumber(found[5])}
end
"""
# ARGV[4] the field of the follower, ARGV[5] the incarnation to settle, which may be empty
_BEAT: Final = """
local key = KEYS[1]
local n = read_near(key)
if ARGV[5] == n.incarnation then
  redis.call('HSET', key, 'settled', 1)
  n.settled = 1
end
redis.call('HSET', key, ARGV[4], redis.call('HINCRBY', key, 'beats', 1))
return {n.incarnation, n.sequence, n.settled}
"""
# ARGV[4] the incarnation, ARGV[5] 1 to settle it, ARGV[6..] the fields of followers, each with the number of its
# last heartbeat
_EXPEL: Final = """
local key = KEYS[1]
if redis.call('HGET', key, 'incarnation') ~= ARGV[4] then return 0 end
if ARGV[5] == '1' then redis.call('HSET', key, 'settled', 1) end
for i = 6, #ARGV, 2 do
  if redis.call('HGET', key, ARGV[i]) == ARGV[i + 1] then redis.call('HDEL', key, ARGV[i]) end
end
return 1
"""
_RENEW: Final = """
local m = read_meta()
return {m.incarnation, m.position}
"""
# KEYS[3] near stores, KEYS[4..] records; ARGV[4] 1 for soft, ARGV[5] 1 to invalidate everything, ARGV[6] the number of
# tags in the log, ARGV[7] who invalidates, ARGV[8..] tags. It returns the incarnation of messages, the number of the
# message, whether that incarnation is settled, and the followers, each with the number of its last heartbeat.
_INVALIDATE: Final = """
local m = read_meta()
local soft, all, limit = ARGV[4] == '1', ARGV[5] == '1', tonumber(ARGV[6])
if not redis.call('ZSCORE', log, '') then
  redis.call('DEL', log)
  redis.call('ZADD', log, m.position, '')
end
m.position = m.position + 1
if all and soft then m.soft = m.position elseif all then m.hard = m.position end
local tags = {}
if all then tags[1] = '@all' end
for i = 4, #KEYS do
  local was_hard, was_soft = read_record(KEYS[i], m.incarnation)
  if was_hard and soft then write_record(KEYS[i], m.incarnation, was_hard, m.position, 'KEEPTTL')
  elseif was_hard then write_record(KEYS[i], m.incarnation, m.position, was_soft, 'KEEPTTL') end
  redis.call('ZADD', log, m.position, ARGV[i + 4])
  tags[#tags + 1] = ARGV[i + 4]
end
local surplus = redis.call('ZCARD', log) - 1 - limit
if surplus > 0 then
  local dropped = redis.call('ZRANGE', log, surplus, surplus, 'WITHSCORES')
  redis.call('ZREMRANGEBYRANK', log, 1, surplus)
  redis.call('ZADD', log, dropped[2], '')
end
keep_for(log, keep)
write_meta(m)
local near = KEYS[3]
local n = read_near(near)
local sequence = redis.call('HINCRBY', near, 'sequence', 1)
redis.call('PUBLISH', near, cmsgpack.pack({n.incarnation, sequence, soft, tags, ARGV[7]}))
local reply = {n.incarnation, sequence, n.settled}
local fields = redis.call('HGETALL', near)
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 2) == 'f:' then
    reply[#reply + 1] = fields[i]
    reply[#reply + 1] = fields[i + 1]
  end
end
return reply
"""
# KEYS[3] entry, KEYS[4] the URL's selecting header fields, KEYS[5] its variants, KEYS[6..] records; ARGV[4] the mark's
# incarnation, ARGV[5] its position, ARGV[6] the entry, ARGV[7] milliseconds to keep it, ARGV[8] its selecting header
# fields, ARGV[9] the most variants of a URL, ARGV[10] the offset of the mark's position in an entry, ARGV[11..] tags
_COMMIT: Final = """
local function is_usable(tags, position, incarnation)
  for tag in string.gmatch(tags, '[^\\n]+') do
    local hard = tag == '@all' and 0 or read_record(string.gsub(meta, 'meta$', 't:') .. tag, incarnation)
    if not hard or hard > position then return false end
  end
  return true
end

local m = read_meta()
local mark, ttl, vary = tonumber(ARGV[5]), tonumber(ARGV[7]), ARGV[8]
if ARGV[4] ~= m.incarnation or mark > m.position or m.hard > mark then return 0 end
local floor = tonumber(redis.call('ZSCORE', log, '') or m.position)
local births = {}
for i = 6, #KEYS do
  local hard = read_record(KEYS[i], m.incarnation)
  if hard and hard > mark then return 0 end
  if not hard then
    local last = tonumber(redis.call('ZSCORE', log, ARGV[i + 5]) or 0)
    if floor > mark or last > mark then return 0 end
    births[KEYS[i]] = math.max(floor, last)
  end
end
local at = tonumber(ARGV[10])
local stored = redis.call('GETRANGE', KEYS[3], 0, at + 9)
if #stored == at + 10 and string.sub(stored, 1, at) == string.sub(ARGV[6], 1, at) then
  local position, size = struct.unpack('>I8I2', stored, at + 1)
  local tags = position > mark and redis.call('GETRANGE', KEYS[3], at + 10, at + 9 + size)
  if tags and is_usable(tags, position, m.incarnation) then return 0 end
end
for i = 6, #KEYS do
  local birth = births[KEYS[i]]
  if birth then write_record(KEYS[i], m.incarnation, birth, birth, 'PX', ttl)
  else keep_for(KEYS[i], ttl) end
end
redis.call('SET', KEYS[3], ARGV[6], 'PX', ttl)
local varies = redis.call('GET', KEYS[4])
if vary ~= '' and not varies then  -- what was stored before by the URL alone is still found
  varies = redis.call('GETRANGE', string.gsub(KEYS[4], 'u(:{%x+})$', 'e%1') .. ':', 0, 0) ~= '' and ''
end
if vary ~= '' or varies then
  local list = {vary}
  for other in string.gmatch((varies or '') .. '\\n', '(.-)\\n') do
    if other ~= vary and varies and #list < 4 then list[#list + 1] = other end
  end
  redis.call('SET', KEYS[4], table.concat(list, '\\n'), 'PX', math.max(ttl, redis.call('PTTL', KEYS[4])))
  redis.call('ZADD', KEYS[5], (redis.call('ZREVRANGE', KEYS[5], 0, 0, 'WITHSCORES')[2] or 0) + 1, KEYS[3])
  keep_for(KEYS[5], ttl)
  local surplus = redis.call('ZCARD', KEYS[5]) - tonumber(ARGV[9])
  for _, oldest in ipairs(surplus > 0 and redis.call('ZRANGE', KEYS[5], 0, surplus - 1) or {}) do
    redis.call('DEL', oldest)
    redis.call('ZREM', KEYS[5], oldest)
  end
end
return 1
"""
# The scripts of leases touch KEYS[1] alone, the key of the lease.
_LEASE: Final = """
local key = KEYS[1]
local found = redis.call('GET', key)
local owner = found and string.match(found, '^%x*')
"""
# ARGV[5] the token, ARGV[6] milliseconds after which it runs out, and what _WATCH_LEASE takes. It may run twice.
_TAKE_LEASE: Final = """
if not found then
  redis.call('SET', key, ARGV[5], 'PX', ARGV[6])
  owner = ARGV[5]
end
"""
# ARGV[3] who is to be told of the end, ARGV[4] the most that are. It returns the token, empty for none, the
# milliseconds after which that lease runs out, and whether its end will be told.
_WATCH_LEASE: Final = """
if not owner or owner == '' or owner == ARGV[5] then return {owner or '', 0, 0} end
local is_watched = string.find(found, ARGV[3], #owner + 1, true)
if not is_watched and select(2, string.gsub(found, ' ', '')) < tonumber(ARGV[4]) then
  is_watched = redis.call('SET', key, found .. ' ' .. ARGV[3], 'KEEPTTL')
end
return {owner, redis.call('PTTL', key), is_watched and 1 or 0}
"""
# ARGV[3] the token, ARGV[4] milliseconds after which it runs out
_RENEW_LEASE: Final = """
return owner == ARGV[3] and redis.call('PEXPIRE', key, ARGV[4]) or 0
"""
# ARGV[3] the token, ARGV[4] milliseconds for which nobody is to wait, ARGV[5] what the channels' names begin with
_END_LEASE: Final = """
if owner ~= ARGV[3] then return 0 end
if ARGV[4] == '0' then redis.call('DEL', key) else redis.call('SET', key, '', 'PX', ARGV[4]) end
for origin in string.gmatch(found, ' (%x+)') do
  redis.call('PUBLISH', ARGV[5] .. ':' .. origin, cmsgpack.pack({ARGV[3]}))
end
return 1
"""


def _script(*parts: str, flags: str = "") -> Script:
    text = f"#!lua{flags}\n{''.join(parts)}"
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


RENEW: Final = _script(_META, _RENEW)
COMMIT: Final = _script(_META, _COMMIT)
# a full server may refuse entries, but never these
INVALIDATE: Final = _script(_META, _NEAR, _INVALIDATE, flags=" flags=allow-oom")
BEAT: Final = _script(_NEAR, _BEAT, flags=" flags=allow-oom")
EXPEL: Final = _script(_EXPEL, flags=" flags=allow-oom")
TAKE_LEASE: Final = _script(_LEASE, _TAKE_LEASE, _WATCH_LEASE)
WATCH_LEASE: Final = _script(_LEASE, _WATCH_LEASE, flags=" flags=allow-oom")
RENEW_LEASE: Final = _script(_LEASE, _RENEW_LEASE, flags=" flags=allow-oom")
END_LEASE: Final = _script(_LEASE, _END_LEASE, flags=" flags=allow-oom")
