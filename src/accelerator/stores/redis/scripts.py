"""The Lua scripts of what has to happen in one step inside Redis.

All keys have the prefix of the store; `{0}` is the partition, which is one hash slot:

* `{0}:meta`: `incarnation position all_hard all_soft identity`. If it is lost, or another server wrote it, a new order
  of positions begins.
* `{0}:t:TAG`: `incarnation hard soft`, the record of a tag. If it is missing, no entry with the tag is usable.
* `{0}:log`: a sorted set of the recently invalidated tags by position. The score of its member `` is the position up to
  which it may lack some.
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
_RENEW: Final = """
local m = read_meta()
return {m.incarnation, m.position}
"""
# KEYS[3..] records; ARGV[4] 1 for soft, ARGV[5] 1 to invalidate everything, ARGV[6] the number of tags in the log,
# ARGV[7..] tags
_INVALIDATE: Final = """
local m = read_meta()
local soft, all, limit = ARGV[4] == '1', ARGV[5] == '1', tonumber(ARGV[6])
if not redis.call('ZSCORE', log, '') then
  redis.call('DEL', log)
  redis.call('ZADD', log, m.position, '')
end
m.position = m.position + 1
if all and soft then m.soft = m.position elseif all then m.hard = m.position end
for i = 3, #KEYS do
  local was_hard, was_soft = read_record(KEYS[i], m.incarnation)
  if was_hard and soft then write_record(KEYS[i], m.incarnation, was_hard, m.position, 'KEEPTTL')
  elseif was_hard then write_record(KEYS[i], m.incarnation, m.position, was_soft, 'KEEPTTL') end
  redis.call('ZADD', log, m.position, ARGV[i + 4])
end
local surplus = redis.call('ZCARD', log) - 1 - limit
if surplus > 0 then
  local dropped = redis.call('ZRANGE', log, surplus, surplus, 'WITHSCORES')
  redis.call('ZREMRANGEBYRANK', log, 1, surplus)
  redis.call('ZADD', log, dropped[2], '')
end
keep_for(log, keep)
write_meta(m)
return m.position
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


def _script(body: str, flags: str) -> Script:
    text = f"#!lua{flags}\n{_META}{body}"
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


RENEW: Final = _script(_RENEW, "")
COMMIT: Final = _script(_COMMIT, "")
INVALIDATE: Final = _script(_INVALIDATE, " flags=allow-oom")  # a full server may refuse entries, but never this
