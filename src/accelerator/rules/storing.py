"""Which responses are stored, and how (RFC 9111 §3)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from accelerator.http import fields
from accelerator.http.cache_control import CacheControl
from accelerator.http.request import COOKIE, Request
from accelerator.http.response import Response, is_event_stream, validators_of, vary_of
from accelerator.rules.entry import Entry
from accelerator.rules.freshness import initial_age, lifetime
from accelerator.rules.plan import Plan, Refusal
from accelerator.rules.stored_fields import (
    added_for_browsers,
    added_vary,
    site_vary,
    storable_lines,
    weak_etag,
    without_tags,
)
from accelerator.tags import ALL

if TYPE_CHECKING:
    from accelerator.http.request import Vary
    from accelerator.notes import Notes
    from accelerator.options import Options
    from accelerator.rules.entry import Mark


_UNDERSTOOD: Final = frozenset(  # RFC 9110 §15, but for what is never stored
    {*range(200, 206), 300, 301, 302, 303, 305, 307, 308, *range(400, 418), 421, 422, 426, *range(500, 506)}
)
VETOED: Final = Refusal("no_store()")


def plan(request: Request, response: Response, notes: Notes, options: Options, known: Vary = ()) -> Plan | Refusal:
    """Say whether and how a response may be stored, as far as its start tells (RFC 9111 §3).

    Args:
        request: the request.
        response: the start of the response.
        notes: what the application said of it.
        options: the options.
        known: the fields by which the newest response of this URL is chosen.
    """
    control, is_targeted = control_of(response, options)
    if refusal := _refused_as_unsafe(request, notes) or forbidden(response, control, notes, options):
        return refusal
    freshness = lifetime(request, response, control, is_targeted, notes, options)
    if isinstance(freshness, Refusal):
        return freshness
    vary = selecting_fields(response, notes, options, known)
    made = _plan(response, control, notes, options, freshness, notes.ttl is not None or is_targeted)
    made = replace(made, vary=vary, for_codings=b"accept-encoding" in vary or request.takes_codings)
    is_stream = is_event_stream(response.headers)
    if is_stream:
        made = replace(made, stale_while_revalidate=0)  # it would be made anew for nobody
    if freshness <= 0 and (is_stream or not _worth_keeping_stale(response, made)):
        return Refusal("no time to be fresh")
    return _refused_for_audience(request, made, notes) or made


def _refused_as_unsafe(request: Request, notes: Notes) -> Refusal | None:
    """Refuse the answer to an unsafe request of which nobody says that it only asks."""
    return Refusal("an unsafe request") if request.is_unsafe and request.method not in notes.methods else None


def _refused_for_audience(request: Request, made: Plan, notes: Notes) -> Refusal | None:
    """Refuse what may be one user's alone (RFC 9111 §3.5)."""
    if not made.for_cookies and COOKIE in request.audience:
        return Refusal("a request with Cookie needs a word for shared caches")
    if not made.for_credentials and request.credential:
        return Refusal(f"a request with {request.credential} needs public")
    if not made.for_credentials and notes.credential_after_call and not request.partition:
        return Refusal(f"a request with {notes.credential_after_call} needs public")
    return None


def refused_at_end(request: Request, made: Plan, notes: Notes) -> Refusal | None:
    """Refuse what turned out, after the response had started, to be kept out or chosen by more than its start says."""
    if notes.no_store:
        return VETOED
    if not notes.vary.issubset(made.vary):
        return Refusal("vary() after the start")
    return _refused_for_audience(request, made, notes)


def selecting_fields(response: Response, notes: Notes, options: Options, known: Vary) -> Vary:
    """Return the request fields by which a stored response is chosen: those of Vary, and those said to the cache.

    Applications that compress hardly ever say so of what they did not compress. So Accept-Encoding counts where this
    response, or the newest one of the same URL, shows that the URL has more than one coding.
    """
    names = {*vary_of(response), *notes.vary, *site_vary(options.vary)}
    if response.has(b"content-encoding") or b"accept-encoding" in known:
        names.add(b"accept-encoding")
    return tuple(sorted(names))


def control_of(response: Response, options: Options) -> tuple[CacheControl, bool]:
    """Return the directives that count, and whether a targeted field replaced Cache-Control (RFC 9213 §2.2)."""
    for field in options.targeted_fields:
        targeted = CacheControl.targeted(response.get(field.lower().encode("ascii")))
        if targeted is not None:
            return targeted, True
    return CacheControl.parse(response.get(b"cache-control")), False


def forbidden(response: Response, control: CacheControl, notes: Notes, options: Options) -> Refusal | None:
    """What is never stored, whatever anyone says (RFC 9111 §3)."""
    if notes.no_store:
        return VETOED
    if "must-understand" in control and response.status not in _UNDERSTOOD:
        return Refusal("must-understand")
    if "no-store" in control and "must-understand" not in control:  # for caches that don't (RFC 9111 §5.2.2.3)
        return Refusal("no-store")
    if "private" in control:
        return Refusal("private")
    if response.has(b"set-cookie"):
        return Refusal("Set-Cookie")
    if not all(name != b"*" and fields.is_token(name.decode("latin-1")) for name in vary_of(response)):
        return Refusal("Vary")
    if not _storable_status(response.status, options):
        return Refusal(f"status {response.status}")
    return None


def _storable_status(status: int, options: Options) -> bool:
    """A part (206) and a 304 are no whole responses; errors would outlive their cause."""
    if status < 200 or status in {206, 304}:
        return False
    return status < 400 or status in {404, 410} or options.cacheable_errors


def _plan(
    response: Response,
    control: CacheControl,
    notes: Notes,
    options: Options,
    lifetime: float,
    explicit: bool,
) -> Plan:
    """Gather what the response allows beyond its freshness (RFC 9111 §3.5, §4.2.4, RFC 5861)."""
    unasked = notes.ttl is None
    never_stale = control.has_any("must-revalidate", "proxy-revalidate") or (unasked and "no-cache" in control)
    # s-maxage alone forbids stale answers (RFC 9111 §5.2.2.10): the response's own words lift that, nothing else does
    no_default = unasked and "s-maxage" in control

    def window(said_window: float | None, directive: str, default: float) -> float:
        if never_stale:
            return 0
        if said_window is not None:
            return max(0.0, said_window)
        asked = control.seconds(directive)
        if asked is not None:
            return asked
        return 0 if no_default else default

    public = notes.public or "public" in control
    # must-revalidate shares an answer with others because of the time that it comes with
    has_own_time = unasked and (control.has_any("max-age", "no-cache") or response.has(b"expires"))
    return Plan(
        vary=(),
        lifetime=lifetime,
        stale_while_revalidate=window(
            notes.stale_while_revalidate, "stale-while-revalidate", options.stale_while_revalidate
        ),
        stale_if_error=window(notes.stale_if_error, "stale-if-error", options.stale_if_error),
        never_stale=never_stale or no_default,
        for_cookies=explicit or public or "s-maxage" in control or options.cookies == "vary",
        for_credentials=public or "s-maxage" in control or (has_own_time and "must-revalidate" in control),
        for_codings=True,
    )


def _worth_keeping_stale(response: Response, made: Plan) -> bool:
    """What is stale from the first moment is of use only if it can be validated, or served stale."""
    may_be_served = made.stale_while_revalidate > 0 or made.stale_if_error > 0
    return may_be_served or any(validators_of(response))


def new_entry(
    request: Request,
    response: Response,
    made: Plan,
    options: Options,
    body: bytes,
    tags: frozenset[str],
    mark: Mark,
    notes: Notes,
) -> Entry:
    """Make the entry of a complete response.

    Args:
        request: the request that was filled.
        response: the start of the response.
        made: how it may be stored.
        options: the options.
        body: its whole body.
        tags: every tag that was said of it.
        mark: the mark of the fill.
        notes: what the application said of it.
    """
    added = added_vary(response, notes, options) + added_for_browsers(response)
    # the conditions of a POST do not ask whether its answer still holds (RFC 9110 §13.2.1)
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
        headers=storable_lines(without_tags(response.headers, options), options),
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
    )
