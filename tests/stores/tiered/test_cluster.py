"""TieredStore in front of a cluster: the contract, and following where the key of the near stores goes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import pytest

from accelerator import InvalidationError, MemoryStore, RedisStore
from accelerator.stores.redis.keys import Keys
from accelerator.stores.tiered import TieredStore
from accelerator.testing import StoreContract
from benchmarks.deployments.cluster import RedisCluster, slot_of
from tests.stores.redis.clusters import PATIENCE, comes, refilled
from tests.stores.redis.conftest import cluster  # noqa: F401 - a fixture
from tests.stores.redis.support import X, fill, state
from tests.stores.tiered.support import become, followers, following, settle
from tests.stores.tiered.test_contract import Two

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.stores.tiered.support import OpenTiered

pytestmark = pytest.mark.anyio


@pytest.fixture
def nodes(cluster: RedisCluster) -> RedisCluster:  # noqa: F811 - the fixture
    return cluster


@pytest.fixture
async def open_near(nodes: RedisCluster, prefix: str) -> AsyncIterator[OpenTiered]:
    """Makes stores of one fleet, each with a near store of its own, as processes have them; and closes them."""
    opened: list[TieredStore] = []
    owner = nodes.owner_of(near_key(prefix))
    settle(owner, prefix)
    url = f"redis+cluster://127.0.0.1:{owner.port}"  # the one that dies: the others are remembered

    def make() -> TieredStore:
        opened.append(TieredStore(MemoryStore(), RedisStore(url, prefix, deadline=30)))
        return opened[-1]

    yield make
    for store in opened:
        await store.aclose()


def near_key(prefix: str) -> bytes:
    return Keys(prefix.encode()).near


class TestAlone(StoreContract):
    @pytest.fixture
    async def store(self, open_near: OpenTiered) -> TieredStore:
        store = open_near()
        await following(store)
        return store


class TestAlongOthers(StoreContract):
    @pytest.fixture
    async def store(self, open_near: OpenTiered) -> Two:
        stores = [open_near() for _ in range(3)]
        await following(*stores)
        return Two(*stores[:2])


@pytest.fixture(scope="module")
def own() -> Iterator[RedisCluster]:
    """A cluster of which nodes die. Each test leaves it whole."""
    with RedisCluster() as own:
        yield own


class TestWhereTheKeyGoes:
    """The key of the near stores gets another node, on which nobody follows yet."""

    @pytest.fixture
    def nodes(self, own: RedisCluster) -> Iterator[RedisCluster]:
        yield own
        own.revive()

    async def test_near_stores_follow_the_node_that_takes_over(
        self, nodes: RedisCluster, open_near: OpenTiered, prefix: str
    ) -> None:
        one, two = open_near(), open_near()
        await following(one, two)
        await fill(one, "x")
        await asyncio.to_thread(nodes.kill, nodes.owner_of(near_key(prefix)))
        await follow_again(nodes, prefix, one, two)

    async def test_near_stores_follow_a_slot_that_moves(
        self, nodes: RedisCluster, open_near: OpenTiered, prefix: str
    ) -> None:
        one, two = open_near(), open_near()
        await following(one, two)
        await fill(one, "x")
        owner = nodes.owner_of(near_key(prefix))
        to = next(node for node in nodes.primaries() if node is not owner)
        await asyncio.to_thread(nodes.move_slot, slot_of(near_key(prefix)), to)
        await follow_again(nodes, prefix, one, two)


async def follow_again(nodes: RedisCluster, prefix: str, one: TieredStore, two: TieredStore) -> None:
    """Each is told what the other one takes back."""
    owner = nodes.owner_of(near_key(prefix))
    await become(lambda: len(followers(owner, prefix)) == 2)
    for here, there in ((one, two), (two, one)):
        await refilled_in_both(here, there)
        await become(lambda: one._page.is_good and two._page.is_good)
        await taken_back(there, "x")
        assert await state(here) == "missing"
        assert await state(there) == "missing"


async def taken_back(store: TieredStore, tag: str) -> None:
    """Take back until that works: the first call may learn who has taken over."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(InvalidationError):
                return await store.invalidate_tag(tag)
            await anyio.sleep(0.01)


async def refilled_in_both(here: TieredStore, there: TieredStore) -> None:
    await refilled(here, "x", url=X)
    for store in (here, there):
        await comes(store, X, "fresh")
