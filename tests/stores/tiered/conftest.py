"""The servers of the tests of RedisStore, for stores in front of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator import MemoryStore, RedisStore
from accelerator.stores.redis import fleet
from accelerator.stores.tiered import TieredStore
from accelerator.testing import ManualClock
from tests.stores.redis.conftest import (  # noqa: F401 - fixtures
    _one_look_at_versions,
    anyio_backend,
    patient_with_each,
    prefix,
    server,
    start_server,
)
from tests.stores.tiered.near import LEASE, Near
from tests.stores.tiered.support import settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from accelerator import Store
    from accelerator.demo.redis_server import RedisServer
    from tests.stores.tiered.support import OpenTiered


@pytest.fixture
def settled(server: RedisServer, prefix: str) -> None:  # noqa: F811 - the fixtures
    """Leave nothing to wait for from before this test: no lease of a near store of other times can be good."""
    settle(server, prefix)


@pytest.fixture
async def open_tiered(server: RedisServer, prefix: str, settled: None) -> AsyncIterator[OpenTiered]:  # noqa: F811 - the fixtures
    """Makes stores of one fleet, each with a near store of its own, as processes have them; and closes them."""
    opened: list[TieredStore] = []

    def make(url: str = "", near: Store | None = None, **options: object) -> TieredStore:
        store = TieredStore(near or MemoryStore(), RedisStore(url or server.url, prefix, deadline=5), **options)  # type: ignore[arg-type]
        opened.append(store)
        return store

    yield make
    for store in opened:
        await store.aclose()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    clock = ManualClock(1000)
    monkeypatch.setattr(fleet, "clock", clock)
    monkeypatch.setattr(fleet, "LEASE_SECONDS", LEASE)
    return clock


@pytest.fixture
def near(clock: ManualClock) -> Near:
    """A near store that follows, has applied all up to 7, and was filled after that."""
    near = Near()
    near.heartbeat(7)
    near.fill()
    assert near.has == "x other"
    return near
