"""What each operation costs, counted by the server: `INFO commandstats`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from accelerator import ASGIAccelerator
from accelerator.engine import flight
from accelerator.stores import Lease
from accelerator.stores.binary import pack
from accelerator.stores.redis import leasing
from accelerator.stores.redis import server as redis_server
from accelerator.testing import make_entry, make_request
from tests.asgi.test_collapsing import SHARED, Gated, crowd
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
from tests.stores.tiered.support import become
from tests.support import ask

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from accelerator import RedisStore
    from accelerator.demo.redis_server import RedisServer

pytestmark = pytest.mark.anyio

TRIPS = ("mget", "evalsha", "eval", "info")
"""What the store sends; the other commands are those of its scripts, inside the server."""

TELLING = 5
"""The commands by which an invalidation tells near stores, and learns who follows."""


@pytest.fixture
def own(start_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    monkeypatch.setattr(redis_server, "IDENTITY_SECONDS", 1000)
    return start_server()


@pytest.fixture
def admin(own: RedisServer) -> Iterator[Any]:
    with own.client() as admin:
        yield admin


@pytest.fixture
async def store(own: RedisServer, open_store: OpenStore) -> RedisStore:
    """A store that has run each script once, and holds an entry."""
    store = open_store(own.url)
    await fill(store, "x", "y", url="https://example.org/warm")
    await store.invalidate_tag("x")
    await state(store, "https://example.org/warm")
    return store


async def counted(admin: Any, work: Awaitable[object]) -> tuple[dict[str, int], int]:
    """How often each command came from outside, and how many there were inside of scripts."""
    admin.config_resetstat()
    await work
    stats = admin.info("commandstats")
    calls: dict[str, int] = {name[8:]: stat["calls"] for name, stat in stats.items()}
    sent = {name: calls.pop(name) for name in TRIPS if name in calls}
    inside = sum(number for name, number in calls.items() if name != "config|resetstat")
    return sent, inside


async def test_a_hit_is_one_command(store: RedisStore, admin: Any) -> None:
    await fill(store, *(f"tag {number}" for number in range(50)))
    assert await counted(admin, state(store)) == ({"mget": 1}, 0)


async def test_the_first_hit_in_a_process_is_two(own: RedisServer, admin: Any, open_store: OpenStore) -> None:
    """The second brings the records of the entry's tags, which are known by then."""
    other, store = open_store(own.url), open_store(own.url)
    await fill(other, "x")
    await state(store, "https://example.org/unknown")
    assert await counted(admin, state(store)) == ({"mget": 2}, 0)
    assert await counted(admin, state(store)) == ({"mget": 1}, 0)


async def test_the_first_hit_of_a_url_that_varies_is_three(own: RedisServer, admin: Any, open_store: OpenStore) -> None:
    other, store = open_store(own.url), open_store(own.url)
    await fill(other, "x", headers=[("accept", "a")], vary=(b"accept",))
    await state(store, "https://example.org/unknown")
    assert await counted(admin, state(store, headers=[("accept", "a")])) == ({"mget": 3}, 0)
    assert await counted(admin, state(store, headers=[("accept", "a")])) == ({"mget": 1}, 0)


async def test_a_miss_is_one_and_brings_the_mark(store: RedisStore, admin: Any) -> None:
    assert await counted(admin, state(store, "https://example.org/unknown")) == ({"mget": 1}, 0)


async def test_32_lookups_at_the_same_moment_are_one(store: RedisStore, admin: Any) -> None:
    urls = [f"https://example.org/{number}" for number in range(32)]
    for url in urls:
        await fill(store, "x", url=url)
        await state(store, url)
    assert await counted(admin, asyncio.gather(*(state(store, url) for url in urls))) == ({"mget": 1}, 0)


@pytest.mark.parametrize("tags", [1, 10, 100])
async def test_a_fill_is_one_script(store: RedisStore, admin: Any, tags: int) -> None:
    names = [f"tag {number}" for number in range(tags)]
    entry = make_entry(make_request(X), await mark_of(store), names)
    sent, inside = await counted(admin, store.commit(entry))
    assert sent == {"evalsha": 1}
    records = tags + 1  # the URL has one, too
    assert inside <= 8 + 3 * records


async def ends(*stores: RedisStore) -> None:
    """Return when the server has been told of the ends of leases."""
    await become(lambda: not any(store._leasing._ending for store in stores))


async def test_a_lease_is_one_script_and_its_end_another(store: RedisStore, admin: Any) -> None:
    async def take_and_end(name: bytes) -> None:
        lease = await store.lease(name)
        assert isinstance(lease, Lease)
        lease.end()
        await ends(store)

    await take_and_end(b"warm")
    assert await counted(admin, take_and_end(b"the name of one.")) == ({"evalsha": 2}, 4)


async def test_a_request_that_is_made_here_is_two_lookups_and_three_scripts_and_the_next_is_a_hit(
    store: RedisStore, admin: Any
) -> None:
    app = Gated(SHARED)
    app.gate.set()
    cached = ASGIAccelerator(app, store=store)

    async def miss(url: str) -> None:
        await ask(cached, url)
        await ends(store)

    await miss("/warm")
    sent, inside = await counted(admin, miss("/"))
    assert sent == {"mget": 2, "evalsha": 3}
    assert inside <= 4 + 8 + 3 * 1
    assert await counted(admin, ask(cached)) == ({"mget": 1}, 0)


async def test_when_the_fill_that_a_thousand_wait_for_has_ended_few_commands_answer_them(
    own: RedisServer, admin: Any, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each store stands for a process. Its leader is told, and then its requests look up together."""
    for name in ("LEASE_SECONDS", "RENEWAL_SECONDS", "LOOK_SECONDS"):
        monkeypatch.setattr(leasing, name, 600.0)
    monkeypatch.setattr(flight, "PATIENCE", 600.0)
    stores = [open_store(own.url) for _ in range(4)]
    for store in stores:
        store._mailbox.subscription.start()
    await become(lambda: all(store._mailbox.subscription.is_confirmed for store in stores))
    app = Gated(SHARED)
    processes = [ASGIAccelerator(app, store=store) for store in stores]
    app.gate.set()
    await asyncio.gather(*(ask(one, f"/warm{number}") for number, one in enumerate(processes)))
    await ends(*stores)
    app.gate = anyio.Event()

    async with crowd(processes[0], 250) as first:
        await become(lambda: app.calls == 5)
        others = [crowd(one, 250) for one in processes[1:]]
        async with others[0] as second, others[1] as third, others[2] as fourth:
            await become(lambda: all(store._mailbox.ends._awaited for store in stores[1:]))

            async def answer_all() -> None:
                app.gate.set()
                await become(lambda: all(len(answers) == 250 for answers in (first, second, third, fourth)))
                await ends(*stores)

            sent, _ = await counted(admin, answer_all())
    assert app.calls == 5
    assert sent.pop("evalsha") == 2, "the fill, and the end of its lease"
    assert 4 <= sent.pop("mget") <= 32
    assert sent == {}


@pytest.mark.parametrize("tags", [1, 10, 100])
async def test_an_invalidation_is_one_script(store: RedisStore, admin: Any, tags: int) -> None:
    names = [f"tag {number}" for number in range(tags)]
    await fill(store, *names)
    sent, inside = await counted(admin, store.invalidate_tag(names))
    assert sent == {"evalsha": 1}
    assert inside <= 9 + TELLING + 3 * tags


async def test_an_invalidation_costs_the_same_whatever_number_of_entries_has_the_tag(
    store: RedisStore, admin: Any
) -> None:
    await fill(store, "of one")
    mark = await mark_of(store)
    await fill(store, "of many", lifetime=7200.0)
    record = b"%s 0 0" % mark[0].incarnation.hex().encode()
    pipe = admin.pipeline(transaction=False)
    for number in range(10_000):  # as commits write them, a thousand times faster
        request = make_request(f"https://example.org/many/{number}")
        pipe.set(entry_key(store, request), pack(make_entry(request, mark, ["of many"], body=b"")), ex=3600)
        pipe.set(record_key(store, f"@url:example.org/many/{number}"), record, ex=3600)
        if number % 2000 == 1999:
            pipe.execute()
    assert await state(store, "https://example.org/many/9999") == "fresh"
    assert admin.dbsize() > 20_000
    one, inside_one = await counted(admin, store.invalidate_tag("of one"))
    many, inside_many = await counted(admin, store.invalidate_tag("of many"))
    assert one == many == {"evalsha": 1}
    assert max(inside_one, inside_many) <= 12 + TELLING
    assert await state(store, "https://example.org/many/9999") == "missing"
    assert (await store.lookup(request_of("https://example.org/many/0"))).entry is None
