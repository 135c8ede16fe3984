"""RedisStore while nodes of a cluster die, are replaced, or give slots to others: nothing is shown that was taken back.

What is lost with a node is lost for the entries that have tags of its partitions, and for no others.
"""

from __future__ import annotations

import asyncio
import re
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MovedError, RedisError, TryAgainError

from accelerator import ASGIAccelerator, InvalidationError, RedisStore
from accelerator.demo.redis_server import RedisServer, free_port
from accelerator.stores.redis import cluster as redis_cluster
from accelerator.stores.redis import invalidations
from accelerator.stores.redis import server as redis_server
from accelerator.stores.redis.keys import PARTITIONS
from accelerator.stores.redis.orders import Vector
from accelerator.stores.redis.server import ServerLeftAloneError
from accelerator.testing import make_entry, make_request
from benchmarks.deployments.cluster import RedisCluster, slot_of
from tests.stores.redis.clusters import (
    answered,
    become,
    cluster_link,
    comes,
    partition_of,
    refilled,
    tag_on,
    tags_apart,
    url_on,
)
from tests.stores.redis.relay import Relay
from tests.stores.redis.support import OpenStore, X, entry_key, fill, mark_of, record_key, request_of, state
from tests.support import app_saying, ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator.stores import EntryFacts
    from benchmarks.deployments.cluster import Node

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisCluster]:
    """A cluster of which nodes die. Each test leaves it whole."""
    with RedisCluster() as shared:
        yield shared


@pytest.fixture
def nodes(shared: RedisCluster) -> Iterator[RedisCluster]:
    yield shared
    for slot in list(shared._moves):
        shared.end_move(slot)
    shared.revive()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody wants to wait for what is repeated, or tried again."""
    monkeypatch.setattr(redis_server, "BREAK_SECONDS", 0.05)
    monkeypatch.setattr(invalidations, "REPEAT_SECONDS", (0.05,))


class Scene:
    """Three primaries, a store, and another one of the same keys that has seen nothing.

    Two pages lie on the second primary. `x` is a tag on the first one, and only the page `of_x` has it. The tag `y` of
    the page `of_y` is on the second primary, too.
    """

    def __init__(self, nodes: RedisCluster, store: RedisStore, other: RedisStore) -> None:
        self.nodes, self.store, self.other = nodes, store, other
        self.first, self.second, self.third = nodes.primaries()
        self.x, self.y = tag_on(store, nodes, self.first), tag_on(store, nodes, self.second)
        self.of_x = url_on(store, nodes, self.second)
        self.of_y = self.of_x + "?y"
        candidates = (f"https://example.org/y/{number}" for number in range(100_000))
        self.of_y = next(url for url in candidates if self.lies_on_second(url))

    def lies_on_second(self, url: str) -> bool:
        request = make_request(url)
        (tag,) = make_entry(request, None, []).tags - {"@all"}
        keys = entry_key(self.store, request), partition_of(self.store, tag).meta
        return all(self.nodes.owner_of(key) is self.second for key in keys)

    @property
    def slot_of_x(self) -> int:
        return slot_of(partition_of(self.store, self.x).meta)

    @property
    def keys_of_x(self) -> tuple[bytes, bytes]:
        return partition_of(self.store, self.x).meta, record_key(self.store, self.x)

    async def fill(self) -> None:
        await refilled(self.store, self.x, url=self.of_x)
        await refilled(self.store, self.y, url=self.of_y)
        for store in (self.store, self.other):
            await comes(store, self.of_x, "fresh")
            await comes(store, self.of_y, "fresh")

    async def begin_log(self) -> None:
        """Have all keys that the partition of x may have, and the page."""
        await self.store.invalidate_tag(self.x)
        await self.fill()

    async def states(self, store: RedisStore) -> list[str]:
        """What requests for the pages meet."""
        return [await state(store, url) for url in (self.of_x, self.of_y)]


@pytest.fixture
def doubting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has which slots is asked again a second after the last time, where nodes fail."""
    monkeypatch.setattr(redis_cluster, "NODES_SECONDS", 1.0)


@pytest.fixture
async def scene(nodes: RedisCluster, prefix: str, open_store: OpenStore) -> Scene:
    scene = Scene(nodes, open_store(nodes.url, prefix, deadline=30), open_store(nodes.url, prefix, deadline=30))
    await scene.fill()
    return scene


@contextmanager
def away(nodes: RedisCluster, node: Node) -> Iterator[None]:
    """A node is away, and nobody takes over. It comes back without data."""
    node.kill()
    try:
        yield
    finally:
        node.start()
        nodes.settled()


def move_key(source: Node, to: Node, key: bytes) -> None:
    source.ask("MIGRATE", "127.0.0.1", to.port, key, 0, 60_000)


# --- slots move -------------------------------------------------------------------------------------------------------


async def test_a_partition_that_has_moved_begins_anew_and_costs_its_own_entries_alone(scene: Scene) -> None:
    """Nobody is told of an error."""
    scene.nodes.move_slot(scene.slot_of_x, scene.third)
    for store in (scene.store, scene.other):
        assert await scene.states(store) == ["missing", "fresh"]
    await fill(scene.store, scene.x, url=scene.of_x)
    assert await scene.states(scene.other) == ["fresh", "fresh"]


async def test_an_entry_that_has_moved_is_found(scene: Scene) -> None:
    """Whether it may be used is told by the partitions of its tags, and they are where they were."""
    scene.nodes.move_slot(slot_of(entry_key(scene.store, request_of(scene.of_x))), scene.third)
    for store in (scene.store, scene.other):
        assert await scene.states(store) == ["fresh", "fresh"]
    await scene.store.invalidate_tag(scene.x)
    assert await scene.states(scene.other) == ["missing", "fresh"]
    await fill(scene.other, scene.x, url=scene.of_x)
    assert await scene.states(scene.store) == ["fresh", "fresh"]


async def test_scripts_follow_a_slot_that_has_moved(scene: Scene) -> None:
    mark = await mark_of(scene.store, scene.of_x)
    scene.nodes.move_slot(scene.slot_of_x, scene.third)
    entry = make_entry(make_request(scene.of_x), mark, [scene.x])
    assert await scene.store.commit(entry) is False, "it began in the order of before"
    await scene.other.invalidate_tag(scene.x)
    assert await scene.states(scene.store) == ["missing", "fresh"]


async def test_a_command_follows_a_slot_that_has_moved(scene: Scene) -> None:
    link = cluster_link(scene.store)
    meta, _ = scene.keys_of_x
    before = await link.send(meta, b"GET", meta)
    scene.nodes.move_slot(scene.slot_of_x, scene.third)
    assert await link.send(meta, b"GET", meta) == before


async def test_a_read_does_not_follow_for_ever(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_cluster, "FOLLOWED", 1)
    scene.nodes.move_slot(scene.slot_of_x, scene.third)
    with pytest.raises(MovedError):
        await state(scene.store, scene.of_x)
    assert await state(scene.store, scene.of_x) == "missing", "it has learned of it"


async def test_while_no_key_of_a_slot_has_moved_yet_all_is_as_before(scene: Scene) -> None:
    await scene.begin_log()
    scene.nodes.begin_move(scene.slot_of_x, scene.third)
    assert await scene.states(scene.store) == ["fresh", "fresh"]
    await scene.store.invalidate_tag(scene.x)
    assert await scene.states(scene.other) == ["missing", "fresh"]


@pytest.mark.parametrize("moved", [0, 1], ids=["the meta has moved", "the record has moved"])
async def test_while_keys_of_a_slot_are_here_and_there_a_lookup_is_a_miss(
    scene: Scene, open_store: OpenStore, prefix: str, moved: int
) -> None:
    """It waits for nothing, and neither does one of a process that knows nothing yet, and reads all orders."""
    scene.nodes.begin_move(scene.slot_of_x, scene.third)
    move_key(scene.first, scene.third, scene.keys_of_x[moved])
    for store in (scene.store, scene.other, open_store(scene.nodes.url, prefix, deadline=30)):
        assert await scene.states(store) == ["missing", "fresh"]


async def test_a_fill_that_began_while_the_order_of_its_tag_was_on_its_way_is_not_stored(
    scene: Scene, open_store: OpenStore, prefix: str
) -> None:
    scene.nodes.begin_move(scene.slot_of_x, scene.third)
    move_key(scene.first, scene.third, scene.keys_of_x[0])
    known, unknown = await mark_of(scene.store), await mark_of(open_store(scene.nodes.url, prefix, deadline=30))
    scene.nodes.end_move(scene.slot_of_x)
    assert await scene.store.commit(make_entry(request_of(), known, [scene.x])) is False
    with pytest.raises(RedisConnectionError, match="when this was begun"):
        await scene.store.commit(make_entry(request_of(), unknown, [scene.x]))


async def test_scripts_go_where_all_keys_of_a_slot_went_before_it_is_said_to_have_moved(scene: Scene) -> None:
    """ASK. Until the slot has moved a lookup is a miss."""
    await scene.begin_log()
    mark = await mark_of(scene.store, scene.of_x)
    scene.nodes.begin_move(scene.slot_of_x, scene.third)
    while scene.nodes.move_some_keys(scene.slot_of_x, 100):
        pass
    assert await scene.states(scene.store) == ["missing", "fresh"]
    await scene.store.invalidate_tag(scene.x)
    assert await scene.store.commit(make_entry(make_request(scene.of_x), mark, [scene.x])) is False
    assert await scene.states(scene.store) == ["missing", "fresh"]
    scene.nodes.end_move(scene.slot_of_x)
    for store in (scene.store, scene.other):
        assert await scene.states(store) == ["missing", "fresh"]
    await fill(scene.store, scene.x, url=scene.of_x)
    assert await scene.states(scene.other) == ["fresh", "fresh"]


async def test_a_script_whose_keys_are_here_and_there_is_run_again_until_they_are_together(scene: Scene) -> None:
    scene.nodes.begin_move(scene.slot_of_x, scene.third)
    move_key(scene.first, scene.third, scene.keys_of_x[0])
    call = asyncio.create_task(scene.store.invalidate_tag(scene.x))
    before = tried_again(scene.first)
    await become(lambda: tried_again(scene.first) > before + 2)
    assert not call.done()
    await asyncio.to_thread(scene.nodes.end_move, scene.slot_of_x)
    await call
    assert await scene.states(scene.other) == ["missing", "fresh"]


def tried_again(node: Node) -> int:
    """How often a node has said that keys are on their way."""
    found: int = node.ask("INFO", "errorstats").get("errorstat_TRYAGAIN", {"count": 0})["count"]
    return found


async def test_a_script_whose_keys_do_not_come_together_fails_in_time_and_is_repeated_if_it_takes_back(
    scene: Scene, open_store: OpenStore, prefix: str
) -> None:
    store = open_store(scene.nodes.url, prefix, deadline=1)
    await refilled(store, scene.x, url=scene.of_x)
    mark = await mark_of(store, scene.of_x)
    scene.nodes.begin_move(scene.slot_of_x, scene.third)
    move_key(scene.first, scene.third, scene.keys_of_x[0])
    with pytest.raises((TryAgainError, TimeoutError)):
        await store.commit(make_entry(make_request(scene.of_x), mark, [scene.x]))
    with pytest.raises(InvalidationError):
        await store.invalidate_tag(scene.x)
    assert await answered(store, scene.of_x) in {"missing", "failed"}
    scene.nodes.end_move(scene.slot_of_x)
    await become(lambda: not store.invalidations.pending.kept)
    assert await scene.states(scene.other) == ["missing", "fresh"]


async def test_what_is_stored_waits_for_the_keys_of_its_url(scene: Scene) -> None:
    key = entry_key(scene.store, request_of(scene.of_x))
    slot, mark = slot_of(key), await mark_of(scene.store, scene.of_x)
    scene.nodes.begin_move(slot, scene.third)
    move_key(scene.second, scene.third, key)
    assert await scene.states(scene.store) == ["missing", "fresh"]
    entry = make_entry(make_request(scene.of_x), mark, [scene.x], body=b"again")
    call = asyncio.create_task(scene.store.commit(entry))
    before = tried_again(scene.third)
    await become(lambda: tried_again(scene.third) > before + 2)
    await asyncio.to_thread(scene.nodes.end_move, slot)
    assert await call is True
    found = await scene.other.lookup(make_request(scene.of_x))
    assert found.entry is not None
    assert found.entry.body == b"again"


# --- primaries are replaced -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("doubting")
async def test_after_a_planned_promotion_nothing_of_the_orders_of_before_is_used(scene: Scene) -> None:
    scene.nodes.promote(scene.first)
    for store in (scene.store, scene.other):
        await comes(store, scene.of_x, "missing")
        await comes(store, scene.of_y, "fresh")
    await refilled(scene.store, scene.x, url=scene.of_x)
    await comes(scene.other, scene.of_x, "fresh")


@pytest.mark.usefixtures("doubting")
async def test_after_a_primary_was_killed_and_replaced_nothing_of_its_orders_is_used(scene: Scene) -> None:
    mark = await mark_of(scene.store, scene.of_x)
    scene.nodes.kill(scene.first)
    for store in (scene.store, scene.other):
        await comes(store, scene.of_x, "missing")
        await comes(store, scene.of_y, "fresh")
    assert await scene.store.commit(make_entry(make_request(scene.of_x), mark, [scene.x])) is False
    await refilled(scene.store, scene.x, url=scene.of_x)
    await comes(scene.other, scene.of_x, "fresh")


@pytest.mark.usefixtures("doubting")
async def test_a_replica_that_takes_over_without_having_seen_an_invalidation_is_not_believed(scene: Scene) -> None:
    (replica,) = scene.nodes.replicas_of(scene.first)
    scene.first.ask("WAIT", 1, 30_000)
    scene.nodes.isolate(replica)
    await scene.store.invalidate_tag(scene.x)
    scene.first.kill()
    assert scene.nodes.promote(scene.first, "TAKEOVER") is replica
    for store in (scene.store, scene.other):
        await comes(store, scene.of_x, "missing")
        await comes(store, scene.of_y, "fresh")


@pytest.mark.usefixtures("doubting")
async def test_without_identities_it_would_serve_what_was_taken_back(
    nodes: RedisCluster, prefix: str, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail."""
    monkeypatch.setattr(redis_server, "identity_in", lambda _: b"nobody")
    scene = Scene(nodes, open_store(nodes.url, prefix, deadline=30), open_store(nodes.url, prefix, deadline=30))
    await scene.fill()
    with pytest.raises(AssertionError, match="fresh"):
        await test_a_replica_that_takes_over_without_having_seen_an_invalidation_is_not_believed(scene)


# --- a node is away ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("doubting")
async def test_lookups_that_need_a_node_that_is_away_fail_and_others_do_not(scene: Scene) -> None:
    with away(scene.nodes, scene.first):
        with pytest.raises(RedisConnectionError, match="the cluster of 127"):
            await state(scene.store, scene.of_x)
        with pytest.raises(RedisConnectionError, match=r"127.0.0.1:\d+ failed a moment ago"):
            await state(scene.store, scene.of_x)
        assert [await state(scene.store, scene.of_y) for _ in range(3)] == ["fresh"] * 3
    await comes(scene.store, scene.of_x, "missing")
    assert await state(scene.store, scene.of_y) == "fresh"


async def test_for_a_middleware_they_are_misses(scene: Scene) -> None:
    app = ASGIAccelerator(app_saying(("cache-control", "s-maxage=60"), ("cache-tag", scene.x)), store=scene.store)
    with away(scene.nodes, scene.first):
        answers = [await ask(app) for _ in range(3)]
    assert {answer.status for answer in answers} == {200}
    assert not any("hit" in (answer.get("cache-status") or "") for answer in answers)


async def test_a_fill_that_began_while_a_node_was_away_is_stored_unless_it_needs_that_node(
    scene: Scene, nodes: RedisCluster, prefix: str, open_store: OpenStore
) -> None:
    """What a process has seen before the node went makes up for it; this one has seen nothing."""
    with away(nodes, scene.first):
        store = open_store(nodes.url, prefix, deadline=30)
        mark = await mark_of(store, scene.of_y)
    assert await store.commit(make_entry(make_request(scene.of_y), mark, [scene.y])) is True
    with pytest.raises(RedisConnectionError, match="when this was begun"):
        await store.commit(make_entry(make_request(scene.of_y), mark, [scene.x]))


async def test_an_order_that_can_not_begin_is_no_part_of_the_mark(
    scene: Scene, nodes: RedisCluster, prefix: str, open_store: OpenStore
) -> None:
    """Others begin, and the fill is stored if it needs those alone. Where none can begin the lookup fails."""
    store = open_store(nodes.url, prefix, deadline=30)
    await mark_of(open_store(nodes.url, prefix, deadline=30))
    values = await cluster_link(store).read([partition.meta for partition in store.keys.partitions])
    metas = store._orders.see(values, (None,) * PARTITIONS)
    x, y = (partition_of(store, tag) for tag in (scene.x, scene.y))
    lost = metas._replace(mark=Vector((None,) * PARTITIONS, ()), lost=(x, y))
    with away(nodes, scene.first):
        mark = await store._orders.begin(cluster_link(store), lost)
        with pytest.raises(RedisConnectionError):
            await store._orders.begin(cluster_link(store), lost._replace(lost=(x,)))
    assert [component.partition for component in mark.read] == [y.number]


@pytest.mark.usefixtures("doubting")
async def test_an_invalidation_that_dies_half_way_holds_here_and_is_repeated_and_told_to_nobody_before(
    scene: Scene, prefix: str, open_store: OpenStore
) -> None:
    """The node of one partition has stopped, that of another one has done its part."""
    near = scene.store.keys.near
    teller = scene.nodes.owner_of(near)
    dead, alive = [node for node in scene.nodes.primaries() if node is not teller]
    store = open_store(scene.nodes.url, prefix, deadline=1)
    lost, done = tag_on(store, scene.nodes, dead), tag_on(store, scene.nodes, alive)
    urls = ["https://example.org/lost", "https://example.org/done"]
    await scene.store.invalidate_tag("the first")
    for url, tag in zip(urls, (lost, done), strict=True):
        await refilled(store, tag, url=url)
        await comes(scene.other, url, "fresh")
    told = teller.ask("HGET", near, "sequence")
    assert dead.process is not None
    dead.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(InvalidationError, match="not known to be taken back"):
            await store.invalidate_tag(lost, done)
        assert store.invalidations.pending.kept.keys() == {lost, done}
        assert [await answered(store, url) for url in urls].count("fresh") == 0
        assert teller.ask("HGET", near, "sequence") == told
    finally:
        dead.process.send_signal(signal.SIGCONT)
    scene.nodes.settled()
    await become(lambda: not store.invalidations.pending.kept)
    assert int(teller.ask("HGET", near, "sequence")) > int(told)
    assert [await state(scene.other, url) for url in urls] == ["missing", "missing"]
    for url, tag in zip(urls, (lost, done), strict=True):
        await refilled(store, tag, url=url)
        assert await state(scene.other, url) == "fresh"


@pytest.mark.usefixtures("doubting")
async def test_an_invalidation_that_needs_no_node_that_is_away_is_made(scene: Scene) -> None:
    near = scene.nodes.owner_of(scene.store.keys.near)
    (dead, alive) = [node for node in scene.nodes.primaries() if node is not near]
    tag = tag_on(scene.store, scene.nodes, alive)
    with away(scene.nodes, dead):
        await scene.store.invalidate_tag(tag)
        with pytest.raises(InvalidationError):
            await scene.store.clear()
    await become(lambda: not scene.store.invalidations.pending.kept)
    assert await state(scene.other, scene.of_y) == "missing"


# --- who is asked where keys are --------------------------------------------------------------------------------------


async def test_the_first_node_that_a_url_names_may_be_away(
    nodes: RedisCluster, prefix: str, open_store: OpenStore
) -> None:
    ends = [f"127.0.0.1:{free_port()}", f"127.0.0.1:{nodes.replicas_of(nodes.primaries()[0])[0].port}"]
    store = open_store(f"redis+cluster://{','.join(ends)}", prefix, deadline=30)
    await fill(store, "x")
    assert await state(store) == "fresh"


async def test_a_replica_that_a_url_names_says_who_has_the_keys(
    nodes: RedisCluster, prefix: str, open_store: OpenStore
) -> None:
    (replica,) = nodes.replicas_of(nodes.primaries()[0])
    store = open_store(f"redis+cluster://127.0.0.1:{replica.port}", prefix, deadline=30)
    await fill(store, "x", "y", "z")
    assert await state(store) == "fresh"


async def test_where_no_node_answers_all_fail_and_only_an_invalidation_asks_again_at_once(
    nodes: RedisCluster, prefix: str, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "BREAK_SECONDS", 1000)
    async with Relay(nodes.primaries()[0].socket) as relay:
        target, relay.target = relay.target, relay.target.with_name("nobody")
        store = open_store(f"redis+cluster://127.0.0.1:{relay.port}", prefix, deadline=30)
        with pytest.raises(RedisConnectionError, match="no node says who has which keys"):
            await state(store)
        with pytest.raises(ServerLeftAloneError):
            await state(store)
        entry = make_entry(request_of(), Vector((None,) * PARTITIONS, ()), ["x"])
        with pytest.raises(RedisConnectionError):
            await store.commit(entry)
        with pytest.raises(InvalidationError, match="no node says who has which keys"):
            await store.invalidate_tag("y")
        relay.target = target
        with pytest.raises(ServerLeftAloneError):
            await state(store)
        await store.invalidate_tag("x")
        assert await state(store) == "missing"


async def test_calls_that_wait_for_the_same_answer_ask_once(
    nodes: RedisCluster, prefix: str, open_store: OpenStore
) -> None:
    """And one of them that is cancelled takes it from nobody."""
    async with Relay(nodes.primaries()[0].socket) as relay:
        for steps in range(0, 30, 3):
            before = relay.accepted
            store = open_store(f"redis+cluster://127.0.0.1:{relay.port}", prefix, deadline=30)
            cancelled, *calls = [asyncio.ensure_future(state(store)) for _ in range(4)]
            for _ in range(steps):
                await asyncio.sleep(0)
            cancelled.cancel()
            assert await asyncio.gather(*calls) == ["missing"] * 3
            await asyncio.gather(cancelled, return_exceptions=True)
            assert relay.accepted == before + 1
            await store.aclose()


async def test_a_failure_that_nobody_expects_is_raised(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no answer of a node, and not taken for one."""

    async def fail(link: redis_cluster.NodeLink, keys: object) -> None:
        raise LookupError

    with monkeypatch.context() as patch:
        patch.setattr(redis_cluster.NodeLink, "read", fail)
        with pytest.raises(LookupError):
            await state(scene.store, scene.of_x)
    assert await state(scene.store, scene.of_x) == "fresh"


@pytest.fixture
def lone() -> Iterator[RedisCluster]:
    """A cluster of one node, which goes on if it has not all slots."""
    with RedisCluster("--cluster-require-full-coverage", "no", primaries=1, replicas=0) as lone:
        yield lone


@pytest.mark.usefixtures("doubting")
async def test_where_all_nodes_were_replaced_those_that_the_url_names_are_asked_again(
    lone: RedisCluster, open_store: OpenStore
) -> None:
    """A name that leads to other nodes now. Those that have left are dropped with their connections."""
    with RedisCluster(primaries=1, replicas=0) as successor:
        async with Relay(lone.nodes[0].socket) as relay:
            store = open_store(f"redis+cluster://127.0.0.1:{relay.port}", deadline=30)
            await refilled(store, "x", url=X)
            lone.nodes[0].kill()
            relay.target = successor.nodes[0].socket
            relay.cut()
            await refilled(store, "x", url=X)
            assert await state(store) == "fresh"
            assert successor.nodes[0].ask("EXISTS", entry_key(store, request_of())) == 1
            assert list(cluster_link(store)._links) == [f"127.0.0.1:{successor.nodes[0].port}"]


NOBODY = re.compile(r"no node of the cluster has the slot|Hash slot not served")


@pytest.mark.usefixtures("doubting")
async def test_what_is_in_a_slot_without_a_node_fails_until_one_has_it(
    lone: RedisCluster, open_store: OpenStore
) -> None:
    (node,) = lone.nodes
    early = open_store(lone.url, deadline=30)
    x, y = tags_apart(early, 2, url=X)
    slot = slot_of(partition_of(early, x).meta)
    await refilled(early, y, url=X)
    node.ask("CLUSTER DELSLOTS", slot)
    store = open_store(lone.url, deadline=30)
    await comes(store, X, "fresh")
    with pytest.raises(RedisConnectionError, match="when this was begun"):
        await store.commit(make_entry(request_of(), await mark_of(store), [x]))
    for one in (early, store):
        values = await cluster_link(one).read([partition_of(store, x).meta, partition_of(store, y).meta])
        with pytest.raises(RedisError, match=NOBODY):
            _ = values[partition_of(store, x).meta]
        assert values[partition_of(store, y).meta]
        with pytest.raises(RedisError, match=NOBODY):
            await one.commit(make_entry(request_of(), (await mark_of(early)), [x]))
        with pytest.raises(InvalidationError):
            await one.invalidate_tag(x)
        with pytest.raises(RedisError, match=NOBODY):
            await cluster_link(one).send(partition_of(store, x).meta, b"GET", partition_of(store, x).meta)
        assert await state(one) == "fresh"
    node.ask("CLUSTER ADDSLOTS", slot)
    await refilled(store, x, url=X)
    assert await state(store) == "fresh"
    await become(lambda: not store.invalidations.pending.kept and not early.invalidations.pending.kept)


async def test_nothing_is_connected_any_more_when_a_store_is_closed(
    nodes: RedisCluster, prefix: str, open_store: OpenStore
) -> None:
    store = open_store(f"{nodes.url}?client_name={prefix[:-1]}", prefix, deadline=30)
    await asyncio.gather(*(fill(store, "x", "y", url=f"https://example.org/{number}") for number in range(30)))
    assert connected(nodes, prefix[:-1]) >= 3
    asked = cluster_link(store)
    asked._nodes._asked_at = float("-inf")
    asked._nodes.doubt()
    await store.aclose()
    await become(lambda: not connected(nodes, prefix[:-1]))


def connected(nodes: RedisCluster, name: str) -> int:
    """How many connections of clients with this name there are."""
    return sum(client["name"] == name for node in nodes.running() for client in node.ask("CLIENT LIST"))


async def test_a_server_that_is_no_cluster_says_so(prefix: str, server: RedisServer, open_store: OpenStore) -> None:
    store = open_store(f"redis+cluster://127.0.0.1:{server.port}", prefix, deadline=30)
    with pytest.raises(
        RedisConnectionError, match="who has which keys: ERR This instance has cluster support disabled"
    ):
        await state(store)


async def test_a_node_of_a_cluster_under_the_url_of_a_server_says_so(
    nodes: RedisCluster, prefix: str, open_store: OpenStore
) -> None:
    for node in nodes.primaries():
        store = open_store(f"redis://127.0.0.1:{node.port}", prefix, deadline=30)
        with pytest.raises(
            RedisConnectionError, match=r"it is a node of a cluster, whose URL begins with redis\+cluster://"
        ):
            await state(store)
        with pytest.raises(InvalidationError, match="it is a node of a cluster"):
            await store.invalidate_tag("x")


# --- listing ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("doubting")
async def test_a_listing_that_needs_a_node_that_is_away_fails(scene: Scene) -> None:
    """Be it for the entries, or for what tells whether they may be used."""
    schemes = ("https", "http")
    candidates = (f"//example.org/listed/{number}" for number in range(100_000))
    url = "https:" + next(
        one for one in candidates if all(scene.lies_on_second(f"{scheme}:{one}") for scheme in schemes)
    )
    await refilled(scene.store, scene.x, url=url)
    assert [facts.is_usable for facts in (await scene.store.list_entries(url=url, limit=1)).entries] == [True]
    with away(scene.nodes, scene.first):
        for asked in ({"url": url, "limit": 1}, {"limit": 1000}):
            with pytest.raises(RedisConnectionError, match="the cluster of 127"):
                await listed_by(scene.store, **asked)
    await comes(scene.store, scene.of_x, "missing")
    facts = await listed_by(scene.store, url=url)
    assert [one.is_usable for one in facts] == [False]


async def test_an_entry_that_has_moved_is_listed(scene: Scene) -> None:
    key = entry_key(scene.store, request_of(scene.of_x))
    scene.nodes.move_slot(slot_of(key), scene.third)
    for store in (scene.store, scene.other):
        for asked in ({}, {"url": scene.of_x}, {"tag": scene.x}):
            assert scene.of_x in [one.url for one in await listed_by(store, **asked)]


async def test_who_is_no_primary_is_not_asked(scene: Scene) -> None:
    with pytest.raises(RedisConnectionError, match="no primary of the cluster"):
        await cluster_link(scene.store).ask("127.0.0.1:1", [])


async def listed_by(store: RedisStore, **asked: Any) -> list[EntryFacts]:
    """All that is listed by the calls of a whole listing."""
    listed = await store.list_entries(**asked)
    found = [*listed.entries]
    while listed.cursor is not None:
        listed = await store.list_entries(**asked, cursor=listed.cursor)
        found += listed.entries
    return found
