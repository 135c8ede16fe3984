"""What plain hits of one entry have in common, made once and sent as long as it stays true."""

from __future__ import annotations

from math import ulp
from typing import TYPE_CHECKING, Final

from accelerator.engine.report import shown
from accelerator.events import CacheEvent
from accelerator.http.request import url_of
from accelerator.rules.answer import current_lines
from accelerator.rules.conditions import naming_only
from accelerator.rules.freshness import age
from accelerator.rules.response_tags import application_tags
from accelerator.rules.stored_fields import without_content_fields

if TYPE_CHECKING:
    from accelerator.engine.report import Reporter
    from accelerator.rules.entry import Entry

_ROUNDINGS: Final = 8
"""How many roundings of a time may add up. Before a second ends by that much, its answer is made anew."""


class Prepared:
    """The answers to plain hits of a fresh entry, from one moment until Age or the lifetime left is another number.

    Args:
        entry: the entry, which is fresh.
        now: the moment, in seconds since the epoch.
        reporter: what says Cache-Status and events.

    Attributes:
        reporter: the given one. It tells who has prepared this, where several middlewares share a store.
        since: from when the answers are right, in seconds since the epoch.
        until: up to when they are right.
        headers: the header lines of the whole response.
    """

    __slots__ = ("_current", "_entry", "_named", "_not_modified", "headers", "reporter", "since", "until")

    def __init__(self, entry: Entry, now: float, reporter: Reporter) -> None:
        current_age = age(entry, now)
        ttl = entry.lifetime - current_age
        self._entry = entry
        self._current = current_lines(current_age, reporter.cache_status("hit", f"ttl={int(ttl)}"))
        self._not_modified: tuple[tuple[bytes, ...], list[tuple[bytes, bytes]]] | None = None
        self._named: tuple[str, frozenset[str]] | None = None
        self.reporter = reporter
        self.since = now
        rounding = ulp(abs(now) + current_age + entry.lifetime)
        self.until = max(now, now + min(1 - current_age % 1, ttl % 1) - _ROUNDINGS * rounding)
        self.headers = [*entry.headers, *entry.added, *self._current]

    def not_modified(self, condition: bytes) -> list[tuple[bytes, bytes]] | None:
        """Return the header lines of a 304, None if it is not certain that If-None-Match asks for one.

        It is if the entry is a 200, and the field names its ETag only (RFC 9110 §13.1.2, §13.2.1).
        """
        if self._not_modified is None:
            entry = self._entry
            etags = naming_only(entry.etag) if entry.etag is not None and entry.status == 200 else ()
            lines = without_content_fields(entry.headers + entry.added)
            self._not_modified = etags, [*lines, *self._current]
        etags, headers = self._not_modified
        return headers if condition in etags else None

    def report(self, method: str, now: float) -> None:
        """Report a plain hit that was answered at `now`."""
        entry = self._entry
        if self._named is None:
            self._named = shown(url_of(entry.key)), application_tags(entry)
        url, tags = self._named
        current_age = age(entry, now)
        ttl = entry.lifetime - current_age
        self.reporter.emit(CacheEvent("hit", method=method, url=url, tags=tags, age=current_age, ttl=ttl))
