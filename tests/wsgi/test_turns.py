"""Under WSGI, too, processes that share a store make a page once: who waits for another process blocks its thread."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import LMDBStore, WSGIAccelerator
from accelerator.stores import GrantsLeases
from accelerator.stores.sync import blocking
from accelerator.wsgi.threads import ThreadRuntime
from tests.stores.leasing import LeasingStore, MemoryLease
from tests.support import drive
from tests.wsgi.stores import WaitingStore
from tests.wsgi.support import PATIENCE, TEXT, Environ, Site, ask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from wsgiref.types import StartResponse

    from accelerator import Store
    from accelerator.stores import Lease, TakenLease

NAME = b"the name of one."


class GatedSite(Site):
    """A site whose page is made once its gate opens."""

    def __init__(self, cache_control: str) -> None:
        super().__init__(self.page)
        self.cache_control = cache_control
        self.reached, self.gate = threading.Event(), threading.Event()

    def page(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        self.reached.set()
        assert self.gate.wait(PATIENCE)
        start_response("200 OK", [*TEXT, ("Cache-Control", self.cache_control)])
        return [b"page"]


class FarLeases(LeasingStore):
    """A store with leases that waits for I/O, as one on the network does."""

    suspends = True

    def __init__(self, waited: threading.Event) -> None:
        super().__init__()
        self.waited = waited

    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        turn = await super().lease(name)
        if isinstance(turn, MemoryLease):
            self.waited.set()
        return turn


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once a thread waits."""
    waited, sleep = threading.Event(), ThreadRuntime.sleep

    def sleep_and_tell(self: ThreadRuntime, seconds: float) -> Any:
        waited.set()
        return sleep(self, seconds)

    monkeypatch.setattr(ThreadRuntime, "sleep", sleep_and_tell)
    return waited


@pytest.fixture(params=["in a file", "far"])
def store(request: pytest.FixtureRequest, waited: threading.Event, tmp_path: Path) -> Iterator[Store]:
    if request.param == "far":
        yield FarLeases(waited)
    else:
        store = LMDBStore(tmp_path / "store")
        yield store
        store.close()


@pytest.mark.parametrize(("cache_control", "calls"), [("s-maxage=60", 1), ("private", 2)])
def test_another_process_is_waited_for(cache_control: str, calls: int, store: Store, waited: threading.Event) -> None:
    site = GatedSite(cache_control)
    first, second = (WSGIAccelerator(site, store) for _ in range(2))
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(ask, first)
        assert site.reached.wait(PATIENCE)
        follower = pool.submit(ask, second)
        assert waited.wait(PATIENCE)
        assert site.calls == 1
        site.gate.set()
        assert [leader.result(PATIENCE).body, follower.result(PATIENCE).body] == [b"page", b"page"]
    assert site.calls == calls
    assert ("; collapsed" in str(follower.result().get("cache-status"))) is (calls == 1)
    waited.clear()
    assert ask(second).is_hit is (calls == 1)
    assert not waited.is_set()


def test_what_is_told_to_all_processes_not_to_be_storable_is_not_waited_for(store: Store) -> None:
    site = GatedSite("private")
    site.gate.set()
    ask(WSGIAccelerator(site, store))
    third = WSGIAccelerator(site, store)
    site.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(ask, third) for _ in range(2)]
        while site.calls < 3:
            assert not any(answer.done() for answer in answers)
        site.gate.set()
        assert [answer.result(PATIENCE).body for answer in answers] == [b"page", b"page"]


def test_only_a_store_that_waits_is_wrapped_and_keeps_what_it_can(tmp_path: Path) -> None:
    near = LMDBStore(tmp_path / "store")
    assert blocking(near) is near
    near.close()
    assert isinstance(blocking(FarLeases(threading.Event())), GrantsLeases)
    assert not isinstance(blocking(WaitingStore()), GrantsLeases)


def test_a_wrapped_store_waits_in_its_own_loop() -> None:
    async def sleep(seconds: float) -> None:
        raise AssertionError(seconds)

    far = FarLeases(threading.Event())
    leases = blocking(far)
    assert isinstance(leases, GrantsLeases)
    lease: Any = drive(leases.lease(NAME))
    taken: Any = drive(leases.lease(NAME))
    assert drive(taken.wait(0.01, sleep)) == 0
    lease.end(3600)
    assert 0 < drive(taken.wait(PATIENCE, sleep)) <= PATIENCE
    assert drive(leases.lease(NAME)) is None
