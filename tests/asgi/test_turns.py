"""Processes that share a store which grants leases make a page once. Here each accelerator stands for a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from trio.testing import MockClock

from accelerator import ASGIAccelerator, LMDBStore, tag
from accelerator.engine import flight
from accelerator.engine.guard import LeaseGuard
from accelerator.stores import GrantsLeases, Lease, TakenLease
from accelerator.testing import ManualClock
from tests.asgi.test_collapsing import COOKIE, PRIVATE, SHARED, Gated, crowd
from tests.stores.leasing import LeasingStore, MemoryLease
from tests.support import Answer, Receive, Scope, Send, ask, drive

if TYPE_CHECKING:
    from pathlib import Path

    from accelerator.http.request import Request
    from accelerator.stores import Lookup

pytestmark = pytest.mark.anyio

WHILE = ("cache-control", "s-maxage=60, stale-while-revalidate=600")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """On trio the clock jumps over all waiting, so that nothing here takes the time it speaks of."""
    return ("trio", {"clock": MockClock(autojump_threshold=0)}) if request.param == "trio" else request.param


@pytest.fixture(autouse=True)
def _patience(anyio_backend: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """On asyncio nobody loses patience, however slow the machine is: time is the subject of tests on trio."""
    if anyio_backend == "asyncio":
        monkeypatch.setattr(flight, "PATIENCE", 1000.0)


on_trios_clock = pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)


def processes(app: Any, store: LeasingStore | LMDBStore, count: int = 2, **options: Any) -> list[ASGIAccelerator]:
    return [ASGIAccelerator(app, store=store, **options) for _ in range(count)]


async def settled() -> None:
    """Let all go on as far as they can."""
    await anyio.wait_all_tasks_blocked()


# --- one call ---------------------------------------------------------------------------------------------------------


async def test_all_processes_make_one_call_and_only_their_leaders_ask_for_the_lease() -> None:
    app, store = Gated(SHARED), LeasingStore()
    first, second, third = processes(app, store, 3)
    async with crowd(first, 100) as one, crowd(second, 100) as two, crowd(third, 100) as three:
        assert (app.calls, len(store.asked)) == (1, 3)
        app.gate.set()
    assert {answer.body for answer in [*one, *two, *three]} == {b"answer 1"}
    assert (len([*one, *two, *three]), app.calls, len(set(store.asked)), store.leases) == (300, 1, 1, {})
    assert all("; collapsed" in str(answer.get("cache-status")) for answer in [*two, *three])


async def test_who_waits_on_a_file_looks_at_it_from_time_to_time(tmp_path: Path) -> None:
    """A file wakes nobody: there is a pause between two looks, in which the loop goes on."""
    app, store = Gated(SHARED), LMDBStore(tmp_path / "store")
    first, second = processes(app, store)
    async with crowd(first, 2) as one, crowd(second, 2) as two:
        app.gate.set()
    store.close()
    assert {answer.body for answer in [*one, *two]} == {b"answer 1"}
    assert (len([*one, *two]), app.calls) == (4, 1)


async def test_a_fill_that_ends_just_before_the_lease_is_gained_is_found() -> None:
    class Slow(LeasingStore):
        """A store whose first lease is granted when another process has made the page."""

        is_first = True

        async def lease(self, name: bytes) -> Lease | TakenLease | None:
            is_first, self.is_first = self.is_first, False
            if is_first:
                await ask(first)
            return await super().lease(name)

    app, store = Gated(SHARED), Slow()
    app.gate.set()
    first, second = processes(app, store, clock=ManualClock())
    answer = await ask(second)
    assert (app.calls, answer.get("cache-status")) == (1, "accelerator; hit; ttl=60")
    assert store.leases == {}


async def test_the_mark_of_a_fill_is_not_earlier_than_its_lease() -> None:
    class Slow(LeasingStore):
        """A store in which tags are invalidated before a lease is granted, and after."""

        async def lease(self, name: bytes) -> Lease | TakenLease | None:
            await self.invalidate_tag("news")
            return await super().lease(name)

    class Tagged(Gated):
        async def conclude(self, send: Send, body: bytes) -> None:
            tag("news")
            await super().conclude(send, body)

    app, store = Tagged(SHARED), Slow()
    app.gate.set()
    cached = ASGIAccelerator(app, store=store)
    assert ((await ask(cached)).get("cache-status") or "").endswith("; stored")
    app.gate = anyio.Event()
    async with crowd(cached, 1, url="/2") as answers:
        await store.invalidate_tag("news")
        app.gate.set()
    assert "stored" not in str(answers[0].get("cache-status"))
    assert store.leases == {}


async def test_who_waited_looks_up_again_and_gets_nothing_that_was_taken_back_meanwhile() -> None:
    class Tagged(Gated):
        async def conclude(self, send: Send, body: bytes) -> None:
            tag("news")
            await super().conclude(send, body)

    app, store = Tagged(SHARED), LeasingStore()
    first, second = processes(app, store)
    async with crowd(first, 1) as before, crowd(second, 10) as after:
        await first.invalidate_tag("news")
        app.gate.set()
    assert app.calls == 2
    assert ([answer.body for answer in before], {answer.body for answer in after}) == ([b"answer 1"], {b"answer 2"})


# --- who asks for a lease ---------------------------------------------------------------------------------------------


async def test_without_coalesce_nobody_asks_for_a_lease() -> None:
    app, store = Gated(SHARED), LeasingStore()
    first, second = processes(app, store, coalesce=False)
    async with crowd(first, 2), crowd(second, 2):
        assert (app.calls, store.asked) == (4, [])
        app.gate.set()


async def test_who_says_who_asks_takes_turns_only_for_what_is_known_to_be_storable() -> None:
    app, store = Gated(SHARED), LeasingStore()
    first, second = processes(app, store)
    async with crowd(first, 1, headers=[COOKIE]), crowd(second, 1, headers=[COOKIE]):
        assert (app.calls, store.asked) == (2, [])
        app.gate.set()
    await store.clear()
    app.gate = anyio.Event()
    async with crowd(first, 1, headers=[COOKIE]), crowd(second, 1, headers=[COOKIE]):
        assert app.calls == 3
        app.gate.set()


async def test_places_have_names_of_their_own() -> None:
    app, store = Gated(SHARED, ("vary", "accept-language")), LeasingStore()
    app.gate.set()
    cached = ASGIAccelerator(app, store=store)
    for url in ("/1", "/2"):
        for language in ("en", "fr"):
            await ask(cached, url, headers=[("accept-language", language)])
    assert len({*store.asked}) == len(store.asked) == 4
    assert {len(name) for name in store.asked} == {16}


# --- what cannot be stored --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [PRIVATE, ("content-type", "text/event-stream")], ids=["private", "event stream"])
async def test_what_turns_out_not_to_be_storable_is_told_to_all_processes_at_once(line: tuple[str, str]) -> None:
    app, store = Gated(line, starts_first=True), LeasingStore()
    first, second, third = processes(app, store, 3)
    async with crowd(first, 10), crowd(second, 10):
        assert app.calls == 20
        async with crowd(third, 10):
            assert app.calls == 30
            asked = len(store.asked)
            async with crowd(third, 10):
                assert (app.calls, len(store.asked)) == (40, asked)
                app.gate.set()


async def test_who_is_told_that_such_responses_are_not_storable_asks_no_more_and_nobody_waits() -> None:
    app, store = Gated(PRIVATE), LeasingStore()
    first, second = processes(app, store)
    app.gate.set()
    await ask(first)
    app.gate = anyio.Event()
    async with crowd(second, 10):
        assert (app.calls, len(store.asked)) == (1 + 10, 2)
        app.gate.set()


async def test_what_is_stored_but_stale_at_once_is_not_worth_waiting_for() -> None:
    app, store = Gated(("cache-control", "s-maxage=0"), ("etag", '"a"')), LeasingStore()
    app.gate.set()
    answer = await ask(ASGIAccelerator(app, store=store))
    assert "; stored" in str(answer.get("cache-status"))
    [name] = store.asked
    assert await store.lease(name) is None


# --- an owner that is lost, or late -----------------------------------------------------------------------------------


async def test_if_the_leader_is_cancelled_another_process_leads() -> None:
    app, store, leading = Gated(SHARED), LeasingStore(), anyio.CancelScope()
    first, second = processes(app, store)

    async def lead() -> None:
        with leading:
            await ask(first)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lead)
        await settled()
        async with crowd(second, 10) as answers:
            leading.cancel()
            await settled()
            assert app.calls == 2
            app.gate.set()
    assert (app.calls, {answer.body for answer in answers}, store.leases) == (2, {b"answer 2"}, {})


async def test_if_who_waits_for_another_process_is_cancelled_the_next_one_waits() -> None:
    app, store, waiting = Gated(SHARED), LeasingStore(), anyio.CancelScope()
    first, second = processes(app, store)

    async def wait() -> None:
        with waiting:
            await ask(second)

    async with anyio.create_task_group() as tasks, crowd(first, 1):
        tasks.start_soon(wait)
        await settled()
        async with crowd(second, 10) as answers:
            waiting.cancel()
            await settled()
            assert (app.calls, len(store.asked)) == (1, 3)
            app.gate.set()
    assert (app.calls, len(answers)) == (1, 10)


async def test_if_the_application_fails_another_process_calls_it() -> None:
    class FailingFirst(Gated):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if not self.calls:
                self.reached.append(anyio.current_time())
                await self.gate.wait()
                raise RuntimeError("broken")
            await super().__call__(scope, receive, send)

    app, store = FailingFirst(SHARED), LeasingStore()
    first, second = processes(app, store)

    async def fail() -> None:
        with pytest.raises(RuntimeError, match="broken"):
            await ask(first)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fail)
        await settled()
        async with crowd(second, 10) as answers:
            app.gate.set()
    assert (app.calls, {answer.body for answer in answers}) == (2, {b"answer 2"})


@on_trios_clock
async def test_another_process_is_waited_for_no_longer_than_one_waits_within_a_process() -> None:
    app, store = Gated(SHARED), LeasingStore()
    first, second = processes(app, store)
    began = anyio.current_time()
    async with crowd(first, 1), crowd(second, 10):
        assert app.calls == 1
        await anyio.sleep(flight.PATIENCE + 1)
        assert app.reached[1:] == [began + flight.PATIENCE] * 10
        async with crowd(second, 1):
            assert app.calls == 12
            app.gate.set()


@on_trios_clock
async def test_nobody_of_a_process_waits_again_for_another_one_that_was_waited_for_in_vain() -> None:
    app, store = Gated(SHARED), LeasingStore()
    first, second = processes(app, store)
    async with crowd(first, 1), crowd(second, 1):
        await anyio.sleep(flight.PATIENCE + 1)
        assert app.calls == 2
        async with crowd(second, 3):
            assert app.calls == 5
            app.gate.set()


@on_trios_clock
async def test_a_request_waits_for_at_most_three_fills_of_other_processes() -> None:
    class Failing(Gated):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            self.reached.append(anyio.current_time())
            await anyio.sleep(1)
            raise RuntimeError("broken")

    app, store = Failing(), LeasingStore()
    began = anyio.current_time()

    async def fail(cached: ASGIAccelerator) -> None:
        with pytest.raises(RuntimeError, match="broken"):
            await ask(cached)

    async with anyio.create_task_group() as tasks:
        for cached in processes(app, store, 6):
            tasks.start_soon(fail, cached)
    assert [when - began for when in app.reached] == [0, 1, 2, 3, 3, 3]


async def test_a_request_looks_up_again_no_more_than_three_times_though_something_changes_each_time() -> None:
    class Restless(LeasingStore):
        """A store in which each lookup finds another entry."""

        lookups = 0

        async def lookup(self, request: Request) -> Lookup:
            self.lookups += 1
            return (await super().lookup(request))._replace(vary=(b"%d" % self.lookups,))

    app, store = Gated(SHARED), Restless()
    app.gate.set()
    assert (await ask(ASGIAccelerator(app, store=store))).body == b"answer 1"
    assert (app.calls, len(store.asked), store.leases) == (1, 3, {})


# --- a store that fails -----------------------------------------------------------------------------------------------


class Unlucky(LeasingStore):
    """A store of which some methods fail."""

    def __init__(self, *failing: str) -> None:
        super().__init__()
        self.failing = {*failing}

    def fail(self, what: str) -> None:
        if what in self.failing:
            raise OSError(f"no {what}")

    async def lookup(self, request: Request) -> Lookup:
        if self.asked:
            self.fail("second lookup")
        return await super().lookup(request)

    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        self.fail("lease")
        turn = await super().lease(name)
        method = "wait" if isinstance(turn, MemoryLease) else "end"
        if method in self.failing:
            setattr(turn, method, lambda *_: self.fail(method))
        return turn


@pytest.mark.parametrize("failing", ["lease", "end", "wait", "second lookup"])
async def test_a_store_that_fails_costs_no_request(failing: str, caplog: pytest.LogCaptureFixture) -> None:
    app, store = Gated(SHARED), Unlucky(failing)
    first, second = processes(app, store)
    async with crowd(first, 3) as one, crowd(second, 3) as two:
        await settled()
        app.gate.set()
        if failing == "end":
            await settled()
            [lease] = store.leases.values()
            lease.end(0.0)  # it runs out
    assert {answer.status for answer in [*one, *two]} == {200}
    assert len([*one, *two]) == 6
    assert caplog.text.count(f"no {failing}") <= 2
    assert f"no {failing}" in caplog.text


async def test_once_the_store_grants_leases_again_they_are_taken(caplog: pytest.LogCaptureFixture) -> None:
    app, store = Gated(SHARED), Unlucky("lease")
    app.gate.set()
    cached = ASGIAccelerator(app, store=store)
    for url in ("/1", "/2"):
        await ask(cached, url)
    store.failing.clear()
    await ask(cached, "/3")
    assert (caplog.text.count("no lease"), len(store.asked)) == (1, 1)


# --- refreshes --------------------------------------------------------------------------------------------------------


async def stale(app: Gated, store: LeasingStore, count: int = 2) -> tuple[list[ASGIAccelerator], ManualClock]:
    """Return processes that share a page which is stale by now, and may be served while it is made anew."""
    clock = ManualClock()
    cached = processes(app, store, count, clock=clock)
    app.gate.set()
    await ask(cached[0])
    app.gate = anyio.Event()
    clock.advance(61)
    return cached, clock


async def test_one_process_at_a_time_refreshes_in_the_background_and_all_are_served_at_once() -> None:
    app, store = Gated(WHILE), LeasingStore()
    cached, _ = await stale(app, store, 3)
    answers: list[Answer] = []
    for one in cached:
        answers += [await ask(one) for _ in range(3)]
        await settled()
    assert ({answer.body for answer in answers}, app.calls) == ({b"answer 1"}, 2)
    assert len(store.asked) == 1 + 3
    app.gate.set()
    await settled()
    assert [(await ask(one)).body for one in cached] == [b"answer 2"] * 3
    assert (app.calls, store.leases) == (2, {})


async def test_what_another_process_has_just_refreshed_is_not_refreshed_again() -> None:
    app, store = Gated(WHILE), LeasingStore()
    (first, second), _ = await stale(app, store)
    app.gate.set()
    await ask(second)  # its refresh waits for its turn of the loop, as does that of the other
    await ask(first)
    await settled()
    assert (app.calls, len(store.asked), store.leases) == (2, 3, {})


@on_trios_clock
async def test_a_process_leaves_a_slow_refresh_of_another_one_alone_for_a_while() -> None:
    app, store = Gated(WHILE), LeasingStore()
    (first, second), _ = await stale(app, store)
    await ask(first)
    await settled()
    for _ in range(3):
        await ask(second)
        await settled()
    assert (app.calls, len(store.asked)) == (2, 3)
    await anyio.sleep(1.5)
    await ask(second)
    await settled()
    assert (app.calls, len(store.asked)) == (2, 4)
    app.gate.set()
    await settled()
    assert (await ask(second)).body == b"answer 2"


async def test_a_request_that_is_to_fill_after_a_failed_refresh_is_served_stale_while_another_process_fills() -> None:
    class FailingBehind(Gated):
        """An application that cannot answer in the background."""

        fails = False

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if self.fails:
                raise RuntimeError("broken")
            await super().__call__(scope, receive, send)

    app, store = FailingBehind(WHILE), LeasingStore()
    (first, second), _ = await stale(app, store)
    app.fails = True
    for one in (first, second):
        await ask(one)
        await settled()
    app.fails = False
    async with crowd(first, 1) as filling:
        assert (await ask(second)).body == b"answer 1"
        assert (app.calls, filling) == (2, [])
        app.gate.set()
    assert (filling[0].body, (await ask(second)).body, app.calls) == (b"answer 2", b"answer 2", 2)


async def test_a_refresh_goes_on_though_such_responses_were_not_storable() -> None:
    app, store = Gated(WHILE), LeasingStore()
    (first, second), _ = await stale(app, store)
    app.lines = (PRIVATE,)
    app.gate.set()
    await ask(first)
    await settled()
    app.lines = (WHILE,)
    await ask(second)
    await settled()
    assert (app.calls, (await ask(first)).body) == (3, b"answer 3")


class Faltering(Lease, TakenLease, GrantsLeases):
    """Leases that fail for as long as they are told to."""

    def __init__(self) -> None:
        self.is_failing = False

    def _work(self) -> None:
        if self.is_failing:
            raise OSError("away")

    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        self._work()
        return None

    async def wait(self, seconds: float, sleep: Any) -> float:
        self._work()
        return 0.0

    def end(self, unstorable_seconds: float = 0.0) -> None:
        self._work()


def test_each_call_of_leases_that_works_again_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    leases = Faltering()
    guard = LeaseGuard(leases)
    for leases.is_failing in (False, True, True, False, False):
        drive(guard.lease(b"name"))
        drive(guard.wait(leases, 5.0, None))  # type: ignore[arg-type]  # nobody sleeps
        guard.end(leases, 0.0)
    calls = ("lease", "wait for a lease", "end of a lease")
    said = [(record.levelname, record.getMessage().partition(", ")[0]) for record in caplog.records]
    assert said == [
        *[("ERROR", f"the store's {call} fails") for call in calls],
        *[("WARNING", f"the store's {call} works again") for call in calls],
    ]
    assert dict(guard.errors) == dict.fromkeys(calls, 2)
