"""A store that waits for I/O works on one event loop in a thread of its own; the application stays in the server's."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest

from accelerator import SyncStore
from accelerator.stores import LooksUpInThreads, Lookup
from accelerator.stores.loop_thread import LoopThread, loop_thread
from accelerator.stores.sync import BlockingStore
from accelerator.testing import StoreContract, make_request
from accelerator.wsgi import WSGIAccelerator
from tests.scripts import run_script
from tests.wsgi.stores import WaitingStore
from tests.wsgi.support import TEXT, Environ, Site, ask, site_saying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse

    from accelerator import Store
    from accelerator.http.request import Request


class TestBlockingStore(StoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return BlockingStore(WaitingStore())


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    loop = LoopThread()
    yield loop
    loop.stop()


async def current_thread() -> threading.Thread:
    await asyncio.sleep(0)
    return threading.current_thread()


def test_hits_misses_and_invalidations_work() -> None:
    store = WaitingStore()
    site = site_saying(ttl=60, tags="a")
    app = WSGIAccelerator(site, store)
    assert [ask(app).body, ask(app).body] == [b"answer 1", b"answer 1"]
    app.invalidate_tag("a")
    assert ask(app).body == b"answer 2"
    app.invalidate_url("https://example.org/")
    assert ask(app).body == b"answer 3"
    app.clear()
    assert ask(app).body == b"answer 4"
    assert app.store is store


def test_the_store_runs_on_the_loop_and_the_application_in_the_servers_thread() -> None:
    def handle(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        threads.append(threading.current_thread())
        environ["accelerator.cache_for"] = 60
        start_response("200 OK", TEXT)
        return [b"page"]

    threads: list[threading.Thread] = []
    store = WaitingStore()
    app = WSGIAccelerator(Site(handle), store)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: ask(app, f"/{number % 8}"), range(32)))
    ask(app, "/mine")
    assert {thread.name for thread in store.threads} == {"accelerator loop"}
    assert len(store.threads) == 1
    assert threads[-1] is threading.current_thread()


class LookingStore(LooksUpInThreads, WaitingStore):
    """One in which threads look up by themselves what it has been told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: Lookup | None = None

    def lookup_here(self, request: Request) -> Lookup | None:
        return self.told


class Proxy(WaitingStore):
    """One that stands before another store, and passes for it."""

    def __init__(self, behind: LookingStore) -> None:
        super().__init__()
        self.lookup_here = behind.lookup_here

    @property  # type: ignore[misc]  # that is what they do
    def __class__(self) -> type:
        return LookingStore


def test_a_thread_looks_up_by_itself_where_the_store_lets_it() -> None:
    store = LookingStore()
    app = WSGIAccelerator(site_saying(ttl=60), store)
    ask(app)
    assert {thread.name for thread in store.threads} == {"accelerator loop"}
    store.threads.clear()
    store.told = asyncio.run(store.memory.lookup(make_request("https://example.org/")))
    assert store.told.entry is not None
    assert ask(app).is_hit
    assert store.threads == set()
    store.told = None
    assert ask(app).is_hit, "the loop is asked where the thread finds out nothing"
    assert store.threads


def test_a_proxy_of_such_a_store_is_asked_itself() -> None:
    """It may have a lookup of its own."""
    behind = LookingStore()
    app = WSGIAccelerator(site_saying(ttl=60), Proxy(behind))
    ask(app)
    behind.told = Lookup(None, 0, False, None)
    assert ask(app).is_hit


def test_a_store_that_fails_costs_hits_and_no_request(caplog: pytest.LogCaptureFixture) -> None:
    store = WaitingStore()
    app = WSGIAccelerator(site_saying(ttl=60), store)
    ask(app)
    store.error = OSError("the network is down")
    assert [ask(app).body, ask(app).body] == [b"answer 2", b"answer 3"]
    assert caplog.text.count("the network is down") == 1
    store.error = None
    assert ask(app).body == b"answer 1"


def test_an_invalidation_that_is_not_done_raises() -> None:
    store = WaitingStore()
    app = WSGIAccelerator(site_saying(), store)
    store.error = OSError("the network is down")
    calls: list[Callable[[], None]] = [
        partial(app.invalidate_tag, "a"),
        partial(app.invalidate_url, "http://a/"),
        app.clear,
    ]
    for invalidate in calls:
        with pytest.raises(OSError, match="the network is down"):
            invalidate()


def test_sync_store_uses_the_same_loop_where_there_is_none() -> None:
    store = WaitingStore()
    SyncStore(store).invalidate_tag("a")
    SyncStore(store).invalidate_url("https://example.org/")
    assert {thread.name for thread in store.threads} == {"accelerator loop"}


def test_sync_store_uses_the_loop_whose_pool_a_thread_belongs_to() -> None:
    async def main() -> None:
        await anyio.to_thread.run_sync(SyncStore(store).invalidate_tag, "a")

    store = WaitingStore()
    anyio.run(main)
    assert store.threads == {threading.current_thread()}


def test_sync_store_refuses_to_block_a_loop() -> None:
    async def main() -> None:
        SyncStore(WaitingStore()).clear()

    with pytest.raises(RuntimeError, match="await the store's method"):
        anyio.run(main)


def test_a_store_that_waits_though_it_says_that_it_does_not_is_found_out() -> None:
    store = WaitingStore()
    store.suspends = False
    for call in (WSGIAccelerator(site_saying(), store).clear, SyncStore(store).clear):
        with pytest.raises(RuntimeError, match="suspends = False waited"):
            call()


# --- the loop's thread ------------------------------------------------------------------------------------------------


def test_it_starts_with_the_first_call_and_serves_all_threads(loop: LoopThread) -> None:
    assert loop._thread is None
    with ThreadPoolExecutor(8) as pool:
        threads = set(pool.map(lambda _: loop.run(current_thread()), range(32)))
    assert threads == {loop._thread}


def test_what_raises_there_raises_here(loop: LoopThread) -> None:
    async def fail() -> None:
        raise ArithmeticError("there")

    with pytest.raises(ArithmeticError, match="there"):
        loop.run(fail())


def test_its_own_thread_does_not_wait_for_itself(loop: LoopThread) -> None:
    async def call() -> None:
        loop.run(current_thread())

    with pytest.raises(RuntimeError, match="await instead"):
        loop.run(call())


def test_a_call_that_is_interrupted_goes_on_there(loop: LoopThread) -> None:
    """An invalidation runs to its end, whoever stops waiting for it."""

    async def work() -> None:
        may_end.wait(30)
        done.set()

    may_end, done = threading.Event(), threading.Event()
    caller = threading.Thread(target=loop.run, args=(work(),), daemon=True)
    caller.start()
    may_end.set()
    assert done.wait(30)
    caller.join()


def test_stopping_cancels_what_runs_and_ends_the_thread(loop: LoopThread) -> None:
    async def begin() -> asyncio.Task[bool]:
        return asyncio.create_task(asyncio.Event().wait())

    task = loop.run(begin())
    thread = loop._thread
    assert thread is not None
    loop.stop()
    assert (task.cancelled(), thread.is_alive()) == (True, False)


def test_it_can_be_stopped_before_it_started_and_started_after_it_stopped(loop: LoopThread) -> None:
    loop.stop()
    first = loop.run(current_thread())
    loop.stop()
    loop.stop()
    assert loop.run(current_thread()) is not first


@pytest.mark.parametrize("uses_it_before", [False, True], ids=["idle before the fork", "at work before the fork"])
def test_after_a_fork_each_process_has_its_own(uses_it_before: bool) -> None:
    script = f"""
import asyncio, os
from tests.wsgi.stores import WaitingStore
from tests.wsgi.support import ask, site_saying
from accelerator.wsgi import WSGIAccelerator

app = WSGIAccelerator(site_saying(ttl=60, tags="a"), WaitingStore())
if {uses_it_before}:
    ask(app)
child = os.fork()
assert ask(app, "/x").body == ask(app, "/x").body
app.invalidate_tag("a")
assert not ask(app, "/x").is_hit
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    assert run_script(script) == ""


def test_the_process_ends_cleanly_with_work_under_way() -> None:
    script = """
import asyncio
from accelerator.stores.loop_thread import loop_thread

async def begin():
    global task
    task = asyncio.create_task(work())

async def work():
    try:
        await asyncio.Event().wait()
    finally:
        print("cleaned up", flush=True)

loop_thread.run(begin())
"""
    assert run_script(script) == "cleaned up\n"


def test_there_is_one_for_the_process() -> None:
    assert loop_thread.run(current_thread()) is loop_thread.run(current_thread())
