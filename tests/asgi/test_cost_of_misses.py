"""What a request costs that the application answers, as numbers that no machine's noise moves."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import ASGIAccelerator, tag
from accelerator.testing import ManualClock
from tests.counting import calls_of, cycles_of, driving, peak_bytes_of, receive, send
from tests.support import BROWSER, Receive, Scope, Send, chunk, http_scope, start

if TYPE_CHECKING:
    from collections.abc import Callable

BODY = b"x" * 1_000_000
STORED = ("cache-control", "s-maxage=60")
UNSTORABLE = ("cache-control", "no-store")


def requests(*lines: tuple[str, str], method: str = "GET", parts: int = 1) -> Callable[[], object]:
    """Return work that sends a request for a new page, after one that has warmed up what is made but once."""
    pages = itertools.count()
    part = BODY[: len(BODY) // parts]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        tag("user:1", "article:42", "list", "menu", "site:7")
        await send(start(("content-type", "text/html"), *lines))
        for left in reversed(range(parts)):
            await send(chunk(part, more=left > 0))

    cached = ASGIAccelerator(app, clock=ManualClock())
    ask = driving(lambda: cached(http_scope(f"/{next(pages)}", method=method, headers=BROWSER), receive, send))
    ask()
    return ask


KINDS: dict[str, Any] = {
    "stored": {"lines": [STORED]},
    "unstorable": {"lines": [UNSTORABLE]},
    "no time": {"lines": []},
    "passed by": {"lines": [], "method": "POST"},
}


def kind(name: str) -> Callable[[], object]:
    """Return work that sends a request of a kind."""
    more = dict(KINDS[name])
    return requests(*more.pop("lines"), **more)


@pytest.fixture(autouse=True)
def _without_django(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Django is loaded it is asked for its route; another test may have loaded it."""
    monkeypatch.delitem(sys.modules, "django.urls", raising=False)


@pytest.mark.parametrize(
    ("name", "bound"), [("stored", 286), ("unstorable", 190), ("no time", 191), ("passed by", 120)]
)
def test_a_miss_calls_so_many_functions_and_no_more(name: str, bound: int) -> None:
    assert 5 < calls_of(kind(name)).python <= bound


@pytest.mark.parametrize(("name", "bound"), [("stored", 27), ("unstorable", 24), ("no time", 24), ("passed by", 13)])
def test_a_miss_awaits_so_many_coroutines_and_no_more_and_never_suspends(name: str, bound: int) -> None:
    assert 5 < calls_of(kind(name)).coroutines <= bound


@pytest.mark.parametrize("name", KINDS)
def test_a_miss_makes_no_copy_of_a_body_that_comes_at_once(name: str) -> None:
    assert 1_000 < peak_bytes_of(kind(name)) < 20_000


def test_a_body_in_parts_is_copied_once_for_the_store() -> None:
    assert len(BODY) < peak_bytes_of(requests(STORED, parts=10)) < len(BODY) + 20_000


@pytest.mark.parametrize("name", KINDS)
def test_a_miss_leaves_nothing_that_only_the_garbage_collector_frees(name: str) -> None:
    assert cycles_of(kind(name)) == 0
