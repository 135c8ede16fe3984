"""The events that the cache reports to the option `on_event`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

EventKind: TypeAlias = Literal["hit", "stale", "validated", "miss", "pass", "invalidate"]


@dataclass(frozen=True, slots=True)
class CacheEvent:
    """What the cache did with one request, or one invalidation through the middleware.

    Attributes:
        kind: `hit` (a fresh response from the store), `stale` (a stale one from the store), `validated` (the
            application answered 304), `miss` (the application answered), `pass` (the application answered, and the
            response was not to be stored), or `invalidate`.
        method: the request method; empty for a call that invalidates.
        url: the request's URL without ignored query parameters, or the URL given to `invalidate_url`; else empty.
        detail: `stored`, or why the response was not stored; for an invalidation `hard`, `soft` or `clear`.
        tags: the entry's tags without the library's own, or the tags given to `invalidate_tag`.
        age: the age in seconds of a response from the store, else None.
        ttl: the remaining freshness lifetime in seconds of a response from the store, or of one that was stored, else
            None. It is negative for a response that has become stale by age.
        collapsed: whether the request waited for the fill of another one.
    """

    kind: EventKind
    method: str = ""
    url: str = ""
    detail: str = ""
    tags: frozenset[str] = frozenset()
    age: float | None = None
    ttl: float | None = None
    collapsed: bool = False
