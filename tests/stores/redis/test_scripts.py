"""CONSISTENCY, section 3, on a real server: births, the log, what replaces what, and that everything expires."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from accelerator.stores.binary import VERSION
from accelerator.stores.redis import orders
from accelerator.testing import make_entry, make_request
from tests.stores.redis.support import (
    OpenStore,
    StartServer,
    X,
    entry_key,
    fill,
    mark_of,
    record_key,
    request_of,
    state,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator import RedisStore
    from accelerator.demo.redis_server import RedisServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def store(server: RedisServer, prefix: str, open_store: OpenStore) -> RedisStore:
    return open_store(server.url, prefix)


@pytest.fixture
def admin(server: RedisServer) -> Iterator[Any]:
    with server.client() as admin:
        yield admin


# --- records ----------------------------------------------------------------------------------------------------------


async def test_a_missing_record_means_invalid(store: RedisStore, admin: Any) -> None:
    await fill(store, "a", "b")
    admin.delete(record_key(store, "b"))
    assert await state(store) == "missing"


@pytest.mark.parametrize("value", ["", "x", "0123456789abcdef 1", "0123456789abcdef 0 0", "0123456789abcdef -1 0"])
async def test_a_record_that_cannot_be_read_means_invalid(store: RedisStore, admin: Any, value: str) -> None:
    await fill(store, "a")
    admin.set(record_key(store, "a"), value)
    assert await state(store) == "missing"
    await fill(store, "a")
    assert await state(store) == "fresh"


async def test_a_record_born_again_does_not_bring_back_what_was_taken_back(store: RedisStore, admin: Any) -> None:
    """mark 1, x is taken back at 2, its record is lost: a birth at the mark would be a hit."""
    request, other = request_of(), request_of("https://example.org/other")
    old = await fill(store, "x")
    await store.invalidate_tag("x")
    admin.delete(record_key(store, "x"))
    fresh = make_entry(other, (await store.lookup(other)).mark, ["x"])
    assert await store.commit(fresh) is True
    assert await state(store, other.url) == "fresh"
    assert await state(store) == "missing"
    assert await store.commit(old) is False
    assert await store.commit(make_entry(request, (await store.lookup(request)).mark, ["x"])) is True


async def test_a_record_is_born_no_higher_than_its_last_invalidation(store: RedisStore, admin: Any) -> None:
    """So a fill begun before invalidations of other tags is stored, and alive."""
    mark = await mark_of(store)
    for number in range(5):
        await store.invalidate_tag(f"other {number}")
    assert await store.commit(make_entry(request_of(), mark, ["x"])) is True
    assert await state(store) == "fresh"


async def test_a_record_cannot_be_born_for_a_fill_that_the_log_cannot_judge(store: RedisStore, admin: Any) -> None:
    mark = await mark_of(store)
    await store.invalidate_tag("x")
    admin.delete(store.keys.partitions[0].log)
    assert await store.commit(make_entry(request_of(), mark, ["x"])) is False
    await store.invalidate_tag("other")
    assert await store.commit(make_entry(request_of(), mark, ["y"])) is False
    assert await store.commit(make_entry(request_of(), await mark_of(store), ["y"])) is True


async def test_what_falls_out_of_the_log_raises_its_floor(
    store: RedisStore, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "LOG_LENGTH", 3)
    await fill(store, url="https://example.org/of @url only")
    before = await mark_of(store)
    await store.invalidate_tag("x")
    between = await mark_of(store)
    await store.invalidate_tag("a", "b", "c")
    assert admin.zcard(store.keys.partitions[0].log) == 3 + 1
    assert await store.commit(make_entry(request_of(), before, ["new"])) is False
    assert await store.commit(make_entry(request_of(), between, ["new"])) is True
    await store.invalidate_tag("d", "e")
    assert await store.commit(make_entry(request_of(), between, ["c"])) is False
    assert await store.commit(make_entry(request_of("https://example.org/2"), between, ["newer"])) is False


async def test_a_soft_position_stays_beside_a_hard_one(store: RedisStore, admin: Any) -> None:
    await fill(store, "x")
    await store.invalidate_tag("x", soft=True)
    _, hard, soft = admin.get(record_key(store, "x")).split()
    await store.invalidate_tag("x")
    _, harder, as_soft = admin.get(record_key(store, "x")).split()
    assert int(hard) < int(soft) == int(as_soft) < int(harder)


async def test_a_mark_from_the_future_is_refused(store: RedisStore) -> None:
    (mark,) = await mark_of(store)
    future = (mark._replace(position=mark.position + 1),)
    assert await store.commit(make_entry(request_of(), future, ["x"])) is False


async def test_a_mark_of_another_incarnation_is_refused(store: RedisStore) -> None:
    (mark,) = await mark_of(store)
    other = (mark._replace(incarnation=b"another!"),)
    assert await store.commit(make_entry(request_of(), other, ["x"])) is False


async def test_an_entry_of_another_incarnation_is_not_usable(store: RedisStore, admin: Any) -> None:
    await fill(store, "x")
    key = entry_key(store, request_of())
    value = admin.get(key)
    admin.delete(store.keys.partitions[0].meta)
    await fill(store, "x")
    admin.set(key, value)
    assert await state(store) == "missing"


# --- entries ----------------------------------------------------------------------------------------------------------


async def test_the_full_key_is_compared(store: RedisStore, admin: Any) -> None:
    """Names in keys are digests; should two be the same one day, the other's answer is a miss."""
    await fill(store, "x")
    other = request_of("https://example.org/other")
    admin.copy(entry_key(store, request_of()).decode(), entry_key(store, other).decode())
    assert await state(store, other.url) == "missing"


async def test_the_values_that_chose_a_variant_are_compared(store: RedisStore, admin: Any) -> None:
    one, two = (make_request(X, [("accept", value)]) for value in "ab")
    await fill(store, "x", headers=[("accept", "a")], vary=(b"accept",))
    admin.copy(entry_key(store, one, (b"accept",)).decode(), entry_key(store, two, (b"accept",)).decode())
    assert await state(store, headers=[("accept", "b")]) == "missing"
    assert await state(store, headers=[("accept", "a")]) == "fresh"


async def test_damaged_entries_are_a_miss_and_are_replaced(store: RedisStore, admin: Any) -> None:
    await fill(store, "x")
    key = entry_key(store, request_of())
    value: bytes = admin.get(key)
    for damaged in (b"", value[:30], value[:-1], value[:2] + b"\xff" + value[3:], b"\0" * len(value)):
        admin.set(key, damaged)
        assert await state(store) == "missing"
        await fill(store, "x")
        assert await state(store) == "fresh"


async def test_two_releases_share_a_server(store: RedisStore, admin: Any) -> None:
    """An entry of the next version's layout is a miss, and its larger mark stands in nobody's way."""
    early = await mark_of(store)
    await store.invalidate_tag("other")
    await fill(store, "x")
    key = entry_key(store, request_of())
    value: bytes = admin.get(key)
    admin.set(key, value[:2] + bytes([VERSION + 1]) + value[3:])
    assert await state(store) == "missing"
    assert await store.commit(make_entry(request_of(), early, ["x"])) is True
    assert await state(store) == "fresh"


@pytest.mark.parametrize("lost", ["x", "@url"])
async def test_what_a_lost_record_made_unusable_gives_way_to_a_smaller_mark(
    store: RedisStore, admin: Any, lost: str
) -> None:
    early = await mark_of(store)
    await store.invalidate_tag("other")
    entry = await fill(store, "x")
    assert await store.commit(replace(entry, mark=early)) is False
    (tag,) = (tag for tag in entry.tags if tag.startswith(lost))
    admin.delete(record_key(store, tag))
    assert await store.commit(replace(entry, mark=early)) is True


async def test_positions_beyond_32_bits_are_compared(store: RedisStore, admin: Any) -> None:
    await mark_of(store)
    meta: bytes = admin.get(store.keys.partitions[0].meta)
    incarnation, _, hard, soft, identity = meta.split()
    admin.set(
        store.keys.partitions[0].meta, b" ".join((incarnation, b"%d" % 2**40, hard, soft, identity)), keepttl=True
    )
    early = await mark_of(store)
    assert early[0].position == 2**40
    await store.invalidate_tag("other")
    entry = await fill(store, "x")
    assert await store.commit(replace(entry, mark=early)) is False
    await store.invalidate_tag("x")
    assert await state(store) == "missing"


async def test_a_url_has_at_most_64_variants_and_the_oldest_goes(store: RedisStore, admin: Any, prefix: str) -> None:
    for number in range(70):
        await fill(store, "x", headers=[("accept", f"{number}")], vary=(b"accept",))
        await fill(store, "x", headers=[("accept", "0")], vary=(b"accept",))
    states = [await state(store, headers=[("accept", f"{number}")]) for number in range(70)]
    assert states == ["fresh"] + ["missing"] * 6 + ["fresh"] * 63
    assert len(admin.keys(f"{prefix}e:*")) == 64


async def test_of_the_lists_of_fields_of_one_url_the_newest_four_are_kept(store: RedisStore) -> None:
    for name in "abcde":
        await fill(store, "x", headers=[(name, "1")], vary=(name.encode(),))
    states = [await state(store, headers=[(name, "1")]) for name in "abcde"]
    assert states == ["missing"] + ["fresh"] * 4


async def test_an_entry_that_is_of_no_use_any_more_is_not_stored(store: RedisStore) -> None:
    entry = make_entry(request_of(), await mark_of(store), ["x"], lifetime=5, initial_age=5)
    assert await store.commit(entry) is False


# --- what remains -----------------------------------------------------------------------------------------------------


async def test_every_key_expires_and_not_before_the_entries_that_need_it(
    store: RedisStore, admin: Any, prefix: str
) -> None:
    await fill(store, "x", lifetime=100.0, url="https://example.org/1")
    await fill(store, "x", "y", lifetime=50.0, headers=[("accept", "a")], vary=(b"accept",))
    await fill(store, "x", "y", lifetime=5.0, headers=[("accept", "b")], vary=(b"accept",))
    await store.invalidate_tag("x", "z")
    await store.invalidate_tag("x", soft=True)
    left = {key: admin.pttl(key) for key in admin.keys(f"{prefix}*")}
    assert all(milliseconds > 0 for milliseconds in left.values())
    assert left[record_key(store, "x")] > 90_000
    assert 40_000 < left[record_key(store, "y")] <= 50_000
    assert record_key(store, "z") not in left, "a tag of no entry has no record"
    for kind in ("u", "v"):
        assert all(50_000 >= left[key] > 40_000 for key in left if key.startswith(f"{prefix}{kind}:".encode()))


async def test_the_order_outlives_the_longest_entry(store: RedisStore, admin: Any) -> None:
    await fill(store, "x", lifetime=30 * 24 * 3600.0)
    assert admin.pttl(store.keys.partitions[0].meta) > 29 * 24 * 3600 * 1000


async def test_no_time_is_too_long_to_be_stored(store: RedisStore) -> None:
    for lifetime in (1e18, float("inf")):
        await fill(store, "x", lifetime=lifetime)
        assert await state(store) == "fresh"


async def test_stores_of_different_prefixes_do_not_meet(
    store: RedisStore, server: RedisServer, prefix: str, open_store: OpenStore
) -> None:
    other = open_store(server.url, f"{prefix}other:")
    await fill(store, "x")
    assert await state(other) == "missing"
    await fill(other, "x")
    await other.clear()
    assert await state(store) == "fresh"


# --- memory -----------------------------------------------------------------------------------------------------------


async def test_a_full_server_refuses_entries_but_no_invalidation(
    start_server: StartServer, open_store: OpenStore
) -> None:
    server = start_server("--maxmemory-policy", "noeviction")
    store = open_store(server.url)
    await fill(store, "x")
    with server.client() as admin:
        admin.config_set("maxmemory", 1)
        assert await state(store) == "fresh"
        with pytest.raises(Exception, match="maxmemory"):
            await store.commit(make_entry(request_of(), await mark_of(store), ["y"]))
        assert await state(store) == "fresh", "that is no reason to leave the server alone"
        await store.invalidate_tag("x", *(f"other {number}" for number in range(1000)))
        assert await state(store) == "missing"


async def test_eviction_of_anything_costs_hits_only(start_server: StartServer, open_store: OpenStore) -> None:
    """Under `allkeys-random`, with more entries than fit: what is found is never older than the last invalidation."""
    server = start_server("--maxmemory-policy", "allkeys-random", "--maxmemory", "3mb")
    store = open_store(server.url)
    chance = random.Random(1)  # noqa: S311 - no secret
    versions = dict.fromkeys((f"tag {number}" for number in range(20)), 0)
    hits = misses = 0
    for turn in range(4000):
        tag = f"tag {chance.randrange(20)}"
        if turn % 11 == 0:
            versions[tag] += 1
            await store.invalidate_tag(tag)
        request = make_request(f"https://example.org/{chance.randrange(60)}?{tag[4:]}")
        found = await store.lookup(request)
        if found.entry is None:
            misses += 1
            body = b"%d " % versions[tag] + bytes(3000)
            await store.commit(make_entry(request, found.mark, [tag, "common"], body=body))
        else:
            hits += 1
            assert int(found.entry.body.split()[0]) == versions[tag]
    with server.client() as admin:
        assert admin.info("stats")["evicted_keys"] > 100
    assert hits > 50
    assert misses > 50
