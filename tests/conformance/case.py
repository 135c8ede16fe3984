"""A rule of HTTP caching as data: a few requests, what the application would answer, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "START",
    "Case",
    "Exchange",
    "Line",
    "Lines",
    "asctime",
    "asks",
    "cc",
    "date",
    "given",
    "refreshes",
    "reuses",
    "rfc850",
    "validates",
]

Line = tuple[str, str]
Lines = tuple[Line, ...]

START = 1_800_000_000
"""The second at which each case begins: a Friday in January 2027."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request and all that belongs to it.

    The request:
        after: seconds since the exchange before it was over.
        method, url, fields, body: what the client sends.
    What the application answers if it is asked:
        takes: seconds from being asked to the start of its answer.
        status, answer, content: the answer; None as content makes it `answer N` in the case's exchange N.
        fails: it raises, `at once` or `half way` through its content.
        once_more: what it answers if it is asked a second time.
    What must come of it:
        asked: whether the application is asked, and whether `before` or only `after` the client has its answer.
            `twice` is twice before.
        gets: the client's status; None if all it gets is the failure.
        of: the number of the exchange whose answer's content it gets.
        text: the content, if it is another one.
        has: fields of the client's answer: a value, the values of its lines, or None for a field that is not there.
        sees: the same for the fields of the request that the application sees.
        says: parameters of this cache's member of Cache-Status; None for one that is not there.
    """

    after: float = 0
    method: str = "GET"
    url: str = "/"
    fields: Lines = ()
    body: bytes = b""
    takes: float = 0
    status: int = 200
    answer: Lines = ()
    content: bytes | None = None
    fails: Literal["never", "at once", "half way"] = "never"
    once_more: Exchange | None = None
    asked: Literal["before", "twice", "after", "never", "maybe"]
    gets: int | None
    of: int | None = None
    text: bytes | None = None
    has: Mapping[str, str | tuple[str, ...] | None] = field(default_factory=dict)
    sees: Mapping[str, str | None] = field(default_factory=dict)
    says: Mapping[str, str | int | bool | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One rule: its name, a sentence that states it, where it is written, and exchanges that would show it broken."""

    id: str
    sentence: str
    section: str
    exchanges: tuple[Exchange, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


def given(**more: Any) -> dict[str, Any]:
    """What some exchanges of a table have besides."""
    return more


def asks(*answer: Line, **more: Any) -> Exchange:
    """The application is asked, and the client gets its answer."""
    return Exchange(**{"answer": answer, "asked": "before", "gets": more.get("status", 200), **more})


def reuses(**more: Any) -> Exchange:
    """The client is answered from the store, with what the first exchange brought unless another one is named."""
    return Exchange(**{"asked": "never", "gets": 200, "of": 1, **more})


def validates(*answer: Line, **more: Any) -> Exchange:
    """The application says 304, and the client gets what is stored."""
    return Exchange(**{"answer": answer, "status": 304, "asked": "before", "gets": 200, "of": 1, **more})


def refreshes(*answer: Line, **more: Any) -> Exchange:
    """The client is answered from the store, and then the application is asked."""
    return Exchange(**{"answer": answer, "asked": "after", "gets": 200, "of": 1, **more})


def cc(value: str) -> Line:
    """A Cache-Control line."""
    return ("cache-control", value)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(START + seconds, UTC)


def date(seconds: float = 0) -> str:
    """An IMF-fixdate, in seconds since the start of the case."""
    return format_datetime(_moment(seconds), usegmt=True)


def rfc850(seconds: float = 0) -> str:
    """The same in the obsolete format with two digits for the year."""
    return f"{_moment(seconds):%A, %d-%b-%y %H:%M:%S} GMT"


def asctime(seconds: float = 0) -> str:
    """The same in the obsolete format of C's asctime()."""
    moment = _moment(seconds)
    return f"{moment:%a %b} {moment.day:2d} {moment:%H:%M:%S %Y}"
