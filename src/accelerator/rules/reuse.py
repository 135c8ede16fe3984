"""What a request is answered with, given what is stored for it (RFC 9111 §4, RFC 5861)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from accelerator.http import fields
from accelerator.http.cache_control import CacheControl
from accelerator.rules.freshness import age, staleness
from accelerator.rules.validation import can_validate

if TYPE_CHECKING:
    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry


ERRORS: Final = frozenset({500, 502, 503, 504})
"""What counts as an error for stale-if-error (RFC 5861 §4)."""


class Decision(Enum):
    """What to do with a request, given what was found."""

    HIT = "serve what was found"
    STALE = "serve what was found and make it anew meanwhile"
    VALIDATE = "ask the application whether what was found still holds"
    FILL = "call the application and keep its answer"
    PASS = "call the application and keep nothing"  # noqa: S105 - no password
    UNAVAILABLE = "say that nothing is stored: the client wants nothing else"


def decide(
    request: Request,
    entry: Entry | None,
    invalidated: bool,
    now: float,
    asked: CacheControl | None = None,
) -> Decision:
    """Say how a request is answered (RFC 9111 §4).

    Args:
        request: the request.
        entry: the usable entry that was found for it.
        invalidated: a tag of the entry was softly invalidated since: it is stale, whatever its age.
        now: seconds since the epoch.
        asked: the client's own directives, None where there are none that count.
    """
    if asked is not None:
        return _decide_as_asked(request, entry, invalidated, now, asked)
    if entry is not None and entry.may_answer(request):
        current = age(entry, now)
        if current < entry.lifetime and not invalidated:
            return Decision.HIT
        if staleness(entry, current) < entry.stale_while_revalidate:
            return Decision.STALE
    return forwarding_decision(request, entry, invalidated)


def forwarding_decision(request: Request, entry: Entry | None, invalidated: bool) -> Decision:
    """Say what the application is called for."""
    if not request.wants_content or request.has_range:
        return Decision.PASS
    is_of_use = entry is not None and entry.may_answer(request) and can_validate(entry, invalidated)
    return Decision.VALIDATE if is_of_use else Decision.FILL


def request_directives(request: Request) -> CacheControl | None:
    """Return the directives of a request, None if it has none (RFC 9111 §5.2.1). Pragma is none of them (§5.4)."""
    value = request.get(b"cache-control")
    return None if value is None else CacheControl.parse(value)


def accepts_collapsed(asked: CacheControl | None) -> bool:
    """Tell whether a client takes what has just been made for another one: then it is of use to wait for that."""
    return asked is None or not (asked.has_any("no-cache", "min-fresh") or asked.seconds("max-age") == 0)


def _decide_as_asked(
    request: Request, entry: Entry | None, invalidated: bool, now: float, asked: CacheControl
) -> Decision:
    """Say how a request is answered that says itself what it takes (RFC 9111 §5.2.1)."""
    if "no-store" not in asked and entry is not None and entry.may_answer(request):
        current = age(entry, now)
        if _is_acceptable(asked, entry, current, invalidated):
            return Decision.HIT
        is_open_to_stale = not asked.has_any("no-cache", "max-age", "min-fresh")
        if is_open_to_stale and staleness(entry, current) < entry.stale_while_revalidate:
            return Decision.STALE
    if "only-if-cached" in asked:
        return Decision.UNAVAILABLE
    return Decision.PASS if "no-store" in asked else forwarding_decision(request, entry, invalidated)


def _is_acceptable(asked: CacheControl, entry: Entry, current_age: float, invalidated: bool) -> bool:
    """Tell whether an answer is as young as the client wants it, and fresh or not staler than it takes."""
    if not _is_young(asked, entry, current_age):
        return False
    if current_age < entry.lifetime and not invalidated:
        return True
    max_stale = asked.seconds("max-stale", bare=fields.MAX_SECONDS)
    may_be_stale = max_stale is not None and not (entry.never_stale or invalidated)
    return may_be_stale and staleness(entry, current_age) <= (max_stale or 0)


def _is_young(asked: CacheControl, entry: Entry, current_age: float) -> bool:
    max_age, min_fresh = asked.seconds("max-age"), asked.seconds("min-fresh")
    return (
        "no-cache" not in asked
        and (max_age is None or current_age <= max_age)
        and (min_fresh is None or entry.lifetime - current_age >= min_fresh)
    )


def serves_on_error(entry: Entry, now: float) -> bool:
    """Tell whether an error may be hidden behind this entry (RFC 5861 §4)."""
    return staleness(entry, age(entry, now)) < entry.stale_if_error


def serves_after_refresh(entry: Entry, now: float) -> bool:
    """Tell whether an error may be hidden from who is served this entry while it is made anew (RFC 5861 §3, §4)."""
    return staleness(entry, age(entry, now)) < max(entry.stale_if_error, entry.stale_while_revalidate)


def serves_nobody(entry: Entry, now: float) -> bool:  # noqa: ARG001 - the shape of the two above
    """Hide no error: whoever began a refresh has to know that it failed."""
    return False
