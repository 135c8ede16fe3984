"""The whole reasoning of one request: what counted, what was found, what the application said, and what was decided.

It is put together from what the engine decides anyway, and is written as a structured field. Of cookies, credentials
and partitions it says that they counted, never which values they have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from http_sf import Token

from accelerator.cures import FORWARDED, cure_of
from accelerator.http.canonical import FORMS
from accelerator.http.cookies import names_of
from accelerator.http.fields import combined, lowered
from accelerator.http.structured import Member, dictionary
from accelerator.rules.freshness import age, lifetime
from accelerator.rules.plan import Refusal
from accelerator.rules.response_tags import application_tags, header_tags
from accelerator.rules.reuse import Decision

if TYPE_CHECKING:
    from collections.abc import Iterable

    from accelerator.asgi_types import Scope
    from accelerator.events import EventKind
    from accelerator.http.ignored import Ignored
    from accelerator.http.request import Request, Vary
    from accelerator.http.response import Response
    from accelerator.notes import Notes
    from accelerator.options import Options
    from accelerator.rules.candidate import Candidate
    from accelerator.rules.entry import Entry
    from accelerator.rules.plan import Plan
    from accelerator.stores.protocol import Lookup

MAX_BYTES: Final = 2048
"""Proxies give all fields of a response 4 KiB and more: nginx a page of memory, for one."""

_RULES: Final = {
    Decision.HIT: "RFC 9111 §4.2",
    Decision.STALE: "RFC 5861 §3",
    Decision.VALIDATE: "RFC 9111 §4.3",
    Decision.FILL: "RFC 9111 §4",
    Decision.PASS: "RFC 9111 §4",
    Decision.UNAVAILABLE: "RFC 9111 §5.2.1.7",
}
_RULE_OF_REQUESTS: Final = "RFC 9111 §5.2.1"
_SHOWN: Final = (b"cache-control", b"expires", b"age", b"vary", b"etag", b"last-modified", b"content-encoding")
"""The fields of a response that are shown with their values. Of Set-Cookie it is shown that there is one."""


class Reasoning:
    """What is known of the reasoning of one request so far.

    Args:
        scope: the ASGI scope of the request as it came.
        ignored: removes ignored query parameters and cookies.
        options: the options of the middleware.
    """

    def __init__(self, scope: Scope, ignored: Ignored, options: Options) -> None:
        self._ignored = ignored_members(scope, ignored)
        self._options = options
        self._request: Request | None = None
        self._partition: str | None = None
        self._vary: Vary = ()
        self._outcome: dict[str, Member] = {}
        self._decided: dict[str, Member] = {}
        self._said: dict[str, Member] = {}
        self._planned: dict[str, Member] = {}
        self._tags: list[str] = []

    # --- what the engine tells of a request, once it knows ------------------------------------------------------------

    def read(self, request: Request, partition: str | None) -> None:
        """Take the request as the cache reads it, and its partition, None for one that lets it bypass the cache."""
        self._request, self._partition = request, partition

    def bypassed(self, fwd: str, detail: str) -> None:
        """Note that a response is passed on and not stored, and why: as `fwd` and `detail` of Cache-Status say it."""
        self._concluded("pass", fwd, detail)
        if not self._decided:
            self._decided = {"bypassed-by": Member(self._bypassed_by())}

    def decided(self, found: Lookup, decision: Decision, now: float, *, is_asked: bool) -> None:
        """Note what was found for the request, and what is done with it.

        Args:
            found: what was found.
            decision: what is done.
            now: when that was decided, in seconds since the epoch.
            is_asked: whether the request's own Cache-Control is obeyed.
        """
        assert self._request is not None  # noqa: S101 - it was read before it was looked up
        self._vary = found.vary or ()
        self._decided = decision_members(self._request, decision, is_asked=is_asked)
        self._decided |= found_members(self._request, found, now)

    def said(self, response: Response, notes: Notes) -> None:
        """Note what the application said."""
        self._said = {"said": Member(_fields(response.status, response.headers, self._options) + _calls(notes))}
        named = [*notes.tags, *header_tags(response, self._options)]
        self._tags = [name for name in named if isinstance(name, str)]

    def planned(self, candidate: Candidate, made: Plan | Refusal, *, is_new: bool) -> None:
        """Note what the application said, and how its response may be stored, or that it may not be.

        Args:
            candidate: the response.
            made: what was decided.
            is_new: whether the response is the application's own, and not a stored one that its 304 has freshened.
        """
        self.said(candidate.response, candidate.notes)
        if not isinstance(made, Refusal):
            source = lifetime(candidate, candidate.directives())[1] if is_new else None
            self._vary, self._planned = made.vary, time_members(made, source)

    def filled(self, kind: EventKind, fwd: str, detail: str, entry: Entry | None) -> None:
        """Note what has come of a fill so far.

        Args:
            kind: see `CacheEvent`.
            fwd: why the application was called, as `fwd` of Cache-Status says it.
            detail: `stored`, or why the response is not stored; `""` as long as that is not known.
            entry: the entry that was made of the response, None if there is none yet.
        """
        self._concluded(kind, fwd, detail)
        if entry is not None:
            self._tags = [*application_tags(entry)]

    def served(self, kind: EventKind, entry: Entry, *, collapsed: bool) -> None:
        """Note that an entry answers the request, perhaps after it has waited for the fill of another one."""
        self._concluded(kind, "", "", collapsed=collapsed)
        self._vary, self._planned = entry.vary, time_members(entry)
        self._said = {"said": Member(_fields(entry.status, entry.headers, self._options))}
        self._tags = [*application_tags(entry)]

    def unavailable(self, detail: str) -> None:
        """Note that nobody answers the request, and why."""
        self._concluded("miss", "", detail)

    def _concluded(self, kind: EventKind, fwd: str, detail: str, *, collapsed: bool = False) -> None:
        self._outcome = outcome_members(kind, fwd, detail, collapsed=collapsed)

    def _bypassed_by(self) -> list[str]:
        by = [] if self._request is None else self._request.bypassed_by
        if self._partition is None:
            by = ["partition", *by]
        return by if self._options.enabled else ["enabled", *by]

    # --- what is said of it -------------------------------------------------------------------------------------------

    @property
    def field(self) -> bytes | None:
        """The reasoning as a Dictionary (RFC 9651 §3.2), None as long as nothing has come of the request."""
        if not self._outcome or self._request is None:
            return None
        members = {
            **self._outcome,
            **self._decided,
            **request_members(self._request, self._vary),
            **self._ignored,
            **({} if self._options.partition is None else {"partition": Member(self._partition is not None)}),
            **self._planned,
            **self._said,
            **_listed("tags", sorted(self._tags)),
        }
        return dictionary(members, MAX_BYTES)


def outcome_members(kind: EventKind, fwd: str, detail: str, *, collapsed: bool) -> dict[str, Member]:
    """Return what came of a request: how it was answered, why the application was asked, and why nothing was stored."""
    is_stored, is_pending = detail == "stored", not detail and kind in {"miss", "validated"}
    cure = cure_of(detail) or (FORWARDED.get(fwd) if kind == "pass" else None)
    parameters = {
        "fwd": Token(fwd) if fwd else None,
        "stored": True if is_stored else None,
        "detail": None if is_stored or not detail else detail,
        "rule": None if cure is None else _section(cure.rule),
        "collapsed": True if collapsed else None,
        "pending": True if is_pending else None,
    }
    return {"outcome": Member(Token(kind), parameters)}


def decision_members(request: Request, decision: Decision, *, is_asked: bool) -> dict[str, Member]:
    """Return what was decided after the lookup, and by which rule."""
    rule = _RULE_OF_REQUESTS if is_asked and decision is not Decision.UNAVAILABLE else _RULES[decision]
    parameters = {"rule": _section(rule), "range": True if request.has_range else None}
    made = {"decision": Member(Token(decision.name.lower()), parameters)}
    return made | ({"asked": Member(_text(request.get(b"cache-control")))} if is_asked else {})


def found_members(request: Request, found: Lookup, now: float) -> dict[str, Member]:
    """Return what was found in the store, and whether it may answer the request."""
    entry = found.entry
    if entry is None:
        what = "nothing" if found.vary is None else "others" if found.vary else "taken-back"
        return {"found": Member(Token(what))}
    current_age, unfit_by = age(entry, now), entry.unfit_by(request)
    parameters = {
        "age": current_age,
        "ttl": entry.lifetime - current_age,
        "soft": True if found.invalidated else None,
        "unfit": Token(unfit_by) if unfit_by else None,
    }
    return {"found": Member(Token("entry"), parameters)}


def request_members(request: Request, vary: Vary) -> dict[str, Member]:
    """Return the key of a request, and the names of all that counts; values only of what all browsers may say."""
    keyed = request.keyed_by + (["content"] if request.content is not None else [])
    values = dict(zip(vary, request.selecting_values(vary), strict=True))
    selecting = [
        f"{_text(name)}: {_text(value)}" if name in FORMS and value is not None else _text(name)
        for name, value in values.items()
    ]
    return {
        "method": Member(request.method),
        "key": Member(request.url),
        **_listed("keyed-by", keyed),
        **_listed("selected-by", selecting),
        **_listed("asks", request.audience),
    }


def ignored_members(scope: Scope, ignored: Ignored) -> dict[str, Member]:
    """Return the names of the cookies that count and of those that are ignored, and what counts of the query."""
    shown = ignored.scope(scope)
    sent, kept = _cookies(scope), _cookies(shown)
    is_shorter = shown.get("query_string", b"") != scope.get("query_string", b"")
    return {
        **_listed("cookies", kept),
        **_listed("cookies-ignored", [name for name in sent if name not in kept]),
        **({"query-ignored": Member(True)} if is_shorter else {}),
    }


def time_members(made: Plan | Entry, source: str | None = None) -> dict[str, Member]:
    """Return for how long and for whom a response is stored.

    Args:
        made: the plan, or the entry.
        source: what gives the time, such as `s-maxage`; None if that is not known.
    """
    answers = {"cookies": made.for_cookies, "credentials": made.for_credentials, "codings": made.for_codings}
    windows = {
        "stale-while-revalidate": made.stale_while_revalidate or None,
        "stale-if-error": made.stale_if_error or None,
    }
    return {
        "lifetime": Member(int(made.lifetime), {"from": source, **windows}),
        "answers": Member([name for name, may in answers.items() if may]),
    }


def _listed(name: str, texts: Iterable[str]) -> dict[str, Member]:
    found = [*texts]
    return {name: Member(found)} if found else {}


def _fields(status: int, headers: Iterable[tuple[bytes, bytes]], options: Options) -> list[str]:
    """Return what the status and the fields of a response say of storing it."""
    lines = [*headers]
    names = (*lowered(options.targeted_fields), *_SHOWN)
    found = {name: combined(lines, name) for name in names}
    shown = [f"{_text(name)}: {_text(value)}" for name, value in found.items() if value is not None]
    return [str(status), *shown, *(["set-cookie"] if combined(lines, b"set-cookie") is not None else [])]


def _calls(notes: Notes) -> list[str]:
    """Return what the view has said by calls, or by keys of its scope."""
    windows = {"stale_while_revalidate": notes.stale_while_revalidate, "stale_if_error": notes.stale_if_error}
    arguments = [f"{notes.ttl:.12g}" if notes.ttl is not None else ""]
    arguments += [f"{name}={value:.12g}" for name, value in windows.items() if value is not None]
    arguments += ["public=True"] if notes.public else []
    return [
        *([f"cache_for({', '.join(arguments)})"] if notes.ttl is not None else []),
        *(["no_store()"] if notes.no_store else []),
        *([f"vary({', '.join(map(_text, sorted(notes.vary)))})"] if notes.vary else []),
    ]


def _cookies(scope: Scope) -> list[str]:
    value = combined(scope["headers"], b"cookie")
    return names_of(value.split(b";")) if value is not None else []


def _text(octets: bytes | None) -> str:
    return (octets or b"").decode("latin-1")


def _section(rule: str) -> str | None:
    """Return a rule in visible ASCII, None if there is none."""
    return rule.replace(" §", ", section ") or None
