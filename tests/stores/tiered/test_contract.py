"""TieredStore passes the contracts of stores, leases and listing, alone and where processes do what concerns others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator import LMDBStore
from accelerator.stores.protocol import Lookup, Store
from accelerator.testing import LeaseContract, ListingContract, StoreContract
from tests.stores.tiered.support import following

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry
    from accelerator.stores.tiered import TieredStore
    from tests.stores.tiered.support import OpenTiered


class Two(Store):
    """Invalidations go to one store, everything else to another one of the same fleet."""

    def __init__(self, here: Store, there: Store) -> None:
        self.here, self.there = here, there

    async def lookup(self, request: Request) -> Lookup:
        return await self.here.lookup(request)

    async def commit(self, entry: Entry) -> bool:
        return await self.here.commit(entry)

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        await self.there.invalidate(tags, soft=soft)


class TestAlone(StoreContract, LeaseContract, ListingContract):
    @pytest.fixture
    async def store(self, open_tiered: OpenTiered) -> TieredStore:
        store = open_tiered()
        await following(store)
        return store


class TestAlongOthers(StoreContract):
    @pytest.fixture
    async def store(self, open_tiered: OpenTiered) -> Two:
        stores = [open_tiered() for _ in range(3)]
        await following(*stores)
        return Two(*stores[:2])


class TestFarInvalidations(StoreContract):
    """Who invalidates has no near store."""

    @pytest.fixture
    async def store(self, open_tiered: OpenTiered) -> Two:
        near, other = open_tiered(), open_tiered()
        await following(near)
        return Two(near, other._far)


class TestWithoutLease(StoreContract):
    """Nobody follows, as before the first heartbeat: all is asked of the far store."""

    @pytest.fixture
    def store(self, open_tiered: OpenTiered, monkeypatch: pytest.MonkeyPatch) -> TieredStore:
        store = open_tiered()
        monkeypatch.setattr(store._follower, "start", lambda: None)
        return store


class TestOneMachine(StoreContract):
    """Processes of a machine share their near store, and one of them follows for all."""

    @pytest.fixture
    async def store(self, open_tiered: OpenTiered, tmp_path: Path) -> Two:
        stores = [open_tiered(near=LMDBStore(tmp_path / "near")) for _ in range(2)]
        await following(*stores)
        return Two(*stores)
