"""RedisStore on a cluster: tags by partitions, marks as vectors, and what replaces what."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from redis.asyncio import RedisCluster as Client
from redis.cluster import RedisCluster as Admin

from accelerator import RedisStore, SyncStore, WSGIAccelerator
from accelerator.stores.binary import VERSION
from accelerator.stores.loop_thread import loop_thread
from accelerator.stores.redis import orders
from accelerator.stores.redis import server as redis_server
from accelerator.stores.redis.keys import PARTITIONS, Keys
from accelerator.stores.redis.memo import Memos
from accelerator.stores.redis.scripts import ANNOUNCE, BEAR, KEEP, MOVE, RENEW
from accelerator.stores.redis.verdict import components_of
from accelerator.tags import ALL
from accelerator.testing import ListingContract, StoreContract, make_entry, make_request
from benchmarks.deployments.cluster import SLOTS, slot_of
from tests.stores.redis.clusters import at, cluster_link, marked, partition_of, sent_to, tags_apart
from tests.stores.redis.support import (
    OpenStore,
    X,
    cancel_lookups_at_any_point,
    entry_key,
    fill,
    mark_of,
    record_key,
    request_of,
    state,
)
from tests.wsgi.support import ask as ask_wsgi
from tests.wsgi.support import site_saying

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from accelerator.stores.redis.cluster import ClusterLink
    from accelerator.stores.redis.link import Call
    from accelerator.stores.redis.server import Values
    from benchmarks.deployments.cluster import RedisCluster

pytestmark = pytest.mark.anyio

OTHER = "https://example.org/other"


class TestByUrl(StoreContract, ListingContract):
    @pytest.fixture(params=["", "?protocol=2", "?protocol=3"], ids=["default", "RESP2", "RESP3"])
    async def store(
        self, cluster: RedisCluster, prefix: str, request: pytest.FixtureRequest
    ) -> AsyncIterator[RedisStore]:
        store = RedisStore(f"{cluster.url}/{request.param}", prefix, deadline=5)
        yield store
        await store.aclose()


class TestByClient(StoreContract):
    @pytest.fixture
    async def store(self, cluster: RedisCluster, prefix: str) -> AsyncIterator[RedisStore]:
        async with Client(host="127.0.0.1", port=cluster.running()[0].port) as client:
            store = RedisStore(client, prefix, deadline=5)
            yield store
            await store.aclose()


@pytest.fixture
def store(cluster: RedisCluster, prefix: str, open_store: OpenStore) -> RedisStore:
    return open_store(cluster.url, prefix, deadline=30)


@pytest.fixture
def other_process(cluster: RedisCluster, prefix: str, open_store: OpenStore) -> RedisStore:
    """A store of the same keys that has seen nothing yet."""
    return open_store(cluster.url, prefix, deadline=30)


@pytest.fixture
def admin(cluster: RedisCluster) -> Iterator[Any]:
    with Admin(host="127.0.0.1", port=cluster.running()[0].port) as admin:
        yield admin


# --- where keys are ---------------------------------------------------------------------------------------------------


def test_all_keys_of_a_partition_are_in_one_slot() -> None:
    for partition in Keys(b"a prefix:", PARTITIONS).partitions:
        records = partition.records(["x", "{7}", "}{", "a b", "{}"])
        assert {slot_of(key) for key in (partition.meta, partition.log, *records)} == {
            slot_of(b"{%d}" % partition.number)
        }


def test_the_key_of_the_near_stores_is_in_partition_0_whoever_listens() -> None:
    keys = Keys(b"a prefix:", PARTITIONS)
    assert slot_of(keys.near) == slot_of(b"%s:origin" % keys.near) == slot_of(keys.partitions[0].meta)


def test_all_keys_of_a_url_are_in_one_slot() -> None:
    for number in range(20):
        request = make_request(f"https://example.org/{number}", [("accept", "a{1}")])
        memo = Memos(b"a prefix:").get(request.key)
        places = [memo.place(vary, request.selecting_values(vary)) for vary in ((), (b"accept",))]
        assert len({slot_of(key) for key in (memo.varies_key, memo.variants_key, *[key for key, *_ in places])}) == 1


@pytest.mark.parametrize("primaries", range(1, 9))
def test_all_primaries_have_partitions(primaries: int) -> None:
    slots = [slot_of(partition.meta) for partition in Keys(b"a prefix:", PARTITIONS).partitions]
    counts = [sum(slot * primaries // SLOTS == number for slot in slots) for number in range(primaries)]
    assert min(counts) > PARTITIONS / primaries / 2


def test_a_tag_is_of_one_partition_and_all_is_of_each() -> None:
    keys = Keys(b"a prefix:", PARTITIONS)
    tags = [f"tag {number}" for number in range(1000)]
    divided = keys.by_partition(tags)
    assert sorted(tag for some in divided.values() for tag in some) == sorted(tags)
    assert len(divided) == PARTITIONS
    assert keys.by_partition(["@all"]) == {partition: ["@all"] for partition in keys.partitions}


# --- round trips ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def warm(store: RedisStore, cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch) -> RedisStore:
    """A store that is connected to all nodes, which know all scripts, and does not ask who they are again."""
    monkeypatch.setattr(redis_server, "IDENTITY_SECONDS", 1000)
    for node in cluster.primaries():
        for script in (RENEW, BEAR, KEEP, MOVE, ANNOUNCE):
            node.ask("SCRIPT LOAD", script.text)
    await mark_of(store)
    await store.clear()
    return store


async def trips(store: RedisStore, work: Awaitable[object], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a store waits for, one after the other."""
    made: list[str] = []
    link = cluster_link(store)
    read, run_all = link.read, link.run_all

    async def counted_read(keys: Sequence[bytes]) -> Values:
        made.append("read")
        return await read(keys)

    async def counted_run_all(calls: Sequence[Call], **more: Any) -> list[Any]:
        made.append("scripts")
        return await run_all(calls, **more)

    with monkeypatch.context() as patch:
        patch.setattr(link, "read", counted_read)
        patch.setattr(link, "run_all", counted_run_all)
        await work
    return made


async def test_a_hit_is_one_round_trip(warm: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(warm, *(f"tag {number}" for number in range(50)))
    assert await trips(warm, state(warm), monkeypatch) == ["read"]


async def test_the_first_hit_in_a_process_is_two(
    warm: RedisStore, other_process: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(warm, "x", "y")
    assert await trips(other_process, state(other_process), monkeypatch) == ["read", "read"]
    assert await trips(other_process, state(other_process), monkeypatch) == ["read"]


async def test_a_miss_is_one_and_brings_the_mark(warm: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await trips(warm, state(warm), monkeypatch) == ["read"]


async def test_orders_that_begin_take_one_more(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await trips(store, state(store), monkeypatch) == ["read", "scripts"]
    assert await trips(store, state(store), monkeypatch) == ["read"]


async def test_a_commit_is_two(warm: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = make_entry(request_of(), await mark_of(warm), [f"tag {number}" for number in range(50)])
    assert await trips(warm, warm.commit(entry), monkeypatch) == ["scripts", "scripts"]


async def test_a_commit_that_is_refused_is_one(warm: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = make_entry(request_of(), await mark_of(warm), ["x"])
    await warm.invalidate_tag("x")
    assert await trips(warm, warm.commit(entry), monkeypatch) == ["scripts"]


async def test_an_invalidation_of_many_tags_is_two(warm: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    work = warm.invalidate_tag(*(f"tag {number}" for number in range(500)))
    assert await trips(warm, work, monkeypatch) == ["scripts", "scripts"]


async def test_clearing_is_two(warm: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await trips(warm, warm.clear(), monkeypatch) == ["scripts", "scripts"]


async def seen_by_nodes(cluster: RedisCluster, work: Awaitable[object]) -> dict[str, int]:
    """How often each command came to all nodes together."""
    for node in cluster.primaries():
        node.ask("CONFIG", "RESETSTAT")
    await work
    total: dict[str, int] = {}
    for sent in sent_to(cluster.primaries()):
        for name, count in sent.items():
            total[name] = total.get(name, 0) + count
    return {name: count for name, count in total.items() if name != "info"}


@pytest.mark.parametrize("tags", [1, 5, 10])
async def test_a_hit_reads_once_in_each_slot(warm: RedisStore, cluster: RedisCluster, tags: int) -> None:
    names = [f"tag {number}" for number in range(tags)]
    entry = await fill(warm, *names)
    partitions = {slot_of(partition.meta) for partition in warm.keys.by_partition(entry.tags - {"@all"})}
    slots = partitions | {slot_of(entry_key(warm, request_of()))}
    assert await seen_by_nodes(cluster, state(warm)) == {"mget": len(slots)}


@pytest.mark.parametrize("tags", [1, 5, 10])
async def test_a_fill_runs_a_script_in_each_partition_and_one_for_the_entry(
    warm: RedisStore, cluster: RedisCluster, tags: int
) -> None:
    entry = make_entry(request_of(), await mark_of(warm), [f"tag {number}" for number in range(tags)])
    partitions = warm.keys.by_partition(entry.tags - {"@all"})
    assert await seen_by_nodes(cluster, warm.commit(entry)) == {"evalsha": len(partitions) + 1}


@pytest.mark.parametrize("tags", [1, 10])
async def test_an_invalidation_runs_a_script_in_each_partition_and_one_for_the_near_stores(
    warm: RedisStore, cluster: RedisCluster, tags: int
) -> None:
    names = [f"tag {number}" for number in range(tags)]
    await fill(warm, *names)
    partitions = warm.keys.by_partition(names)
    assert await seen_by_nodes(cluster, warm.invalidate_tag(*names)) == {"evalsha": len(partitions) + 1}


async def test_clearing_runs_a_script_in_all_partitions(warm: RedisStore, cluster: RedisCluster) -> None:
    assert await seen_by_nodes(cluster, warm.clear()) == {"evalsha": PARTITIONS + 1}


async def test_a_miss_of_an_unknown_url_reads_all_orders(warm: RedisStore, cluster: RedisCluster) -> None:
    slots = {slot_of(partition.meta) for partition in warm.keys.partitions} | {slot_of(entry_key(warm, request_of()))}
    assert await seen_by_nodes(cluster, state(warm)) == {"mget": len(slots)}


# --- marks are vectors ------------------------------------------------------------------------------------------------


async def test_an_entry_keeps_the_positions_that_its_tags_need(store: RedisStore) -> None:
    tags = tags_apart(store, 3)
    filled = await fill(store, *tags)
    found = await store.lookup(request_of())
    assert found.entry is not None
    assert sorted(components_of(found.entry)) == sorted(marked(filled.mark, filled, store))
    assert len(components_of(found.entry)) in {3, 4}, "the URL has a tag of its own"


async def test_an_invalidation_moves_the_order_of_its_partition_alone(store: RedisStore) -> None:
    x, y = (partition_of(store, tag) for tag in tags_apart(store, 2))
    before = await mark_of(store)
    await store.invalidate_tag(tags_apart(store, 1)[0])
    after = await mark_of(store)
    assert at(after, x).position == at(before, x).position + 1
    assert at(after, y) == at(before, y)


async def test_clearing_moves_all_orders(store: RedisStore) -> None:
    before = await mark_of(store)
    await store.clear()
    after = await mark_of(store)
    moved = [at(after, one).position - at(before, one).position for one in store.keys.partitions]
    assert moved == [1] * PARTITIONS


async def test_what_a_process_saw_before_a_lookup_makes_a_fill_more_cautious_and_a_refused_fill_brings_it_up_to_date(
    store: RedisStore, other_process: RedisStore
) -> None:
    """A lookup that knows the tags of its URL reads their orders alone. The fill has got another tag."""
    x, y = tags_apart(store, 2, url=X)
    await fill(store, x)
    await other_process.invalidate_tag(x, y)
    entry = make_entry(request_of(), await mark_of(store), [x, y])
    assert await store.commit(entry) is False, "y was taken back before the lookup began, but it did not see that"
    again = make_entry(request_of(), await mark_of(store), [x, y])
    assert await store.commit(again) is True
    assert await state(store) == "fresh"


async def test_what_a_process_saw_before_is_enough_where_nothing_happened(
    store: RedisStore, other_process: RedisStore
) -> None:
    x, y = tags_apart(store, 2, url=X)
    await fill(store, x)
    await other_process.invalidate_tag(x)
    assert await store.commit(make_entry(request_of(), await mark_of(store), [x, y])) is True
    assert await state(other_process) == "fresh"


def held_read(link: ClusterLink, monkeypatch: pytest.MonkeyPatch) -> tuple[anyio.Event, anyio.Event]:
    """Hold the answer to the next read: the first event says that it is there, the second one lets it go on."""
    is_held, go_on = anyio.Event(), anyio.Event()
    read = link.read

    async def held(keys: Sequence[bytes]) -> Values:
        values = await read(keys)
        monkeypatch.undo()
        is_held.set()
        await go_on.wait()
        return values

    monkeypatch.setattr(link, "read", held)
    return is_held, go_on


async def test_no_position_of_a_mark_is_from_after_its_lookup_began(
    store: RedisStore, other_process: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`lookup ok, inv x@2, mark = 2, 304: resurrected`, where another lookup of this process has seen the 2."""
    x, y = tags_apart(store, 2, url=X)
    await fill(store, y)
    await store.invalidate_tag(y)
    is_held, go_on = held_read(cluster_link(store), monkeypatch)
    early = asyncio.create_task(mark_of(store))
    await is_held.wait()
    await other_process.invalidate_tag(x)
    late = await mark_of(store, OTHER)
    go_on.set()
    mark = await early
    partition = partition_of(store, x)
    assert at(mark, partition).position < at(late, partition).position
    assert await store.commit(make_entry(request_of(), mark, [x, y])) is False
    assert await store.commit(make_entry(request_of(OTHER), late, [x, y])) is True


async def test_what_the_first_trip_of_a_lookup_has_read_counts_in_the_mark_of_the_second(
    store: RedisStore, other_process: RedisStore
) -> None:
    """The first one of a process reads all orders, the second one those of the entry's tags; a fill may have others."""
    x, y = tags_apart(store, 2, url=X)
    await fill(store, x)
    found = await other_process.lookup(request_of())
    assert found.entry is not None
    assert await other_process.commit(make_entry(request_of(), found.mark, [x, y])) is True


async def test_positions_seen_do_not_go_back(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that comes late, of a lookup that began early, takes nothing from what others saw meanwhile."""
    (x,) = tags_apart(store, 1, url=X)
    await fill(store, x)
    is_held, go_on = held_read(cluster_link(store), monkeypatch)
    early = asyncio.create_task(state(store))
    await is_held.wait()
    await store.invalidate_tag(x)
    seen = store._orders.before()
    go_on.set()
    assert await early == "fresh", "it arrived before the invalidation"
    assert store._orders.before() == seen


async def test_an_entry_that_a_weak_304_gives_a_tag_of_another_partition_is_not_stored(store: RedisStore) -> None:
    """It keeps its mark, in which that partition has no position."""
    x, y = tags_apart(store, 2, url=X)
    await fill(store, x)
    found = await store.lookup(request_of())
    assert found.entry is not None
    assert await store.commit(replace(found.entry, tags=found.entry.tags | {y})) is False
    assert await store.commit(found.entry) is True
    assert await state(store) == "fresh"


@pytest.mark.parametrize("soft", [False, True])
async def test_a_tag_of_each_partition_takes_an_entry_back(store: RedisStore, soft: bool) -> None:
    tags = tags_apart(store, 5)
    for tag in tags:
        await fill(store, *tags)
        await store.invalidate_tag(tag, soft=soft)
        assert await state(store) == ("stale" if soft else "missing")


async def test_an_order_that_is_lost_costs_the_entries_of_its_partition(store: RedisStore, admin: Any) -> None:
    x, y = tags_apart(store, 2, url=X)
    entry = await fill(store, x)
    (other,) = [tag for tag in tags_apart(store, 2, url=OTHER) if tag != x][:1]
    await fill(store, other, url=OTHER)
    admin.delete(partition_of(store, x).meta)
    assert await state(store, OTHER) == "fresh"
    assert await state(store) == "missing"
    assert await store.commit(entry) is False, "a fill from before"
    assert await store.commit(replace(entry, tags=entry.tags - {x} | {y})) is True
    await fill(store, x)
    assert await state(store) == "fresh"


async def test_many_that_find_no_order_begin_one(store: RedisStore, other_process: RedisStore) -> None:
    marks = await asyncio.gather(*(mark_of(one) for one in (store, other_process) * 4))
    for partition in store.keys.partitions:
        assert len({at(mark, partition).incarnation for mark in marks}) == 1


# --- what replaces what -----------------------------------------------------------------------------------------------


async def test_an_entry_that_is_older_in_one_partition_and_newer_in_none_does_not_replace(store: RedisStore) -> None:
    x, y = tags_apart(store, 2, url=X)
    early = await mark_of(store)
    await store.invalidate_url(OTHER)
    await store.invalidate_tag(_beside(store, x))
    late = await fill(store, x, y, body=b"late")
    assert await store.commit(make_entry(request_of(), early, [x, y], body=b"early")) is False
    assert await body_of(store) == b"late"
    assert await store.commit(replace(late, body=b"as late")) is True
    assert await body_of(store) == b"as late"


async def test_an_entry_that_is_older_in_one_partition_and_newer_in_another_replaces(store: RedisStore) -> None:
    """Neither is known to be the later one."""
    x, y = tags_apart(store, 2, url=X)
    early = await mark_of(store)
    await store.invalidate_tag(_beside(store, x))
    between = await fill(store, x, y)
    await store.invalidate_tag(_beside(store, y))
    late = await mark_of(store)
    components = marked(between.mark, between, store)
    mixed = tuple(
        at(early if one.partition == partition_of(store, x).number else late, store.keys.partitions[one.partition])
        for one in components
    )
    assert await store.commit(replace(between, mark=mixed, body=b"mixed")) is True
    assert await body_of(store) == b"mixed"


async def test_only_partitions_that_both_have_are_compared(store: RedisStore) -> None:
    x, y = tags_apart(store, 2, url=X)
    early = await mark_of(store)
    await store.invalidate_tag(_beside(store, x))
    await fill(store, x, body=b"late")
    assert await store.commit(make_entry(request_of(), early, [y], body=b"early")) is True
    assert await body_of(store) == b"early"


async def test_an_entry_of_an_order_that_has_ended_gives_way(store: RedisStore, admin: Any) -> None:
    """Its positions were higher ones."""
    x, _ = tags_apart(store, 2, url=X)
    await store.invalidate_tag(x)
    await fill(store, x, body=b"before")
    admin.delete(partition_of(store, x).meta)
    await fill(store, x, body=b"after")
    assert await body_of(store) == b"after"


async def test_an_entry_whose_record_was_lost_gives_way_to_the_next_fill(store: RedisStore, admin: Any) -> None:
    await fill(store, "x", body=b"before")
    admin.delete(record_key(store, "x"))
    assert await state(store) == "missing"
    await fill(store, "x", body=b"after")
    assert await body_of(store) == b"after"


def _head(value: bytes) -> bytes:
    """What stands before the tags."""
    return value[: 4 + 18 * value[3]]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "shorter than the head": lambda value: value[:3],
    "cut after the head": lambda value: value[:4],
    "cut in a component": lambda value: _head(value)[:-1],
    "another version": lambda value: value[:2] + bytes([VERSION + 1]) + value[3:],
    "no entry": lambda value: bytes(len(value)),
    "other words": lambda value: b"\xff" * len(value),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_entry_is_a_miss_and_stands_in_nobodys_way(store: RedisStore, admin: Any, damage: str) -> None:
    """Not even in that of a fill that began before it was made."""
    early = await mark_of(store)
    await store.invalidate_tag("other")
    await store.invalidate([ALL], soft=True)
    entry = await fill(store, "x")
    key = entry_key(store, request_of())
    admin.set(key, DAMAGES[damage](admin.get(key)))
    assert await state(store) == "missing"
    assert await store.commit(replace(entry, mark=early, body=b"early")) is True
    assert await body_of(store) == b"early"


async def test_an_entry_that_was_cut_behind_its_mark_gives_way_to_the_next_fill(store: RedisStore, admin: Any) -> None:
    await fill(store, "x")
    key = entry_key(store, request_of())
    value = admin.get(key)
    for cut in (_head(value), value[:-1]):
        admin.set(key, cut)
        assert await state(store) == "missing"
        await fill(store, "x")
        assert await state(store) == "fresh"


async def test_variants_are_listed_and_bounded_as_on_one_server(store: RedisStore) -> None:
    for name in "abcde":
        await fill(store, "x", headers=[(name, "1")], vary=(name.encode(),))
    states = [await state(store, headers=[(name, "1")]) for name in "abcde"]
    assert states == ["missing"] + ["fresh"] * 4


def _beside(store: RedisStore, tag: str) -> str:
    """Another tag of the same partition."""
    tags = (f"beside {number}" for number in range(10_000))
    return next(other for other in tags if partition_of(store, other) == partition_of(store, tag))


async def body_of(store: RedisStore) -> bytes:
    found = await store.lookup(request_of())
    assert found.entry is not None
    return found.entry.body


# --- records ----------------------------------------------------------------------------------------------------------


async def test_a_missing_record_means_invalid(store: RedisStore, admin: Any) -> None:
    for tag in tags_apart(store, 3):
        await fill(store, *tags_apart(store, 3))
        admin.delete(record_key(store, tag))
        assert await state(store) == "missing"


async def test_a_record_born_again_does_not_bring_back_what_was_taken_back(store: RedisStore, admin: Any) -> None:
    x, y = tags_apart(store, 2)
    old = await fill(store, x, y)
    await store.invalidate_tag(x)
    admin.delete(record_key(store, x))
    await fill(store, x, y, url=OTHER)
    assert await state(store, OTHER) == "fresh"
    assert await state(store) == "missing"
    assert await store.commit(old) is False


async def test_a_record_cannot_be_born_for_a_fill_that_the_log_cannot_judge(
    store: RedisStore, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "LOG_LENGTH", 1)
    x, y = tags_apart(store, 2)
    early = await mark_of(store)
    for _ in range(2):
        await store.invalidate_tag(x)
        await store.invalidate_tag(_beside(store, x))
    assert await store.commit(make_entry(request_of(), early, [x, y])) is False
    assert await store.commit(make_entry(request_of(), early, [y])) is True
    admin.delete(partition_of(store, y).log)
    await store.invalidate_tag(y)
    assert await store.commit(make_entry(request_of(), early, [y])) is False


async def test_every_key_expires_and_the_records_outlive_the_entries(
    store: RedisStore, admin: Any, prefix: str
) -> None:
    entry = await fill(store, *tags_apart(store, 3), lifetime=100.0)
    await store.invalidate_tag("other")
    await store.invalidate([ALL], soft=True)
    keys = admin.keys(f"{prefix}*", target_nodes=Admin.PRIMARIES)
    left = {key: admin.pttl(key) for key in keys}
    assert len(left) >= PARTITIONS
    assert all(milliseconds > 0 for milliseconds in left.values())
    shortest = left[entry_key(store, request_of())]
    assert all(left[key] >= shortest - 1000 for key in store.keys.needed(entry.tags - {"@all"}).records)


# --- calls that are cancelled -----------------------------------------------------------------------------------------


async def test_lookups_cancelled_at_any_point_take_nothing_from_others(store: RedisStore) -> None:
    await cancel_lookups_at_any_point(store, urls=6, longest=30)


async def test_commits_cancelled_at_any_point_leave_the_store_right(store: RedisStore) -> None:
    await mark_of(store)
    stopped = 0
    for steps in range(50):
        call = asyncio.ensure_future(fill(store, "x", "y", body=b"%d" % steps))
        for _ in range(steps):
            await asyncio.sleep(0)
        stopped += call.cancel()
        with suppress(asyncio.CancelledError):
            await call
        other = f"https://example.org/{steps % 7}"
        await fill(store, "x", "y", url=other, body=b"other %d" % steps)
        found = await store.lookup(make_request(other))
        assert found.entry is not None
        assert found.entry.body == b"other %d" % steps
    assert stopped > 5


async def test_an_invalidation_whose_caller_is_cancelled_is_made_in_all_partitions(
    store: RedisStore, other_process: RedisStore
) -> None:
    tags = tags_apart(store, 4)
    urls = [f"https://example.org/{number}" for number in range(4)]
    for steps in range(12):
        for url, tag in zip(urls, tags, strict=True):
            await fill(store, tag, url=url)
        call = asyncio.ensure_future(store.invalidate_tag(*tags))
        for _ in range(steps + 1):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await store.invalidations.aclose()
        assert [await state(other_process, url) for url in urls] == ["missing"] * 4


# --- loops and threads ------------------------------------------------------------------------------------------------


def test_a_store_serves_one_event_loop_after_the_other(cluster: RedisCluster, prefix: str) -> None:
    store = RedisStore(cluster.url, prefix, deadline=30)

    async def use() -> None:
        await fill(store, "x")
        assert await state(store) == "fresh"
        await store.aclose()

    for _ in range(3):
        asyncio.run(use())
    assert not store.links._links


async def test_a_store_serves_several_event_loops_at_once(store: RedisStore) -> None:
    async def use(number: int) -> None:
        url = f"https://example.org/{number}"
        for _ in range(5):
            await fill(store, "x", url=url)
            assert await state(store, url) == "fresh"
        await store.links.close()

    await asyncio.gather(*(asyncio.to_thread(asyncio.run, use(number)) for number in range(4)))
    await fill(store, "x")
    assert await state(store) == "fresh"


async def test_a_store_with_a_client_serves_several_event_loops_too(cluster: RedisCluster, prefix: str) -> None:
    """Only its settings are used."""
    client = Client(host="127.0.0.1", port=cluster.running()[0].port)
    store = RedisStore(client, prefix, deadline=30)
    await fill(store, "x")

    async def invalidate() -> None:
        await store.invalidate_tag("x")
        await store.links.close()

    await asyncio.to_thread(asyncio.run, invalidate())
    assert await state(store) == "missing"
    await store.aclose()
    await client.aclose()


def test_under_wsgi_a_page_is_a_hit_until_it_is_taken_back(cluster: RedisCluster, prefix: str) -> None:
    store = RedisStore(cluster.url, prefix, deadline=30)
    app = WSGIAccelerator(site_saying(ttl=60, tags="x"), store)
    assert ask_wsgi(app).body == b"answer 1"
    assert ask_wsgi(app).is_hit
    app.invalidate_tag("x")
    assert ask_wsgi(app).body == b"answer 2"
    assert ask_wsgi(app).is_hit
    loop_thread.run(store.aclose())


def test_from_a_script_without_a_loop(cluster: RedisCluster, prefix: str) -> None:
    store = RedisStore(cluster.url, prefix, deadline=30)
    script = SyncStore(store)
    calls: list[Callable[[], None]] = [
        lambda: script.invalidate_tag("x"),
        lambda: script.invalidate_url(X),
        script.clear,
    ]
    for call in calls:
        loop_thread.run(fill(store, "x"))
        assert loop_thread.run(state(store)) == "fresh"
        call()
        assert loop_thread.run(state(store)) == "missing"
    loop_thread.run(store.aclose())
