"""Listing what a server has: by few short commands, judged as by a lookup, whatever else stands there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import AskError, MovedError, RedisError, ResponseError

from accelerator.stores.binary import VERSION, pack
from accelerator.stores.redis.listing import ANSWER_BYTES, FIRST_BYTES, SCANS, _after, _Place, _resumed, _told_by
from accelerator.stores.redis.server import ServerLeftAloneError
from accelerator.testing import make_entry, make_request
from tests.stores.redis.support import OpenStore, StartServer, X, entry_key, fill, mark_of, record_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator import RedisStore
    from accelerator.demo.redis_server import RedisServer
    from accelerator.stores import Listed

pytestmark = pytest.mark.anyio


@pytest.fixture
def own(start_server: StartServer) -> RedisServer:
    return start_server()


@pytest.fixture
def admin(own: RedisServer) -> Iterator[Any]:
    with own.client() as admin:
        yield admin


@pytest.fixture
def store(own: RedisServer, open_store: OpenStore) -> RedisStore:
    return open_store(own.url)


async def fill_many(store: RedisStore, admin: Any, count: int, tags: tuple[str, ...], **more: Any) -> None:
    """Store entries as commits write them, a hundred times faster."""
    await fill(store, *tags, lifetime=7200.0)
    mark = await mark_of(store)
    record = b"%s 0 0" % mark[0].incarnation.hex().encode()
    pipe = admin.pipeline(transaction=False)
    for number in range(count):
        request = make_request(f"https://example.org/many/{number}")
        pipe.set(entry_key(store, request), pack(make_entry(request, mark, tags, **more)), ex=3600)
        pipe.set(record_key(store, request.url_tag), record, ex=3600)
    pipe.execute()


async def sent(admin: Any, store: RedisStore, **asked: Any) -> tuple[Listed, dict[str, int], int]:
    """What a call lists, how often it sends each command, and the bytes of the answers."""
    await store.list_entries(limit=1)  # connects
    admin.config_resetstat()
    before = admin.info("stats")["total_net_output_bytes"]
    listed = await store.list_entries(**asked)
    stats = admin.info()
    calls: dict[str, int] = {
        name.removeprefix("cmdstat_"): stat["calls"] for name, stat in admin.info("commandstats").items()
    }
    own = ("config|resetstat", "info")
    return (
        listed,
        {name: number for name, number in calls.items() if name not in own},
        stats["total_net_output_bytes"] - before,
    )


async def states(store: RedisStore, **asked: Any) -> set[tuple[bool, bool]]:
    """Whether what is listed is usable, and whether it is fresh."""
    return {(facts.is_usable, facts.is_fresh) for facts in (await store.list_entries(**asked)).entries}


# --- what it costs ----------------------------------------------------------------------------------------------------


async def test_a_call_sends_few_commands_however_much_there_is(store: RedisStore, admin: Any) -> None:
    await fill_many(store, admin, 5000, ("posts", "user:42"))
    listed, commands, _ = await sent(admin, store)
    assert 100 <= len(listed.entries) <= listed.examined <= 200
    assert commands.pop("scan") <= SCANS
    assert commands.pop("mget") <= 2
    assert commands == {"getrange": listed.examined}
    assert listed.cursor is not None


async def test_a_call_that_finds_nothing_ends_as_well(store: RedisStore, admin: Any) -> None:
    await fill_many(store, admin, 5000, ("posts",))
    listed, commands, _ = await sent(admin, store, tag="nobody has it")
    assert (len(listed.entries), commands.pop("scan")) == (0, SCANS)
    assert listed.examined <= 2 * 100 * SCANS
    assert commands == {"getrange": listed.examined}, "of no entry is looked at whether it is usable"
    assert listed.cursor is not None


async def test_no_body_is_read(store: RedisStore, admin: Any) -> None:
    for number in range(20):
        await fill(store, "x", url=f"https://example.org/{number}", body=bytes(1_000_000))
    listed, _, received = await sent(admin, store)
    assert [facts.size for facts in listed.entries] == [1_000_000] * 20
    assert received < 100_000


async def test_what_is_long_without_its_body_is_read_in_parts(store: RedisStore, admin: Any) -> None:
    """Each answer has a bound in bytes, though no entry is left out."""
    long = tuple((b"x-%d" % number, b"y" * 100) for number in range(700))
    for number in range(20):
        request = make_request(f"https://example.org/{number}")
        entry = make_entry(request, await mark_of(store), ["x"], headers=long)
        assert await store.commit(entry)
    assert 4 * len(pack(entry)) > ANSWER_BYTES
    listed, commands, _ = await sent(admin, store)
    assert len(listed.entries) == 20
    assert commands["getrange"] == 40, "the beginning, and then as much as that says"


async def test_many_records_are_read_by_several_commands(store: RedisStore, admin: Any) -> None:
    for number in range(5):
        await fill(store, *(f"{number} {tag}" for tag in range(900)), url=f"https://example.org/{number}")
    listed, commands, _ = await sent(admin, store)
    assert len(listed.entries) == 5
    assert all(facts.is_usable for facts in listed.entries)
    assert commands["mget"] == 1 + 10, "the order, and then 4,505 records"


async def test_a_url_is_looked_for_where_it_is_first(store: RedisStore, admin: Any) -> None:
    await fill_many(store, admin, 5000, ("posts",))
    for accepted in "abc":
        await fill(store, "x", headers=[("accept", accepted)], vary=(b"accept",))
    listed, commands, _ = await sent(admin, store, url=X, limit=4)
    assert [facts.url for facts in listed.entries] == [X] * 4, "that which was stored before is one"
    assert "scan" not in commands
    assert commands["zrange"] == 2
    assert listed.cursor == "0@"
    while (cursor := listed.cursor) is not None:
        listed = await store.list_entries(url=X, cursor=cursor, limit=1000)
        assert listed.entries == (), "none is listed again"


# --- how entries are judged -------------------------------------------------------------------------------------------


async def test_an_invalidation_that_failed_holds_in_this_process(store: RedisStore) -> None:
    await fill(store, "x", "y")
    store.invalidations.pending.add(["y"], soft=True)
    assert await states(store) == {(True, False)}
    store.invalidations.pending.add(["x"], soft=False)
    assert await states(store) == {(False, False)}


async def test_an_entry_without_the_record_of_a_tag_is_not_usable(store: RedisStore, admin: Any) -> None:
    await fill(store, "x")
    admin.delete(record_key(store, "x"))
    assert await states(store) == {(False, False)}


async def test_an_entry_of_an_order_that_is_lost_is_not_usable(store: RedisStore, admin: Any) -> None:
    await fill(store, "x")
    admin.delete(store.keys.partitions[0].meta)
    assert await states(store) == {(False, False)}


# --- what else there is -----------------------------------------------------------------------------------------------


async def test_what_cannot_be_read_is_not_listed(store: RedisStore, admin: Any) -> None:
    entry = await fill(store, "x")
    value = pack(replace(entry, mark=entry.mark))
    others = [value[:2] + bytes([VERSION + 1]) + value[3:], value[:-5][:100], b"", b"ac", bytes([*value[:60], 255])]
    for number, other in enumerate(others):
        admin.set(f"accelerator:e:{{{number:032}}}:", other)
    admin.rpush(f"accelerator:e:{{{'f' * 32}}}:", "a list")
    assert [facts.url for facts in (await store.list_entries()).entries] == [X]


@pytest.mark.parametrize("prefix", ["a*:", "[a]?:", "\\a:", "[^a-b]:"])
async def test_only_keys_with_the_prefix_are_listed(prefix: str, own: RedisServer, open_store: OpenStore) -> None:
    """Whatever it means in a pattern."""
    store, other = open_store(own.url, prefix), open_store(own.url, "aa:")
    await fill(store, "x")
    await fill(other, "x", url="https://example.org/other")
    assert [facts.url for facts in (await store.list_entries()).entries] == [X]


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["scan", "getrange", "zrange"])
async def test_a_command_that_the_server_refuses_is_an_error(
    command: str, own: RedisServer, open_store: OpenStore, admin: Any
) -> None:
    store = open_store(own.url)
    await fill(store, "x")
    admin.execute_command("ACL", "SETUSER", "default", f"-{command}")
    with pytest.raises(ResponseError, match=f"Redis at .*{command}"):
        await store.list_entries(url=X)
    assert (await store.lookup(make_request(X))).entry is not None, "requests are none the worse"


async def test_a_server_that_is_away_is_an_error(own: RedisServer, open_store: OpenStore) -> None:
    store = open_store(own.url)
    await fill(store, "x")
    own.stop()
    for _ in range(2):
        with pytest.raises((RedisError, OSError), match="Redis at "):
            await store.list_entries()
    with pytest.raises(ServerLeftAloneError, match="Redis at "):
        await store.lookup(make_request(X))


# --- many servers -----------------------------------------------------------------------------------------------------


def test_servers_are_asked_one_after_the_other() -> None:
    servers = ["a:1", "b:1", "c:1"]
    assert _resumed(_Place("", 0), servers) == _Place("a:1", 0)
    assert _after(_Place("a:1", 0), 7, servers) == _Place("a:1", 7)
    assert _resumed(_Place("a:1", 7), servers) == _Place("a:1", 7)
    assert _after(_Place("a:1", 7), 0, servers) == _Place("b:1", 0)
    assert _after(_Place("c:1", 7), 0, servers) is None


def test_a_server_that_is_gone_is_passed_by() -> None:
    assert _resumed(_Place("b:1", 7), ["a:1", "c:1"]) == _Place("c:1", 0)
    assert _after(_Place("b:1", 7), 0, ["a:1", "c:1"]) == _Place("c:1", 0)
    assert _resumed(_Place("c:2", 7), ["a:1", "c:1"]) is None


@pytest.mark.parametrize("error", [MovedError("1 127.0.0.1:1"), AskError("1 127.0.0.1:1")])
def test_what_is_on_its_way_to_another_node_is_left_out(error: ResponseError) -> None:
    assert _told_by(error) is None
    assert FIRST_BYTES < ANSWER_BYTES
