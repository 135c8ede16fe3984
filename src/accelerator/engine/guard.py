"""A store whose failures never reach a request: they only cost hits."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from accelerator.rules.plan import Refusal
from accelerator.stores.protocol import InvalidationError

if TYPE_CHECKING:
    from collections.abc import Collection

    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry
    from accelerator.stores.protocol import Lookup, Store

logger = logging.getLogger("accelerator")
# why a response was not stored, as `detail` says it
LOOKUP_FAILED: Final = Refusal("the store's lookup failed")
COMMIT_FAILED: Final = Refusal("the store's commit failed")
REFUSED: Final = Refusal("refused by the store")


class Guard:
    """The methods of a store that requests use, without its exceptions.

    An outage is logged once, until the store works again.

    Args:
        store: the store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._failing: set[str] = set()

    async def look_up(self, request: Request) -> Lookup | None:
        """Do what `Store.lookup` does; return None if the store fails."""
        try:
            found = await self._store.lookup(request)
        except Exception as error:  # noqa: BLE001 - a store may raise anything
            self._report("lookup", error)
            return None
        self._failing.discard("lookup")
        return found

    async def commit(self, entry: Entry) -> str:
        """Do what `Store.commit` does; return why the entry was not stored, `""` if it was."""
        try:
            stored = await self._store.commit(entry)
        except Exception as error:  # noqa: BLE001 - a store may raise anything
            self._report("commit", error)
            return COMMIT_FAILED
        self._failing.discard("commit")
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

    def _report(self, method: str, error: Exception) -> None:
        if method not in self._failing:
            self._failing.add(method)
            kind = type(error).__name__
            logger.error("the store's %s fails, requests go to the application: %s: %s", method, kind, error)
