"""What RFC 9111 decides for a shared cache: pure functions of an entry, a request, a response and `now`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from accelerator import headers as h
from accelerator.entry import COOKIE, Entry, Request, Response
from accelerator.normalise import matching
from accelerator.tagging import ALL, InvalidTagError, Said, entry_tags, is_valid_tag, tag_of_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from accelerator.entry import Mark, Vary
    from accelerator.options import Options

HEURISTIC_SHARE: Final = 0.1
"""Of the time since the last change, what a response may be taken to stay as it is (RFC 9111 §4.2.2)."""

MAX_HEURISTIC_SECONDS: Final = 86400
"""A guess holds for a day at most."""

DATE_IS_SURE_AFTER: Final = 60
"""Seconds by which Last-Modified has to be older than Date to count as a validator (RFC 9110 §8.8.2.2)."""

ERRORS: Final = frozenset({500, 502, 503, 504})
"""What counts as an error for stale-if-error (RFC 5861 §4)."""

MAX_GROUPS: Final = 128
"""Groups of one response beyond which it is not stored (RFC 9875 §2 asks for 32 at least)."""

_EVENT_STREAMS: Final = frozenset({b"text/event-stream", b"multipart/x-mixed-replace"})
_CACHEABLE_BY_DEFAULT: Final = frozenset({200, 203, 204, 300, 301, 308, 404, 410})
_HEURISTICALLY_CACHEABLE: Final = _CACHEABLE_BY_DEFAULT | {405, 414, 501}  # RFC 9110 §15.1, but for parts
_UNDERSTOOD: Final = frozenset(  # RFC 9110 §15, but for what is never stored
    {*range(200, 206), 300, 301, 302, 303, 305, 307, 308, *range(400, 418), 421, 422, 426, *range(500, 506)}
)
_NOT_UPDATED: Final = frozenset(  # by a 304: what the stored body depends on (RFC 9111 §3.2)
    b"content-length content-encoding content-range content-md5 content-digest etag transfer-encoding".split()
)
_CONTENT_FIELDS: Final = frozenset(
    {
        b"content-type",
        b"content-length",
        b"content-encoding",
        b"content-language",
        b"content-range",
        b"transfer-encoding",
    }
)
_NOT_STORED: Final = frozenset(  # RFC 9111 §3.1, and Age, which each answer says anew
    b"age connection keep-alive proxy-authenticate proxy-authentication-info proxy-authorization proxy-connection te"
    b" trailer transfer-encoding upgrade".split()
)


# --- reuse ------------------------------------------------------------------------------------------------------------


class Decision(Enum):
    """What to do with a request, given what was found."""

    HIT = "serve what was found"
    STALE = "serve what was found and make it anew meanwhile"
    VALIDATE = "ask the application whether what was found still holds"
    FILL = "call the application and keep its answer"
    PASS = "call the application and keep nothing"  # noqa: S105 - no password
    UNAVAILABLE = "say that nothing is stored: the client wants nothing else"


def decide(
    request: Request, entry: Entry | None, invalidated: bool, now: float, asked: h.CacheControl | None = None
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
    if entry is not None and entry.open_to(request):
        current = age(entry, now)
        if current < entry.lifetime and not invalidated:
            return Decision.HIT
        if _staleness(entry, current) < entry.stale_while_revalidate:
            return Decision.STALE
    return call_for(request, entry, invalidated)


def call_for(request: Request, entry: Entry | None, invalidated: bool) -> Decision:
    """Say what the application is called for."""
    if not request.wants_content or request.has_range:
        return Decision.PASS
    is_of_use = entry is not None and entry.open_to(request) and can_validate(entry, invalidated)
    return Decision.VALIDATE if is_of_use else Decision.FILL


def asked_of(request: Request) -> h.CacheControl | None:
    """Return the directives of a request, None if it has none (RFC 9111 §5.2.1). Pragma is none of them (§5.4)."""
    value = request.get(b"cache-control")
    return None if value is None else h.CacheControl.parse(value)


def takes_what_is_new(asked: h.CacheControl | None) -> bool:
    """Tell whether a client takes what has just been made for another one: then it is of use to wait for that."""
    return asked is None or not (asked.has_any("no-cache", "min-fresh") or asked.seconds("max-age") == 0)


def _decide_as_asked(
    request: Request, entry: Entry | None, invalidated: bool, now: float, asked: h.CacheControl
) -> Decision:
    """Say how a request is answered that says itself what it takes (RFC 9111 §5.2.1)."""
    if "no-store" not in asked and entry is not None and entry.open_to(request):
        current = age(entry, now)
        if _is_acceptable(asked, entry, current, invalidated):
            return Decision.HIT
        is_open_to_stale = not asked.has_any("no-cache", "max-age", "min-fresh")
        if is_open_to_stale and _staleness(entry, current) < entry.stale_while_revalidate:
            return Decision.STALE
    if "only-if-cached" in asked:
        return Decision.UNAVAILABLE
    return Decision.PASS if "no-store" in asked else call_for(request, entry, invalidated)


def _is_acceptable(asked: h.CacheControl, entry: Entry, current_age: float, invalidated: bool) -> bool:
    """Tell whether an answer is as young as the client wants it, and fresh or not staler than it takes."""
    if not _is_young(asked, entry, current_age):
        return False
    if current_age < entry.lifetime and not invalidated:
        return True
    max_stale = asked.seconds("max-stale", bare=h.MAX_SECONDS)
    may_be_stale = max_stale is not None and not (entry.never_stale or invalidated)
    return may_be_stale and _staleness(entry, current_age) <= (max_stale or 0)


def _is_young(asked: h.CacheControl, entry: Entry, current_age: float) -> bool:
    max_age, min_fresh = asked.seconds("max-age"), asked.seconds("min-fresh")
    return (
        "no-cache" not in asked
        and (max_age is None or current_age <= max_age)
        and (min_fresh is None or entry.lifetime - current_age >= min_fresh)
    )


def age(entry: Entry, now: float) -> float:
    """Return the current age in seconds (RFC 9111 §4.2.3). A clock that was set back makes nothing younger."""
    return entry.initial_age + (now - entry.received if now > entry.received else 0.0)


def serves_on_error(entry: Entry, now: float) -> bool:
    """Tell whether an error may be hidden behind this entry (RFC 5861 §4)."""
    return _staleness(entry, age(entry, now)) < entry.stale_if_error


def serves_after_refresh(entry: Entry, now: float) -> bool:
    """Tell whether an error may be hidden from who is served this entry while it is made anew (RFC 5861 §3, §4)."""
    return _staleness(entry, age(entry, now)) < max(entry.stale_if_error, entry.stale_while_revalidate)


def serves_nobody(entry: Entry, now: float) -> bool:  # noqa: ARG001 - the shape of the two above
    """Hide no error: whoever began a refresh has to know that it failed."""
    return False


def _staleness(entry: Entry, current_age: float) -> float:
    """For how long it has been stale by its age; what was invalidated early has been for 0 seconds."""
    return max(0.0, current_age - entry.lifetime)


def can_validate(entry: Entry, invalidated: bool) -> bool:
    """Tell whether asking is of use: only a strong ETag can lift an entry over an invalidation."""
    if invalidated:
        return h.is_strong(entry.validator)
    return entry.validator is not None or entry.last_modified is not None


def conditions(entry: Entry) -> list[tuple[bytes, bytes]]:
    """Return the fields that ask whether an entry still holds (RFC 9111 §4.3.1)."""
    found: list[tuple[bytes, bytes]] = []
    if entry.validator is not None:
        found.append((b"if-none-match", entry.validator))
    if entry.last_modified is not None:
        found.append((b"if-modified-since", entry.last_modified))
    return found


# --- storing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plan:
    """How a response may be stored: the fields of `Entry` of the same names."""

    vary: Vary
    lifetime: float
    stale_while_revalidate: float
    stale_if_error: float
    never_stale: bool
    for_cookies: bool
    for_credentials: bool
    for_codings: bool


class Refusal(str):
    """Why a response is not stored, in words."""

    __slots__ = ()


NO_TIME: Final = Refusal("no explicit time")
VETOED: Final = Refusal("no_store()")


def plan(request: Request, response: Response, said: Said, options: Options, known: Vary = ()) -> Plan | Refusal:
    """Say whether and how a response may be stored, as far as its start tells (RFC 9111 §3).

    Args:
        request: the request.
        response: the start of the response.
        said: what the application said of it.
        options: the options.
        known: the fields by which the newest response of this URL is chosen.
    """
    control, is_targeted = _control(response, options)
    if refusal := _refused_as_unsafe(request, said) or _forbidden(response, control, said, options):
        return refusal
    freshness = _lifetime(request, response, control, is_targeted, said, options)
    if isinstance(freshness, Refusal):
        return freshness
    vary = _selecting_fields(response, said, options, known)
    made = _plan(response, control, said, options, freshness, said.ttl is not None or is_targeted)
    made = replace(made, vary=vary, for_codings=b"accept-encoding" in vary or request.takes_codings)
    is_stream = is_event_stream(response.headers)
    if is_stream:
        made = replace(made, stale_while_revalidate=0)  # it would be made anew for nobody
    if freshness <= 0 and (is_stream or not _worth_keeping_stale(response, made)):
        return Refusal("no time to be fresh")
    return _refused_for_audience(request, made, said) or made


def _refused_as_unsafe(request: Request, said: Said) -> Refusal | None:
    """Refuse the answer to an unsafe request of which nobody says that it only asks."""
    return Refusal("an unsafe request") if request.is_unsafe and request.method not in said.methods else None


def _refused_for_audience(request: Request, made: Plan, said: Said) -> Refusal | None:
    """Refuse what may be one user's alone (RFC 9111 §3.5)."""
    if not made.for_cookies and COOKIE in request.audience:
        return Refusal("a request with Cookie needs a word for shared caches")
    if not made.for_credentials and request.credential:
        return Refusal(f"a request with {request.credential} needs public")
    if not made.for_credentials and said.newcomer and not request.partition:
        return Refusal(f"a request with {said.newcomer} needs public")
    return None


def refused_at_the_end(request: Request, made: Plan, said: Said) -> Refusal | None:
    """Refuse what turned out, after the response had started, to be kept out or chosen by more than its start says."""
    if said.vetoed:
        return VETOED
    if not said.vary.issubset(made.vary):
        return Refusal("vary() after the start")
    return _refused_for_audience(request, made, said)


def _selecting_fields(response: Response, said: Said, options: Options, known: Vary) -> Vary:
    """Return the request fields by which a stored response is chosen: those of Vary, and those said to the cache.

    Applications that compress hardly ever say so of what they did not compress. So Accept-Encoding counts where this
    response, or the newest one of the same URL, shows that the URL has more than one coding.
    """
    names = {*_vary(response), *said.vary, *_site_vary(options.vary)}
    if response.has(b"content-encoding") or b"accept-encoding" in known:
        names.add(b"accept-encoding")
    return tuple(sorted(names))


def _control(response: Response, options: Options) -> tuple[h.CacheControl, bool]:
    """Return the directives that count, and whether a targeted field replaced Cache-Control (RFC 9213 §2.2)."""
    for field in options.targeted_fields:
        targeted = h.CacheControl.targeted(response.get(field.lower().encode("ascii")))
        if targeted is not None:
            return targeted, True
    return h.CacheControl.parse(response.get(b"cache-control")), False


def _forbidden(response: Response, control: h.CacheControl, said: Said, options: Options) -> Refusal | None:
    """What is never stored, whatever anyone says (RFC 9111 §3)."""
    if said.vetoed:
        return VETOED
    if "must-understand" in control and response.status not in _UNDERSTOOD:
        return Refusal("must-understand")
    if "no-store" in control and "must-understand" not in control:  # for caches that don't (RFC 9111 §5.2.2.3)
        return Refusal("no-store")
    if "private" in control:
        return Refusal("private")
    if response.has(b"set-cookie"):
        return Refusal("Set-Cookie")
    if not all(name != b"*" and h.is_token(name.decode("latin-1")) for name in _vary(response)):
        return Refusal("Vary")
    if not _storable_status(response.status, options):
        return Refusal(f"status {response.status}")
    return None


def _vary(response: Response) -> Vary:
    return h.field_names(response.get(b"vary") or b"")


@lru_cache(64)
def _site_vary(names: tuple[str, ...]) -> Vary:
    return tuple(name.lower().encode("ascii") for name in names)


def is_event_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether a response goes on for as long as somebody listens: server-sent events, parts that take turns.

    Nothing of it is done for nobody: it is passed on as it comes, no other request waits for it, and it ends with its
    client.
    """
    media_type = (h.combined(headers, b"content-type") or b"").partition(b";")[0]
    return media_type.strip(h.BLANKS).lower() in _EVENT_STREAMS


def _storable_status(status: int, options: Options) -> bool:
    """A part (206) and a 304 are no whole responses; errors would outlive their cause."""
    if status < 200 or status in {206, 304}:
        return False
    return status < 400 or status in {404, 410} or options.cacheable_errors


def _lifetime(
    request: Request, response: Response, control: h.CacheControl, targeted: bool, said: Said, options: Options
) -> float | Refusal:
    """Return the freshness lifetime: what was said, else the first explicit time (RFC 9111 §4.2.1, RFC 9213 §2.2).

    An answer to POST needs such a time (RFC 9110 §9.3.3).
    """
    if said.ttl is not None:
        return said.ttl if said.ttl > 0 else Refusal("a time of 0")
    if "no-cache" in control:  # stored, but never used unasked (RFC 9111 §5.2.2.4)
        return 0
    for directive in ("s-maxage", "max-age"):
        if (time := control.seconds(directive)) is not None:
            return time
    if not targeted and response.has(b"expires"):
        return _expires(response)
    if request.method == "POST":
        return NO_TIME
    if is_event_stream(response.headers):
        return Refusal("an event stream needs an explicit time")
    if options.default_ttl is not None and options.default_ttl > 0 and response.status in _CACHEABLE_BY_DEFAULT:
        return options.default_ttl
    return _heuristic_lifetime(response, control) if options.heuristic else NO_TIME


def _heuristic_lifetime(response: Response, control: h.CacheControl) -> float | Refusal:
    """Guess from how long the response has been as it is (RFC 9111 §4.2.2)."""
    modified = h.http_date(response.get(b"last-modified"), response.received)
    may_guess = response.status in _HEURISTICALLY_CACHEABLE or "public" in control
    if modified is None or not may_guess:
        return NO_TIME
    guess = HEURISTIC_SHARE * (_date(response) - modified)
    return min(guess, MAX_HEURISTIC_SECONDS) if guess > 0 else NO_TIME


def _expires(response: Response) -> float:
    """Several Expires lines, or a malformed one, have passed already (RFC 9111 §5.3)."""
    expires = h.http_date(response.get(b"expires"), response.received)
    return 0 if expires is None else max(0.0, expires - _date(response))


def _date(response: Response) -> float:
    date = h.http_date(response.get(b"date"), response.received)
    return response.received if date is None else date


def _plan(
    response: Response, control: h.CacheControl, said: Said, options: Options, lifetime: float, explicit: bool
) -> Plan:
    """Gather what the response allows beyond its freshness (RFC 9111 §3.5, §4.2.4, RFC 5861)."""
    unasked = said.ttl is None
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

    public = said.public or "public" in control
    # must-revalidate shares an answer with others because of the time that it comes with
    has_own_time = unasked and (control.has_any("max-age", "no-cache") or response.has(b"expires"))
    return Plan(
        vary=(),
        lifetime=lifetime,
        stale_while_revalidate=window(
            said.stale_while_revalidate, "stale-while-revalidate", options.stale_while_revalidate
        ),
        stale_if_error=window(said.stale_if_error, "stale-if-error", options.stale_if_error),
        never_stale=never_stale or no_default,
        for_cookies=explicit or public or "s-maxage" in control or options.cookies == "vary",
        for_credentials=public or "s-maxage" in control or (has_own_time and "must-revalidate" in control),
        for_codings=True,
    )


def _worth_keeping_stale(response: Response, made: Plan) -> bool:
    """What is stale from the first moment is of use only if it can be validated, or served stale."""
    may_be_served = made.stale_while_revalidate > 0 or made.stale_if_error > 0
    return may_be_served or any(_validators(response))


def _validators(response: Response) -> tuple[bytes | None, bytes | None]:
    """Return ETag and Last-Modified as far as they are well-formed: no other may be sent on (RFC 9110 §2.2)."""
    etag, modified = response.get(b"etag"), response.get(b"last-modified")
    return (
        etag if h.is_entity_tag(etag) else None,
        modified if h.http_date(modified, response.received) is not None else None,
    )


# --- making an entry --------------------------------------------------------------------------------------------------


def without_tags(headers: h.HeaderLines, options: Options) -> h.HeaderLines:
    """Return header lines as clients get them: tags are between the application and the cache."""
    hidden = {name.lower().encode("latin-1") for name in options.tag_headers}
    return tuple(line for line in headers if line[0].lower() not in hidden)


def added_for_browsers(response: Response) -> h.HeaderLines:
    """Return what keeps a stored response from being left to a browser's own guess (RFC 9111 §4.2.2).

    A browser cannot be invalidated. A response that is kept here by a word that does not reach it (`cache_for`, a
    targeted field, `default_ttl`) tells it to ask each time; the answer is mostly a 304.
    """
    if response.has(b"cache-control") or response.has(b"expires"):
        return ()
    return ((b"cache-control", b"no-cache"),)


def added_vary(response: Response, said: Said, options: Options) -> h.HeaderLines:
    """Return the Vary line for fields that only this cache was told of, so that others know (RFC 9110 §12.5.5)."""
    names = {*_site_vary(options.vary), *said.vary}.difference(_vary(response))
    return ((b"vary", b", ".join(sorted(names))),) if names else ()


def header_tags(response: Response, options: Options) -> list[str]:
    """Return the tags that a response names in its fields. Bytes that are no UTF-8 stand as what no tag can have."""
    found: list[str] = []
    for field in options.tag_headers:
        name = field.lower().encode("latin-1")
        separator = r",\s*" if name == b"cache-tag" else r"[,\s]+"
        for value in h.lines(response.headers, name):
            text = value.decode("utf-8", "surrogateescape")
            found += [tag for tag in (part.strip() for part in re.split(separator, text)) if tag]
    return found


def response_tags(
    request: Request, response: Response, said: Said, options: Options, older: frozenset[str] = frozenset()
) -> frozenset[str]:
    """Return every tag of a response: what was said, what its fields name, and the older ones that it keeps.

    Raises:
        InvalidTagError: there is a name among them that no tag can have, or there are too many.
        TypeError: a name is not a `str`.
    """
    names = entry_tags((*filter(_is_of_application, older), *said.tags, *header_tags(response, options)))
    return names | _group_tags(request, response) | older


def _is_of_application(tag: str) -> bool:
    return tag[0] != "@"


def _group_tags(request: Request, response: Response) -> frozenset[str]:
    """Return the tags of the groups that a response belongs to (RFC 9875 §2): by name, and bound to its host."""
    if not response.has(b"cache-groups"):
        return frozenset()
    groups = h.strings(response.get(b"cache-groups"))
    if groups is None or len(groups) > MAX_GROUPS:
        raise InvalidTagError(f"Cache-Groups is a list of at most {MAX_GROUPS} strings")
    return frozenset(filter(is_valid_tag, groups)) | {request.group_tag(group) for group in groups}


def application_tags(entry: Entry) -> frozenset[str]:
    """Return the tags that the application gave, without the library's own."""
    return frozenset(filter(_is_of_application, entry.tags))


def new_entry(
    request: Request,
    response: Response,
    made: Plan,
    options: Options,
    body: bytes,
    tags: frozenset[str],
    mark: Mark,
    said: Said,
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
        said: what the application said of it.
    """
    added = added_vary(response, said, options) + added_for_browsers(response)
    # the conditions of a POST do not ask whether its answer still holds (RFC 9110 §13.2.1)
    validator, last_modified = (None, None) if request.method == "POST" else _validators(response)
    etag = response.get(b"etag")
    if etag is None and response.status == 200:
        etag = weak_etag(body)
        added = (*added, (b"etag", etag))
    return Entry(
        key=request.key,
        vary=made.vary,
        selected_by=request.selects(made.vary),
        status=response.status,
        headers=_storable_lines(without_tags(response.headers, options), options),
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


def _storable_lines(headers: h.HeaderLines, options: Options) -> h.HeaderLines:
    """Leave out what concerns one connection or one request."""
    is_unstored = _unstored(options.unstored_fields)
    return tuple(line for line in _end_to_end(headers) if not is_unstored(line[0]))


def lines_of_one_request(response: Response, options: Options) -> h.HeaderLines:
    """Return the lines that are not stored because they speak of one request: its client gets them."""
    is_unstored = _unstored(options.unstored_fields)
    return tuple(line for line in _end_to_end(without_tags(response.headers, options)) if is_unstored(line[0]))


def _end_to_end(headers: h.HeaderLines) -> h.HeaderLines:
    """Leave out what concerns one connection, with what its Connection field names (RFC 9111 §3.1)."""
    connection = h.combined(headers, b"connection")
    unstored = _NOT_STORED if connection is None else _NOT_STORED.union(h.field_names(connection))
    return tuple(line for line in headers if line[0].lower() not in unstored)


@lru_cache(64)
def _unstored(globs: tuple[str, ...]) -> Callable[[bytes], bool]:
    """Return what tells whether the name of a field matches one of the globs, whatever the case of both."""
    matches = matching([glob.lower() for glob in globs])
    return lambda name: matches(name.lower().decode("latin-1"))


def weak_etag(body: bytes) -> bytes:
    """Return a weak entity tag of a body (RFC 9110 §8.8.1)."""
    return b'W/"%s"' % blake2b(body, digest_size=12).hexdigest().encode("ascii")


def initial_age(response: Response) -> float:
    """Return the corrected initial age (RFC 9111 §4.2.3).

    The time the application took counts only where it forwards what is older than itself (it sends Age): otherwise it
    made the response in that time. Of several ages the first counts, a malformed one does not (§5.1).
    """
    apparent = max(0.0, response.received - _date(response))
    sent = response.get(b"age")
    if sent is None:
        return apparent
    value = h.delta_seconds(sent.split(b",")[0].decode("latin-1").strip()) or 0
    return max(apparent, value + response.received - response.requested)


def promised_size(message: Request | Response) -> int:
    """Return the Content-Length of a message, 0 where there is none or it is no number."""
    return h.delta_seconds((message.get(b"content-length") or b"").decode("latin-1")) or 0


def complete(response: Response, size: int) -> bool:
    """Tell whether a body of `size` bytes is the whole one (RFC 9112 §8)."""
    return all((value.lstrip(b"0") or b"0") == b"%d" % size for value in h.lines(response.headers, b"content-length"))


# --- validation -------------------------------------------------------------------------------------------------------


def same_representation(entry: Entry, response: Response) -> bool:
    """Tell whether a 304 speaks of this entry: a validator that it names has to be the entry's (RFC 9111 §4.3.4)."""
    etag = response.get(b"etag")
    if etag is not None:
        return entry.validator is not None and (
            h.weakly_equal(etag, entry.validator) and (not h.is_strong(etag) or etag == entry.validator)
        )
    modified = response.get(b"last-modified")
    return modified is None or modified == entry.last_modified


def freshened(entry: Entry, response: Response) -> Response:
    """Return the stored response updated by a 304 (RFC 9111 §3.2, §4.3.4): its fields replace those of the same name.

    The stored Date does not outlive the validation. By what the stored content was chosen it stays chosen, whether the
    304 says so or not: what said so may not have run for it.
    """
    update = [line for line in response.headers if line[0].lower() not in _NOT_UPDATED]
    dropped = {name.lower() for name, _ in update} | {b"date"}
    kept = [line for line in entry.headers if line[0].lower() not in dropped]
    merged = replace(response, status=entry.status, headers=(*kept, *update))
    unsaid = sorted({*entry.vary}.difference(_vary(merged)))
    return replace(merged, headers=(*merged.headers, (b"vary", b", ".join(unsaid)))) if unsaid else merged


def plan_after_304(
    request: Request,
    entry: Entry,
    response: Response,
    merged: Response,
    said: Said,
    options: Options,
    known: Vary = (),
) -> Plan | Refusal:
    """Say how a freshened response may be stored: as before where nothing new is said about that.

    Args:
        request: the request that validated.
        entry: the entry that was validated.
        response: the 304.
        merged: what `freshened` made of both.
        said: what was said with the 304.
        options: the options.
        known: the fields by which the newest response of this URL is chosen.
    """
    targeted = (field.lower().encode("ascii") for field in options.targeted_fields)
    if said.ttl is not None or any(map(response.has, (b"cache-control", b"expires", *targeted))):
        made = plan(request, merged, said, options, entry.vary + known)
        return made if isinstance(made, Refusal) else replace(made, for_codings=entry.for_codings)
    if request.credential or (request.audience and options.cookies == "strict"):
        # the new fields may be for this user alone, and nothing says that they are not
        return Refusal("a request with credentials needs a word for shared caches")
    control, _ = _control(merged, options)
    is_dated = merged.has(b"expires") and not control.has_any("max-age", "s-maxage")  # which does not move with a 304
    return _forbidden(merged, control, said, options) or Plan(
        vary=_selecting_fields(merged, said, options, entry.vary + known),
        lifetime=min(entry.lifetime, _expires(merged)) if is_dated else entry.lifetime,
        stale_while_revalidate=entry.stale_while_revalidate,
        stale_if_error=entry.stale_if_error,
        never_stale=entry.never_stale,
        for_cookies=entry.for_cookies,
        for_credentials=entry.for_credentials,
        for_codings=entry.for_codings,
    )


def proves_unchanged(entry: Entry, response: Response) -> bool:
    """Tell whether a 304 proves that nothing changed up to the validation: only a strong ETag that it names does."""
    return h.is_strong(entry.validator) and response.get(b"etag") == entry.validator


def spoken_of(request: Request, entry: Entry | None, asked: h.CacheControl | None) -> Entry | None:
    """Return what is stored if a HEAD's answer may speak of it; with no-store none is kept (RFC 9111 §5.2.1.5)."""
    if entry is None or not entry.open_to(request) or (asked is not None and "no-store" in asked):
        return None
    return entry


def entry_after_head(
    request: Request, entry: Entry, response: Response, said: Said, options: Options, known: Vary = ()
) -> Entry | None:
    """Return the stored response as a HEAD's answer leaves it, None where that says nothing of it (RFC 9111 §4.3.5).

    Where it names another validator or length, the stored response is stale. Where it names none, nothing shows that it
    speaks of the same. The mark stays what it was.
    """
    if not response.status == entry.status == 200:
        return None
    etag, modified = response.get(b"etag"), response.get(b"last-modified")
    if (
        etag not in {None, h.combined(entry.headers, b"etag")}
        or modified not in {None, h.combined(entry.headers, b"last-modified")}
        or not complete(response, len(entry.body))
    ):
        return replace(entry, lifetime=0, stale_while_revalidate=0, stale_if_error=0)
    merged = freshened(entry, response)
    made = plan_after_304(request, entry, response, merged, said, options, known)
    if isinstance(made, Refusal) or refused_at_the_end(request, made, said) or not any(_validators(response)):
        return None
    try:
        is_same = response_tags(request, merged, said, options, entry.tags) == entry.tags
    except (InvalidTagError, TypeError):
        is_same = False
    # by what it was not known to be made from, it may have been taken back
    return new_entry(request, merged, made, options, entry.body, entry.tags, entry.mark, said) if is_same else None


# --- clients' conditions ----------------------------------------------------------------------------------------------


def not_modified(request: Request, headers: h.HeaderLines, received: float) -> bool:
    """Tell whether the client has a 200 response with these header lines already (RFC 9110 §13.2.2, RFC 9111 §4.3.2).

    Last-Modified counts only where it is sure: 60 seconds older than Date.
    """
    if (listed := request.get(b"if-none-match")) is not None:
        etag = h.combined(headers, b"etag")
        return etag is not None and (listed == b"*" or any(h.weakly_equal(etag, tag) for tag in h.entity_tags(listed)))
    if (asked := request.get(b"if-modified-since")) is None:
        return False
    since = h.http_date(asked, received)
    modified = sure_last_modified(headers, received)
    return since is not None and modified is not None and modified <= since


def sure_last_modified(headers: h.HeaderLines, received: float) -> float | None:
    """Return Last-Modified if nothing could change twice in its second, so that it validates (RFC 9110 §8.8.2.2)."""
    modified = h.http_date(h.combined(headers, b"last-modified"), received)
    date = h.http_date(h.combined(headers, b"date"), received)
    is_sure = modified is not None and modified <= (received if date is None else date) - DATE_IS_SURE_AFTER
    return modified if is_sure else None


def without_content_fields(headers: h.HeaderLines) -> h.HeaderLines:
    """Return header lines without those that describe content, for answers that carry none (RFC 9110 §15.4.5)."""
    return tuple([line for line in headers if line[0].lower() not in _CONTENT_FIELDS])


# --- what a request invalidates ---------------------------------------------------------------------------------------


def invalidated_by(request: Request, response: Response, narrowed: Callable[[str], str] = str) -> set[str]:
    """Return the tags of what a successful unsafe request takes back (RFC 9111 §4.4).

    They are those of its target URI, of the URIs of Location and Content-Location if these have the same origin, and of
    the groups that Cache-Group-Invalidation names (RFC 9875 §3). A group's members take no other groups with them.

    Args:
        request: the request.
        response: the start of the response.
        narrowed: takes off a URL what does not count.
    """
    references = h.lines(response.headers, b"location") + h.lines(response.headers, b"content-location")
    tags = {tag_of_reference(request.url, value.decode("utf-8", "surrogateescape"), narrowed) for value in references}
    groups = {request.group_tag(group) for group in h.strings(response.get(b"cache-group-invalidation")) or ()}
    return {request.url_tag} | {tag for tag in tags if tag is not None} | groups


SUCCESS: Final = range(200, 400)
"""Statuses that say that something may have been changed (RFC 9111 §4.4)."""
