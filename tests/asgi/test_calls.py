"""What hits cost, as numbers that no machine's noise moves: the functions of Python that they call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from accelerator import ASGIAccelerator
from accelerator.testing import ManualClock
from tests.counting import calls_of, driving
from tests.support import BROWSER, app_saying, http_scope

if TYPE_CHECKING:
    from tests.support import Message


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Message) -> None:
    """Nobody looks."""


def cost(cached: ASGIAccelerator, *, headers: Any = BROWSER) -> int:
    """How many functions of Python one request calls."""
    scope = http_scope("/", headers=headers)
    return calls_of(driving(lambda: cached(scope, receive, send))).python


@pytest.mark.parametrize(
    ("what", "bound"),
    [("plain", 10), ("cookie", 15), ("conditional", 11)],
)
def test_a_hit_calls_so_many_functions_and_no_more(what: str, bound: int) -> None:
    cached = ASGIAccelerator(app_saying(("cache-control", "s-maxage=60"), ("etag", '"a"')), clock=ManualClock())
    fields = {"plain": [], "cookie": [("cookie", "a=1")], "conditional": [("if-none-match", '"a"')]}[what]
    for _ in range(3):  # it is stored, looked up, prepared
        cost(cached, headers=[*BROWSER, *fields])
    assert 5 < cost(cached, headers=[*BROWSER, *fields]) <= bound
