"""SyncStore: the invalidations of a store as plain calls, from wherever they come."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
import sniffio

from accelerator import MemoryStore, SyncStore
from accelerator.testing import make_entry, make_request
from tests.stores.test_contract import FarStore
from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from accelerator import Store

CALLS: dict[str, Callable[[SyncStore], None]] = {
    "a tag": lambda store: store.invalidate_tag("x"),
    "several tags": lambda store: store.invalidate_tag(["a", "x"], "b"),
    "a URL": lambda store: store.invalidate_url("https://example.org/"),
    "everything": lambda store: store.clear(),
}
SOFT_CALLS: dict[str, Callable[[SyncStore], None]] = {
    "a tag": lambda store: store.invalidate_tag("x", soft=True),
    "a URL": lambda store: store.invalidate_url("https://example.org/", soft=True),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


class NotedFarStore(FarStore):
    """A store that suspends, and notes on which loops it ran."""

    def __init__(self) -> None:
        super().__init__()
        self.ran_on: list[tuple[str, threading.Thread]] = []

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        await super().invalidate(tags, soft=soft)
        self.ran_on.append((sniffio.current_async_library(), threading.current_thread()))


def filled(memory: MemoryStore) -> MemoryStore:
    assert drive(memory.commit(make_entry(make_request(), drive(memory.lookup(make_request())).mark, ["x"])))
    return memory


def state(memory: MemoryStore) -> str:
    found = drive(memory.lookup(make_request()))
    return "missing" if found.entry is None else "stale" if found.invalidated else "fresh"


def run_in_a_thread(work: Callable[[], None]) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again in the test
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


@every_call
def test_with_no_loop_at_all(call: Callable[[SyncStore], None]) -> None:
    near, far = filled(MemoryStore()), NotedFarStore()
    filled(far.memory)
    call(SyncStore(near))
    call(SyncStore(far))
    assert (state(near), state(far.memory)) == ("missing", "missing")


@pytest.mark.parametrize("call", SOFT_CALLS.values(), ids=SOFT_CALLS)
def test_softly(call: Callable[[SyncStore], None]) -> None:
    near, far = filled(MemoryStore()), NotedFarStore()
    filled(far.memory)
    call(SyncStore(near))
    call(SyncStore(far))
    assert (state(near), state(far.memory)) == ("stale", "stale")


@every_call
def test_from_a_thread_of_ones_own(call: Callable[[SyncStore], None]) -> None:
    near, far = filled(MemoryStore()), NotedFarStore()
    filled(far.memory)
    run_in_a_thread(lambda: call(SyncStore(near)))
    run_in_a_thread(lambda: call(SyncStore(far)))
    assert (state(near), state(far.memory)) == ("missing", "missing")


@every_call
@pytest.mark.anyio
async def test_from_a_worker_thread_it_runs_on_the_loop(call: Callable[[SyncStore], None], anyio_backend: str) -> None:
    near, far = filled(MemoryStore()), NotedFarStore()
    filled(far.memory)
    await anyio.to_thread.run_sync(call, SyncStore(near))
    await anyio.to_thread.run_sync(call, SyncStore(far))
    assert (state(near), state(far.memory)) == ("missing", "missing")
    assert far.ran_on == [(anyio_backend, threading.current_thread())]


def test_from_a_thread_of_asyncio_that_knows_no_loop() -> None:
    far = NotedFarStore()
    filled(far.memory)

    async def main() -> None:
        await asyncio.to_thread(SyncStore(far).invalidate_tag, "x")

    asyncio.run(main())
    assert state(far.memory) == "missing"


@every_call
@pytest.mark.anyio
async def test_on_the_loops_own_thread_a_store_that_never_waits_works(call: Callable[[SyncStore], None]) -> None:
    near = filled(MemoryStore())
    call(SyncStore(near))
    assert state(near) == "missing"


@every_call
@pytest.mark.anyio
async def test_on_the_loops_own_thread_a_store_that_waits_says_what_to_do(call: Callable[[SyncStore], None]) -> None:
    far = NotedFarStore()
    filled(far.memory)
    with pytest.raises(RuntimeError, match="await the store's method"):
        call(SyncStore(far))
    assert (state(far.memory), far.ran_on) == ("fresh", [])


def test_in_a_callback_of_the_loop_a_store_that_waits_says_what_to_do() -> None:
    """No task runs there, but the thread is the loop's all the same."""
    far = NotedFarStore()
    filled(far.memory)

    async def main() -> None:
        done = asyncio.get_running_loop().create_future()

        def callback() -> None:
            try:
                SyncStore(far).invalidate_tag("x")
                done.set_result(None)
            except RuntimeError as error:
                done.set_exception(error)

        asyncio.get_running_loop().call_soon(callback)
        await done

    with pytest.raises(RuntimeError, match="await the store's method"):
        asyncio.run(main())
    assert (state(far.memory), far.ran_on) == ("fresh", [])


@pytest.mark.parametrize("store", [MemoryStore, FarStore])
def test_a_wrong_name_raises_and_takes_nothing_back(store: Callable[[], Store]) -> None:
    sync = SyncStore(store())
    for name, error in (("", ValueError), ("@all", ValueError), (42, TypeError)):
        with pytest.raises(error, match=r"tag|names"):
            sync.invalidate_tag("x", name)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ValueError, match="absolute"):
        sync.invalidate_url("/")


class Liar(MemoryStore):
    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        await asyncio.sleep(0)


def test_a_store_that_says_it_never_waits_and_does_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"suspends = False"):
        SyncStore(Liar()).invalidate_tag("x")


def test_from_many_threads_at_once() -> None:
    far = NotedFarStore()
    sync = SyncStore(far)
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        barrier.wait()
        sync.invalidate_tag(f"tag:{number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(far.memory._log) == {hash(f"tag:{number}") for number in range(8)}
