"""Under WSGI a hit from Redis stays in the server's thread; what is more than a lookup goes to the one event loop."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import RedisStore, WSGIAccelerator
from accelerator.engine import flight
from accelerator.stores.loop_thread import LoopThread, loop_thread
from accelerator.stores.redis import blocking, leasing
from accelerator.stores.redis import server as redis_server
from tests.stores.redis.test_blocking import wait_for_connections
from tests.wsgi.support import ask, site_saying
from tests.wsgi.test_turns import GatedSite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator.demo.redis_server import RedisServer
    from tests.stores.redis.support import StartServer

PATIENCE = 30.0


@pytest.fixture
def own(start_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    monkeypatch.setattr(redis_server, "IDENTITY_SECONDS", 1000)
    return start_server()


@pytest.fixture
def store(own: RedisServer) -> Iterator[RedisStore]:
    store = RedisStore(own.url, deadline=5)
    yield store
    loop_thread.run(store.aclose())


@pytest.fixture
def app(store: RedisStore) -> WSGIAccelerator:
    """One that has answered a request, and has a connection for threads."""
    app = WSGIAccelerator(site_saying(ttl=60, tags="x"), store)
    assert ask(app).body == b"answer 1"
    wait_for_connections()
    wait_for_ends(store)
    return app


def wait_for_ends(store: RedisStore) -> None:
    """Wait until the server has been told of the ends of leases."""
    until = time.monotonic() + PATIENCE
    while store._leasing._ending:
        assert time.monotonic() < until
        time.sleep(0.002)


def commands(admin: Any) -> dict[str, int]:
    """How often each command came from outside."""
    stats = admin.info("commandstats")
    return {name: stats[f"cmdstat_{name}"]["calls"] for name in ("mget", "evalsha") if f"cmdstat_{name}" in stats}


def test_a_hit_uses_no_thread_but_the_servers_own_and_one_command(
    app: WSGIAccelerator, own: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    crossings: list[object] = []
    threads: set[int] = set()
    receive = blocking._Wire._receive

    def noted(wire: blocking._Wire) -> None:
        threads.add(threading.get_ident())
        receive(wire)

    with own.client() as admin, monkeypatch.context() as patch:
        patch.setattr(LoopThread, "run", lambda _, work: crossings.append(work))
        patch.setattr(blocking._Wire, "_receive", noted)
        admin.config_resetstat()
        assert all(ask(app).is_hit for _ in range(20))
        assert commands(admin) == {"mget": 20}
    assert (crossings, threads) == ([], {threading.get_ident()})


def test_a_miss_looks_up_by_itself_and_crosses_to_take_the_lease_to_end_it_and_to_store(
    app: WSGIAccelerator, store: RedisStore, own: RedisServer
) -> None:
    """What the thread has found under the lease, and the mark that came with it, is what the fill goes by."""
    ask(app, "/warm")
    wait_for_ends(store)
    with own.client() as admin:
        admin.config_resetstat()
        assert ask(app, "/new").body == b"answer 3"
        wait_for_ends(store)
        assert commands(admin) == {"mget": 2, "evalsha": 3}
    assert ask(app, "/new").is_hit


def test_threads_of_two_processes_make_a_page_once(own: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each store stands for a process. Who waits is told of the end, whatever thread it is in."""
    monkeypatch.setattr(flight, "PATIENCE", 1000.0)
    monkeypatch.setattr(leasing, "LEASE_SECONDS", 1000.0)
    site = GatedSite("s-maxage=60")
    stores = [RedisStore(own.url, deadline=20) for _ in range(2)]
    first, second = (WSGIAccelerator(site, store) for store in stores)
    with ThreadPoolExecutor(20) as pool:
        of_first = [pool.submit(ask, first, "/gated") for _ in range(10)]
        while not site.calls:
            assert not any(answer.done() for answer in of_first)
        of_second = [pool.submit(ask, second, "/gated") for _ in range(10)]
        while not stores[1]._mailbox.ends._awaited:
            assert not any(answer.done() for answer in of_second)
        site.gate.set()
        assert {answer.result(PATIENCE).body for answer in [*of_first, *of_second]} == {b"page"}
    assert site.calls == 1
    for store in stores:
        loop_thread.run(store.aclose())


def test_an_invalidation_by_one_thread_holds_in_all_others_when_it_has_returned(app: WSGIAccelerator) -> None:
    with ThreadPoolExecutor(4) as pool:
        for turn in range(30):
            assert len({reply.body for reply in pool.map(lambda _: ask(app), range(8))}) == 1, turn
            before = ask(app).body
            app.invalidate_tag("x")
            assert before not in {reply.body for reply in pool.map(lambda _: ask(app), range(8))}, turn


def test_a_dead_server_fails_no_request(app: WSGIAccelerator, own: RedisServer) -> None:
    assert ask(app).is_hit
    own.kill()
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: ask(app), range(20)))
    assert {reply.code for reply in replies} == {200}
    assert not any(reply.is_hit for reply in replies)


def test_when_the_server_is_back_threads_look_up_by_themselves_again(
    app: WSGIAccelerator, own: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "BREAK_SECONDS", 0.0)
    own.kill()
    ask(app)
    own.start()
    for _ in range(4):  # one call tries, one stores, one has a connection made
        ask(app)
        wait_for_connections()
    with monkeypatch.context() as patch:
        patch.setattr(LoopThread, "run", None)
        assert ask(app).is_hit
