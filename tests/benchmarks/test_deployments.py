"""Each thing that can be done to a deployment has happened to its servers when the call returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis.exceptions import AskError, TryAgainError

from benchmarks.deployments.cluster import Node, RedisCluster, slot_of

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "key"


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with RedisCluster() as cluster:
        yield cluster


@pytest.fixture
def owner(cluster: RedisCluster) -> Node:
    """The primary of the key, which has the value `old` and is the only one there."""
    owner = cluster.owner_of(KEY)
    owner.ask("FLUSHALL")
    owner.ask("SET", KEY, "old")
    owner.ask("WAIT", 1, 0)
    return owner


def test_a_cluster_has_three_primaries_with_a_replica_each(cluster: RedisCluster) -> None:
    assert len(cluster.nodes) == 6
    assert [len(cluster.replicas_of(primary)) for primary in cluster.primaries()] == [1, 1, 1]
    assert cluster.url == f"redis+cluster://127.0.0.1:{cluster.nodes[0].port}"


def test_a_replica_that_is_promoted_has_the_data_and_its_primary_follows_it(cluster: RedisCluster, owner: Node) -> None:
    promoted = cluster.promote(owner)
    assert cluster.owner_of(KEY) is promoted
    assert promoted.ask("GET", KEY) == b"old"
    assert cluster.replicas_of(promoted) == [owner]


def test_the_cluster_replaces_a_primary_that_dies_which_comes_back_as_a_replica(
    cluster: RedisCluster, owner: Node
) -> None:
    promoted = cluster.kill(owner)
    assert cluster.owner_of(KEY) is promoted
    assert owner not in cluster.running()
    cluster.revive()
    assert cluster.replicas_of(promoted) == [owner]
    assert promoted.ask("GET", KEY) == b"old"


@pytest.mark.parametrize("way", ["FORCE", "TAKEOVER"])
def test_a_replica_that_missed_a_write_takes_over_without_it(cluster: RedisCluster, owner: Node, way: str) -> None:
    cluster.isolate(cluster.replicas_of(owner)[0])
    owner.ask("SET", KEY, "new")
    owner.kill()
    promoted = cluster.promote(owner, "FORCE" if way == "FORCE" else "TAKEOVER")
    assert promoted.ask("GET", KEY) == b"old"
    cluster.revive()
    assert cluster.replicas_of(promoted) == [owner]
    assert cluster.owner_of(KEY) is promoted


def test_a_slot_moves_with_its_keys_in_steps(cluster: RedisCluster, owner: Node) -> None:
    other = next(node for node in cluster.primaries() if node is not owner)
    slot = slot_of(KEY)
    owner.ask("SET", f"{{{KEY}}}2", "old")
    cluster.begin_move(slot, other)
    assert owner.ask("GET", KEY) == b"old"
    assert cluster.move_some_keys(slot, 1) == 1
    with pytest.raises(TryAgainError):
        owner.ask("MGET", KEY, f"{{{KEY}}}2")
    with pytest.raises(AskError, match=f"{slot} 127.0.0.1:{other.port}"):
        owner.ask("MGET", f"{{{KEY}}}3", f"{{{KEY}}}4")
    cluster.end_move(slot)
    assert cluster.owner_of(KEY) is cluster.owner_of(slot) is other
    assert other.ask("MGET", KEY, f"{{{KEY}}}2") == [b"old", b"old"]
    cluster.move_slot(slot, owner)
    assert cluster.owner_of(KEY) is owner


def test_a_slot_goes_on_moving_from_the_replica_that_replaces_its_primary(cluster: RedisCluster, owner: Node) -> None:
    other = next(node for node in cluster.primaries() if node is not owner)
    slot = slot_of(KEY)
    cluster.begin_move(slot, other)
    promoted = cluster.kill(owner)
    assert promoted.ask("GET", KEY) == b"old"
    assert cluster.move_some_keys(slot, 100) == 1
    with pytest.raises(AskError, match=f"{slot} 127.0.0.1:{other.port}"):
        promoted.ask("GET", KEY)
    cluster.revive()
    cluster.end_move(slot)
    assert cluster.owner_of(KEY) is other
    assert other.ask("GET", KEY) == b"old"
