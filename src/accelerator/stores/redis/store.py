"""The store that several processes share, on one Redis or Valkey server.

A lookup is one MGET of all that it needs. It need not be atomic: the positions in records never go down, and an entry
with a missing record is not usable. What to read and what follows from it is decided here, whoever reads: `link.py` on
an event loop, `blocking.py` in a thread. What has to be one step is a script, see `scripts.py`, which also has the
layout of the keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from redis.asyncio import Redis

from accelerator.notes import seconds
from accelerator.stores.binary import POSITION_OFFSET, pack, unpack
from accelerator.stores.pending import judge
from accelerator.stores.protocol import GrantsLeases, LooksUpInThreads, Lookup, Store
from accelerator.stores.recent import Recent
from accelerator.stores.redis.blocking import BlockingLink
from accelerator.stores.redis.invalidations import KEEP_META, Invalidations
from accelerator.stores.redis.keys import Keys, named
from accelerator.stores.redis.leasing import Leasing
from accelerator.stores.redis.links import Links
from accelerator.stores.redis.mailbox import Mailbox
from accelerator.stores.redis.memo import MAX_VARIANTS, Memos
from accelerator.stores.redis.scripts import COMMIT, RENEW
from accelerator.stores.redis.server import FAILURES, Breaker
from accelerator.stores.redis.verdict import Seen, Stored, new_mark, read_meta, read_varies
from accelerator.uncopied import Uncopied

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable

    from accelerator.http.request import Key, Request
    from accelerator.rules.entry import Entry
    from accelerator.stores.binary import Component
    from accelerator.stores.pending import Kept
    from accelerator.stores.protocol import Lease, TakenLease
    from accelerator.stores.redis.memo import Memo, Place
    from accelerator.stores.redis.server import Values
    from accelerator.stores.redis.verdict import Meta

MAX_TRIPS: Final = 4
"""Number of reads in one lookup, at most."""

MAX_DECODED: Final = 1024
"""Number of decoded entries that are kept."""

MAX_DECODED_BYTES: Final = 16 * 1024 * 1024
"""Bytes of the entries read last, in both forms. If a read brings the same bytes again, they are not decoded again."""

MAX_SECONDS: Final = 10 * 365 * 24 * 3600
"""Seconds for which an entry is kept, at most."""


class RedisStore(Uncopied, LooksUpInThreads, GrantsLeases, Store):
    """Keeps entries in Redis 7 or newer, or Valkey, for all who use the same server and prefix. It needs asyncio.

    Args:
        source: the URL of the server, `redis://`, `rediss://` or `unix://`, or of the Sentinels that name it,
            `redis+sentinel://` or `rediss+sentinel://`; or a client of `redis.asyncio`, which you close yourself, and
            which works on one event loop, unless it is that of a Sentinel, of which only the settings are used.
        prefix: the prefix of all keys.
        deadline: seconds that a call may take before it counts as failed.
        wait_replicas: the number of replicas that have to have an invalidation before it counts as made.

    Raises:
        TypeError: `source` is neither a URL nor a client, `prefix` is no `str`, `deadline` no number, or
            `wait_replicas` no whole one.
        ValueError: redis-py does not accept the URL or would misread it, `deadline` is not positive, or `wait_replicas`
            is negative.

    Attributes:
        keys: the keys that do not depend on a URL.
        links: the connections of event loops.
        invalidations: those of this process.
    """

    def __init__(
        self, source: str | Redis, prefix: str = "accelerator:", *, deadline: float = 0.1, wait_replicas: int = 0
    ) -> None:
        if not isinstance(source, str | Redis):
            raise TypeError(f"a URL or a client of redis.asyncio, not {type(source).__name__}")
        if not isinstance(prefix, str):
            raise TypeError(f"prefix is a str, not {type(prefix).__name__}")
        if seconds("deadline", deadline) <= 0:
            raise ValueError(f"deadline is a positive number of seconds, not {deadline!r}")
        if not isinstance(wait_replicas, int) or isinstance(wait_replicas, bool):
            raise TypeError(f"wait_replicas is an int, not {type(wait_replicas).__name__}")
        if wait_replicas < 0:
            raise ValueError(f"wait_replicas is a number of replicas, not {wait_replicas}")
        self._prefix = prefix.encode()
        self._deadline = deadline
        self.keys = Keys(self._prefix)
        self._breaker = Breaker()
        self.links = Links(source, deadline, self._breaker)
        self._address = self.links.address
        url = self.links.blocking_url
        self._threads = None if url is None else BlockingLink(url, self._address, deadline, self._breaker)
        self._memos = Memos(self._prefix)
        self._decoded: Recent[bytes, Stored] = Recent(MAX_DECODED, MAX_DECODED_BYTES)
        self._mailbox = Mailbox(self.keys, self.links)
        self._leasing = Leasing(self.keys, self.links, self._mailbox)
        self.invalidations = Invalidations(self.keys, self.links, self._mailbox, wait_replicas)

    def __repr__(self) -> str:
        return f"<RedisStore: {self._address}, prefix {self._prefix.decode()!r}>"

    async def aclose(self) -> None:
        """Wait for the invalidations on this event loop, give back its leases, and close its connections.

        Those of a client that was given stay open.

        Tags whose invalidation failed stay invalidated in this process, but the invalidation is repeated only when the
        store is used again.
        """
        await self.invalidations.aclose()
        await self._leasing.aclose()
        await self._mailbox.subscription.stop()
        await self.links.close()
        if self._threads is not None:
            self._threads.close()

    # --- lookup -------------------------------------------------------------------------------------------------------

    async def lookup(self, request: Request) -> Lookup:
        """Find the entry for a request, by one command if this process remembers the URL as it is now.

        Otherwise it takes up to three commands, or four if the URL changes meanwhile.

        Raises:
            RedisError, OSError: the server is unreachable or slow, or answers with an error. The message has the
                server's words and no password.
        """
        try:
            return await self._look_up(request)
        except FAILURES as error:
            raise self._address.without_secrets(error, self._deadline) from None

    async def _look_up(self, request: Request) -> Lookup:
        self.invalidations.see_to_pending()
        reads = self._reads(request)
        keys = next(reads)
        try:
            while True:
                keys = reads.send(await self.links.here().read(keys))
        except StopIteration as end:
            found: Lookup | None = end.value
        return await self._begin_anew() if found is None else found

    def lookup_here(self, request: Request) -> Lookup | None:
        """Do what `lookup` does in a thread without an event loop, which reads from Redis by itself.

        It leaves to `lookup` what is more than reading: a server without an order of positions, invalidations that have
        to be repeated, an answer that is an error, and a connection that has to be made.

        Raises:
            RedisError, OSError: the server failed a moment ago, or gives no answer by the deadline.
        """
        is_own = getattr(self.lookup, "__func__", None) is _LOOKUP  # else that one is to be asked
        if self._threads is None or self.invalidations.pending.kept or not is_own:
            return None
        reads = self._reads(request)
        keys = next(reads)
        try:
            while (read := self._threads.read(keys)) is not None:
                keys = reads.send(read)
        except StopIteration as end:
            found: Lookup | None = end.value
            return found
        except FAILURES as error:
            raise self._address.without_secrets(error, self._deadline) from None
        return None

    def _reads(self, request: Request) -> Generator[list[bytes], tuple[Values, bytes], Lookup | None]:
        """Yield the keys to read next, and return what was found; None if this server has no order of positions yet."""
        kept = self.invalidations.pending.kept  # read before Redis, which may not yet show what succeeds meanwhile
        memo = self._memos.get(request.key)
        for _ in range(MAX_TRIPS):
            places = [memo.place(vary, request.selecting_values(vary)) for vary in memo.varies]
            keys = [self.keys.meta, memo.varies_key]
            for key, _, _ in places:
                keys += (key, *memo.records.get(key, ()))
            values, identity = yield keys
            meta = values.made.get(self.keys.meta) or read_meta(values[self.keys.meta], identity)
            if meta is None:
                return None
            values.made[self.keys.meta] = meta
            found = self._judge(request.key, memo, places, values, meta, kept)
            if isinstance(found, Lookup):
                return found
            memo = self._memos.keep(request.key, found)
            mark = meta.mark
        return Lookup(None, mark, False, None)

    def _judge(
        self, asked: Key, memo: Memo, places: Iterable[Place], values: Values, meta: Meta, kept: Kept
    ) -> Lookup | Memo:
        """Return what the lookup found, or a better memo for another read if too little was read."""
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
        """Judge an entry by the records that were read, once for all lookups that share the read."""
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
        """Return the entry of these bytes; decode them only if they differ from those that the key had last."""
        stored = self._decoded.get(key)
        if stored is not None and stored.value == value:
            return stored
        entry = unpack(value)
        if entry is None:
            return None
        stored = Stored(value, entry, self.keys.records(entry.tags))
        self._decoded.keep(key, stored, stored.size())
        return stored

    async def _begin_anew(self) -> Lookup:
        """Begin a new order of positions on this server, unless another process just has.

        No entry from before it is usable.
        """
        keys = [self.keys.meta, self.keys.log]
        incarnation, position = await self.links.here().run(RENEW, keys, [KEEP_META])
        return Lookup(None, new_mark(incarnation, position), False, None)

    # --- commit -------------------------------------------------------------------------------------------------------

    async def commit(self, entry: Entry) -> bool:
        """Check the tags of an entry and store it in one step, unless a tag was invalidated hard after its mark.

        Raises:
            RedisError, OSError: the server is unreachable or slow, or answers with an error. The message has the
                server's words and no password.
        """
        lifetime = int(1000 * min(entry.useful_until - entry.received, MAX_SECONDS))
        if lifetime <= 0 or judge(self.invalidations.pending.kept, entry.tags)[0]:
            return False
        memo = self._memos.get(entry.key)
        (mark,) = cast("tuple[Component, ...]", entry.mark)
        key, _, _ = memo.place(entry.vary, entry.selected_by)
        records = self.keys.records(entry.tags)
        keys = [self.keys.meta, self.keys.log, key, memo.varies_key, memo.variants_key, *records]
        arguments = [
            max(KEEP_META, lifetime),
            mark.incarnation.hex(),
            mark.position,
            pack(entry),
            lifetime,
            b",".join(entry.vary),
            MAX_VARIANTS,
            POSITION_OFFSET,
            *named(entry.tags),
        ]
        try:
            stored = await self.links.here().run(COMMIT, keys, arguments)
        except FAILURES as error:
            raise self._address.without_secrets(error, self._deadline) from None
        self._memos.keep(entry.key, memo.with_records(key, records))
        return bool(stored)

    # --- one fill for all processes -----------------------------------------------------------------------------------

    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        """Take the lease of a name, by one command, if no other fill has it.

        Raises:
            RedisError, OSError: the server is unreachable or slow, or answers with an error. The message has the
                server's words and no password.
        """
        return await self._leasing.lease(name)

    # --- invalidation -------------------------------------------------------------------------------------------------

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        """Set the position of each tag. The time does not depend on how many entries have it.

        It waits for all near stores that follow this server, in whatever process, but no longer than for a lease of
        theirs. Cancelling the caller does not stop it.

        Raises:
            InvalidationError: it is not known to hold. It is kept, holds in this process, and is repeated.
        """
        await self.invalidations.invalidate(tags, soft=soft)


_LOOKUP: Final = RedisStore.lookup
