"""A store whose failures never reach a request: they only cost hits."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from accelerator.rules.plan import Refusal
from accelerator.stores.protocol import GrantsLeases, InvalidationError, Lease

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry
    from accelerator.stores.protocol import Lookup, Store, TakenLease

logger = logging.getLogger("accelerator")
# why a response was not stored, as `detail` says it
LOOKUP_FAILED: Final = Refusal("the store's lookup failed")
COMMIT_FAILED: Final = Refusal("the store's commit failed")
REFUSED: Final = Refusal("refused by the store")


class _NoLease(Lease):
    """What a fill has in place of a lease that the store failed to grant."""

    def end(self, unstorable_seconds: float = 0.0) -> None:
        """There is nothing to give back."""


_NO_LEASE: Final = _NoLease()


class _Outages:
    """Counts the failures of a store, and logs where each outage begins, and where the store works again.

    Attributes:
        errors: the number of failed calls, by method.
    """

    def __init__(self) -> None:
        self.errors: Counter[str] = Counter()
        self._failing: set[str] = set()

    def _report(self, method: str, error: Exception) -> None:
        self.errors[method] += 1
        if method not in self._failing:
            self._failing.add(method)
            kind = type(error).__name__
            logger.error("the store's %s fails, requests go to the application: %s: %s", method, kind, error)

    def _end_outage(self, method: str) -> None:
        self._failing.discard(method)
        logger.warning("the store's %s works again", method)  # as loud as the outage: a log may keep no INFO


class Guard(_Outages):
    """The methods of a store that requests use, without its exceptions.

    Args:
        store: the store.

    Attributes:
        leases: its leases, None if it grants none.
    """

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self.leases = LeaseGuard(store) if isinstance(store, GrantsLeases) else None

    @property
    def all_errors(self) -> dict[str, int]:
        """The number of calls that failed, by method, those of leases among them."""
        return {**self.errors, **(self.leases.errors if self.leases is not None else {})}

    async def look_up(self, request: Request) -> Lookup | None:
        """Do what `Store.lookup` does; return None if the store fails."""
        try:
            found = await self._store.lookup(request)
        except Exception as error:  # noqa: BLE001 - a store may raise anything
            self._report("lookup", error)
            return None
        if "lookup" in self._failing:
            self._end_outage("lookup")
        return found

    async def commit(self, entry: Entry) -> str:
        """Do what `Store.commit` does; return why the entry was not stored, `""` if it was."""
        try:
            stored = await self._store.commit(entry)
        except Exception as error:  # noqa: BLE001 - a store may raise anything
            self._report("commit", error)
            return COMMIT_FAILED
        if "commit" in self._failing:
            self._end_outage("commit")
        return "" if stored else REFUSED

    async def invalidate(self, tags: Collection[str]) -> None:
        """Invalidate hard what a request has changed.

        If that fails, the response goes out all the same: the change is made. The store then has logged the failure,
        treats the tags as invalidated in this process, and repeats the invalidation (`InvalidationError`).
        """
        try:
            await self._store.invalidate(tags, soft=False)
        except InvalidationError as error:
            logger.warning("what a request changed is not known to be taken back yet: %s", error)


class LeaseGuard(_Outages):
    """The leases of a store, without its exceptions: where they fail, each process fills for itself.

    Args:
        leases: the store.
    """

    def __init__(self, leases: GrantsLeases) -> None:
        super().__init__()
        self._leases = leases

    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        """Do what `GrantsLeases.lease` does; if the store fails, the fill goes on without one."""
        try:
            turn = await self._leases.lease(name)
        except Exception as error:  # noqa: BLE001 - a store may raise anything
            self._report("lease", error)
            return _NO_LEASE
        if "lease" in self._failing:
            self._end_outage("lease")
        return turn

    async def wait(self, taken: TakenLease, seconds: float, sleep: Callable[[float], Awaitable[object]]) -> float:
        """Do what `TakenLease.wait` does; if the store fails, there is nothing to wait for."""
        try:
            left = await taken.wait(seconds, sleep)
        except Exception as error:  # noqa: BLE001 - a store may raise anything
            self._report("wait for a lease", error)
            return seconds
        if "wait for a lease" in self._failing:
            self._end_outage("wait for a lease")
        return left

    def end(self, lease: Lease, unstorable_seconds: float) -> None:
        """Do what `Lease.end` does; if the store fails, the lease runs out by itself."""
        try:
            lease.end(unstorable_seconds)
        except Exception as error:  # noqa: BLE001 - a store may raise anything
            self._report("end of a lease", error)
        else:
            if "end of a lease" in self._failing:
                self._end_outage("end of a lease")
