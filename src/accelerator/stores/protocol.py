"""The protocol of the stores, which keep entries and invalidate tags."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from accelerator.tags import ALL, flattened, tag_of_url, valid_tag

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable
    from mmap import mmap

    from accelerator.figures.board import Board
    from accelerator.figures.snapshot import InvalidationFigures, StoreFigures
    from accelerator.http.request import Key, Request, Vary
    from accelerator.rules.entry import Entry, Mark

RequestT = TypeVar("RequestT")


class InvalidationError(Exception):
    """An invalidation is not known to hold everywhere yet. This process repeats it, and acts as if it held."""


class Lookup(NamedTuple):
    """What a store found for a request.

    Attributes:
        entry: the entry to answer from, None if there is none, or only one that was invalidated hard.
        mark: the last position before the lookup, for a fill that begins now.
        invalidated: the entry was invalidated softly after its mark: it is stale.
        vary: the selecting header fields of the newest response of this URL, even if an older one was found; None if
            nothing is known of it.
    """

    entry: Entry | None
    mark: Mark
    invalidated: bool
    vary: Vary | None


@runtime_checkable
class Store(Protocol):
    """Keeps entries and invalidates tags. To write your own store, derive from this and write the abstract methods.

    Each store has to keep this rule: an entry is usable if no tag of it was invalidated hard at a position after its
    mark, and not usable otherwise. It is fresh only if none was invalidated softly after its mark either. Only an
    invalidation makes a new position, which is larger than all before; the positions of the last hard and the last soft
    invalidation of a tag never go down. `accelerator.testing.StoreContract` tests a store for this rule.

    Attributes:
        suspends: False if no method but `aclose` ever waits, so that threads may call the methods without an event
            loop.
    """

    suspends: bool = True

    @abstractmethod
    async def lookup(self, request: Request) -> Lookup:
        """Find the entry for a request. The mark that it returns is not later than the moment of the lookup."""
        ...

    @abstractmethod
    async def commit(self, entry: Entry) -> bool:
        """Store an entry, unless a tag of it was invalidated hard after its mark.

        A usable entry is never replaced by one with a smaller mark.

        Returns:
            Whether it was stored.
        """
        ...

    @abstractmethod
    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        """Invalidate every stored entry with one of these tags, and every running fill whose entry will have one.

        It returns when this holds everywhere, and raises if that could not be done. Once called it runs to its end,
        even if the caller is cancelled. The tags are valid; the library's own may be among them.
        """
        ...

    async def invalidate_tag(self, *tags: str | Iterable[str], soft: bool = False) -> None:
        """Invalidate every response made from the data that one of these tags names.

        Call it after the change is committed. No request that arrives after it returned is answered, as fresh, with a
        response whose making began before the call.

        Args:
            tags: names, or iterables of names.
            soft: the responses become stale, instead of never being used again: they may still be served where
                stale-while-revalidate or stale-if-error allow it.

        Raises:
            TypeError: a name is not a `str`.
            ValueError: a name is not valid for a tag.
        """
        await self.invalidate([valid_tag(name) for name in flattened(tags)], soft=soft)

    async def invalidate_url(self, url: str, *, soft: bool = False) -> None:
        """Invalidate every variant of the response of one URL.

        Args:
            url: an absolute http or https URL as the cache sees it: as clients request it, without the parameters that
                the middleware's option `ignore_query` names; the scheme makes no difference.
            soft: as in `invalidate_tag`.

        Raises:
            TypeError: it is not a `str`.
            ValueError: it is not an absolute http or https URL.
        """
        await self.invalidate([tag_of_url(url)], soft=soft)

    async def clear(self) -> None:
        """Invalidate everything, hard."""
        await self.invalidate([ALL], soft=False)

    async def aclose(self) -> None:
        """Close what the store has open on this event loop: nothing, if it has no connections."""
        return


class ReadyEntry:
    """An entry that a store has at hand, with a place for what the middleware prepares to answer from it.

    The store keeps this object no longer than the entry, and counts it in its bytes: see `sizes.READY_BYTES`.

    Attributes:
        entry: the entry.
        prepared: what was prepared last, None for nothing. Only who has prepared it reads it.
    """

    __slots__ = ("entry", "prepared")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.prepared: Any = None

    def keep(self, prepared: object) -> None:
        """Keep what was prepared, in place of what was before."""
        self.prepared = prepared


class KnowsReadyEntries(ABC):
    """A store that can name the entry of a plain hit at once. `engine.shortcut` asks those that derive from this."""

    @abstractmethod
    def ready_entry(
        self, key: Key, request: RequestT, selecting_values: Callable[[RequestT, Vary], tuple[bytes | None, ...]]
    ) -> ReadyEntry | None:
        """Return the entry for a request if that is known without waiting, and nothing is left to decide but its age.

        That is so for an entry that is usable, and was not softly invalidated, at the time of this call: `lookup` would
        find the same. None says nothing.

        Args:
            key: the key of the request.
            request: the request, in any form that `selecting_values` reads.
            selecting_values: returns a request's values of selecting header fields, as `Request.selecting_values`.
        """
        ...


class LooksUpInThreads(ABC):
    """A store that waits for I/O, and in which a thread can look up by itself: `WSGIAccelerator` lets it.

    Another store that waits is asked on an event loop in another thread, which takes longer than a near server does.
    """

    @abstractmethod
    def lookup_here(self, request: Request) -> Lookup | None:
        """Do what `lookup` does, and block this thread meanwhile; None says that `lookup` has to be asked."""
        ...


class Lease(ABC):
    """The right to fill a place, which no other process has meanwhile.

    The store keeps it alive until it ends, unless the fill takes so long that it may hang. If the process dies or stops
    the lease runs out by itself, and another process may get it. So it saves work, and nothing may depend on it: a fill
    that has lost its lease goes on, and its entry is committed by the usual rules.
    """

    @abstractmethod
    def end(self, unstorable_seconds: float = 0.0) -> None:
        """Give it back, and wake those who wait for it. This waits for no I/O, and may be called twice.

        It is called by whatever ends the fill, a cancellation as well. A lease that has run out, and that another
        process may have by now, is left alone.

        Args:
            unstorable_seconds: for how long nobody is to wait for such fills, because the response was not storable.
        """
        ...


class TakenLease(ABC):
    """A lease that another process has, or another fill of this one."""

    @abstractmethod
    async def wait(self, seconds: float, sleep: Callable[[float], Awaitable[object]]) -> float:
        """Wait until it has ended or run out, for at most `seconds`; return the seconds that are left, 0 if none are.

        Args:
            seconds: how long to wait at most.
            sleep: waits for a number of seconds, in the way of the caller's loop or thread. A store that is told of the
                end of a lease need not use it.
        """
        ...


class GrantsLeases(ABC):
    """A store by which processes agree who fills: those that wait look up again when the fill of another has ended.

    `engine.turns` asks those that derive from this; with another store each process fills for itself.
    `accelerator.testing.LeaseContract` tests a store for it.
    """

    @abstractmethod
    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        """Take the lease of a name, if no other fill has it.

        Its owner is replaced if it has died, or has not kept the lease alive in time. If the caller is cancelled, what
        it would have got is given back, or runs out.

        Args:
            name: 16 bytes, which tell the place of a fill.

        Returns:
            The lease, or the one that another fill has; None if nobody is to wait, since a response was not storable a
            while ago.
        """
        ...


class KnowsFigures(ABC):
    """A store that says where it stands. `figures()` of a middleware shows it."""

    @abstractmethod
    def store_figures(self) -> StoreFigures:
        """Return what this process knows of the store, without waiting for a server."""
        ...

    @abstractmethod
    def invalidation_figures(self) -> InvalidationFigures:
        """Return what this process has invalidated."""
        ...


class SharesFigures(ABC):
    """A store by which all processes that share it can sum up what each of them has counted."""

    @abstractmethod
    def figures_board(self) -> Board:
        """Return the place where they put it. It costs nothing before it is used."""
        ...


class SharedPage(ABC):
    """A page of memory beside a store. Of all processes that share the store, one at a time may have it, and write.

    Attributes:
        memory: the page. It is zeros at first, and again after a boot of the system.
    """

    memory: mmap

    @abstractmethod
    def acquire(self) -> bool:
        """Take it, unless another process has it. Return whether this process has it now. It does not wait."""
        ...

    @abstractmethod
    def release(self) -> None:
        """Give it back. A process that ends does so by itself, however it ends."""
        ...


class SharesPage(ABC):
    """A store that all processes of a machine share, and by which one of them can follow another store for all."""

    @abstractmethod
    def shared_page(self, name: str) -> SharedPage:
        """Return the page of memory of all processes that share this store.

        Args:
            name: what the store stands in front of, as letters and digits.

        Raises:
            OSError: it cannot be opened.
            ValueError: the store stands in front of something else.
        """
        ...


def checked_store(store: Store) -> Store:
    """Return a store as it is.

    Raises:
        TypeError: it is not a store, but for example the class of one.
    """
    if isinstance(store, type) or not isinstance(store, Store):
        given = f"the class {store.__name__}" if isinstance(store, type) else f"a {type(store).__name__}"
        raise TypeError(
            "store is a MemoryStore(), an LMDBStore(path), a RedisStore(url), another Store, or a URL such as"
            f" 'lmdb:///dev/shm/site?max_bytes=1GiB', not {given}"
        )  # not its value, which may have a password in it
    return store
