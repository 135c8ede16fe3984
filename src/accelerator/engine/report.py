"""What the cache reports: Cache-Status in each response, figures, events for `on_event`, and warnings in the log."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from accelerator.events import CacheEvent
from accelerator.figures.counts import Answered, Counts, counted_tags
from accelerator.figures.tally import Served
from accelerator.forks import lock_over_forks
from accelerator.http.credentials import CREDENTIALS
from accelerator.http.identity import SCOPE_IDENTITIES
from accelerator.http.request import url_of
from accelerator.rules.freshness import age
from accelerator.rules.response_tags import application_tags

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.events import EventKind
    from accelerator.http.request import Key, Request
    from accelerator.options import Options
    from accelerator.rules.entry import Entry
    from accelerator.stores.protocol import Lookup

logger = logging.getLogger("accelerator")
_MISPLACED: Final = (
    "a middleware outside of the cache has put %s into the scope: such a request is neither stored nor answered from"
    " the store unless the response is public, or the request has a partition. Put the cache outside of it: with"
    " Starlette and FastAPI call add_middleware(ASGIAccelerator) after all others."
)
_LEFT_OUT: Final = (
    "credentials leaves out %d well-known names, %s among them: a response for a request with one of these may go to"
    " everybody. To add a name of your own: credentials=(*accelerator.CREDENTIALS, 'X-My-Key')."
)


class Reporter:
    """Reports what one accelerator does, by Cache-Status, figures, events and warnings.

    Args:
        options: the options of the middleware.

    Attributes:
        counts: what was counted.
        is_heard: whether somebody listens to events.
    """

    def __init__(self, options: Options) -> None:
        self._name = options.cache_status
        self._listeners = [] if options.on_event is None else [options.on_event]
        self._has_warned_of: set[str] = set()
        self.counts = Counts(options.clock, lock_over_forks())
        self.is_heard = bool(self._listeners)
        if left_out := sorted({*CREDENTIALS}.difference(options.credentials)):
            self.warn_once("credentials", _LEFT_OUT, len(left_out), left_out[0])

    def listen(self, listener: Callable[[CacheEvent], None]) -> None:
        """Call a function with each event from now on, after those that listen already."""
        self._listeners = [*self._listeners, listener]
        self.is_heard = True

    def cache_status(self, *parameters: str) -> bytes | None:
        """Return a Cache-Status value with these parameters (RFC 9211 §2), None if none is to be sent."""
        return None if self._name is None else "; ".join((self._name, *parameters)).encode("ascii")

    def status_with_ttl(self, ttl: float, *parameters: str) -> bytes | None:
        """Return a Cache-Status value with these parameters, and the lifetime left in whole seconds (RFC 9211 §2.4)."""
        return self.cache_status(*parameters, f"ttl={int(ttl // 1)}")

    def answered_from_store(self, kind: EventKind, request: Request, entry: Entry, sent: int, **more: Any) -> None:
        """Report that a request was answered from the store, without a call of the application.

        Args:
            kind: `hit` or `stale`.
            request: the request.
            entry: the entry that answered it.
            sent: the bytes of the body that was sent.
            more: other attributes of the event.
        """
        alike = (kind, request.method, more["collapsed"], int(more["age"]), request.key)
        self.counts.served(alike, more["age"], sent, entry, what_is_served)
        self._report(kind, request, entry, **more)

    def forwarded(
        self,
        kind: EventKind,
        request: Request,
        fwd: str,
        entry: Entry | None = None,
        *,
        is_counted: bool = True,
        **more: Any,
    ) -> None:
        """Report that a request was not answered from the store, or only after the application was called.

        Args:
            kind: see `CacheEvent`.
            request: the request.
            fwd: why it was forwarded, as a `fwd` value of Cache-Status (RFC 9211 §2.2).
            entry: the entry that was made of its response; None if there is none.
            is_counted: whether it is one of the site's requests, and not one of those who look at its figures.
            more: other attributes of the event.
        """
        if is_counted:
            self.counts.answered(Answered(kind, more["detail"] or fwd, request.method), Served(request.url))
        self._report(kind, request, entry, **more)

    def refreshed(self, kind: EventKind, request: Request, entry: Entry | None, **more: Any) -> None:
        """Report that the application was called for an entry, and no client waits for it.

        Args:
            kind: see `CacheEvent`.
            request: the request that found it stale.
            entry: the entry that was made; None if there is none.
            more: other attributes of the event.
        """
        self.counts.refreshed(more["detail"])
        self._report(kind, request, entry, background=True, **more)

    def invalidated(self, request: Request) -> None:
        """Report that a request has invalidated what it changed."""
        self._report("invalidate", request, detail="hard")

    def _report(self, kind: EventKind, request: Request, entry: Entry | None = None, **more: Any) -> None:
        if self.is_heard:
            url = shown(request.url)
            tags, route = (frozenset[str](), "") if entry is None else (application_tags(entry), entry.route)
            self.emit(CacheEvent(kind, method=request.method, url=url, tags=tags, route=route, **more))

    def warn_once(self, subject: str, words: str, *arguments: object) -> None:
        """Log a warning, once for each subject.

        Args:
            subject: what the warning is about.
            words: the message, with placeholders as in `logging`.
            arguments: their values.
        """
        if subject not in self._has_warned_of:
            self._has_warned_of.add(subject)
            logger.warning(words, *arguments)

    def warn_of_outer_middleware(self, request: Request) -> None:
        """Warn once, naming the right order, if a user or session set by an outer middleware prevents all hits."""
        if request.outer_identity in SCOPE_IDENTITIES.values():
            self.warn_once(request.outer_identity, _MISPLACED, request.outer_identity)

    def emit(self, event: CacheEvent) -> None:
        """Call those who listen with an event. What they raise is logged and goes no further."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                logger.exception("on_event failed")


def what_is_served(entry: Entry) -> Callable[[], Served]:
    """Return what tells figures of an entry, without keeping the entry."""
    return partial(_served, entry.key, entry.tags, entry.made_in)


def _served(key: Key, tags: frozenset[str], made_in: float) -> Served:
    return Served(url_of(key), counted_tags(tags), made_in)


def shown(url: str) -> str:
    """Return a URL as events show it: bytes that are not UTF-8 are escaped."""
    return url.encode(errors="backslashreplace").decode()


def reason_to_forward(request: Request, found: Lookup, now: float) -> str:
    """Return why a request is forwarded, as a `fwd` value of Cache-Status (RFC 9211 §2.2)."""
    if found.vary is None:
        return "uri-miss"
    if found.entry is None:
        return "vary-miss" if found.vary else "miss"
    is_fresh = not found.invalidated and age(found.entry, now) < found.entry.lifetime
    return "request" if is_fresh or not found.entry.may_answer(request) else "stale"
