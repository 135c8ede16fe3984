"""Lookups of threads without an event loop: by connections of their own, which find what the others find."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hiredis import ReplyError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from accelerator import InvalidationError, RedisStore
from accelerator.stores.loop_thread import loop_thread
from accelerator.stores.redis import blocking
from accelerator.stores.redis import server as redis_server
from accelerator.stores.redis.server import ServerLeftAloneError
from accelerator.stores.sync import BlockingStore
from accelerator.testing import StoreContract, make_entry, make_request
from tests.scripts import run_script
from tests.stores.redis.relay import Relay
from tests.stores.redis.support import OpenStore, StartServer, entry_key, fill, link_of, record_key, request_of, state

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from accelerator import Lookup
    from accelerator.demo.redis_server import RedisServer
    from accelerator.http.request import Request

pytestmark = pytest.mark.anyio

PATIENCE = 30


def wait_for_connections() -> None:
    """Wait until none is being made."""
    for thread in threading.enumerate():
        if thread.name == "accelerator connects":
            thread.join(PATIENCE)
            assert not thread.is_alive()


async def here(store: RedisStore, request: Request | None = None) -> Lookup | None:
    """What a thread finds by itself. The loop goes on meanwhile, because a relay of a test may run on it."""
    return await asyncio.to_thread(store.lookup_here, request or request_of())


async def connect(store: RedisStore) -> None:
    """Let a thread have a connection."""
    assert await here(store) is None
    await asyncio.to_thread(wait_for_connections)


def connections(store: RedisStore) -> int:
    """How many there are, and nobody uses."""
    assert store._threads is not None
    return sum(wire is not None for wire in store._threads._free)


def kill_connections(admin: Any) -> None:
    admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


@pytest.fixture
async def relay(server: RedisServer) -> AsyncIterator[Relay]:
    async with Relay(server.socket) as relay:
        yield relay


@pytest.fixture
async def store(server: RedisServer, prefix: str, open_store: OpenStore) -> RedisStore:
    """A store with an entry, and a connection for threads."""
    store = open_store(server.url, prefix)
    await fill(store, "x")
    await connect(store)
    return store


class TestBlockingRedis(StoreContract):
    """As WSGI uses it."""

    @pytest.fixture
    def store(self, server: RedisServer, prefix: str) -> Iterator[BlockingStore]:
        far = RedisStore(server.url, prefix, deadline=5)
        assert far.lookup_here(make_request()) is None
        wait_for_connections()
        yield BlockingStore(far)
        loop_thread.run(far.aclose())


# --- the same rule ----------------------------------------------------------------------------------------------------


async def test_threads_and_loops_find_the_same_after_any_history(
    server: RedisServer, prefix: str, open_store: OpenStore
) -> None:
    """Each kind of lookup has its own store, which remembers what it read; a third one changes things."""
    by_thread, by_loop, writer = (open_store(server.url, prefix) for _ in range(3))
    chance = random.Random(11)  # noqa: S311 - no secret
    requests = [make_request(f"https://example.org/{page}", [("x-a", value)]) for page in "ab" for value in "12"]
    outcomes = set()
    for request in requests:
        await by_loop.lookup(request)
    await connect(by_thread)
    with server.client() as admin:
        for step in range(400):
            request = chance.choice(requests)
            match chance.randrange(8):
                case 0 | 1 | 2:
                    vary = chance.choice([(), (b"x-a",)])
                    tags = chance.sample("xyz", 2)
                    mark = (await writer.lookup(request)).mark
                    await writer.commit(make_entry(request, mark, tags, vary=vary, body=b"%d" % step))
                case 3:
                    await writer.invalidate_tag(chance.choice("xyz"), soft=True)
                case 4:
                    await writer.invalidate_tag(chance.choice("xyz"))
                case 5:
                    keys = sorted(admin.keys(f"{prefix}*"))
                    admin.delete(chance.choice(keys))
                    await writer.lookup(request)  # if it was the meta, a new order begins
                case 6 if chance.random() < 0.2:
                    await writer.clear()
                case _:
                    pass
            asked = chance.choice(requests)
            found = await by_loop.lookup(asked)
            alone = await here(by_thread, asked)
            assert alone == found, step
            outcomes.add((found.entry is None, found.invalidated))
    assert outcomes == {(True, False), (False, False), (False, True)}


async def test_a_hit_is_one_command_on_one_connection(
    start_server: StartServer, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "IDENTITY_SECONDS", 1000)
    own = start_server()
    store = open_store(own.url)
    await fill(store, *(f"tag {number}" for number in range(50)))
    await connect(store)
    with own.client() as admin:
        admin.config_resetstat()
        for _ in range(10):
            found = await here(store)
            assert found is not None
            assert found.entry is not None
        assert admin.info("commandstats")["cmdstat_mget"]["calls"] == 10
        assert "cmdstat_info" not in {name for name in admin.info("commandstats") if "evalsha" in name}
        assert admin.info("stats")["total_connections_received"] == 0
    assert connections(store) == 1


async def test_who_is_there_is_asked_again_after_a_while_along_with_the_read(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    ask = blocking._Wire._ask

    def counted(wire: Any, *commands: Any) -> list[Any]:
        sent.append(len(commands))
        return ask(wire, *commands)

    monkeypatch.setattr(blocking._Wire, "_ask", counted)
    await here(store)
    monkeypatch.setattr(redis_server, "IDENTITY_SECONDS", -1)
    found = await here(store)
    assert found is not None
    assert found.entry is not None
    assert sent == [1, 2]


async def test_a_lookup_that_begins_after_an_invalidation_never_finds_what_was_before(store: RedisStore) -> None:
    """Threads look up all the time, while one fills and invalidates."""
    began_at_least = 0
    wrong: list[tuple[bytes, int]] = []
    done = threading.Event()
    looked_up = itertools.count()

    def look_up() -> None:
        while not done.is_set():
            least = began_at_least
            found = store.lookup_here(request_of())
            next(looked_up)
            if found is not None and found.entry is not None and int(found.entry.body) < least:
                wrong.append((found.entry.body, least))

    await store.invalidate_tag("x")
    await fill(store, "x", body=b"0")
    threads = [threading.Thread(target=look_up) for _ in range(3)]
    for thread in threads:
        thread.start()
    for version in range(1, 60):
        await store.invalidate_tag("x")
        began_at_least = version
        await fill(store, "x", body=b"%d" % version)
    done.set()
    for thread in threads:
        await asyncio.to_thread(thread.join, PATIENCE)
    assert not wrong
    assert next(looked_up) > 60


async def test_what_is_invalidated_between_two_threads_is_missing_for_the_second(store: RedisStore) -> None:
    """The first asked before, and may have what it found; the second may not, though all is remembered here."""
    first = await here(store)
    await store.invalidate_tag("x")
    second = await here(store)
    assert first is not None
    assert second is not None
    assert (first.entry is None, second.entry is None) == (False, True)


# --- what is left to the event loop -----------------------------------------------------------------------------------


async def test_a_server_without_an_order_gets_one_from_the_loop(store: RedisStore, server: RedisServer) -> None:
    with server.client() as admin:
        admin.delete(store.keys.partitions[0].meta)
    assert await here(store) is None
    found, alone = await store.lookup(request_of()), await here(store)
    assert alone is not None
    assert (found.entry, alone.entry) == (None, None), "a new order believes nothing from before"
    assert alone.mark == found.mark


async def test_an_evicted_record_is_a_miss(store: RedisStore, server: RedisServer) -> None:
    with server.client() as admin:
        admin.delete(record_key(store, "x"))
    found = await here(store)
    assert found is not None
    assert found.entry is None


async def test_another_key_under_the_same_name_is_a_miss(store: RedisStore, server: RedisServer) -> None:
    other = make_request("https://example.org/other")
    await fill(store, "x", url=other.url)
    with server.client() as admin:
        admin.copy(entry_key(store, other), entry_key(store, request_of()), replace=True)
    found = await here(store)
    assert found is not None
    assert found.entry is None


async def test_while_an_invalidation_has_to_be_repeated_the_loop_is_asked(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There it is repeated, and there what it names is missing already."""

    async def fail(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    with monkeypatch.context() as patch:
        patch.setattr(store.invalidations, "_announce", fail)
        with pytest.raises(InvalidationError):
            await store.invalidate_tag("x")
        assert await here(store) is None
        assert await state(store) == "missing"


async def test_a_lookup_that_someone_has_put_in_place_of_its_own_is_not_passed_by(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def other(request: Request) -> Lookup:
        raise NotImplementedError

    monkeypatch.setattr(store, "lookup", other)
    assert await here(store) is None


async def test_the_connections_of_a_client_that_was_given_are_no_threads(server: RedisServer, prefix: str) -> None:
    client = Redis.from_url(server.url)
    store = RedisStore(client, prefix, deadline=5)
    await fill(store, "x")
    assert await here(store) is None
    await client.aclose()


async def test_threads_that_find_no_free_connection_share_those_of_the_loop(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = store._threads
    assert threads is not None
    taken = [threads._free.pop() for _ in range(blocking.MAX_CONNECTIONS)]
    assert await here(store) is None
    threads._free.extend(reversed(taken))
    assert await here(store) is not None


async def test_each_thread_has_a_connection_of_its_own_while_it_reads(
    server: RedisServer, prefix: str, open_store: OpenStore, relay: Relay
) -> None:
    store = open_store(f"redis://127.0.0.1:{relay.port}", prefix)
    urls = [f"https://example.org/{number}" for number in range(6)]
    for url in urls:
        await fill(store, "x", url=url, body=url.encode())
    for _ in range(40):
        await asyncio.gather(*(here(store, make_request(url)) for url in urls))
        await asyncio.to_thread(wait_for_connections)
    assert 1 <= connections(store) <= len(urls)
    for _ in range(20):
        for url, found in zip(
            urls, await asyncio.gather(*(here(store, make_request(url)) for url in urls)), strict=True
        ):
            assert found is None or (found.entry is not None and found.entry.body == url.encode())


# --- a server that fails ----------------------------------------------------------------------------------------------


async def test_a_connection_closed_by_the_server_is_replaced(store: RedisStore, server: RedisServer) -> None:
    with server.client() as admin:
        kill_connections(admin)
    assert await here(store) is None
    assert await state(store) == "fresh"
    await connect(store)
    assert await here(store) == await store.lookup(request_of())


async def test_a_server_that_was_started_anew_is_not_believed(start_server: StartServer, open_store: OpenStore) -> None:
    """Neither by a connection from before, nor by a new one."""
    own = start_server()
    store = open_store(own.url)
    await fill(store, "x")
    await connect(store)
    own.kill()
    own.start()
    assert await here(store) is None
    assert await state(store) == "missing"
    await fill(store, "x")
    await connect(store)
    assert await here(store) == await store.lookup(request_of())


async def test_a_primary_that_became_a_replica_is_not_read_any_more(
    start_server: StartServer, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "IDENTITY_SECONDS", -1)
    own = start_server()
    store = open_store(own.url)
    await fill(store, "x")
    await connect(store)
    assert await here(store) is not None
    with own.client() as admin:
        admin.replicaof("127.0.0.1", "1")
    assert await here(store) is None
    with pytest.raises(RedisError, match="no primary"):
        await store.lookup(request_of())


async def test_an_answer_that_does_not_come_costs_one_deadline_and_not_one_for_each_thread(
    prefix: str, open_store: OpenStore, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "BREAK_SECONDS", 1000)
    store = open_store(f"redis://127.0.0.1:{relay.port}", prefix)
    await fill(store, "x")
    await connect(store)
    assert await here(store) is not None
    relay.silent = True
    assert store._threads is not None
    wire = store._threads._free[-1]
    assert wire is not None
    wire._socket.settimeout(0.05)
    with pytest.raises(TimeoutError, match=f"^Redis at 127.0.0.1:{relay.port}: no answer within 5 s$"):
        await here(store)
    for _ in range(50):
        with pytest.raises(ServerLeftAloneError):
            await here(store)
    with pytest.raises(ServerLeftAloneError):
        await store.lookup(request_of())
    assert connections(store) == 0, "its answer may still come"
    relay.silent = False
    store._breaker.succeed()
    assert await here(store) is None
    assert await state(store) == "fresh"


async def test_what_fails_on_the_loop_is_left_alone_by_threads(
    prefix: str, open_store: OpenStore, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "BREAK_SECONDS", 1000)
    store = open_store(f"redis://127.0.0.1:{relay.port}", prefix)
    await fill(store, "x")
    await connect(store)
    relay.silent = True
    link_of(store)._deadline = 0.05
    with pytest.raises(TimeoutError):
        await store.lookup(request_of())
    with pytest.raises(ServerLeftAloneError):
        await here(store)
    store._breaker._left_alone_until = redis_server.clock()
    assert await here(store) is None, "its connection is from before the failure; the loop tries"
    assert not [thread for thread in threading.enumerate() if thread.name == "accelerator connects"]


@contextmanager
def trickling(answer: bytes, pause: float, *, breaks_off: bool = False) -> Iterator[tuple[str, list[int]]]:
    """A server that says who it is, then sends an answer byte by byte; yields its URL, and what it has sent so far."""
    sent: list[int] = []
    info = b"role:master\r\nrun_id:a\r\nmaster_replid:b\r\n"
    ended = threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            while commands := connection.recv(65536):
                if b"MGET" not in commands:
                    asked = commands.count(b"*")
                    known = b"$%d\r\n%b\r\n" % (len(info), info) if b"INFO" in commands else b"+OK\r\n" * asked
                    connection.sendall(known)
                    continue
                for byte in answer:
                    if ended.wait(pause):
                        return
                    connection.sendall(bytes([byte]))
                    sent.append(byte)
                if breaks_off:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}", sent
        ended.set()
        thread.join(PATIENCE)


def test_an_answer_that_comes_byte_by_byte_is_read_whole() -> None:
    with trickling(b"*2\r\n$-1\r\n$3\r\nabc\r\n", 0.001) as (url, _):
        wire = blocking._Wire(url, 5)
        assert wire.read([b"a", b"b"], redis_server.Breaker()) == [None, b"abc"]
        wire.close()


def test_an_answer_has_to_be_complete_within_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time; the whole is what counts. The clock goes by the bytes: a second for each."""
    with trickling(b"*2\r\n$-1\r\n$300000\r\n" + bytes(5000), 0.001) as (url, sent):
        wire = blocking._Wire(url, 40)
        monkeypatch.setattr(blocking, "monotonic", lambda: float(len(sent)))
        with pytest.raises(TimeoutError):
            wire.read([b"a", b"b"], redis_server.Breaker())
        assert 40 <= len(sent) < 5000, "it is not the end of the answer that ends the waiting"
        wire.close()


async def test_an_answer_that_breaks_off_is_asked_for_by_the_loop(
    server: RedisServer, prefix: str, open_store: OpenStore
) -> None:
    store = open_store(server.url, prefix)
    await fill(store, "x")
    with trickling(b"*2\r\n$-1\r\n", 0, breaks_off=True) as (url, _):
        wire = await asyncio.to_thread(blocking._Wire, url, 5)
        assert store._threads is not None
        store._threads._free.append(wire)
        assert await here(store) is None
    assert wire._socket.fileno() == -1
    assert await state(store) == "fresh"


async def test_an_error_is_told_by_the_loop_in_the_servers_words(
    server: RedisServer, prefix: str, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the connection goes on: an error is an answer."""
    name = f"user-{prefix[:-1]}"
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", name, "on", ">pw", "~*", "+@all")
        store = open_store(f"redis://{name}:pw@127.0.0.1:{server.port}", prefix)
        await fill(store, "x")
        await connect(store)
        admin.execute_command("ACL", "SETUSER", name, "-mget")
        assert await here(store) is None
        with pytest.raises(RedisError, match=r"NOPERM .*mget"):
            await store.lookup(request_of())
        assert connections(store) == 1
        admin.execute_command("ACL", "SETUSER", name, "+mget")
        assert await here(store) is not None
        admin.execute_command("ACL", "SETUSER", name, "-info")
        monkeypatch.setattr(redis_server, "IDENTITY_SECONDS", -1)
        assert await here(store) is None
        with pytest.raises(RedisError, match=r"NOPERM .*info"):
            await store.lookup(request_of())
        assert connections(store) == 1


@pytest.mark.parametrize("right", ["-info", ">other <pw", "off"])
async def test_a_connection_that_cannot_be_made_is_said_without_secrets_and_not_tried_all_the_time(
    server: RedisServer,
    prefix: str,
    open_store: OpenStore,
    right: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_server, "BREAK_SECONDS", 1000)
    name = f"user-{prefix[:-1]}"
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", name, "on", ">pw", "~*", "+@all")
        store = open_store(f"redis://{name}:pw@127.0.0.1:{server.port}", prefix)
        await fill(store, "x")
        admin.execute_command("ACL", "SETUSER", name, *right.split())
        for _ in range(5):
            await connect(store)
    (said,) = [record.getMessage() for record in caplog.records if "want of a connection" in record.getMessage()]
    assert "pw" not in said.replace("WRONGPASS", "").replace("password", "")
    assert f"127.0.0.1:{server.port}" in said
    assert connections(store) == 0


async def test_where_no_thread_can_be_started_the_loop_is_asked(
    store: RedisStore, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with server.client() as admin:
        kill_connections(admin)
    assert store.lookup_here(request_of()) is None
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert store.lookup_here(request_of()) is None
    await connect(store)
    assert await here(store) is not None


async def test_whoever_is_interrupted_leaves_no_answer_behind(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time-out of gevent, or Ctrl-C, comes while the answer is on its way."""

    def interrupt(wire: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(blocking._Wire, "_receive", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.lookup_here(request_of())
    assert connections(store) == 0
    await connect(store)
    assert await here(store) == await store.lookup(request_of())


async def test_what_is_no_answer_at_all_ends_the_connection(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(blocking._Wire, "_receive", lambda wire: wire._reader.feed(b"HTTP/1.1 200 OK\r\n"))
        assert store.lookup_here(request_of()) is None
    assert connections(store) == 0
    assert await state(store) == "fresh"


def test_an_error_instead_of_an_identity_is_raised(server: RedisServer, prefix: str) -> None:
    name = f"user-{prefix[:-1]}"
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", name, "on", ">pw", "~*", "+@all", "-info")
    with pytest.raises(ReplyError, match="NOPERM"):
        blocking._Wire(f"redis://{name}:pw@127.0.0.1:{server.port}", 5)


# --- processes, and the end -------------------------------------------------------------------------------------------


async def test_closing_a_store_closes_the_connections_of_threads_too(store: RedisStore, server: RedisServer) -> None:
    """Also one that is in use: it is dropped after its read."""
    threads = store._threads
    assert threads is not None
    free = threads._free
    wire = free[-1]
    assert wire is not None
    await store.aclose()
    assert wire._socket.fileno() == -1
    assert threads._free is not free
    await connect(store)
    assert await here(store) is not None


async def test_in_another_process_connections_are_made_anew(store: RedisStore) -> None:
    threads = store._threads
    assert threads is not None
    free, threads._pid = threads._free, -1
    assert await here(store) is None
    assert threads._free is not free
    await asyncio.to_thread(wait_for_connections)
    assert await here(store) is not None


def test_a_connection_is_not_used_after_a_fork(server: RedisServer, prefix: str) -> None:
    """Parent and child would read each other's answers; and the child's end must not close what the parent uses."""
    script = f"""
import asyncio, os, threading
from accelerator import RedisStore
from accelerator.testing import make_entry, make_request

store = RedisStore({server.url!r}, {prefix!r}, deadline=5)
requests = [make_request(f"https://example.org/{{number}}") for number in range(2)]

async def fill():
    for number, request in enumerate(requests):
        assert await store.commit(make_entry(request, (await store.lookup(request)).mark, ["x"], body=b"%d" % number))
    await store.links.here().close()

def connect():
    assert store.lookup_here(requests[0]) is None
    for thread in threading.enumerate():
        if thread.name == "accelerator connects":
            thread.join()

asyncio.run(fill())
connect()
wire = store._threads._free[-1]
descriptor = wire._socket.fileno()
child = os.fork()
if not child:
    connect()
    assert store._threads._free[-1]._socket is not wire._socket
for _ in range(200):
    found = store.lookup_here(requests[not child])
    assert found.entry.body == (b"0" if child else b"1"), found
if child:
    assert os.waitpid(child, 0)[1] == 0
    assert store._threads._free[-1] is wire
    assert store.lookup_here(requests[0]).entry.body == b"0"
"""
    assert run_script(script) == ""
