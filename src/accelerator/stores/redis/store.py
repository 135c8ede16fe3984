"""The store that several processes share, on a Redis or Valkey server, or a cluster of them.

A lookup is one MGET of all that it needs. It need not be atomic: the positions in records never go down, and an entry
with a missing record is not usable. What to read and what follows from it is decided here, whoever reads: `link.py` on
an event loop, `cluster.py` from many nodes, `blocking.py` in a thread. What has to be one step is a script: `orders.py`
says which ones, and `scripts.py` also has the layout of the keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from weakref import finalize

from redis.asyncio import Redis, RedisCluster

from accelerator.notes import seconds
from accelerator.stores.binary import unpack
from accelerator.stores.listing import ListsEntries
from accelerator.stores.pending import judge
from accelerator.stores.protocol import GrantsLeases, KnowsFigures, LooksUpInThreads, Lookup, SharesFigures, Store
from accelerator.stores.recent import Recent
from accelerator.stores.redis.blocking import BlockingLink
from accelerator.stores.redis.board import RedisBoard
from accelerator.stores.redis.invalidations import Invalidations
from accelerator.stores.redis.keys import PARTITIONS, Keys
from accelerator.stores.redis.leasing import Leasing
from accelerator.stores.redis.links import Links
from accelerator.stores.redis.listing import Listing
from accelerator.stores.redis.mailbox import Mailbox
from accelerator.stores.redis.memo import Memos
from accelerator.stores.redis.orders import ManyOrders, OneOrder, Storing
from accelerator.stores.redis.server import FAILURES, Breaker
from accelerator.stores.redis.verdict import Seen, Stored, read_varies
from accelerator.uncopied import Uncopied

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable

    from accelerator.figures.board import Board
    from accelerator.figures.snapshot import InvalidationFigures, StoreFigures
    from accelerator.http.request import Key, Request
    from accelerator.rules.entry import Entry
    from accelerator.stores.listing import Listed
    from accelerator.stores.pending import Kept
    from accelerator.stores.protocol import Lease, TakenLease
    from accelerator.stores.redis.links import Source
    from accelerator.stores.redis.memo import Memo, Place
    from accelerator.stores.redis.orders import Metas
    from accelerator.stores.redis.server import Values

MAX_TRIPS: Final = 4
"""Number of reads in one lookup, at most."""

MAX_DECODED: Final = 1024
"""Number of decoded entries that are kept."""

MAX_DECODED_BYTES: Final = 16 * 1024 * 1024
"""Bytes of the entries read last, in both forms. If a read brings the same bytes again, they are not decoded again."""

MAX_SECONDS: Final = 10 * 365 * 24 * 3600
"""Seconds for which an entry is kept, at most."""


class RedisStore(Uncopied, LooksUpInThreads, GrantsLeases, KnowsFigures, SharesFigures, ListsEntries, Store):
    """Keeps entries in Redis 7 or newer, or Valkey, for all who use the same server and prefix. It needs asyncio.

    Args:
        source: the URL of the server, `redis://`, `rediss://` or `unix://`, or of the Sentinels that name it,
            `redis+sentinel://` or `rediss+sentinel://`, or of a cluster, `redis+cluster://` or `rediss+cluster://`; or
            a client of `redis.asyncio`, which you close yourself, and which works on one event loop, unless it is that
            of a Sentinel or a cluster, of which only the settings are used.
        prefix: the prefix of all keys. On a cluster it has no braces.
        deadline: seconds that a call may take before it counts as failed.
        wait_replicas: the number of replicas that have to have an invalidation before it counts as made.

    Raises:
        TypeError: `source` is neither a URL nor a client, `prefix` is no `str`, `deadline` no number, or
            `wait_replicas` no whole one.
        ValueError: redis-py does not accept the URL or would misread it, `prefix` has braces on a cluster, `deadline`
            is not positive, or `wait_replicas` is negative.

    Attributes:
        keys: the keys that do not depend on a URL.
        links: the connections of event loops.
        invalidations: those of this process.
        invalidated: what was taken back in this process.
    """

    def __init__(
        self, source: Source, prefix: str = "accelerator:", *, deadline: float = 0.1, wait_replicas: int = 0
    ) -> None:
        if not isinstance(source, str | Redis | RedisCluster):
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
        self._breaker = Breaker()
        self.links = Links(source, deadline, self._breaker)
        if self.links.is_cluster and set("{}") & set(prefix):
            raise ValueError(f"on a cluster the braces of a key say where it is, so prefix has none, unlike {prefix!r}")
        self.keys = Keys(self._prefix, PARTITIONS if self.links.is_cluster else 1)
        self._orders = (ManyOrders if self.links.is_cluster else OneOrder)(self.keys, wait_replicas)
        self._address = self.links.address
        url = self.links.blocking_url
        self._threads = None if url is None else BlockingLink(url, self._address, deadline, self._breaker)
        self._memos = Memos(self._prefix)
        self._listing = Listing(self._prefix, self.keys, self._orders, self._memos)
        self._decoded: Recent[bytes, Stored] = Recent(MAX_DECODED, MAX_DECODED_BYTES)
        self._mailbox = Mailbox(self.keys, self.links)
        finalize(self, self._mailbox.subscription.forget)
        self._leasing = Leasing(self.keys, self.links, self._mailbox)
        self.invalidations = Invalidations(self.keys, self.links, self._orders, self._mailbox)
        self.invalidated = self.invalidations.invalidated

    def __repr__(self) -> str:
        return f"<RedisStore: {self._address}, prefix {self._prefix.decode()!r}>"

    async def aclose(self) -> None:
        """Wait for the invalidations on this event loop, give back its leases, and close its connections.

        Caches downstream that follow this store are waited for as well, for some seconds.

        Those of a client that was given stay open.

        Tags whose invalidation failed stay invalidated in this process, but the invalidation is repeated only when the
        store is used again.
        """
        await self.invalidations.aclose()
        await self.invalidated.aclose()
        await self._leasing.aclose()
        await self._mailbox.subscription.stop()
        await self.links.close()
        if self._threads is not None:
            self._threads.close()

    # --- lookup -------------------------------------------------------------------------------------------------------

    async def lookup(self, request: Request) -> Lookup:
        """Find the entry for a request, in one trip if this process remembers the URL as it is now.

        Otherwise it takes up to three trips, or four if the URL changes meanwhile. A trip is one command; on a cluster
        it is one for each slot, all sent at the same time.

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
        connections = self.links.here()
        try:
            while True:
                keys = reads.send(await connections.read(keys))
        except StopIteration as end:
            found: Lookup | Metas = end.value
        if isinstance(found, Lookup):
            return found
        return Lookup(None, await self._orders.begin(connections, found), False, None)

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
            found: Lookup | Metas = end.value
            return found if isinstance(found, Lookup) else None
        except FAILURES as error:
            raise self._address.without_secrets(error, self._deadline) from None
        return None

    def _reads(self, request: Request) -> Generator[list[bytes], Values, Lookup | Metas]:
        """Yield the keys to read next, and return what was found, or the orders if some of them have to begin anew."""
        kept = self.invalidations.pending.kept  # read before Redis, which may not yet show what succeeds meanwhile
        memo = self._memos.get(request.key)
        for _ in range(MAX_TRIPS):
            before = self._orders.before()  # all that is judged is read after it
            places = [memo.place(vary, request.selecting_values(vary)) for vary in memo.varies]
            keys = [*self._orders.to_read(knows_tags=bool(memo.needed)), memo.varies_key]
            for key, _, _ in places:
                keys += (key, *memo.needed.get(key, ()))
            values = yield keys
            metas = self._orders.see(values, before)
            if metas.lost:
                return metas
            found = self._judge(request.key, memo, places, values, metas, kept)
            if isinstance(found, Lookup):
                return found
            memo = self._memos.keep(request.key, found)
        return Lookup(None, metas.mark, False, None)

    def _judge(
        self, asked: Key, memo: Memo, places: Iterable[Place], values: Values, metas: Metas, kept: Kept
    ) -> Lookup | Memo:
        """Return what the lookup found, or a better memo for another read if too little was read."""
        varies = read_varies(values[memo.varies_key])
        if (varies or ((),)) != memo.varies:
            return memo._replace(varies=varies or ((),))
        last_vary = varies[0] if varies else None
        for key, vary, selected_by in places:
            seen = values.made.get(key) or self._see(key, values, metas)
            entry = seen.entry
            if entry is None or (entry.key, entry.vary, entry.selected_by) != (asked, vary, selected_by):
                continue
            if seen.missing:
                return memo.with_needed(key, seen.missing)
            last_vary = vary if last_vary is None else last_vary
            taken_back, made_stale = judge(kept, entry.tags)
            if seen.is_usable and not taken_back:
                return Lookup(entry, metas.mark, made_stale or not seen.is_fresh, last_vary)
        return Lookup(None, metas.mark, False, last_vary)

    def _see(self, key: bytes, values: Values, metas: Metas) -> Seen:
        """Judge an entry by the records that were read, once for all lookups that share the read."""
        stored = self._decode(key, values[key] or b"")
        if stored is None:
            seen = Seen(None)
        else:
            try:
                read = [values[key] for key in stored.needed.keys]
            except KeyError:
                seen = Seen(stored.entry, missing=stored.needed.keys)
            else:
                seen = stored.judge(read[len(stored.needed.metas) :], metas.found)
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
        stored = Stored(value, entry, self.keys.needed(entry.tags))
        self._decoded.keep(key, stored, stored.size())
        return stored

    # --- commit -------------------------------------------------------------------------------------------------------

    async def commit(self, entry: Entry) -> bool:
        """Check the tags of an entry and store it, unless a tag was invalidated hard after its mark.

        Raises:
            RedisError, OSError: the server is unreachable or slow, or answers with an error. The message has the
                server's words and no password.
        """
        lifetime = int(1000 * min(entry.useful_until - entry.received, MAX_SECONDS))
        if lifetime <= 0 or judge(self.invalidations.pending.kept, entry.tags)[0]:
            return False
        memo = self._memos.get(entry.key)
        key, _, _ = memo.place(entry.vary, entry.selected_by)
        needed = self.keys.needed(entry.tags)
        storing = Storing(entry, needed, (key, memo.varies_key, memo.variants_key), lifetime)
        try:
            stored = await self._orders.commit(self.links.here(), storing)
        except FAILURES as error:
            raise self._address.without_secrets(error, self._deadline) from None
        self._memos.keep(entry.key, memo.with_needed(key, needed.keys))
        return stored

    # --- figures ------------------------------------------------------------------------------------------------------

    def store_figures(self) -> StoreFigures:
        """Return where the store stands, as far as this process knows it without asking."""
        own: StoreFigures = {"kind": type(self).__name__, "shared": True, "breaker_open": self._breaker.is_open}
        return own | self.invalidated.downstream_figures()

    def invalidation_figures(self) -> InvalidationFigures:
        """Return what this process has invalidated."""
        return self.invalidated.as_figures()

    def figures_board(self) -> Board:
        """Return the hash of the figures of all processes that use the same server and prefix."""
        return RedisBoard(self.keys, self.links)

    # --- browsing -----------------------------------------------------------------------------------------------------

    async def list_entries(
        self, *, url: str | None = None, tag: str | None = None, cursor: str | None = None, limit: int = 100
    ) -> Listed:
        """List entries, see `ListsEntries.list_entries`. Each command is short, and there are some dozens of them.

        On a cluster, an entry that moves from one node to another meanwhile may be missing.

        Raises:
            RedisError, OSError: the server is unreachable or slow, or answers with an error. The message has the
                server's words and no password.
        """
        asked = self._listing.asked(url, tag, cursor, limit)
        kept = self.invalidations.pending.kept  # read before Redis, as in a lookup
        try:
            return await self._listing.list_entries(self.links.here(), asked, kept)
        except FAILURES as error:
            raise self._address.without_secrets(error, self._deadline) from None

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
