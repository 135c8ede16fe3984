"""Who has which slots of a cluster, where a node answers that it knows nothing of it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import pytest
from redis.exceptions import ConnectionError, RedisError, ResponseError  # noqa: A004 - redis-py's own

from accelerator.stores.redis import cluster as redis_cluster
from accelerator.stores.redis import server as redis_server
from accelerator.testing import make_entry
from benchmarks.deployments.cluster import OPTIONS, Node, RedisCluster
from tests.stores.redis.clusters import cluster_link
from tests.stores.redis.support import OpenStore, fill, request_of, state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator import RedisStore

pytestmark = pytest.mark.anyio

PATIENCE = 60.0
"""Seconds in which a store has to find out."""


@pytest.fixture
def pair() -> Iterator[RedisCluster]:
    with RedisCluster(primaries=2, replicas=0) as pair:
        yield pair


def dismiss(leaves: Node, stays: Node) -> None:
    """Let one of two nodes leave, without its keys: it runs on, and knows nobody."""
    first, last = next((part[0], part[-1]) for part in leaves.known()[leaves.id]["slots"])
    leaves.ask("FLUSHALL")
    leaves.ask("CLUSTER RESET")
    stays.ask("CLUSTER FORGET", leaves.id)
    stays.ask("CLUSTER ADDSLOTSRANGE", first, last)


async def fills(store: RedisStore) -> bool:
    with suppress(RedisError):
        request = request_of()
        return await store.commit(make_entry(request, (await store.lookup(request)).mark, ["x"]))
    return False


async def test_a_node_that_left_the_cluster_and_runs_on_is_left_as_well(
    pair: RedisCluster, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names nobody who has the slots."""
    monkeypatch.setattr(redis_cluster, "NODES_SECONDS", 2.0)  # between two questions
    leaves, stays = pair.nodes
    store = open_store(f"redis+cluster://127.0.0.1:{stays.port}")
    await fill(store, "x")
    dismiss(leaves, stays)
    with anyio.fail_after(PATIENCE):
        while not await fills(store):  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.05)
    await store.invalidate_tag("x")
    assert await state(store) == "missing"


async def test_a_node_that_has_no_slots_and_knows_nobody_who_has_fails_as_one_that_is_away(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "BREAK_SECONDS", 60.0)  # however slow this machine is
    node = Node(*OPTIONS)
    with node:
        store = open_store(f"redis+cluster://127.0.0.1:{node.port}")
        for _ in range(5):
            with pytest.raises(ConnectionError):
                await store.lookup(request_of())
        asked = node.ask("INFO", "commandstats")
        assert asked["cmdstat_cluster|slots"]["calls"] == 1, "it is not asked by each request"


async def test_what_a_node_answers_to_a_command_does_not_raise_the_question_who_has_which_slots(
    cluster: RedisCluster, prefix: str, open_store: OpenStore
) -> None:
    store = open_store(cluster.url, prefix, deadline=30)
    assert await state(store) == "missing"
    link = cluster_link(store)
    link._nodes._asked_at = float("-inf")
    with pytest.raises(ResponseError, match="unknown command"):
        await link.send(b"key", b"NO-SUCH-COMMAND")
    assert link._nodes._asked_at == float("-inf")
