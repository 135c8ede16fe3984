"""Figures as one dict that JSON can say: what `figures()` returns, what processes publish, and what is summed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from accelerator.figures.histogram import HistogramFigures


class RequestLine(TypedDict):
    """Requests of late: one, or the plain hits of one URL within a second.

    Attributes:
        time: when it was answered, in seconds since the epoch.
        outcome: see `CacheEvent.kind`.
        reason: `stored`, or why the response was not stored or the request forwarded; `""` for a hit.
        method: the request method.
        url: its URL without ignored query parameters.
        age: the age in seconds of a response from the store, else None.
        number: how many requests they are.
    """

    time: float
    outcome: str
    reason: str
    method: str
    url: str
    age: float | None
    number: int


class InvalidationFigures(TypedDict):
    """The invalidations of one process.

    Attributes:
        invalidations: the number of tags that were invalidated: of those by `tag` (of the application, or of a cache
            group), `url` and `all`, how many `hard` and how many `soft`.
        invalidating: a histogram of the seconds that the calls took which succeeded.
        invalidations_failed: the number of calls that raised. They are kept and repeated, and their tags are among
            `invalidations` once that has succeeded.
    """

    invalidations: dict[str, dict[str, int]]
    invalidating: HistogramFigures
    invalidations_failed: int


class DownstreamFigures(TypedDict):
    """What one cache downstream was told by a process.

    Attributes:
        sent: the number of keys that it has taken back; everything counts as one.
        failed: the number of calls that failed. What they were for is sent again.
        waiting: the number of keys that it has not taken back yet.
    """

    sent: int
    failed: int
    waiting: int


class StoreFigures(TypedDict, total=False):
    """Where a store stands. What a store does not know is missing.

    Attributes:
        kind: the name of its class.
        shared: whether all workers have the same entries.
        entries: the number of its entries.
        bytes: the bytes that they take.
        max_bytes: the bytes that they may take.
        evictions: the number of entries that this process has made give way to others.
        errors: the number of calls for requests that failed, by method.
        breaker_open: whether the server failed when it was asked last.
        near: the figures of a near store, see `NearFigures`, with its `entries`, `bytes`, `max_bytes` and `evictions`.
            What it counts is a sum, and the rest is of one process.
        fanout: what caches downstream were told, by their names.
    """

    kind: str
    shared: bool
    entries: int
    bytes: int
    max_bytes: int
    evictions: int
    errors: dict[str, int]
    breaker_open: bool
    near: dict[str, float | str | None]
    fanout: dict[str, DownstreamFigures]


class Figures(InvalidationFigures):
    """What was counted by one process, or by all that share a store. Numbers of events only grow.

    Texts in it are as clients and the application sent them, cut to 256 characters, with escapes for what is not UTF-8.

    Attributes:
        since: when counting began, in seconds since the epoch.
        until: when the figures were read.
        workers: the number of accelerators in processes that are alive.
        complete: whether nothing is missing: the figures of other processes could be read.
        requests: the number of requests, by outcome (`CacheEvent.kind`) and reason.
        refreshes: the number of refreshes in the background, by `stored` or why nothing was stored.
        collapsed: the number of hits that had waited for the fill of another request.
        bytes_served: the bytes of the bodies that were sent from the store.
        seconds_saved: the seconds that the application took to make what was sent from the store, for each request.
        ages: a histogram of the age of responses from the store, in seconds.
        fills: a histogram of the seconds that the application took for each complete response that could be stored.
        filling: the number of calls of the application that are under way and whose response may be stored.
        store: where the store stands.
        urls: the URLs that the store answered most often in the last ten to twenty minutes, with estimated numbers.
        tags: the tags of these answers, likewise.
        unstored: what was not stored most often: reason, URL and estimated number.
        latest: the latest requests, newest first.
        traffic: for each five seconds of the last ten minutes with requests: when they began, the number of requests
            that were answered from the store, and of others.
    """

    since: float
    until: float
    workers: int
    complete: bool
    requests: dict[str, dict[str, int]]
    refreshes: dict[str, int]
    collapsed: int
    bytes_served: int
    seconds_saved: float
    ages: HistogramFigures
    fills: HistogramFigures
    filling: int
    store: StoreFigures
    urls: list[tuple[str, int]]
    tags: list[tuple[str, int]]
    unstored: list[tuple[str, str, int]]
    latest: list[RequestLine]
    traffic: list[tuple[float, int, int]]
