"""What may differ between a site and the same site behind the cache: all of it, as data, each with its reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple


class Case(NamedTuple):
    """What is compared: a kind of request, at a site, through a door of the cache."""

    site: str
    door: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What may differ, and why; at which sites, through which doors and for which requests, if not for all.

    Attributes:
        is_sure: each whole run meets it; what depends on the moment is not.
    """

    reason: str
    is_sure: bool = True
    sites: tuple[str, ...] = ()
    doors: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    def holds(self, case: Case) -> bool:
        """Tell whether it may be so in this case."""
        limits = (self.sites, self.doors, self.kinds)
        return all(not limit or said in limit for limit, said in zip(limits, case, strict=True))


@dataclass(frozen=True, kw_only=True)
class Free(Difference):
    """A field whose lines need not be the same, nor be there on both sides."""

    field: str


@dataclass(frozen=True, kw_only=True)
class Added(Difference):
    """A field that the cache may add where the site says none of that name."""

    field: str


@dataclass(frozen=True, kw_only=True)
class Changing(Difference):
    """What no two answers of the site have in common, in fields or content: what the pattern's groups match.

    Attributes:
        is_secret: it belongs to whoever got it; nobody else may be given it.
    """

    pattern: re.Pattern[bytes]
    is_secret: bool = False


@dataclass(frozen=True, kw_only=True)
class Recompressed(Difference):
    """The same content in the same coding may have other bytes."""


@dataclass(frozen=True, kw_only=True)
class Answer(Difference):
    """An answer of the cache in place of another one of the site.

    Attributes:
        instead_of: the status of the site's answer.
        status: that of the cache's; None for that of the site's GET.
        of_store: only where the whole is stored.
    """

    instead_of: int
    status: int | None
    of_store: bool = True


@dataclass(frozen=True, kw_only=True)
class LeftOut(Difference):
    """A glob of targets that are not asked for."""

    target: str


FREE: Final = (
    Free(field="date", reason="it is the time of the answer; what comes from the store has that of its making"),
    Free(field="age", reason="what comes from the store says how old it is (RFC 9111 §5.1)"),
    Free(field="cache-status", reason="the cache says what it did (RFC 9211)"),
    Free(field="expires", reason="sites count it from the time of the answer; what is stored has that of its making"),
    Free(field="connection", reason="it is of one connection (RFC 9110 §7.6.1)"),
    Free(sites=("litestar",), field="allow", reason="it names the methods of a route in no order"),
    Free(
        sites=("fastapi",),
        field="x-request-id",
        reason="it is another one in each answer; the cache stores none (`unstored_fields`)",
    ),
    Free(field="transfer-encoding", reason="it is of one connection (RFC 9112 §6.1)"),
)

ADDED: Final = (
    Added(field="etag", reason="what is stored without one gets a weak one of its content"),
    Added(
        field="cache-control",
        reason="what is kept by a word that browsers do not know tells them to ask: they cannot be taken back",
    ),
)

CHANGING: Final = (
    Changing(
        sites=("litestar",),
        pattern=re.compile(rb"session=([0-9a-f]{64})"),
        is_secret=True,
        reason="each visitor has a session of their own",
    ),
    Changing(
        sites=("quart", "litestar"),
        pattern=re.compile(rb'"1000000000\.0-\d+-(\d+)"'),
        reason="the entity tag of a file is made of its path, and each server has files of its own",
    ),
    Changing(
        sites=("httpbin",),
        pattern=re.compile(rb'(,\s*"Accept-Encoding": "gzip")'),
        reason="it shows the request and says no `Vary`: an answer may be kept with or without this field",
    ),
    Changing(
        sites=("httpbin",),
        doors=("gateway",),
        pattern=re.compile(rb'(,\s*"(?:Connection|Forwarded|Via|X-Forwarded-(?:For|Proto))": "(?:\\.|[^"\\])*")'),
        reason="it shows the request, to which the gateway adds these fields; `Connection` stays behind",
    ),
    Changing(
        sites=("httpbin",),
        pattern=re.compile(rb'"uuid": "([0-9a-f-]{36})"'),
        reason="a number at random",
    ),
    Changing(
        sites=("datasette",),
        pattern=re.compile(rb'ds_csrftoken=([^;]+)|name="csrftoken" value="([^"]+)"'),
        is_secret=True,
        reason="the token against forged requests, another one for each visitor",
    ),
    Changing(
        sites=("wagtail",),
        pattern=re.compile(
            rb'csrftoken=([0-9A-Za-z]{32})|name="csrfmiddlewaretoken" value="([0-9A-Za-z]{64})"'
            rb'|"CSRF_TOKEN": "([0-9A-Za-z]{64})"'
        ),
        is_secret=True,
        reason="the token against forged requests, another one for each visitor and in each answer",
    ),
    Changing(
        sites=("wagtail",),
        pattern=re.compile(rb"editing-sessions/\w+/(?:wagtailcore/page/\d+/)?(\d+)/"),
        reason="each editor that opens a page gets the next number",
    ),
    Changing(
        sites=("wagtail",),
        pattern=re.compile(rb'(?:datetime|data-w-tooltip-content-value)="([^"]+)"|(\d+\xc2\xa0\w+ ago|just now)'),
        reason="when users signed in, which each does at each server",
    ),
    Changing(
        sites=("wagtail",),
        pattern=re.compile(rb"messages=[^:;]+:([^;]+)"),
        reason="the signature of a message holds the time",
    ),
    Changing(
        sites=("wagtail",),
        pattern=re.compile(rb"(?:expires|Expires)=([^;]+ GMT)"),
        reason="a cookie ends a time after its answer",
    ),
    Changing(
        sites=("datasette",),
        pattern=re.compile(rb'Queries took ([\d.]+)ms|"query_ms": ([\d.e-]+)'),
        reason="how long the queries took",
    ),
)

RECOMPRESSED: Final = (
    Recompressed(sites=("httpbin", "litestar"), reason="gzip's header holds the time (RFC 1952 §2.3.1)"),
)

ANSWERS: Final = (
    Answer(
        kinds=("websocket",),
        doors=("gateway",),
        instead_of=101,
        status=403,
        of_store=False,
        reason="the gateway forwards no WebSockets",
    ),
    Answer(
        kinds=("head",),
        instead_of=200,
        status=200,
        reason="it has the lines of the GET, of which sites leave out some (RFC 9110 §9.3.2)",
    ),
    Answer(
        kinds=("head",),
        instead_of=405,
        status=None,
        reason="what is stored answers a HEAD, though the site's route knows only GET",
    ),
    Answer(
        kinds=("range",),
        instead_of=206,
        status=206,
        reason="it has the lines of the whole, and those of the part behind them",
    ),
    Answer(
        kinds=("range",),
        instead_of=200,
        status=206,
        reason="one range of what is stored is answered, whether or not the site knows ranges",
    ),
    Answer(
        kinds=("range",),
        instead_of=200,
        status=416,
        reason="what is stored has no such part; a site that knows no ranges sends the whole",
    ),
    Answer(
        kinds=("range",),
        instead_of=416,
        status=416,
        reason="it says how long what is stored is, and nothing else of it",
    ),
    Answer(
        kinds=("etag", "modified"),
        instead_of=304,
        status=304,
        reason="it has the fields that RFC 9110 §15.4.5 asks for, and none of the content's, which some sites send",
    ),
    Answer(
        kinds=("modified",),
        instead_of=304,
        status=200,
        is_sure=False,
        reason="only by a Last-Modified a minute older than Date does the cache answer 304 (RFC 9110 §8.8.2.2)",
    ),
    Answer(
        kinds=("etag", "modified"),
        instead_of=200,
        status=304,
        of_store=False,
        reason="the cache answers conditions by the validators of the site's answer, whether or not the site does",
    ),
)

LEFT_OUT: Final = (
    LeftOut(
        sites=("httpbin",),
        target="/cache/*",
        reason="it says `public` of an answer that shows who asked, and is taken at its word",
    ),
    LeftOut(
        sites=("httpbin",),
        target="/brotli",
        reason="it shows the request, in a coding that the comparison does not read",
    ),
    LeftOut(
        sites=("httpbin",),
        target="/etag/etag",
        reason="its entity tag has no quotes and so is none (RFC 9110 §8.8.3), which it does not mind",
    ),
    LeftOut(sites=("httpbin",), target="/cache", reason="its validators are new in each answer, and it accepts any"),
    LeftOut(sites=("httpbin",), target="/digest-auth/*", reason="its challenge is new in each answer"),
    LeftOut(sites=("httpbin",), target="/delay/*", reason="it takes seconds"),
    LeftOut(sites=("httpbin",), target="/drip*", reason="it takes seconds"),
)


DECLARED: Final[tuple[Difference, ...]] = (*FREE, *ADDED, *CHANGING, *RECOMPRESSED, *ANSWERS)
"""All that may be found when answers are compared."""


def left_out(site: str) -> list[str]:
    """Return the globs of targets that are not asked for at a site."""
    return [each.target for each in LEFT_OUT if not each.sites or site in each.sites]
