"""The store that several processes share, on one Redis or Valkey server.

A lookup is one MGET of all that decides it. That needs no atomicity: records never go down, and a missing one means
that the entry is not usable. What has to be one step is a script: `redis_scripts.py` has them, and the layout of the
keys.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast

import msgpack
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from accelerator.stores import InvalidationError, Lookup, Store
from accelerator.stores.binary import POSITION_OFFSET, Component, pack, unpack
from accelerator.stores.decoded import Decoded
from accelerator.stores.pending import Pending, judge
from accelerator.stores.redis_link import FAILURES, Link
from accelerator.stores.redis_scripts import COMMIT, INVALIDATE, RENEW
from accelerator.tagging import ALL, seconds
from accelerator.undivided import Undivided

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from accelerator.entry import Entry, Key, Request, Vary
    from accelerator.stores.pending import Kept
    from accelerator.stores.redis_link import Values

logger = logging.getLogger("accelerator")

PARTITION: Final = 0
LOG_LENGTH: Final = 8192
MAX_VARIANTS: Final = 64
MAX_TRIPS: Final = 4
MAX_MEMOS: Final = 4096
REPEATED_AT_ONCE: Final = 500
KEEP_META: Final = 7 * 24 * 3600 * 1000
"""Milliseconds without a write after which the store begins anew, at least."""

MAX_SECONDS: Final = 10 * 365 * 24 * 3600
"""For how long an entry is kept at most."""

REPEAT_SECONDS: Final = (0.1, 0.3, 1.0, 3.0)
"""Pauses before the repetitions of a failed invalidation; the last one stands for all that follow."""

_META: Final = re.compile(rb"([0-9a-f]{16}) (\d+) (\d+) (\d+) (\S+)")
_RECORD: Final = re.compile(rb"([0-9a-f]{16}) (\d+) (\d+)")

_Place: TypeAlias = "tuple[bytes, Vary, tuple[bytes | None, ...]]"
"""Where an entry may be: its key, the fields by which it is chosen, and their values."""


class _Meta(NamedTuple):
    """What the server keeps of the partition: its order, `mark` for who reads it now, and the positions of `@all`."""

    mark: tuple[Component]
    incarnation: bytes
    hard: int
    soft: int


class _Seen(NamedTuple):
    """An entry as it was read, and what the records read with it say; `missing` has their keys if they were not."""

    entry: Entry | None
    is_usable: bool = False
    is_fresh: bool = False
    missing: tuple[bytes, ...] = ()


class _Stored:
    """An entry as its bytes say, the keys of its tags' records, and what those said last.

    Attributes:
        entry: the entry.
        records: the keys.
        judged: what was read of meta and records when it was last judged, and the verdict.
    """

    __slots__ = ("entry", "judged", "records")

    def __init__(self, entry: Entry, records: tuple[bytes, ...]) -> None:
        self.entry = entry
        self.records = records
        self.judged: tuple[object, _Seen | None] = (None, None)

    def judge(self, read: list[bytes | None], meta: _Meta) -> _Seen:
        """Compare the mark with the records read, unless they are what they were the last time."""
        basis = (meta.incarnation, meta.hard, meta.soft, read)
        last, seen = self.judged  # at once: another thread may judge meanwhile
        if seen is None or last != basis:
            seen = _Seen(self.entry, *_compare(self.entry, read, meta))
            self.judged = basis, seen
        return seen


class _Memo(NamedTuple):
    """What was last seen of a URL, so that one trip brings all that a lookup needs: a guess, never trusted.

    Attributes:
        key: what is asked for.
        entries: what the keys of its entries begin with.
        varies_key: the key of what its responses vary on.
        variants_key: the key of its variants.
        varies: what its responses vary on, the newest first.
        records: by the key of an entry, the keys of its tags' records.
    """

    key: Key
    entries: bytes
    varies_key: bytes
    variants_key: bytes
    varies: tuple[Vary, ...]
    records: dict[bytes, tuple[bytes, ...]]

    def place(self, vary: Vary, selected_by: tuple[bytes | None, ...]) -> _Place:
        """Return where the entry is that is chosen so."""
        return self.entries + (_name((vary, selected_by)) if vary else b""), vary, selected_by

    def with_records(self, key: bytes, records: tuple[bytes, ...]) -> _Memo:
        """Return a memo that also knows the records of an entry."""
        others = self.records if len(self.records) < MAX_VARIANTS else {}
        return self._replace(records={**others, key: records})


class RedisStore(Undivided, Store):
    """Entries in Redis 7 or newer, or Valkey, shared by all that use the same server and prefix. On asyncio.

    Args:
        source: the server's URL, `redis://`, `rediss://` or `unix://`, or a client of `redis.asyncio`, which stays
            yours to close and works on one event loop.
        prefix: what all keys begin with.
        deadline: seconds that a call may take; then it counts as failed.

    Raises:
        TypeError: `source` is neither a URL nor a client, `prefix` is no `str`, or `deadline` no number.
        ValueError: the URL is none that Redis clients know, or `deadline` is not positive.
    """

    def __init__(self, source: str | Redis, prefix: str = "accelerator:", *, deadline: float = 0.1) -> None:
        if not isinstance(source, str | Redis):
            raise TypeError(f"a URL or a client of redis.asyncio, not {type(source).__name__}")
        if not isinstance(prefix, str):
            raise TypeError(f"prefix is a str, not {type(prefix).__name__}")
        if seconds("deadline", deadline) <= 0:
            raise ValueError(f"deadline is a positive number of seconds, not {deadline!r}")
        self._source = source
        self._prefix = prefix.encode()
        self._deadline = deadline
        self._partition = self._prefix + b"{%d}:" % PARTITION
        self._meta_key = self._partition + b"meta"
        self._log_key = self._partition + b"log"
        self._links: dict[asyncio.AbstractEventLoop, Link] = {}
        self._memos: dict[Key, _Memo] = {}
        self._decoded: Decoded[_Stored] = Decoded()
        self._pending = Pending()
        self._running: set[asyncio.Task[None]] = set()
        self._repeater: asyncio.Task[None] | None = None
        if isinstance(source, str):
            _new_pool(source)  # a wrong URL is an error here, not at the first request

    async def aclose(self) -> None:
        """Let the invalidations that run on this event loop end, and close its connections; a client given stays open.

        What failed to be taken back stays so in this process, but is repeated only when the store is used again.
        """
        loop = asyncio.get_running_loop()
        if ours := [work for work in self._running if work.get_loop() is loop]:
            await asyncio.wait(ours)
        if self._repeater is not None and self._repeater.get_loop() is loop:
            self._repeater.cancel()
        link = self._links.pop(loop, None)
        if link is not None and isinstance(self._source, str):
            await link.close()

    def _link(self) -> Link:
        """Return the connections of the running event loop."""
        loop = asyncio.get_running_loop()
        link = self._links.get(loop)
        if link is None:
            for other in [other for other in self._links if other.is_closed()]:
                del self._links[other]
            if isinstance(self._source, str):
                pool = _new_pool(self._source)
            elif not self._links:
                pool = self._source.connection_pool
            else:
                raise RuntimeError("the client given works on one event loop: give RedisStore a URL to use several")
            link = self._links[loop] = Link(pool, self._deadline)
        return link

    # --- lookup -------------------------------------------------------------------------------------------------------

    async def lookup(self, request: Request) -> Lookup:
        """Find the entry for a request, in one trip; in up to three when this process sees the URL for the first time.

        Raises:
            RedisError, OSError: the server is away, slow or refuses.
        """
        self._see_to_pending()
        kept = self._pending.kept  # as it is now: what is settled later may not have been when Redis was read
        memo = self._memo(request.key)
        for _ in range(MAX_TRIPS):
            places = [memo.place(vary, request.selects(vary)) for vary in memo.varies]
            keys = [self._meta_key, memo.varies_key]
            for key, _, _ in places:
                keys += (key, *memo.records.get(key, ()))
            values, identity = await self._link().read(keys)
            meta = values.made.get(self._meta_key) or _read_meta(values[self._meta_key], identity)
            if meta is None:
                return await self._begin_anew()
            values.made[self._meta_key] = meta
            found = self._judge(memo, places, values, meta, kept)
            if isinstance(found, Lookup):
                return found
            memo = self._remember(found)
            mark = meta.mark
        return Lookup(None, mark, False, None)

    def _judge(self, memo: _Memo, places: Iterable[_Place], values: Values, meta: _Meta, kept: Kept) -> Lookup | _Memo:
        """Find the usable entry in what was read, or return a better memo for another trip if too little was."""
        varies = _read_varies(values[memo.varies_key])
        if (varies or ((),)) != memo.varies:
            return memo._replace(varies=varies or ((),))
        last_vary = varies[0] if varies else None
        for key, vary, selected_by in places:
            seen = values.made.get(key) or self._see(key, values, meta)
            entry = seen.entry
            if entry is None or (entry.key, entry.vary, entry.selected_by) != (memo.key, vary, selected_by):
                continue
            if seen.missing:
                return memo.with_records(key, seen.missing)
            last_vary = vary if last_vary is None else last_vary
            taken_back, made_stale = judge(kept, entry.tags)
            if seen.is_usable and not taken_back:
                return Lookup(entry, meta.mark, made_stale or not seen.is_fresh, vary)
        return Lookup(None, meta.mark, False, last_vary)

    def _see(self, key: bytes, values: Values, meta: _Meta) -> _Seen:
        """Judge an entry by what was read, once for all that share it."""
        stored = self._decode(key, values[key] or b"")
        if stored is None:
            seen = _Seen(None)
        else:
            try:
                seen = stored.judge([values[record] for record in stored.records], meta)
            except KeyError:
                seen = _Seen(stored.entry, missing=stored.records)
        values.made[key] = seen
        return seen

    def _decode(self, key: bytes, value: bytes) -> _Stored | None:
        """Read the bytes of an entry, unless they are what its key had before."""
        stored = self._decoded.get(key, value)
        if stored is None:
            entry = unpack(value)
            if entry is not None:
                stored = _Stored(entry, self._record_keys(entry.tags))
                self._decoded.keep(key, value, stored)
        return stored

    async def _begin_anew(self) -> Lookup:
        """Start the order of this server, unless somebody else just has: all that was stored before is not usable."""
        incarnation, position = await self._link().run(
            RENEW, [self._meta_key, self._log_key], _random_incarnation(), [KEEP_META]
        )
        return Lookup(None, _mark(incarnation, position), False, None)

    def _memo(self, key: Key) -> _Memo:
        return self._memos.get(key) or self._new_memo(key)

    def _new_memo(self, key: Key) -> _Memo:
        url = _name(key)
        entries, varies_key, variants_key = (b"%s%s:{%s}" % (self._prefix, kind, url) for kind in (b"e", b"u", b"v"))
        return _Memo(key, entries + b":", varies_key, variants_key, ((),), {})

    def _remember(self, memo: _Memo) -> _Memo:
        self._memos[memo.key] = memo
        if len(self._memos) > MAX_MEMOS:
            self._memos.pop(next(iter(self._memos)), None)
        return memo

    # --- commit -------------------------------------------------------------------------------------------------------

    async def commit(self, entry: Entry) -> bool:
        """Store an entry in one step with the check of its tags, unless one was invalidated hard after its mark.

        Raises:
            RedisError, OSError: the server is away, slow or refuses.
        """
        lifetime = int(1000 * min(entry.useful_until - entry.received, MAX_SECONDS))
        if lifetime <= 0 or judge(self._pending.kept, entry.tags)[0]:
            return False
        memo = self._memo(entry.key)
        (mark,) = cast("tuple[Component, ...]", entry.mark)
        key, _, _ = memo.place(entry.vary, entry.selected_by)
        records = self._record_keys(entry.tags)
        stored = await self._link().run(
            COMMIT,
            [self._meta_key, self._log_key, key, memo.varies_key, memo.variants_key, *records],
            _random_incarnation(),
            [
                max(KEEP_META, lifetime),
                mark.incarnation.hex(),
                mark.position,
                pack(entry),
                lifetime,
                b",".join(entry.vary),
                MAX_VARIANTS,
                POSITION_OFFSET,
                *_named(entry.tags),
            ],
        )
        self._remember(memo.with_records(key, records))
        return bool(stored)

    # --- invalidation -------------------------------------------------------------------------------------------------

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        """Move the position of each tag, whatever number of entries has it; cancelling the caller does not stop it.

        Raises:
            InvalidationError: it is not known to hold: it is kept, acted upon in this process, and repeated.
        """
        work = asyncio.get_running_loop().create_task(self._invalidate(list(tags), soft))
        self._running.add(work)
        work.add_done_callback(self._forget)
        await asyncio.shield(work)

    def _forget(self, work: asyncio.Task[None]) -> None:
        self._running.discard(work)
        if not work.cancelled():
            work.exception()  # whoever was cancelled meanwhile does not ask for it

    async def _invalidate(self, tags: list[str], soft: bool) -> None:
        try:
            await self._move(tags, soft)
        except FAILURES as error:
            self._pending.add(tags, soft=soft)
            self._see_to_pending()
            logger.warning("an invalidation failed and will be repeated: %r", error)
            raise InvalidationError(
                f"not known to be taken back in Redis: {error!r}; this process acts as if it were, and goes on trying"
            ) from error

    async def _move(self, tags: list[str], soft: bool) -> None:
        await self._link().run(
            INVALIDATE,
            [self._meta_key, self._log_key, *self._record_keys(tags)],
            _random_incarnation(),
            [KEEP_META, int(soft), int(ALL in tags), LOG_LENGTH, *_named(tags)],
            anyway=True,
        )

    def _see_to_pending(self) -> None:
        """Let a task repeat what failed, if there is anything and none does."""
        if self._pending.kept and (self._repeater is None or self._repeater.done()):
            self._repeater = asyncio.get_running_loop().create_task(self._repeat())

    async def _repeat(self) -> None:
        pauses = iter(REPEAT_SECONDS)
        pause = next(pauses)
        while self._pending.kept:
            await asyncio.sleep(pause)
            kept = self._pending.kept
            try:
                for soft in (False, True):
                    tags = [tag for tag, (hard, _) in kept.items() if hard is not soft]
                    for start in range(0, len(tags), REPEATED_AT_ONCE):
                        await self._move(tags[start : start + REPEATED_AT_ONCE], soft)
            except FAILURES:
                pause = next(pauses, pause)
            else:
                self._pending.settle(kept)

    # --- keys ---------------------------------------------------------------------------------------------------------

    def _record_keys(self, tags: Iterable[str]) -> tuple[bytes, ...]:
        return tuple(b"%st:%s" % (self._partition, tag) for tag in _named(tags))


def _new_pool(url: str) -> ConnectionPool:
    return ConnectionPool.from_url(url, retry=Retry(NoBackoff(), 0))  # the breaker says when to try again


def _named(tags: Iterable[str]) -> list[bytes]:
    """Return the tags that have records, in the order of their keys; the positions of `@all` are in the meta."""
    return sorted(tag.encode() for tag in tags if tag != ALL)


def _name(value: object) -> bytes:
    """Return a short name for a key or a variant; what has it carries the whole value, which is compared."""
    packed = cast("bytes", msgpack.packb(value, unicode_errors="surrogatepass"))
    return blake2b(packed, digest_size=16).hexdigest().encode()


def _random_incarnation() -> str:
    return os.urandom(8).hex()


def _mark(incarnation: bytes, position: int) -> tuple[Component]:
    return (Component(PARTITION, bytes.fromhex(incarnation.decode()), position),)


def _read_meta(value: bytes | None, identity: bytes) -> _Meta | None:
    """Read the meta, None if there is none or another server wrote it."""
    found = _META.fullmatch(value or b"")
    if found is None or found[5] != identity:
        return None
    return _Meta(_mark(found[1], int(found[2])), found[1], int(found[3]), int(found[4]))


def _read_varies(value: bytes | None) -> tuple[Vary, ...] | None:
    """Read what a URL's responses vary on, the newest first."""
    if value is None:
        return None
    return tuple(tuple(line.split(b",")) if line else () for line in value.split(b"\n"))


def _compare(entry: Entry, records: list[bytes | None], meta: _Meta) -> tuple[bool, bool]:
    """Tell whether an entry is usable, and whether no soft invalidation took it back."""
    _, incarnation, mark = cast("tuple[Component, ...]", entry.mark)[0]
    if incarnation != meta.mark[0].incarnation or meta.hard > mark:
        return False, False
    is_fresh = meta.soft <= mark
    for record in records:
        found = _RECORD.fullmatch(record or b"")
        if found is None or found[1] != meta.incarnation or int(found[2]) > mark:
            return False, False
        is_fresh = is_fresh and int(found[3]) <= mark
    return True, is_fresh
