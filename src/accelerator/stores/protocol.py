"""The protocol of the stores: where entries live, and where tags are taken back."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from accelerator.tags import ALL, flattened, tag_of_url, valid_tag

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from accelerator.http.request import Request, Vary
    from accelerator.rules.entry import Entry, Mark


class InvalidationError(Exception):
    """An invalidation is not known to hold everywhere yet. This process goes on trying, and acts as if it did."""


class Lookup(NamedTuple):
    """What a store found for a request.

    Attributes:
        entry: the entry to answer from, None if there is none that no hard invalidation took back.
        mark: the last position before the lookup, for a fill that begins now.
        invalidated: a soft invalidation took the entry back: it is stale.
        vary: the fields by which the newest response of this URL is chosen, even where an older one was found; None if
            nothing is known of it.
    """

    entry: Entry | None
    mark: Mark
    invalidated: bool
    vary: Vary | None


@runtime_checkable
class Store(Protocol):
    """Where entries live. A store of your own derives from this and writes the three abstract methods.

    The rule that each has to keep: an entry is usable iff no tag of it was invalidated hard at a position after its
    mark, and fresh only if none was invalidated softly either. Only an invalidation makes a new position, larger than
    all before; positions of hard and soft never go down. `accelerator.testing.StoreContract` holds a store to it.

    Attributes:
        suspends: False if no call ever waits for anything: then threads may call it, without a loop.
    """

    suspends: bool = True

    @abstractmethod
    async def lookup(self, request: Request) -> Lookup:
        """Find the entry for a request. The mark returned is not later than the lookup's own step."""
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
        """Take back every entry with one of these tags, and every running fill that will turn out to have one.

        It returns when this holds everywhere, raises if it could not be done, and runs to its end once it is called,
        even if the caller is cancelled. The tags are valid, the library's own among them.
        """
        ...

    async def invalidate_tag(self, *tags: str | Iterable[str], soft: bool = False) -> None:
        """Take back every response made from the data that one of these tags names.

        Call it after the commit of the change. No request that arrives after it returned is answered, as fresh, with a
        response whose making began before.

        Args:
            tags: names, or iterables of names.
            soft: they are stale from now on, instead of never used again: they may still be served where
                stale-while-revalidate or stale-if-error allow it.

        Raises:
            TypeError: a name is not a `str`.
            ValueError: a name is none that a tag can have.
        """
        await self.invalidate([valid_tag(name) for name in flattened(tags)], soft=soft)

    async def invalidate_url(self, url: str, *, soft: bool = False) -> None:
        """Take back every variant of the response of one URL.

        Args:
            url: an absolute http or https URL as the cache sees it: as clients ask for it, without the parameters that
                `ignore_query` of a middleware names; the scheme makes no difference.
            soft: as in `invalidate_tag`.

        Raises:
            TypeError: it is not a `str`.
            ValueError: it is not an absolute http or https URL.
        """
        await self.invalidate([tag_of_url(url)], soft=soft)

    async def clear(self) -> None:
        """Take back everything."""
        await self.invalidate([ALL], soft=False)


def checked_store(store: Store) -> Store:
    """Return a store as it is.

    Raises:
        TypeError: it is something else, such as a URL, or the class of a store.
    """
    if isinstance(store, type) or not isinstance(store, Store):
        given = f"the class {store.__name__}" if isinstance(store, type) else f"a {type(store).__name__}"
        raise TypeError(
            f"store is a MemoryStore(), a RedisStore(url) or another Store, not {given}"
        )  # no secret of a URL
    return store
