"""The freshness lifetime and the age of responses (RFC 9111 §4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from accelerator.http.dates import http_date
from accelerator.http.fields import delta_seconds
from accelerator.http.response import is_event_stream
from accelerator.rules.plan import Refusal

if TYPE_CHECKING:
    from accelerator.http.response import Response
    from accelerator.rules.candidate import Candidate, Directives
    from accelerator.rules.entry import Entry

HEURISTIC_SHARE: Final = 0.1
"""A heuristic freshness lifetime is this share of the time from Last-Modified to Date (RFC 9111 §4.2.2)."""

MAX_HEURISTIC_SECONDS: Final = 86400
"""The longest heuristic freshness lifetime: a day."""

NO_TIME: Final = Refusal("no explicit time")

_CACHEABLE_BY_DEFAULT: Final = frozenset({200, 203, 204, 300, 301, 308, 404, 410})
_HEURISTICALLY_CACHEABLE: Final = _CACHEABLE_BY_DEFAULT | {405, 414, 501}  # RFC 9110 §15.1, without 206


def age(entry: Entry, now: float) -> float:
    """Return the current age of an entry in seconds (RFC 9111 §4.2.3).

    If the clock was set back since the response was received, that is the initial age.

    Args:
        entry: the entry.
        now: seconds since the epoch.
    """
    return entry.initial_age + (now - entry.received if now > entry.received else 0.0)


def staleness(entry: Entry, current_age: float) -> float:
    """Return for how many seconds an entry has been stale by age, whether or not it was softly invalidated."""
    return max(0.0, current_age - entry.lifetime)


def initial_age(response: Response) -> float:
    """Return the corrected initial age in seconds (RFC 9111 §4.2.3).

    The time that the application took is included only if it sends Age, and so forwards an older response. Otherwise it
    made the response in that time. Of several Age values the first counts; a malformed one is ignored (§5.1).
    """
    apparent = max(0.0, response.received - date_of(response))
    sent = response.get(b"age")
    if sent is None:
        return apparent
    value = delta_seconds(sent.split(b",")[0].decode("latin-1").strip()) or 0
    return max(apparent, value + response.received - response.requested)


def lifetime(candidate: Candidate, directives: Directives) -> tuple[float | Refusal, str]:
    """Return the freshness lifetime of a response in seconds, or why the response is not stored, and what says so.

    The time given to `cache_for` comes first, then the directives and Expires in the order of RFC 9111 §4.2.1, with
    targeted fields as in RFC 9213 §2.2, then the options. The answer to a POST needs a time of its own (RFC 9110
    §9.3.3).

    Args:
        candidate: the response.
        directives: the directives that apply to it.

    Returns:
        The seconds or the refusal, and the name of what gives the seconds.
    """
    response, options, control = candidate.response, candidate.options, directives.control
    if candidate.notes.ttl is not None:
        return candidate.notes.ttl if candidate.notes.ttl > 0 else Refusal("a time of 0"), "cache_for"
    if "no-cache" in control:  # it is stored, but validated before each use (RFC 9111 §5.2.2.4)
        return 0, "no-cache"
    for directive in ("s-maxage", "max-age"):
        if (time := control.seconds(directive)) is not None:
            return time, directive
    if not directives.is_targeted and response.has(b"expires"):
        return expires_after(response), "Expires"
    if candidate.request.method == "POST":
        return NO_TIME, ""
    if is_event_stream(response.get(b"content-type")):
        return Refusal("an event stream needs an explicit time"), ""
    if options.default_ttl is not None and options.default_ttl > 0 and response.status in _CACHEABLE_BY_DEFAULT:
        return options.default_ttl, "default_ttl"
    return (_heuristic_lifetime(candidate, directives), "heuristic") if options.heuristic else (NO_TIME, "")


def _heuristic_lifetime(candidate: Candidate, directives: Directives) -> float | Refusal:
    """Return a freshness lifetime in seconds derived from Last-Modified, if RFC 9111 §4.2.2 allows one."""
    response = candidate.response
    modified = http_date(response.get(b"last-modified"), response.received)
    may_guess = response.status in _HEURISTICALLY_CACHEABLE or "public" in directives.control
    if modified is None or not may_guess:
        return NO_TIME
    guess = HEURISTIC_SHARE * (date_of(response) - modified)
    return min(guess, MAX_HEURISTIC_SECONDS) if guess > 0 else NO_TIME


def expires_after(response: Response) -> float:
    """Return the seconds from Date to Expires, 0 at least; several or malformed Expires give 0 (RFC 9111 §5.3)."""
    expires = http_date(response.get(b"expires"), response.received)
    return 0 if expires is None else max(0.0, expires - date_of(response))


def date_of(response: Response) -> float:
    """Return Date in seconds since the epoch; without a valid one, when the response was received (RFC 9110 §6.6.1)."""
    date = http_date(response.get(b"date"), response.received)
    return response.received if date is None else date
