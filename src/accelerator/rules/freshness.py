"""Freshness and age of responses (RFC 9111 §4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from accelerator.http import fields
from accelerator.http.dates import http_date
from accelerator.http.response import Response, is_event_stream
from accelerator.rules.plan import Refusal

if TYPE_CHECKING:
    from accelerator.http.cache_control import CacheControl
    from accelerator.http.request import Request
    from accelerator.notes import Notes
    from accelerator.options import Options
    from accelerator.rules.entry import Entry


HEURISTIC_SHARE: Final = 0.1
"""Of the time since the last change, what a response may be taken to stay as it is (RFC 9111 §4.2.2)."""

MAX_HEURISTIC_SECONDS: Final = 86400
"""A guess holds for a day at most."""

_CACHEABLE_BY_DEFAULT: Final = frozenset({200, 203, 204, 300, 301, 308, 404, 410})
_HEURISTICALLY_CACHEABLE: Final = _CACHEABLE_BY_DEFAULT | {405, 414, 501}  # RFC 9110 §15.1, but for parts


def age(entry: Entry, now: float) -> float:
    """Return the current age in seconds (RFC 9111 §4.2.3). A clock that was set back makes nothing younger."""
    return entry.initial_age + (now - entry.received if now > entry.received else 0.0)


def staleness(entry: Entry, current_age: float) -> float:
    """For how long it has been stale by its age; what was invalidated early has been for 0 seconds."""
    return max(0.0, current_age - entry.lifetime)


NO_TIME: Final = Refusal("no explicit time")


def lifetime(
    request: Request,
    response: Response,
    control: CacheControl,
    targeted: bool,
    notes: Notes,
    options: Options,
) -> float | Refusal:
    """Return the freshness lifetime: what was said, else the first explicit time (RFC 9111 §4.2.1, RFC 9213 §2.2).

    An answer to POST needs such a time (RFC 9110 §9.3.3).
    """
    if notes.ttl is not None:
        return notes.ttl if notes.ttl > 0 else Refusal("a time of 0")
    if "no-cache" in control:  # stored, but never used unasked (RFC 9111 §5.2.2.4)
        return 0
    for directive in ("s-maxage", "max-age"):
        if (time := control.seconds(directive)) is not None:
            return time
    if not targeted and response.has(b"expires"):
        return expires_after(response)
    if request.method == "POST":
        return NO_TIME
    if is_event_stream(response.headers):
        return Refusal("an event stream needs an explicit time")
    if options.default_ttl is not None and options.default_ttl > 0 and response.status in _CACHEABLE_BY_DEFAULT:
        return options.default_ttl
    return _heuristic_lifetime(response, control) if options.heuristic else NO_TIME


def _heuristic_lifetime(response: Response, control: CacheControl) -> float | Refusal:
    """Guess from how long the response has been as it is (RFC 9111 §4.2.2)."""
    modified = http_date(response.get(b"last-modified"), response.received)
    may_guess = response.status in _HEURISTICALLY_CACHEABLE or "public" in control
    if modified is None or not may_guess:
        return NO_TIME
    guess = HEURISTIC_SHARE * (date_of(response) - modified)
    return min(guess, MAX_HEURISTIC_SECONDS) if guess > 0 else NO_TIME


def expires_after(response: Response) -> float:
    """Several Expires lines, or a malformed one, have passed already (RFC 9111 §5.3)."""
    expires = http_date(response.get(b"expires"), response.received)
    return 0 if expires is None else max(0.0, expires - date_of(response))


def date_of(response: Response) -> float:
    """Return when the response was made: its Date, else when it came (RFC 9110 §6.6.1)."""
    date = http_date(response.get(b"date"), response.received)
    return response.received if date is None else date


def initial_age(response: Response) -> float:
    """Return the corrected initial age (RFC 9111 §4.2.3).

    The time the application took counts only where it forwards what is older than itself (it sends Age): otherwise it
    made the response in that time. Of several ages the first counts, a malformed one does not (§5.1).
    """
    apparent = max(0.0, response.received - date_of(response))
    sent = response.get(b"age")
    if sent is None:
        return apparent
    value = fields.delta_seconds(sent.split(b",")[0].decode("latin-1").strip()) or 0
    return max(apparent, value + response.received - response.requested)
