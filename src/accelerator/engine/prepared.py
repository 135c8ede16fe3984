"""What plain hits of one entry have in common, made once and sent as long as it stays true."""

from __future__ import annotations

from functools import partial
from math import inf, ulp
from typing import TYPE_CHECKING, Final
from weakref import ref

from accelerator.engine.report import shown, what_is_served
from accelerator.events import CacheEvent
from accelerator.figures.tally import Tally
from accelerator.http.fields import combined
from accelerator.http.request import url_of
from accelerator.rules.answer import current_lines
from accelerator.rules.conditions import conditions_for
from accelerator.rules.freshness import age
from accelerator.rules.response_tags import application_tags
from accelerator.rules.stored_fields import without_content_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from accelerator.engine.report import Reporter
    from accelerator.http.fields import HeaderLines, HeaderList
    from accelerator.rules.entry import Entry

MAX_KEPT_URL: Final = 256
"""A longer URL is made anew for each event, so that what is prepared takes no more than `sizes.READY_BYTES`."""

MAX_KEPT_TAGS: Final = 16
"""More tags are made anew for each event."""

_LAST_DIGITS: Final = 4
"""So far the times may be off: by eight roundings, each of half of the last digit. The end is that much too early."""


class PreparedHit:
    """The answers to plain hits of a fresh entry, from one moment until Age or the lifetime left is another number.

    Args:
        entry: the entry, which is fresh.
        now: the moment, in seconds since the epoch.
        reporter: what says Cache-Status, figures and events.
        shown: what the scope of a hit is to have.
        sent: the header lines with the tags, if clients get them.

    Attributes:
        reporter: the given one. It tells who has prepared this, where several middlewares share a store.
        since: from when the answers are right, in seconds since the epoch.
        until: up to when they are right.
        headers: the header lines of the whole response.
        tally: counts the answers that were sent.
        shown: the given one.
    """

    __slots__ = (
        "__weakref__",
        "_conditions",
        "_current",
        "_entry",
        "_named",
        "_not_modified",
        "_sends_tags",
        "headers",
        "reporter",
        "shown",
        "since",
        "tally",
        "until",
    )

    def __init__(
        self,
        entry: Entry,
        now: float,
        reporter: Reporter,
        shown: Mapping[str, object],
        sent: HeaderLines = (),
    ) -> None:
        current_age = age(entry, now)
        ttl = entry.lifetime - current_age
        self._entry = entry
        self._sends_tags = bool(sent)
        self._current = (*sent, *current_lines(current_age, reporter.status_with_ttl(ttl, "hit")))
        self._conditions: tuple[bytes, ...] | None = None
        self._not_modified: HeaderList = []
        self._named: tuple[str, frozenset[str]] | None = None
        self.reporter = reporter
        self.shown = shown
        self.since = now
        last_digit = ulp(abs(now) + current_age + entry.lifetime)
        self.until = max(now, now + min(1 - current_age % 1, ttl % 1) - _LAST_DIGITS * last_digit)
        self.headers = [*entry.headers, *entry.added, *self._current]
        # neither of these keeps the entry: what is counted is kept for longer
        served = what_is_served(entry)
        self.tally = Tally(served, len(entry.body), current_age, now, self.until, partial(_retire, ref(self)))
        reporter.counts.tally(self.tally)

    def not_modified(self, condition: bytes) -> HeaderList | None:
        """Return the header lines of a 304, None if it is not certain that If-None-Match asks for one.

        It is if the entry is a 200, and the field names its ETag only (RFC 9110 §13.1.2, §13.2.1).
        """
        if self._conditions is None:
            whole = self._entry.headers + self._entry.added
            etag = combined(whole, b"etag") if self._entry.status == 200 else None
            self._not_modified = [*without_content_fields(whole), *self._current]
            self._conditions = () if etag is None else conditions_for(etag)
        return self._not_modified if condition in self._conditions else None

    def report(self, method: str, now: float) -> None:
        """Report a plain hit that was answered at `now`."""
        entry = self._entry
        url, tags = self._named or self._names()
        current_age = age(entry, now)
        ttl = entry.lifetime - current_age
        event = CacheEvent("hit", method, url, tags=tags, age=current_age, ttl=ttl, route=entry.route)
        self.reporter.emit(event)

    def _names(self) -> tuple[str, frozenset[str]]:
        """Return the URL and the tags for events, and keep them if they are short, and no tags are sent."""
        url, tags = named = shown(url_of(self._entry.key)), application_tags(self._entry)
        if len(url) <= MAX_KEPT_URL and len(tags) <= MAX_KEPT_TAGS and not self._sends_tags:
            self._named = named
        return named


def _retire(prepared: ref[PreparedHit]) -> None:
    """End the time for which answers are prepared."""
    found = prepared()
    if found is not None:
        found.until = -inf
