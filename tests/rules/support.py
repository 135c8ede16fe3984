"""What the tests of the rules share: plans for responses, and lines that they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from accelerator.notes import Notes
from accelerator.options import Options
from accelerator.rules import (
    freshness,
    storing,
)
from accelerator.rules.candidate import Candidate
from accelerator.rules.plan import Plan, Refusal
from tests.samples import NOW, Line, imf, request, response

if TYPE_CHECKING:
    from accelerator.http.request import Request


COOKIE: Line = ("cookie", "session=1")
CREDENTIALS: Line = ("authorization", "Bearer x")
NOTHING_SAID = Notes()


def cache_control(value: str) -> Line:
    return ("cache-control", value)


def targeted(value: str) -> Line:
    return ("cdn-cache-control", value)


def plan(
    *lines: Line, of: Request | None = None, heard: Notes = NOTHING_SAID, status: int = 200, **options: Any
) -> Any:
    """What is planned for a response with these lines to a request without credentials."""
    return storing.plan(Candidate(of or request(), response(*lines, status=status), heard, Options(**options)))


def stored(*lines: Line, **more: Any) -> Plan:
    made = plan(*lines, **more)
    assert isinstance(made, Plan), made
    return made


def refused(*lines: Line, **more: Any) -> str:
    made = plan(*lines, **more)
    assert isinstance(made, Refusal), made
    return str(made)


GET, HEAD, RANGE = request(), request(method="HEAD"), request(("range", "bytes=0-1"))
STRONG: dict[str, Any] = {"validator": b'"a"'}
WEAK: dict[str, Any] = {"validator": b'W/"a"'}
DATED: dict[str, Any] = {"last_modified": imf(NOW - 999).encode()}
FINITE = st.floats(0, 1e6)


def initial_age(*lines: Line, requested: float = NOW, received: float = NOW) -> float:
    return freshness.initial_age(response(*lines, requested=requested, received=received))


EXPIRES: Line = ("expires", imf(NOW + 30))


def changed(seconds: float) -> Line:
    return ("last-modified", imf(NOW - seconds))


def windows(*lines: Line, **more: Any) -> tuple[float, float]:
    made = stored(*lines, **more)
    return made.stale_while_revalidate, made.stale_if_error


TAG_LINES: list[Line] = [("Cache-Tag", "a"), ("surrogate-key", "b"), ("XKEY", "c")]
MODIFIED: Line = ("last-modified", imf(NOW - 999))
OTHER_MODIFIED: Line = ("last-modified", imf(NOW - 998))


def since(seconds: float) -> Line:
    return ("if-modified-since", imf(NOW - seconds))
