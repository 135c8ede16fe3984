"""The Lua scripts of what has to happen in one step inside Redis.

All keys have the prefix of the store; `{0}` is a partition, which is one hash slot. A single server has this one, a
cluster many. Each has an order of positions of its own:

* `{0}:meta`: `incarnation position all_hard all_soft identity`. If it is lost, or another server wrote it, a new order
  of positions begins.
* `{0}:t:TAG`: `incarnation hard soft`, the record of a tag. If it is missing, no entry with the tag is usable.
* `{0}:log`: a sorted set of the recently invalidated tags by position. The score of its member `` is the position up to
  which it may lack some.
* `{0}:near1`, of partition 0 alone: a hash about near stores, whole or not there: `incarnation`, a name for the order
  of messages, `identity` of the server, `sequence`, the number of the last message, `beats`, the number of the last
  heartbeat of anybody, `settled`, 1 once no lease of an incarnation before can be good, and `f:ID`, the number of a
  follower's last one.
  Its name is also that of the channel of messages; `{0}:near1:ORIGIN` is that of what is told to one process.
* `l:{NAME}`: a lease, for as long as it is good: its token, and the origins of those that are to be told of its end; or
  nothing, for as long as nobody is to wait since the response was not storable.
* `figures1`: a hash with the figures of each process, see `board.py`; `figures1:NAME`: a process adds those of another
  one, which has ended, to its own.
* `e:{URL}:VARIANT`: an entry; `u:{URL}`: the selecting header fields of the URL's responses; `v:{URL}`: its variants.

What is one script on a server takes two on a cluster, one after the other: INVALIDATE is MOVE in each partition, then
ANNOUNCE; COMMIT is BEAR in each partition, then KEEP.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final, NamedTuple


class Script(NamedTuple):
    """A script, and the SHA-1 digest by which Redis finds it."""

    text: str
    sha: str


_KEEP_FOR: Final = """
local function keep_for(key, milliseconds)
  if redis.call('PEXPIRE', key, milliseconds, 'GT') == 0 then redis.call('PEXPIRE', key, milliseconds, 'NX') end
end
"""
# What looks at positions begins with this. KEYS[1] meta, KEYS[2] log; ARGV[1] a random incarnation, used if a new order
# begins, ARGV[2] the identity of this server, ARGV[3] milliseconds to keep meta and log.
_META: Final = """
local meta, log, keep = KEYS[1], KEYS[2], tonumber(ARGV[3])

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
# ARGV[1] to ARGV[3] as above. A hash that is lost, or that another server wrote,
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
_MOVE: Final = """
local function move(m, soft, all, limit, first_record, first_tag)
  if not redis.call('ZSCORE', log, '') then
    redis.call('DEL', log)
    redis.call('ZADD', log, m.position, '')
  end
  m.position = m.position + 1
  if all and soft then m.soft = m.position elseif all then m.hard = m.position end
  for i = first_record, #KEYS do
    local was_hard, was_soft = read_record(KEYS[i], m.incarnation)
    if was_hard and soft then write_record(KEYS[i], m.incarnation, was_hard, m.position, 'KEEPTTL')
    elseif was_hard then write_record(KEYS[i], m.incarnation, m.position, was_soft, 'KEEPTTL') end
    redis.call('ZADD', log, m.position, ARGV[i - first_record + first_tag])
  end
  local surplus = redis.call('ZCARD', log) - 1 - limit
  if surplus > 0 then
    local dropped = redis.call('ZRANGE', log, surplus, surplus, 'WITHSCORES')
    redis.call('ZREMRANGEBYRANK', log, 1, surplus)
    redis.call('ZADD', log, dropped[2], '')
  end
  keep_for(log, keep)
  write_meta(m)
end
"""
_ANNOUNCE: Final = """
local function announce(near, soft, all, origin, first_tag)
  local tags = {}
  if all then tags[1] = '@all' end
  for i = first_tag, #ARGV do tags[#tags + 1] = ARGV[i] end
  local n = read_near(near)
  local sequence = redis.call('HINCRBY', near, 'sequence', 1)
  redis.call('PUBLISH', near, cmsgpack.pack({n.incarnation, sequence, soft, tags, origin}))
  local reply = {n.incarnation, sequence, n.settled}
  local fields = redis.call('HGETALL', near)
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 2) == 'f:' then
      reply[#reply + 1] = fields[i]
      reply[#reply + 1] = fields[i + 1]
    end
  end
  return reply
end
"""
# KEYS[3] near stores, KEYS[4..] records; ARGV[4] 1 for soft, ARGV[5] 1 to invalidate everything, ARGV[6] the number of
# tags in the log, ARGV[7] who invalidates, ARGV[8..] tags. It returns the incarnation of messages, the number of the
# message, whether that incarnation is settled, and the followers, each with the number of its last heartbeat.
_INVALIDATE: Final = """
local soft, all = ARGV[4] == '1', ARGV[5] == '1'
move(read_meta(), soft, all, tonumber(ARGV[6]), 4, 8)
return announce(KEYS[3], soft, all, ARGV[7], 8)
"""
# KEYS[3..] records; ARGV[4] 1 for soft, ARGV[5] 1 to invalidate everything, ARGV[6] the number of tags in the log,
# ARGV[7..] tags
_MOVE_ALONE: Final = """
local m = read_meta()
move(m, ARGV[4] == '1', ARGV[5] == '1', tonumber(ARGV[6]), 3, 7)
return {m.incarnation, m.position}
"""
# KEYS[1] near stores; ARGV[4] 1 for soft, ARGV[5] 1 to invalidate everything, ARGV[6] who invalidates, ARGV[7..] tags;
# it returns what INVALIDATE does
_ANNOUNCE_ALONE: Final = """
return announce(KEYS[1], ARGV[4] == '1', ARGV[5] == '1', ARGV[6], 7)
"""
# A missing record is born at a position that brings nothing back to life: the last one of its tag in the log, or the
# one up to which the log may lack some. It returns nothing if an entry with the mark is not to be stored.
_BIRTHS: Final = """
local function births(m, incarnation, mark, first_record, first_tag)
  if incarnation ~= m.incarnation or mark > m.position or m.hard > mark then return nil end
  local floor = tonumber(redis.call('ZSCORE', log, '') or m.position)
  local born = {}
  for i = first_record, #KEYS do
    local hard = read_record(KEYS[i], m.incarnation)
    if hard and hard > mark then return nil end
    if not hard then
      local last = tonumber(redis.call('ZSCORE', log, ARGV[i - first_record + first_tag]) or 0)
      if floor > mark or last > mark then return nil end
      born[KEYS[i]] = math.max(floor, last)
    end
  end
  return born
end

local function bear(m, born, first_record, ttl)
  for i = first_record, #KEYS do
    local birth = born[KEYS[i]]
    if birth then write_record(KEYS[i], m.incarnation, birth, birth, 'PX', ttl)
    else keep_for(KEYS[i], ttl) end
  end
end
"""
_STORE: Final = """
local function store(entry, varies_key, variants, value, ttl, vary, most)
  redis.call('SET', entry, value, 'PX', ttl)
  local varies = redis.call('GET', varies_key)
  if vary ~= '' and not varies then  -- what was stored before by the URL alone is still found
    varies = redis.call('GETRANGE', string.gsub(varies_key, 'u(:{%x+})$', 'e%1') .. ':', 0, 0) ~= '' and ''
  end
  if vary ~= '' or varies then
    local list = {vary}
    for other in string.gmatch((varies or '') .. '\\n', '(.-)\\n') do
      if other ~= vary and varies and #list < 4 then list[#list + 1] = other end
    end
    redis.call('SET', varies_key, table.concat(list, '\\n'), 'PX', math.max(ttl, redis.call('PTTL', varies_key)))
    redis.call('ZADD', variants, (redis.call('ZREVRANGE', variants, 0, 0, 'WITHSCORES')[2] or 0) + 1, entry)
    keep_for(variants, ttl)
    local surplus = redis.call('ZCARD', variants) - most
    for _, oldest in ipairs(surplus > 0 and redis.call('ZRANGE', variants, 0, surplus - 1) or {}) do
      redis.call('DEL', oldest)
      redis.call('ZREM', variants, oldest)
    end
  end
end
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
local mark, ttl = tonumber(ARGV[5]), tonumber(ARGV[7])
local born = births(m, ARGV[4], mark, 6, 11)
if not born then return 0 end
local at = tonumber(ARGV[10])
local stored = redis.call('GETRANGE', KEYS[3], 0, at + 9)
if #stored == at + 10 and string.sub(stored, 1, at) == string.sub(ARGV[6], 1, at) then
  local position, size = struct.unpack('>I8I2', stored, at + 1)
  local tags = position > mark and redis.call('GETRANGE', KEYS[3], at + 10, at + 9 + size)
  if tags and is_usable(tags, position, m.incarnation) then return 0 end
end
bear(m, born, 6, ttl)
store(KEYS[3], KEYS[4], KEYS[5], ARGV[6], ttl, ARGV[8], tonumber(ARGV[9]))
return 1
"""
# KEYS[3..] records; ARGV[4] the mark's incarnation, ARGV[5] its position, ARGV[6] milliseconds to keep the records,
# ARGV[7..] tags. It returns whether an entry with the mark may be stored, the incarnation and the position.
_BEAR: Final = """
local m = read_meta()
local born = births(m, ARGV[4], tonumber(ARGV[5]), 3, 7)
if born then bear(m, born, 3, tonumber(ARGV[6])) end
return {born and 1 or 0, m.incarnation, m.position}
"""
# KEYS[1] entry, KEYS[2] the URL's selecting header fields, KEYS[3] its variants; ARGV[3] the entry, ARGV[4] the
# milliseconds to keep it, ARGV[5] its selecting header fields, ARGV[6] the most variants of a URL. An entry is older
# than the one stored if it is in some partition, and newer in none. Whether that one may be used is not known here; if
# not, the fills that begin from now on are not older than it.
_KEEP: Final = """
local head, component = '>c3B', '>I2c8I8'

local function components(value)
  local found = {}
  if #value < struct.size(head) then return nil, found end
  local version, count, at = struct.unpack(head, value)
  if #value < at - 1 + count * struct.size(component) then return nil, found end
  for _ = 1, count do
    local partition, incarnation, position, next = struct.unpack(component, value, at)
    found[partition], at = {incarnation = incarnation, position = position}, next
  end
  return version, found
end

local function is_older(value, stored)
  local version, new = components(value)
  local other_version, old = components(stored)
  if version ~= other_version then return false end
  local is_older = false
  for partition, mine in pairs(new) do
    local its = old[partition]
    if its then
      if its.incarnation ~= mine.incarnation or mine.position > its.position then return false end
      is_older = is_older or mine.position < its.position
    end
  end
  return is_older
end

local most_components = struct.size(head) + 255 * struct.size(component)
if is_older(ARGV[3], redis.call('GETRANGE', KEYS[1], 0, most_components)) then return 0 end
store(KEYS[1], KEYS[2], KEYS[3], ARGV[3], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6]))
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


RENEW: Final = _script(_KEEP_FOR, _META, _RENEW)
COMMIT: Final = _script(_KEEP_FOR, _META, _BIRTHS, _STORE, _COMMIT)
BEAR: Final = _script(_KEEP_FOR, _META, _BIRTHS, _BEAR)
KEEP: Final = _script(_KEEP_FOR, _STORE, _KEEP)
# a full server may refuse entries, but never these
INVALIDATE: Final = _script(_KEEP_FOR, _META, _MOVE, _NEAR, _ANNOUNCE, _INVALIDATE, flags=" flags=allow-oom")
MOVE: Final = _script(_KEEP_FOR, _META, _MOVE, _MOVE_ALONE, flags=" flags=allow-oom")
ANNOUNCE: Final = _script(_NEAR, _ANNOUNCE, _ANNOUNCE_ALONE, flags=" flags=allow-oom")
BEAT: Final = _script(_NEAR, _BEAT, flags=" flags=allow-oom")
EXPEL: Final = _script(_EXPEL, flags=" flags=allow-oom")
TAKE_LEASE: Final = _script(_LEASE, _TAKE_LEASE, _WATCH_LEASE)
WATCH_LEASE: Final = _script(_LEASE, _WATCH_LEASE, flags=" flags=allow-oom")
RENEW_LEASE: Final = _script(_LEASE, _RENEW_LEASE, flags=" flags=allow-oom")
END_LEASE: Final = _script(_LEASE, _END_LEASE, flags=" flags=allow-oom")
