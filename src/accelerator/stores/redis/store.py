"""The store that several processes share, on one Redis or Valkey server.

A lookup is one MGET of all that decides it. That needs no atomicity: records never go down, and a missing one means
that the entry is not usable. What has to be one step is a script: `redis_scripts.py` has them, and the layout of the
keys.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Final, cast

from redis.asyncio import Redis

from accelerator.notes import seconds
from accelerator.stores.binary import POSITION_OFFSET, pack, unpack
from accelerator.stores.protocol import InvalidationError, Lookup, Store
from accelerator.stores.recent import Recent
from accelerator.stores.redis.address import Address, new_pool
from accelerator.stores.redis.link import FAILURES, Link
from accelerator.stores.redis.memo import MAX_VARIANTS, Memos
from accelerator.stores.redis.pending import Pending, judge
from accelerator.stores.redis.scripts import COMMIT, INVALIDATE, RENEW
from accelerator.stores.redis.verdict import PARTITION, Seen, Stored, new_mark, read_meta, read_varies
from accelerator.tags import ALL
from accelerator.uncopied import Uncopied

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from accelerator.http.request import Key, Request
    from accelerator.rules.entry import Entry
    from accelerator.stores.binary import Component
    from accelerator.stores.redis.link import Values
    from accelerator.stores.redis.memo import Memo, Place
    from accelerator.stores.redis.pending import Kept
    from accelerator.stores.redis.verdict import Meta

logger = logging.getLogger("accelerator")
LOG_LENGTH: Final = 8192
MAX_TRIPS: Final = 4
MAX_DECODED: Final = 1024
MAX_DECODED_BYTES: Final = 16 * 1024 * 1024
"""What the entries take that were read last, as bytes and decoded: what brings the same bytes is not decoded again."""

REPEATED_AT_ONCE: Final = 500
KEEP_META: Final = 7 * 24 * 3600 * 1000
"""Milliseconds without a write after which the store begins anew, at least."""

MAX_SECONDS: Final = 10 * 365 * 24 * 3600
"""For how long an entry is kept at most."""

REPEAT_SECONDS: Final = (0.1, 0.3, 1.0, 3.0)
"""Pauses before the repetitions of a failed invalidation; the last one stands for all that follow."""


class RedisStore(Uncopied, Store):
    """Entries in Redis 7 or newer, or Valkey, shared by all that use the same server and prefix. On asyncio.

    Args:
        source: the server's URL, `redis://`, `rediss://` or `unix://`, or a client of `redis.asyncio`, which stays
            yours to close and works on one event loop.
        prefix: what all keys begin with.
        deadline: seconds that a call may take; then it counts as failed.

    Raises:
        TypeError: `source` is neither a URL nor a client, `prefix` is no `str`, or `deadline` no number.
        ValueError: the URL is none that Redis clients know, or they would misread it, or `deadline` is not positive.
    """

    def __init__(self, source: str | Redis, prefix: str = "accelerator:", *, deadline: float = 0.1) -> None:
        if not isinstance(source, str | Redis):
            raise TypeError(f"a URL or a client of redis.asyncio, not {type(source).__name__}")
        if not isinstance(prefix, str):
            raise TypeError(f"prefix is a str, not {type(prefix).__name__}")
        if seconds("deadline", deadline) <= 0:
            raise ValueError(f"deadline is a positive number of seconds, not {deadline!r}")
        self._source = source
        self._address = Address(new_pool(source) if isinstance(source, str) else source.connection_pool)
        self._prefix = prefix.encode()
        self._deadline = deadline
        self._partition = self._prefix + b"{%d}:" % PARTITION
        self._meta_key = self._partition + b"meta"
        self._log_key = self._partition + b"log"
        self._links: dict[asyncio.AbstractEventLoop, Link] = {}
        self._memos = Memos(self._prefix)
        self._decoded: Recent[bytes, Stored] = Recent(MAX_DECODED, MAX_DECODED_BYTES)
        self._pending = Pending()
        self._running: set[asyncio.Task[None]] = set()
        self._repeater: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<RedisStore: {self._address}, prefix {self._prefix.decode()!r}>"

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
                pool = new_pool(self._source)
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
            RedisError, OSError: the server is away, slow or refuses. The text has its words, and no password.
        """
        try:
            return await self._look_up(request)
        except FAILURES as error:
            raise self._address.explained(error, self._deadline) from None

    async def _look_up(self, request: Request) -> Lookup:
        self._see_to_pending()
        kept = self._pending.kept  # as it is now: what is settled later may not have been when Redis was read
        memo = self._memos.get(request.key)
        for _ in range(MAX_TRIPS):
            places = [memo.place(vary, request.selecting_values(vary)) for vary in memo.varies]
            keys = [self._meta_key, memo.varies_key]
            for key, _, _ in places:
                keys += (key, *memo.records.get(key, ()))
            values, identity = await self._link().read(keys)
            meta = values.made.get(self._meta_key) or read_meta(values[self._meta_key], identity)
            if meta is None:
                return await self._begin_anew()
            values.made[self._meta_key] = meta
            found = self._judge(request.key, memo, places, values, meta, kept)
            if isinstance(found, Lookup):
                return found
            memo = self._memos.keep(request.key, found)
            mark = meta.mark
        return Lookup(None, mark, False, None)

    def _judge(
        self, asked: Key, memo: Memo, places: Iterable[Place], values: Values, meta: Meta, kept: Kept
    ) -> Lookup | Memo:
        """Find the usable entry in what was read, or return a better memo for another trip if too little was."""
        varies = read_varies(values[memo.varies_key])
        if (varies or ((),)) != memo.varies:
            return memo._replace(varies=varies or ((),))
        last_vary = varies[0] if varies else None
        for key, vary, selected_by in places:
            seen = values.made.get(key) or self._see(key, values, meta)
            entry = seen.entry
            if entry is None or (entry.key, entry.vary, entry.selected_by) != (asked, vary, selected_by):
                continue
            if seen.missing:
                return memo.with_records(key, seen.missing)
            last_vary = vary if last_vary is None else last_vary
            taken_back, made_stale = judge(kept, entry.tags)
            if seen.is_usable and not taken_back:
                return Lookup(entry, meta.mark, made_stale or not seen.is_fresh, last_vary)
        return Lookup(None, meta.mark, False, last_vary)

    def _see(self, key: bytes, values: Values, meta: Meta) -> Seen:
        """Judge an entry by what was read, once for all that share it."""
        stored = self._decode(key, values[key] or b"")
        if stored is None:
            seen = Seen(None)
        else:
            try:
                seen = stored.judge([values[record] for record in stored.records], meta)
            except KeyError:
                seen = Seen(stored.entry, missing=stored.records)
        values.made[key] = seen
        return seen

    def _decode(self, key: bytes, value: bytes) -> Stored | None:
        """Read the bytes of an entry, unless they are what its key had before."""
        stored = self._decoded.get(key)
        if stored is not None and stored.value == value:
            return stored
        entry = unpack(value)
        if entry is None:
            return None
        stored = Stored(value, entry, self._record_keys(entry.tags))
        self._decoded.keep(key, stored, stored.size())
        return stored

    async def _begin_anew(self) -> Lookup:
        """Start the order of this server, unless somebody else just has: all that was stored before is not usable."""
        keys = [self._meta_key, self._log_key]
        incarnation, position = await self._link().run(RENEW, keys, _random_incarnation(), [KEEP_META])
        return Lookup(None, new_mark(incarnation, position), False, None)

    # --- commit -------------------------------------------------------------------------------------------------------

    async def commit(self, entry: Entry) -> bool:
        """Store an entry in one step with the check of its tags, unless one was invalidated hard after its mark.

        Raises:
            RedisError, OSError: the server is away, slow or refuses. The text has its words, and no password.
        """
        lifetime = int(1000 * min(entry.useful_until - entry.received, MAX_SECONDS))
        if lifetime <= 0 or judge(self._pending.kept, entry.tags)[0]:
            return False
        memo = self._memos.get(entry.key)
        (mark,) = cast("tuple[Component, ...]", entry.mark)
        key, _, _ = memo.place(entry.vary, entry.selected_by)
        records = self._record_keys(entry.tags)
        keys = [self._meta_key, self._log_key, key, memo.varies_key, memo.variants_key, *records]
        arguments = [
            max(KEEP_META, lifetime),
            mark.incarnation.hex(),
            mark.position,
            pack(entry),
            lifetime,
            b",".join(entry.vary),
            MAX_VARIANTS,
            POSITION_OFFSET,
            *_named(entry.tags),
        ]
        try:
            stored = await self._link().run(COMMIT, keys, _random_incarnation(), arguments)
        except FAILURES as error:
            raise self._address.explained(error, self._deadline) from None
        self._memos.keep(entry.key, memo.with_records(key, records))
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
            failure = self._address.explained(error, self._deadline)
            logger.warning("an invalidation failed and will be repeated: %s", failure)
            raise InvalidationError(
                f"not known to be taken back: {failure}; this process acts as if it were, and goes on trying"
            ) from failure

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


def _named(tags: Iterable[str]) -> list[bytes]:
    """Return the tags that have records, in the order of their keys; the positions of `@all` are in the meta."""
    return sorted(tag.encode() for tag in tags if tag != ALL)


def _random_incarnation() -> str:
    return os.urandom(8).hex()
