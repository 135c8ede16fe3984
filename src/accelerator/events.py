"""The events that the cache and its near stores report to their options `on_event`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        route: the template of the route that made a response from the store or for it, such as `/users/{id}`; empty if
            that is not known.
        background: whether the application was called for the store alone, and no request waits for it.
    """

    kind: EventKind
    method: str = ""
    url: str = ""
    detail: str = ""
    tags: frozenset[str] = frozenset()
    age: float | None = None
    ttl: float | None = None
    collapsed: bool = False
    route: str = ""
    background: bool = False


NearEventKind: TypeAlias = Literal["good", "lapsed", "emptied", "applied", "waited"]


@dataclass(frozen=True, slots=True)
class NearEvent:
    """What a near store has met or done.

    Attributes:
        kind: `good` (the near store answers from now on), `lapsed` (it may not for now, and the far store is asked),
            `emptied` (it may have missed invalidations), `applied` (one of whatever process was made in it), or
            `waited` (one of this process holds in all near stores).
        sequence: the number of the invalidation, or of the last one that emptying makes up for; else 0.
        tags: the names that were invalidated, the library's own among them.
        seconds: how long an invalidation waited for followers after the far store had it, else None.
        followers: for whom it waited: each follower with the seconds until it had acknowledged, or None if it had not
            when its lease had run out for certain.
    """

    kind: NearEventKind
    sequence: int = 0
    tags: frozenset[str] = frozenset()
    seconds: float | None = None
    followers: Mapping[str, float | None] = field(default_factory=dict, hash=False)
