"""The end of an application closes the store that the middleware has opened, and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator import ASGIAccelerator, MemoryStore, Store
from tests.stores.downstream import Noting
from tests.stores.test_contract import FarStore

if TYPE_CHECKING:
    from tests.support import Message, Receive, Scope, Send

pytestmark = pytest.mark.anyio


class NotingStore(MemoryStore):
    """Notes that it was closed."""

    def __init__(self, events: list[str]) -> None:
        super().__init__()
        self._events = events

    async def aclose(self) -> None:
        self._events.append("closed")


async def ended(store: Store | str, last: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happens until an application has ended with a message."""
    events: list[str] = []

    async def site(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})
        await send({"type": last})

    async def receive() -> Message:
        return {"type": "lifespan.shutdown"}

    async def send(message: Message) -> None:
        events.append(message["type"])

    app = ASGIAccelerator(site, store=store)
    monkeypatch.setattr(app, "store", NotingStore(events))
    await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    return events


@pytest.mark.parametrize("last", ["lifespan.shutdown.complete", "lifespan.shutdown.failed"])
async def test_what_it_has_opened_is_closed_before_the_server_hears_of_the_end(
    last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await ended("memory:", last, monkeypatch) == ["lifespan.startup.complete", "closed", last]


async def test_what_it_was_given_stays_open_for_others_who_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await ended(MemoryStore(), "lifespan.shutdown.complete", monkeypatch) == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


@pytest.mark.parametrize("store", [MemoryStore(), FarStore()], ids=["followed", "of another kind"])
async def test_caches_that_follow_a_store_which_it_was_given_are_told_all_before_the_end(
    store: MemoryStore | FarStore,
) -> None:
    noting = Noting()
    if isinstance(store, MemoryStore):
        store.invalidated.follow(noting)
    closed: list[bool] = []

    async def site(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    async def receive() -> Message:
        return {"type": "lifespan.shutdown"}

    async def send(_message: Message) -> None:
        closed.append(noting.is_closed)

    await ASGIAccelerator(site, store=store)({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    assert closed == [False, isinstance(store, MemoryStore)]


async def test_where_starting_fails_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be tried again."""
    assert await ended("memory:", "lifespan.startup.failed", monkeypatch) == [
        "lifespan.startup.complete",
        "lifespan.startup.failed",
    ]
