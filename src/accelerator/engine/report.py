"""What the cache reports: Cache-Status in each response, events for `on_event`, and warnings in the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from accelerator.events import CacheEvent
from accelerator.http.credentials import CREDENTIALS
from accelerator.http.identity import SCOPE_IDENTITIES
from accelerator.rules.freshness import age
from accelerator.rules.response_tags import application_tags

if TYPE_CHECKING:
    from accelerator.events import EventKind
    from accelerator.http.request import Request
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
    """Reports what one accelerator does, by Cache-Status, events and warnings.

    Args:
        options: the options of the middleware.

    Attributes:
        has_listener: whether somebody listens to events.
    """

    def __init__(self, options: Options) -> None:
        self._name = options.cache_status
        self._listener = options.on_event
        self._has_warned_of: set[str] = set()
        self.has_listener = options.on_event is not None
        if left_out := sorted({*CREDENTIALS}.difference(options.credentials)):
            self.warn_once("credentials", _LEFT_OUT, len(left_out), left_out[0])

    def cache_status(self, *parameters: str) -> bytes | None:
        """Return a Cache-Status value with these parameters (RFC 9211 §2), None if none is to be sent."""
        return None if self._name is None else "; ".join((self._name, *parameters)).encode("ascii")

    def status_with_ttl(self, ttl: float, *parameters: str) -> bytes | None:
        """Return a Cache-Status value with these parameters, and the lifetime left in whole seconds (RFC 9211 §2.4)."""
        return self.cache_status(*parameters, f"ttl={int(ttl // 1)}")

    def report(self, kind: EventKind, request: Request, entry: Entry | None = None, **more: Any) -> None:
        """Report to `on_event` what was done with a request.

        Args:
            kind: see `CacheEvent`.
            request: the request.
            entry: the entry that answered it, or that was made of its response; None if there is none.
            more: other attributes of the event.
        """
        if self._listener is not None:
            url = shown(request.url)
            tags = frozenset[str]() if entry is None else application_tags(entry)
            self.emit(CacheEvent(kind, method=request.method, url=url, tags=tags, **more))

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
        """Call `on_event` with an event. What it raises is logged and goes no further."""
        if self._listener is not None:
            try:
                self._listener(event)
            except Exception:
                logger.exception("on_event failed")


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
