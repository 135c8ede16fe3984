"""What is reported of each request and invalidation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

EventKind: TypeAlias = Literal["hit", "stale", "validated", "miss", "pass", "invalidate"]


@dataclass(frozen=True, slots=True)
class CacheEvent:
    """What the cache did with one request, or one invalidation that was asked of it.

    Attributes:
        kind: `hit` (fresh, from the store), `stale` (from the store, past its time), `validated` (the application
            answered 304), `miss` (the application answered), `pass` (not the cache's business), `invalidate`.
        method: the request's method, empty for an invalidation by call.
        url: the request's URL without what `ignore_query` names, empty for an invalidation by call.
        detail: what came of it: `stored`, or why not; for an invalidation `hard` or `soft`.
        tags: the tags of the entry without the library's own, or all that were invalidated.
        age: seconds since the response was made, where it came from the store.
        ttl: seconds for which it stays fresh, where it came from the store or went there.
        collapsed: the request waited for another one's fill.
    """

    kind: EventKind
    method: str = ""
    url: str = ""
    detail: str = ""
    tags: frozenset[str] = frozenset()
    age: float | None = None
    ttl: float | None = None
    collapsed: bool = False
