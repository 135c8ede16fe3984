"""Under WSGI a hit from Redis stays in the server's thread; what is more than a lookup goes to the one event loop."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import RedisStore, WSGIAccelerator
from accelerator.stores.loop_thread import LoopThread, loop_thread
from accelerator.stores.redis import blocking
from accelerator.stores.redis import server as redis_server
from tests.stores.redis.test_blocking import wait_for_connections
from tests.wsgi.support import ask, site_saying

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator.demo.redis_server import RedisServer
    from tests.stores.redis.support import StartServer


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
    return app


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


def test_a_miss_looks_up_once_and_crosses_only_to_store(app: WSGIAccelerator, own: RedisServer) -> None:
    """What the thread has found, and the mark that came with it, is what the fill goes by."""
    ask(app, "/warm")
    with own.client() as admin:
        admin.config_resetstat()
        assert ask(app, "/new").body == b"answer 3"
        assert commands(admin) == {"mget": 1, "evalsha": 1}
    assert ask(app, "/new").is_hit


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
