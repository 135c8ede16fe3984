"""Servers of our own: one for most tests, each with a prefix of its own, and others for tests that break them."""

from __future__ import annotations

import functools
import importlib.metadata
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import RedisStore
from accelerator.demo.redis_server import RedisServer
from accelerator.stores.redis import cluster as redis_cluster
from accelerator.stores.redis import cluster_address, fleet
from benchmarks.deployments.cluster import RedisCluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.stores.redis.support import OpenStore, StartServer

_prefixes = (f"test-{number}:" for number in itertools.count())


@pytest.fixture
def anyio_backend() -> str:
    """redis-py works on asyncio only."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _one_look_at_versions() -> Iterator[None]:
    """redis-py reads its own version from its files for each pool and each connection, which takes two milliseconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.metadata, "version", functools.cache(importlib.metadata.version))
        yield


@pytest.fixture(autouse=True)
def _no_leases() -> Iterator[None]:
    """Nobody has a near store here: a server that has just begun has no leases of before to wait for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fleet, "LEASE_SECONDS", 0.0)
        yield


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes of a cluster have long to say who has which slots: on a busy machine that may take them a while."""
    monkeypatch.setattr(redis_cluster, "NODES_SECONDS", 30.0)


@pytest.fixture(autouse=True)
def patient_with_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for each of them."""
    monkeypatch.setattr(cluster_address, "NODE_SECONDS", 10.0)


@pytest.fixture(scope="session")
def server() -> Iterator[RedisServer]:
    """A server that nobody stops, fills up or empties."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def cluster() -> Iterator[RedisCluster]:
    """A cluster in which nothing happens."""
    with RedisCluster() as cluster:
        yield cluster


@pytest.fixture
def prefix() -> str:
    """What the keys of this test begin with."""
    return next(_prefixes)


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Starts servers for this test alone."""
    started: list[RedisServer] = []

    def start(*options: str) -> RedisServer:
        server = RedisServer(*options)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
async def open_store() -> AsyncIterator[OpenStore]:
    """Makes stores that are patient unless told otherwise, and closes them."""
    opened: list[RedisStore] = []

    def make(source: Any, prefix: str = "accelerator:", *, deadline: float = 5, **options: Any) -> RedisStore:
        store = RedisStore(source, prefix, deadline=deadline, **options)
        opened.append(store)
        return store

    yield make
    for store in opened:
        await store.aclose()
