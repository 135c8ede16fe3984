"""What hits cost, as numbers that no machine's noise moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from accelerator import ASGIAccelerator, cache_for
from accelerator.testing import ManualClock
from tests.counting import calls_of, cycles_of, driving, peak_bytes_of, receive, send
from tests.support import BROWSER, chunk, http_scope, start

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support import Receive, Scope, Send

BODY = b"x" * 1_000_000
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "cookie": {"fields": [("cookie", "a=1")]},
    "conditional": {"fields": [("if-none-match", '"a"')]},
    "varying": {"path": "/vary"},
    "query": {"path": "/?page=1&utm_a=1", "options": {"ignore_query": ("utm_*",)}},
    "heard": {"options": {"on_event": lambda _event: None}},
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    cache_for(60, vary=["accept-encoding"] if scope["path"] == "/vary" else [])
    await send(start(("content-type", "text/html"), ("etag", '"a"')))
    await send(chunk(BODY))


def hit(kind: str) -> Callable[[], object]:
    """Return work that sends a request for a page which was stored, looked up and prepared before."""
    said = KINDS[kind]
    cached = ASGIAccelerator(app, clock=ManualClock(), **said.get("options", {}))
    scope = http_scope(said.get("path", "/"), headers=[*BROWSER, *said.get("fields", [])])
    ask = driving(lambda: cached(scope, receive, send))
    for _ in range(3):
        ask()
    return ask


@pytest.mark.parametrize(
    ("kind", "bound"),
    [("plain", 11), ("cookie", 16), ("conditional", 12), ("varying", 15), ("query", 12), ("heard", 16)],
)
def test_a_hit_calls_so_many_functions_and_no_more(kind: str, bound: int) -> None:
    assert 5 < calls_of(hit(kind)).python <= bound


@pytest.mark.parametrize("kind", KINDS)
def test_a_hit_awaits_the_middleware_and_two_messages_and_nothing_else(kind: str) -> None:
    assert calls_of(hit(kind)).coroutines == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_hit_copies_no_body_and_leaves_nothing_for_the_garbage_collector(kind: str) -> None:
    assert 200 < peak_bytes_of(hit(kind)) < 10_000
    assert cycles_of(hit(kind)) == 0
