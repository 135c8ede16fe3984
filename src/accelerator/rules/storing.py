"""Decide whether and how a response is stored (RFC 9111 §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from accelerator.http.fields import is_token, lowered
from accelerator.http.request import COOKIE
from accelerator.http.response import is_event_stream, validators_of
from accelerator.rules.entry import Entry
from accelerator.rules.freshness import initial_age, lifetime
from accelerator.rules.plan import Plan, Refusal
from accelerator.rules.stored_fields import (
    added_for_browsers,
    added_vary,
    storable_lines,
    weak_etag,
)
from accelerator.tags import ALL

if TYPE_CHECKING:
    from accelerator.http.cache_control import CacheControl
    from accelerator.http.request import Request, Vary
    from accelerator.notes import Notes
    from accelerator.options import Options
    from accelerator.rules.candidate import Candidate, Directives
    from accelerator.rules.entry import Mark

NO_STORE: Final = Refusal("no_store()")

_UNDERSTOOD: Final = frozenset(  # the status codes of RFC 9110 §15, without those that are never stored
    {*range(200, 206), 300, 301, 302, 303, 305, 307, 308, *range(400, 418), 421, 422, 426, *range(500, 506)}
)


def plan(candidate: Candidate) -> Plan | Refusal:
    """Decide from its status and header lines whether and how a response may be stored (RFC 9111 §3)."""
    directives = candidate.directives()
    if candidate.request.is_unsafe and candidate.request.method not in candidate.notes.safe_methods:
        return Refusal("an unsafe request")
    if refusal := forbidden(candidate, directives.control):
        return refusal
    fresh_for, _ = lifetime(candidate, directives)
    if isinstance(fresh_for, Refusal):
        return fresh_for
    made = _allowed(candidate, directives, fresh_for)
    is_stream = is_event_stream(candidate.response.get(b"content-type"))
    if is_stream:  # a refresh in the background might never end, and no client would read it
        made = made._replace(stale_while_revalidate=0)
    if fresh_for <= 0 and (is_stream or not _is_useful_when_stale(candidate, made)):
        return Refusal("no time to be fresh")
    return _refused_for_audience(candidate.request, made, candidate.notes) or made


def refused_at_end(request: Request, made: Plan, notes: Notes) -> Refusal | None:
    """Return why a complete response is not stored after all, None if it is.

    The application may have called `no_store` or `vary`, or identified the user, after `plan` had decided.

    Args:
        request: the request.
        made: the decision of `plan`.
        notes: what the application has declared until the end of the response.
    """
    if notes.no_store:
        return NO_STORE
    if not notes.vary.issubset(made.vary):
        return Refusal("vary() after the start")
    return _refused_for_audience(request, made, notes)


def forbidden(candidate: Candidate, control: CacheControl) -> Refusal | None:
    """Return why a response must not be stored, even if `cache_for` was called; None if it may be (RFC 9111 §3)."""
    response = candidate.response
    if candidate.notes.no_store:
        return NO_STORE
    if "must-understand" in control and response.status not in _UNDERSTOOD:
        return Refusal("must-understand")
    if "no-store" in control and "must-understand" not in control:  # otherwise no-store is to be ignored (§5.2.2.3)
        return Refusal("no-store")
    if "private" in control:
        return Refusal("private")
    if response.has(b"set-cookie"):
        return Refusal("Set-Cookie")
    if response.vary and not all(name != b"*" and is_token(name.decode("latin-1")) for name in response.vary):
        return Refusal("Vary")
    if not _is_storable_status(response.status, candidate.options):
        return Refusal(f"status {response.status}")
    return None


def _is_storable_status(status: int, options: Options) -> bool:
    """Tell whether a response with this status code may be stored.

    A 206 or 304 is not a whole response. A stored error would outlast its cause.
    """
    if status < 200 or status in {206, 304}:
        return False
    return status < 400 or status in {404, 410} or options.cacheable_errors


def _refused_for_audience(request: Request, made: Plan, notes: Notes) -> Refusal | None:
    """Return why a response may be meant for one user only, None if it may be shared (RFC 9111 §3.5)."""
    if not made.for_cookies and COOKIE in request.audience:
        return Refusal("a request with Cookie needs a word for shared caches")
    if not made.for_credentials and request.credential:
        return Refusal(f"a request with {request.credential} needs public")
    if not made.for_credentials and notes.credential_after_call and not request.partition:
        return Refusal(f"a request with {notes.credential_after_call} needs public")
    return None


def selecting_fields(candidate: Candidate) -> Vary:
    """Return the selecting header fields of a response, sorted: from Vary, `vary()` and `cache_for`, and the options.

    Applications hardly ever send `Vary: Accept-Encoding` with a response that they did not compress. So Accept-Encoding
    is added if this response has a Content-Encoding, or if it selects the newest stored response for the same URL.
    """
    response, known = candidate.response, candidate.known_vary
    names = {*response.vary, *candidate.notes.vary, *lowered(candidate.options.vary)}
    if response.has(b"content-encoding") or b"accept-encoding" in known:
        names.add(b"accept-encoding")
    return tuple(sorted(names))


def _allowed(candidate: Candidate, directives: Directives, fresh_for: float) -> Plan:
    """Return the plan for a response: how long it is fresh, when it may be served stale, which requests it may answer.

    RFC 9111 §3.5 and §4.2.4, and RFC 5861, have the rules.

    Args:
        candidate: the response.
        directives: the directives that apply to it.
        fresh_for: its freshness lifetime in seconds.
    """
    notes, options, control = candidate.notes, candidate.options, directives.control
    has_note = notes.ttl is not None
    is_always_validated = "must-revalidate" in control or "proxy-revalidate" in control
    never_stale = is_always_validated or (not has_note and "no-cache" in control)
    # s-maxage alone forbids stale answers (§5.2.2.10): the response itself may allow them, the options may not
    no_default = not has_note and "s-maxage" in control
    if never_stale:
        while_revalidate = if_error = 0.0
    else:
        default = (0, 0) if no_default else (options.stale_while_revalidate, options.stale_if_error)
        while_revalidate = _window(notes.stale_while_revalidate, control.seconds("stale-while-revalidate"), default[0])
        if_error = _window(notes.stale_if_error, control.seconds("stale-if-error"), default[1])
    public = notes.public or "public" in control
    is_shared = public or "s-maxage" in control
    vary = selecting_fields(candidate)
    return Plan(
        vary=vary,
        lifetime=fresh_for,
        stale_while_revalidate=while_revalidate,
        stale_if_error=if_error,
        never_stale=never_stale or no_default,
        for_cookies=has_note or directives.is_targeted or is_shared or options.cookies == "vary",
        for_credentials=is_shared or ("must-revalidate" in control and _has_own_time(candidate, control)),
        for_codings=b"accept-encoding" in vary or candidate.request.prefers_gzip,
    )


def _has_own_time(candidate: Candidate, control: CacheControl) -> bool:
    """Tell whether a response has a time of its own, beside which must-revalidate permits sharing (RFC 9111 §3.5)."""
    is_told = control.has_any("max-age", "no-cache") or candidate.response.has(b"expires")
    return is_told and candidate.notes.ttl is None


def _window(noted: float | None, named: float | None, default: float) -> float:
    """Return for how many seconds a response may be served stale: as the application, the response or the options say.

    Args:
        noted: the seconds given to `cache_for`.
        named: those of the response's own directive.
        default: those of the options.
    """
    if noted is not None:
        return max(0.0, noted)
    return default if named is None else named


def _is_useful_when_stale(candidate: Candidate, made: Plan) -> bool:
    """Tell whether a response that is never fresh is worth storing: it may be served stale, or can be validated."""
    may_be_served = made.stale_while_revalidate > 0 or made.stale_if_error > 0
    return may_be_served or any(validators_of(candidate.response))


def new_entry(
    candidate: Candidate, made: Plan, body: bytes, tags: frozenset[str], mark: Mark, made_in: float = 0.0
) -> Entry:
    """Return the entry for a complete response.

    Args:
        candidate: the response.
        made: how it may be stored.
        body: its whole body.
        tags: its tags, except those of its URL and of every entry.
        mark: the last position in the order of invalidations when the fill began.
        made_in: the seconds that the application took for the whole response.
    """
    request, response, options = candidate.request, candidate.response, candidate.options
    added = added_vary(response, candidate.notes, options) + added_for_browsers(response)
    # the answer to a POST cannot be validated: conditions have another meaning there (RFC 9110 §13.2.1)
    validator, last_modified = (None, None) if request.method == "POST" else validators_of(response)
    etag = response.get(b"etag")
    if etag is None and response.status == 200:
        etag = weak_etag(body)
        added = (*added, (b"etag", etag))
    return Entry(
        key=request.key,
        vary=made.vary,
        selected_by=request.selecting_values(made.vary),
        status=response.status,
        headers=storable_lines(response, options),
        added=added,
        body=body,
        tags=tags | {request.url_tag, ALL},
        mark=mark,
        received=response.received,
        initial_age=initial_age(response),
        lifetime=made.lifetime,
        stale_while_revalidate=made.stale_while_revalidate,
        stale_if_error=made.stale_if_error,
        never_stale=made.never_stale,
        for_cookies=made.for_cookies,
        for_credentials=made.for_credentials,
        for_codings=made.for_codings,
        etag=etag,
        validator=validator,
        last_modified=last_modified,
        made_in=made_in,
    )
