"""Decide whether a request is answered from the store (RFC 9111 §4, §5.2.1, RFC 5861)."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from accelerator.http.cache_control import CacheControl
from accelerator.http.fields import MAX_SECONDS
from accelerator.rules.freshness import age, staleness
from accelerator.rules.validation import can_validate

if TYPE_CHECKING:
    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry

ERRORS: Final = frozenset({500, 502, 503, 504})
"""The status codes that count as an error for stale-if-error (RFC 5861 §4)."""


class Decision(Enum):
    """What to do with a request after the lookup in the store."""

    HIT = "serve the stored response"
    STALE = "serve the stored response, and refresh it in the background"
    VALIDATE = "ask the application whether the stored response still holds"
    FILL = "call the application, and store its response"
    PASS = "call the application, and store nothing"  # noqa: S105 - no password
    UNAVAILABLE = "answer 504: nothing is stored, and the client wants nothing else"


def decide(
    request: Request, entry: Entry | None, invalidated: bool, now: float, asked: CacheControl | None = None
) -> Decision:
    """Decide how a request is answered (RFC 9111 §4).

    Args:
        request: the request.
        entry: the entry that the lookup found, None if there is none.
        invalidated: whether a tag of the entry was softly invalidated. Then it is stale, whatever its age.
        now: seconds since the epoch.
        asked: the request's own cache directives, None if there are none or they are not obeyed.
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
    """Decide how a request is forwarded that cannot be answered from the store: to pass, to validate or to fill."""
    if not request.wants_content or request.has_range:
        return Decision.PASS
    is_of_use = entry is not None and entry.may_answer(request) and can_validate(entry, invalidated)
    return Decision.VALIDATE if is_of_use else Decision.FILL


# --- the client's own directives --------------------------------------------------------------------------------------


def request_directives(request: Request) -> CacheControl | None:
    """Return the Cache-Control of a request, None if it has none (RFC 9111 §5.2.1). Pragma is ignored (§5.4)."""
    value = request.get(b"cache-control")
    return None if value is None else CacheControl.parse(value)


def accepts_collapsed(asked: CacheControl | None) -> bool:
    """Tell whether a client accepts a response that was made for another request, so that its own may be collapsed."""
    return asked is None or not (asked.has_any("no-cache", "min-fresh") or asked.seconds("max-age") == 0)


def _decide_as_asked(
    request: Request, entry: Entry | None, invalidated: bool, now: float, asked: CacheControl
) -> Decision:
    """Decide how a request is answered, and obey its cache directives `asked` (RFC 9111 §5.2.1)."""
    if "no-store" not in asked and entry is not None and entry.may_answer(request):
        current = age(entry, now)
        if _is_acceptable(asked, entry, current, invalidated):
            return Decision.HIT
        accepts_stale = not asked.has_any("no-cache", "max-age", "min-fresh")
        if accepts_stale and staleness(entry, current) < entry.stale_while_revalidate:
            return Decision.STALE
    if "only-if-cached" in asked:
        return Decision.UNAVAILABLE
    return Decision.PASS if "no-store" in asked else forwarding_decision(request, entry, invalidated)


def _is_acceptable(asked: CacheControl, entry: Entry, current_age: float, invalidated: bool) -> bool:
    """Tell whether an entry is young enough for the client, and is fresh or not staler than max-stale allows."""
    if not _is_young_enough(asked, entry, current_age):
        return False
    if current_age < entry.lifetime and not invalidated:
        return True
    max_stale = asked.seconds("max-stale", bare=MAX_SECONDS)
    may_be_stale = max_stale is not None and not (entry.never_stale or invalidated)
    return may_be_stale and staleness(entry, current_age) <= (max_stale or 0)


def _is_young_enough(asked: CacheControl, entry: Entry, current_age: float) -> bool:
    max_age, min_fresh = asked.seconds("max-age"), asked.seconds("min-fresh")
    return (
        "no-cache" not in asked
        and (max_age is None or current_age <= max_age)
        and (min_fresh is None or entry.lifetime - current_age >= min_fresh)
    )


# --- errors -----------------------------------------------------------------------------------------------------------


class Purpose(Enum):
    """Why the application is called. It decides whether a stale entry may be served in place of an error."""

    ANSWER = auto()
    """A client waits, and cannot be answered from the store."""

    OVERDUE_REFRESH = auto()
    """A client waits although it could be served stale, because the last refresh in the background failed."""

    BACKGROUND_REFRESH = auto()
    """No client waits. An error is not hidden, so that the cache learns that the refresh has failed."""


def may_hide_error(entry: Entry, now: float, purpose: Purpose) -> bool:
    """Tell whether a stale entry may be served in place of an error of the application (RFC 5861 §3, §4).

    Args:
        entry: the entry.
        now: seconds since the epoch.
        purpose: why the application was called.
    """
    if purpose is Purpose.BACKGROUND_REFRESH:
        return False
    window = entry.stale_if_error
    if purpose is Purpose.OVERDUE_REFRESH:
        window = max(window, entry.stale_while_revalidate)
    return staleness(entry, age(entry, now)) < window
