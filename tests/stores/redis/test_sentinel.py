"""RedisStore on the primary that Sentinels name: it follows through failovers, and takes no former primary for one."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from accelerator import InvalidationError, RedisStore, WSGIAccelerator
from accelerator.stores.loop_thread import loop_thread
from accelerator.stores.redis import server as redis_server
from accelerator.stores.redis.address import new_pool, pool_like
from accelerator.stores.redis.sentinel import PrimaryPool
from accelerator.testing import ManualClock
from tests.stores.redis.relay import Relay
from tests.stores.redis.sentinels import PATIENCE, SERVICE, Watched, cut_off, kept_as_primary, succeeds
from tests.stores.redis.stub import Stub
from tests.stores.redis.support import OpenStore, StartServer, entry_key, fill, link_of, request_of, state
from tests.stores.redis.test_contract import RedisContract

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis.asyncio import Redis


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """A deployment that each test leaves whole."""
    with Watched() as watched:
        yield watched


@pytest.fixture
def former_stays() -> Iterator[Watched]:
    """A deployment of its own, whose first primary takes itself for one after a failover."""
    watched = Watched()
    kept_as_primary(watched.servers[0])
    with watched:
        yield watched


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody wants to wait until a server is tried again, or asked who it is."""
    monkeypatch.setattr(redis_server, "BREAK_SECONDS", 0.05)
    monkeypatch.setattr(redis_server, "IDENTITY_SECONDS", 0.0)


def client_of(watched: Watched) -> Redis:
    sentinel = Sentinel(watched.places)  # type: ignore[no-untyped-call]  # redis-py does not annotate it
    client: Redis = sentinel.master_for(SERVICE)
    return client


class TestUrl(RedisContract):
    @pytest.fixture(params=["", "protocol=2", "protocol=3"], ids=["default", "RESP2", "RESP3"])
    def source(self, watched: Watched, request: pytest.FixtureRequest) -> str:
        return watched.url_with(request.param)


class TestClient(RedisContract):
    """The store has connections of its own, whatever those of the client are set to do."""

    @pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
    def source(self, watched: Watched, request: pytest.FixtureRequest) -> Redis:
        sentinel = Sentinel(watched.places, decode_responses=True, socket_timeout=1)  # type: ignore[no-untyped-call]  # as above
        client: Redis = sentinel.master_for(SERVICE, protocol=request.param, encoding="latin-1")
        return client


# --- failovers --------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("by", [lambda watched: watched.url, client_of], ids=["URL", "client"])
async def test_after_a_planned_failover_nothing_from_before_is_used_and_the_store_goes_on(
    by: Any, watched: Watched, open_store: OpenStore, prefix: str
) -> None:
    store = open_store(by(watched), prefix)
    await fill(store, "x")
    await asyncio.to_thread(watched.failover)
    assert await succeeds(lambda: state(store)) == "missing"
    await asyncio.to_thread(watched.become_whole)
    await fill(store, "x")
    assert await state(store) == "fresh"
    await store.invalidate_tag("x")
    assert await state(store) == "missing"


@pytest.mark.anyio
@pytest.mark.usefixtures("hurry")
async def test_a_killed_primary_is_replaced_and_comes_back_as_a_replica(
    watched: Watched, open_store: OpenStore, prefix: str
) -> None:
    store = open_store(watched.url, prefix)
    await fill(store, "x")
    killed = await asyncio.to_thread(watched.kill_primary)
    assert await succeeds(lambda: state(store)) == "missing"
    await fill(store, "x")
    await asyncio.to_thread(watched.revive, killed)
    await asyncio.to_thread(watched.become_whole)
    assert await state(store) == "fresh"


@pytest.mark.anyio
@pytest.mark.usefixtures("hurry")
async def test_nothing_is_used_of_what_a_promoted_replica_has_that_missed_an_invalidation(
    watched: Watched, open_store: OpenStore, prefix: str
) -> None:
    store = open_store(watched.url, prefix, wait_replicas=1)
    await fill(store, "x")
    await store.invalidate_tag("other")  # so the replica has what was written before
    loose = open_store(watched.url, prefix)
    assert await state(loose) == "fresh"
    await asyncio.to_thread(cut_off, watched)
    await loose.invalidate_tag("x")
    killed = await asyncio.to_thread(watched.kill_primary)
    with watched.client(watched.primary) as admin:
        assert admin.exists(entry_key(loose, request_of())) == 1
    assert await succeeds(lambda: state(loose)) == "missing"
    await asyncio.to_thread(watched.revive, killed)
    await asyncio.to_thread(watched.become_whole)


@pytest.mark.anyio
async def test_a_former_primary_that_takes_itself_for_one_is_left_when_the_sentinels_name_another(
    former_stays: Watched, open_store: OpenStore, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(former_stays.url, prefix)
    await fill(store, "x")
    former = await asyncio.to_thread(former_stays.failover)
    with former_stays.client(former) as admin:
        assert admin.info("replication")["role"] == "master"
    monkeypatch.setattr(redis_server, "IDENTITY_SECONDS", 0.0)  # as if the second were over
    assert await state(store) == "missing"
    idle = link_of(store)._idle or []
    assert {vars(connection)["port"] for connection in idle} == {former_stays.primary.port}
    await store.aclose()


@pytest.mark.anyio
async def test_a_former_primary_is_not_trusted_for_longer_where_the_machine_slept_meanwhile(
    former_stays: Watched, open_store: OpenStore, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock(1000)  # time.monotonic stands still, about, as it does in a sleep
    monkeypatch.setattr(redis_server, "clock", clock)
    store = open_store(former_stays.url, prefix)
    await fill(store, "x")
    await asyncio.to_thread(former_stays.failover)
    assert await state(store) == "fresh", "nobody has asked again"
    clock.advance(redis_server.IDENTITY_SECONDS + 0.1)
    assert await state(store) == "missing"
    await store.aclose()


def test_the_clock_goes_on_while_the_machine_sleeps_where_there_is_such_a_one() -> None:
    counting = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    began = time.clock_gettime(counting)
    assert began <= redis_server.clock() <= time.clock_gettime(counting)


@pytest.mark.anyio
async def test_an_invalidation_at_a_former_primary_is_made_at_the_new_one_as_well(
    former_stays: Watched, open_store: OpenStore, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(former_stays.url, prefix)
    await fill(store, "x")
    await store.invalidate_tag("other")  # so the former one knows the script
    monkeypatch.setattr(redis_server, "IDENTITY_SECONDS", 1000.0)  # as if all were within the same second
    former = await asyncio.to_thread(former_stays.failover)
    assert await state(store) == "fresh"  # read at the former one, and not taken back yet
    await store.invalidate_tag("x")
    for server in (former, former_stays.primary):
        with former_stays.client(server) as admin:
            assert admin.zscore(store.keys.partitions[0].log, "x") is not None
    await store.aclose()


@pytest.mark.anyio
async def test_a_process_that_has_repeated_a_failed_invalidation_at_the_new_primary_reads_no_more_at_the_former_one(
    former_stays: Watched, open_store: OpenStore, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(former_stays.url, prefix)
    await fill(store, "x")
    monkeypatch.setattr(redis_server, "IDENTITY_SECONDS", 1000.0)  # as if all were within the same second
    await asyncio.to_thread(former_stays.failover)
    idle = link_of(store)._idle
    assert idle is not None
    of_a_lookup = idle.pop()  # it leads to the former one, and the other call makes a connection of its own
    store.invalidations.pending.add(["x"], soft=False)
    store.invalidations.see_to_pending()
    repeater = store.invalidations._repeater
    assert repeater is not None
    await asyncio.wait_for(repeater, PATIENCE)
    assert not store.invalidations.pending.kept
    idle.append(of_a_lookup)
    assert await state(store) == "missing"
    await store.aclose()


# --- who is asked -----------------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("number", range(3))
async def test_one_sentinel_of_three_that_does_not_answer_costs_nothing(
    number: int, watched: Watched, open_store: OpenStore, prefix: str
) -> None:
    watched.stop_sentinel(number)
    try:
        store = open_store(watched.url, prefix)
        await fill(store, "x")
        assert await state(store) == "fresh"
    finally:
        watched.continue_sentinel(number)


@pytest.mark.anyio
async def test_fewer_than_half_of_the_sentinels_name_no_primary(
    watched: Watched, open_store: OpenStore, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(watched.url, prefix, deadline=0.3)
    await succeeds(lambda: state(store))
    for number in (0, 1):
        watched.stop_sentinel(number)
    try:
        monkeypatch.setattr(redis_server, "IDENTITY_SECONDS", 0.0)
        with pytest.raises(TimeoutError, match=r"^Redis at the primary that Sentinel at .*: no answer within 0.3 s$"):
            await state(store)
    finally:
        for number in (0, 1):
            watched.continue_sentinel(number)
    monkeypatch.setattr(redis_server, "BREAK_SECONDS", 0.05)
    assert await succeeds(lambda: state(store)) == "missing"


@pytest.mark.anyio
async def test_sentinels_that_are_away_or_know_no_such_name_are_told_with_their_addresses(
    watched: Watched, open_store: OpenStore
) -> None:
    (_, first), (_, second), _ = watched.places
    store = open_store(f"redis+sentinel://127.0.0.1:{first},127.0.0.1:{second},127.0.0.1:1/unknown")
    with pytest.raises(RedisConnectionError) as failed:
        await state(store)
    words = str(failed.value)
    assert "fewer than 2 of 3 Sentinels name the same primary: " in words
    for told in (
        f"127.0.0.1:{first}: knows no 'unknown'",
        f"127.0.0.1:{second}: knows no 'unknown'",
        "127.0.0.1:1: Error",
    ):
        assert told in words


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer",
    [
        b"*2\r\n$1\r\n\xff\r\n$4\r\n6379",
        b"*2\r\n$6\r\none\r\n2\r\n$4\r\n6379",
        b"*2\r\n$9\r\n127.0.0.1\r\n$2\r\n-1",
        b"*1\r\n$9\r\n127.0.0.1",
        b":1",
    ],
    ids=["no text", "two lines", "no port", "no pair", "a number"],
)
async def test_a_sentinel_whose_answer_is_no_address_counts_as_one_that_is_away(
    answer: bytes, open_store: OpenStore, watched: Watched
) -> None:
    async with Stub(answer) as stub:
        alone = f"127.0.0.1:{stub.port}"
        with pytest.raises(RedisConnectionError, match=f"Sentinels name the same primary: {alone}: names no host and"):
            await state(open_store(f"redis+sentinel://{alone}/{SERVICE}"))
        others = ",".join(f"127.0.0.1:{port}" for _, port in watched.places[:2])
        assert await state(open_store(f"redis+sentinel://{alone},{others}/{SERVICE}")) == "missing"


@pytest.mark.anyio
async def test_sentinels_that_disagree_name_no_primary(open_store: OpenStore, watched: Watched) -> None:
    with Watched() as other:
        places = ",".join(f"127.0.0.1:{port}" for _, port in (watched.places[0], other.places[0]))
        store = open_store(f"redis+sentinel://{places}/{SERVICE}")
        with pytest.raises(
            RedisConnectionError, match=r"fewer than 2 of 2 Sentinels name the same primary: 1 says .*; 1 says "
        ):
            await state(store)


@pytest.mark.anyio
async def test_connections_whose_time_is_over_share_a_question(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    ask = PrimaryPool._ask_all

    async def counted(self: PrimaryPool) -> tuple[str, int]:
        asked.append(redis_server.clock())
        return await ask(self)

    pool = new_pool(watched.url)
    assert isinstance(pool, PrimaryPool)
    get: Any = pool.get_connection
    connections = [await get() for _ in range(8)]
    monkeypatch.setattr(PrimaryPool, "_ask_all", counted)
    now = redis_server.clock()
    sinces = {*await asyncio.gather(*(pool.confirm(connection, now) for connection in connections))}
    assert (len(asked), len(sinces)) == (1, 1)
    assert now <= min(sinces) <= asked[0], "what counts is the moment before the question"
    await pool.confirm(connections[0], min(sinces))
    assert len(asked) == 1
    await pool.disconnect()


@pytest.mark.anyio
async def test_a_connection_to_another_server_than_is_named_is_told(watched: Watched) -> None:
    pool = new_pool(watched.url)
    assert isinstance(pool, PrimaryPool)
    get: Any = pool.get_connection
    connection = await get()
    connection.port = 1
    with pytest.raises(RedisConnectionError, match="Sentinel names another primary"):
        await pool.confirm(connection, 0.0)
    await pool.disconnect()


@pytest.mark.anyio
async def test_closing_leaves_no_connection_to_the_servers_nor_to_the_sentinels(
    watched: Watched, open_store: OpenStore, prefix: str
) -> None:
    def connections() -> int:
        counts = []
        for admin in (watched.client(watched.primary), *map(watched.sentinel_client, watched.sentinels)):
            with admin:
                counts.append(sum(client["lib-name"] == "redis-py" for client in admin.client_list()))
        return sum(counts)

    own = 1 + len(watched.sentinels)  # those that count
    store = open_store(watched.url, prefix)
    await fill(store, "x")
    assert connections() > own
    await store.aclose()
    await asyncio.to_thread(watched.become, lambda: connections() == own)


# --- login and TLS ----------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_servers_and_sentinels_each_have_a_login_of_their_own(open_store: OpenStore, prefix: str) -> None:
    with Watched(password="s3cr3t:@/of,servers", own_password="s3cr3t?#of+sentinels") as guarded:
        store = open_store(guarded.url, prefix)
        await fill(store, "x")
        assert await state(store) == "fresh"
        right = guarded.url
        for wrong, says in (
            (right.partition("&sentinel_password")[0], "NOAUTH"),
            (right.replace("of%2Bsentinels", "s3cr3t"), "WRONGPASS"),
            (right.replace("of%2Cservers", "s3cr3t"), "WRONGPASS"),
        ):
            with pytest.raises(RedisError, match=says) as refused:
                await state(open_store(wrong, prefix))
            assert "s3cr3t" not in str(refused.value)
        for sentinel in guarded.sentinels:
            with guarded.sentinel_client(sentinel) as admin:
                rights = ("-@all", "+sentinel|get-master-addr-by-name")  # as docs/redis.md says
                admin.execute_command("ACL", "SETUSER", "store", "on", ">p", *rights)
        options = "sentinel_username=store&sentinel_password=p"
        modest = open_store(f"{right.partition('&sentinel_password')[0]}{options}", prefix)
        assert await state(modest) == "fresh"
        await store.aclose()
        await modest.aclose()


class Terminator(Relay):
    """Ends TLS in front of a server, and names itself where a Sentinel names the port of the primary."""

    def __init__(self, target: Path, context: ssl.SSLContext, named: int, port: int) -> None:
        super().__init__(target, context)
        self._change = (b"\r\n%d\r\n" % named, b"\r\n%d\r\n" % port)

    def passed_on(self, chunk: bytes) -> bytes:
        return chunk.replace(*self._change)


@pytest.mark.anyio
async def test_servers_and_sentinels_are_reached_by_tls(
    watched: Watched, open_store: OpenStore, prefix: str, tmp_path: Path
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with AsyncExitStack() as stack:
        primary = await stack.enter_async_context(Relay(watched.primary.socket, context))
        relays = [Terminator(one.socket, context, watched.primary.port, primary.port) for one in watched.sentinels]
        places = [f"127.0.0.1:{(await stack.enter_async_context(relay)).port}" for relay in relays]
        options = f"ssl_ca_certs={tmp_path / 'ca.pem'}"
        store = open_store(f"rediss+sentinel://{','.join(places)}/{SERVICE}?{options}", prefix)
        await fill(store, "x")
        assert await state(store) == "fresh"
        untrusting = open_store(f"rediss+sentinel://{','.join(places)}/{SERVICE}", prefix)
        with pytest.raises(RedisConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            await state(untrusting)
        await store.aclose()
        await untrusting.aclose()


# --- threads, loops, replicas -----------------------------------------------------------------------------------------


def test_a_thread_leaves_the_lookup_to_the_event_loop(watched: Watched, prefix: str) -> None:
    store = RedisStore(watched.url, prefix, deadline=5)
    loop_thread.run(fill(store, "x"))
    assert store.lookup_here(request_of()) is None
    assert loop_thread.run(state(store)) == "fresh"
    assert WSGIAccelerator(lambda environ, start: [], store=store).store is store
    loop_thread.run(store.aclose())


def test_the_client_of_a_sentinel_serves_several_loops(watched: Watched, prefix: str) -> None:
    client = client_of(watched)
    assert isinstance(client.connection_pool, SentinelConnectionPool)
    store = RedisStore(client, prefix, deadline=5)

    async def use() -> str:
        if await state(store) == "missing":
            await fill(store, "x")
        found = await state(store)
        await store.aclose()
        return found

    assert [asyncio.run(use()), asyncio.run(use())] == ["fresh", "fresh"]
    assert not client.connection_pool._in_use_connections


@pytest.mark.anyio
async def test_an_invalidation_waits_for_as_many_replicas_as_it_is_told_to(
    watched: Watched, open_store: OpenStore, prefix: str
) -> None:
    store = open_store(watched.url, prefix, wait_replicas=1)
    await fill(store, "x")
    await store.invalidate_tag("x")
    with watched.client(watched.replicas[0]) as replica:
        assert replica.zscore(store.keys.partitions[0].log, "x") is not None
    careful = open_store(watched.url, prefix, deadline=0.5, wait_replicas=2)
    await succeeds(lambda: fill(careful, "y"))
    with pytest.raises(InvalidationError, match="1 of the 2 replicas that are waited for have it"):
        await careful.invalidate_tag("y")
    assert "y" in careful.invalidations.pending.kept
    assert await state(careful) == "missing"


@pytest.mark.anyio
async def test_an_invalidation_that_too_few_replicas_have_is_repeated_until_enough_do(
    start_server: StartServer, open_store: OpenStore, prefix: str
) -> None:
    server, late = start_server("--repl-diskless-sync-delay", "0"), start_server()
    store = open_store(server.url, prefix, deadline=1, wait_replicas=1)
    await fill(store, "x")
    with pytest.raises(InvalidationError, match="0 of the 1 replicas that are waited for have it"):
        await store.invalidate_tag("x")
    await fill(store, "other")  # reads and fills are answered meanwhile
    assert await state(store) == "fresh"
    with late.client() as admin:
        admin.replicaof("127.0.0.1", str(server.port))
        async with asyncio.timeout(PATIENCE):
            while store.invalidations.pending.kept:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        assert admin.zscore(store.keys.partitions[0].log, "x") is not None


@pytest.mark.anyio
@pytest.mark.usefixtures("hurry")
async def test_a_former_primary_without_replicas_takes_no_invalidation_where_it_is_told_to_have_one(
    open_store: OpenStore, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched("--min-replicas-to-write", "1")
    kept_as_primary(watched.servers[0])
    with watched:
        store = open_store(f"redis://127.0.0.1:{watched.primary.port}", prefix)  # which does not ask the Sentinels
        await fill(store, "x")
        await asyncio.to_thread(watched.failover)
        with pytest.raises(InvalidationError, match="NOREPLICAS"):
            await store.invalidate_tag("x")
        await store.aclose()


@pytest.mark.parametrize(("number", "error"), [(-1, ValueError), (True, TypeError), (1.5, TypeError)])
def test_a_number_of_replicas_is_whole_and_not_negative(number: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"wait_replicas is an? "):
        RedisStore("redis://localhost", wait_replicas=number)


# --- what a URL says --------------------------------------------------------------------------------------------------


LOGIN = ("host", "port", "username", "password", "client_name")


def settings_of_sentinels(pool: Any) -> list[dict[str, Any]]:
    settings = [one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels]
    return [{name: of_one[name] for name in LOGIN if of_one.get(name)} for of_one in settings]


def test_options_go_to_the_servers_and_the_sentinels_have_a_login_of_their_own_or_none() -> None:
    pool = new_pool(
        "redis+sentinel://cache:p%40ss@[::1]:7000,host/shop/3?client_name=shop&max_connections=5"
        "&sentinel_username=who%2C&sentinel_password=of%2B%26sentinels"
    )
    settings = {"username": "cache", "password": "p@ss", "client_name": "shop", "db": 3}
    assert pool.connection_kwargs == pool.connection_kwargs | settings
    assert pool.max_connections == 5
    login = {"username": "who,", "password": "of+&sentinels"}
    assert settings_of_sentinels(pool) == [
        {"host": "::1", "port": 7000} | login,
        {"host": "host", "port": 26379} | login,
    ]
    without = new_pool("redis+sentinel://cache:p%40ss@host/shop")
    assert settings_of_sentinels(without) == [{"host": "host", "port": 26379}]


def test_a_client_gives_its_sentinels_their_login_and_the_host_to_connect_to() -> None:
    sentinel = Sentinel([("host", 7000)], sentinel_kwargs={"password": "own"}, force_master_ip="10.0.0.1")  # type: ignore[no-untyped-call]  # as above
    pool = pool_like(sentinel.master_for("shop", password="p").connection_pool)
    assert isinstance(pool, PrimaryPool)
    assert settings_of_sentinels(pool) == [{"host": "host", "port": 7000, "password": "own"}]
    assert pool.connection_kwargs["password"] == "p"
    assert pool.sentinel_manager._force_master_ip == "10.0.0.1"


def test_a_client_of_replicas_is_refused() -> None:
    """They may lag behind their primary, and have what was taken back there."""
    manager: Any = Sentinel
    with pytest.raises(TypeError, match="not of its replicas"):
        RedisStore(manager([("127.0.0.1", 1)]).slave_for("shop"))
