"""Requests for the same thing wait for one fill, where that can be of use to them, and never for long."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from trio.testing import MockClock

from accelerator import ASGIAccelerator, MemoryStore, no_store, tag
from accelerator.engine import flight
from accelerator.testing import ManualClock
from tests.support import Answer, Client, Receive, Scope, Send, ask, chunk, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from accelerator.http.request import Request as CacheRequest
    from accelerator.rules.entry import Entry
    from accelerator.stores.protocol import Lookup

pytestmark = pytest.mark.anyio

SHARED = ("cache-control", "s-maxage=60")
PRIVATE = ("cache-control", "private")
COOKIE = ("cookie", "session=1")
LOGIN = ("authorization", "Basic x")


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


class Gated:
    """An application that answers once its gate opens. `reached` is when each call came, by the loop's clock."""

    def __init__(self, *lines: tuple[str, str], starts_first: bool = False) -> None:
        self.lines = lines
        self.starts_first = starts_first
        self.gate = anyio.Event()
        self.reached: list[float] = []

    @property
    def calls(self) -> int:
        return len(self.reached)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached.append(anyio.current_time())
        body = b"answer %d" % self.calls
        if not self.starts_first:
            await self.gate.wait()
        await send(start(*self.lines))
        if self.starts_first:
            await self.gate.wait()
        await self.conclude(send, body)

    async def conclude(self, send: Send, body: bytes) -> None:
        await send(chunk(body))


@asynccontextmanager
async def crowd(app: Any, count: int, **request: Any) -> AsyncIterator[list[Answer]]:
    """Requests at the same moment: under way inside, as far as they get, and all answered at the end."""
    answers: list[Answer] = []

    async def one() -> None:
        answers.append(await ask(app, **request))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(one)
            await anyio.wait_all_tasks_blocked()
            yield answers


class Suspending(MemoryStore):
    """A memory store that is as far away as one on the network."""

    suspends = True

    async def lookup(self, request: CacheRequest) -> Lookup:
        await checkpoint()
        found = await super().lookup(request)
        await checkpoint()
        return found

    async def commit(self, entry: Entry) -> bool:
        await checkpoint()
        stored = await super().commit(entry)
        await checkpoint()
        return stored


# --- one call ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", [MemoryStore, Suspending])
@pytest.mark.parametrize("starts_first", [True, False], ids=["after the start", "before the start"])
async def test_a_thousand_requests_for_a_cold_key_make_one_call(store: type[MemoryStore], starts_first: bool) -> None:
    app = Gated(SHARED, starts_first=starts_first)
    async with crowd(ASGIAccelerator(app, store=store()), 1000) as answers:
        assert (app.calls, answers) == (1, [])
        app.gate.set()
    assert (app.calls, {answer.body for answer in answers}, len(answers)) == (1, {b"answer 1"}, 1000)
    collapsed = [answer for answer in answers if "; collapsed" in str(answer.get("cache-status"))]
    assert len(collapsed) == 999


async def test_a_thousand_requests_for_two_variants_of_a_cold_key_make_two_calls() -> None:
    app = Gated(SHARED, ("vary", "accept-language"))
    cached = ASGIAccelerator(app)
    async with (
        crowd(cached, 500, headers=[("accept-language", "en")]) as english,
        crowd(cached, 500, headers=[("accept-language", "fr")]) as french,
    ):
        assert app.calls == 1
        app.gate.set()
    assert ({answer.body for answer in english}, {answer.body for answer in french}) == ({b"answer 1"}, {b"answer 2"})
    assert app.calls == 2


async def test_a_fill_that_ends_while_others_look_up_is_found_by_all() -> None:
    """A lookup that misses just before the entry is stored returns when there is nothing to wait for any more."""
    app = Gated(SHARED)
    app.gate.set()
    cached = ASGIAccelerator(app, store=Suspending())
    answers: list[Answer] = []

    async def ask_later(steps: int) -> None:
        for _ in range(steps):
            await checkpoint()
        answers.append(await ask(cached))

    async with anyio.create_task_group() as tasks:
        for steps in range(20):
            tasks.start_soon(ask_later, steps)
    assert (app.calls, {answer.body for answer in answers}) == (1, {b"answer 1"})


async def test_a_miss_costs_one_lookup_whatever_else_is_stored_meanwhile() -> None:
    class Held(MemoryStore):
        """A store whose lookups of `/held` wait for a moment in which another page is stored."""

        def __init__(self) -> None:
            super().__init__()
            self.gate = anyio.Event()
            self.looked_up: list[str] = []

        async def lookup(self, request: CacheRequest) -> Lookup:
            found = await super().lookup(request)
            if request.url.endswith("/held"):
                self.looked_up.append(request.url)
                await self.gate.wait()
            return found

    app, store = Gated(SHARED), Held()
    app.gate.set()
    cached = ASGIAccelerator(app, store=store)
    async with crowd(cached, 1, url="/held"):
        await ask(cached, "/other")
        store.gate.set()
    assert (app.calls, len(store.looked_up)) == (2, 1)


async def test_other_keys_do_not_wait() -> None:
    app = Gated(SHARED)
    cached = ASGIAccelerator(app)
    async with crowd(cached, 1, url="/1"), crowd(cached, 1, url="/2"), crowd(cached, 1, url="/1", scheme="http"):
        assert app.calls == 3
        app.gate.set()


async def test_without_coalesce_nobody_waits_for_another() -> None:
    app = Gated(SHARED)
    async with crowd(ASGIAccelerator(app, coalesce=False), 100) as answers:
        assert app.calls == 100
        app.gate.set()
    assert len({answer.body for answer in answers}) == 100


async def test_who_waited_looks_up_again_and_gets_nothing_that_was_taken_back_meanwhile() -> None:
    class Tagged(Gated):
        async def conclude(self, send: Send, body: bytes) -> None:
            tag("news")
            await super().conclude(send, body)

    app = Tagged(SHARED)
    cached = ASGIAccelerator(app)
    async with crowd(cached, 10) as before:
        await cached.invalidate_tag("news")
        async with crowd(cached, 10) as after:
            assert app.calls == 1
            app.gate.set()
    assert app.calls == 2
    assert sorted(answer.body for answer in before) == [b"answer 1"] + [b"answer 2"] * 9
    assert {answer.body for answer in after} == {b"answer 2"}


# --- a leader that is lost --------------------------------------------------------------------------------------------


async def test_if_the_leader_is_cancelled_another_leads() -> None:
    app, leading = Gated(SHARED), anyio.CancelScope()
    cached = ASGIAccelerator(app)

    async def lead() -> None:
        with leading:
            await ask(cached)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lead)
        await anyio.wait_all_tasks_blocked()
        async with crowd(cached, 1000) as answers:
            leading.cancel()
            await anyio.wait_all_tasks_blocked()
            assert app.calls == 2
            app.gate.set()
    assert (app.calls, len(answers), {answer.body for answer in answers}) == (2, 1000, {b"answer 2"})


@pytest.mark.parametrize("raises", [True, False], ids=["send raises", "send drops"])
@pytest.mark.parametrize("gives_up", [True, False], ids=["the application gives up", "the application goes on"])
async def test_if_the_leaders_client_leaves_everybody_else_is_answered(raises: bool, gives_up: bool) -> None:
    class Listening(Gated):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            async with anyio.create_task_group() as tasks:
                if gives_up:
                    tasks.start_soon(self.cancel_once_left, receive, tasks.cancel_scope)
                await super().__call__(scope, receive, send)
                tasks.cancel_scope.cancel()

        async def cancel_once_left(self, receive: Receive, scope: anyio.CancelScope) -> None:
            await receive()
            scope.cancel()

    app, client = Listening(SHARED), Client(raises=raises)
    cached = ASGIAccelerator(app)

    async def lead() -> None:
        try:
            await client.ask(cached)
        except* OSError:
            pass  # the server's own

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lead)
        await anyio.wait_all_tasks_blocked()
        async with crowd(cached, 1000) as answers:
            client.leave()
            await anyio.wait_all_tasks_blocked()
            app.gate.set()
    assert app.calls == (2 if gives_up else 1)
    assert (len(answers), len({answer.body for answer in answers})) == (1000, 1)


async def test_if_the_leader_fails_another_leads() -> None:
    class FailingFirst(Gated):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if not self.calls:
                self.reached.append(anyio.current_time())
                await self.gate.wait()
                raise RuntimeError("broken")
            await super().__call__(scope, receive, send)

    app = FailingFirst(SHARED)
    cached = ASGIAccelerator(app)

    async def lead() -> None:
        with pytest.raises(RuntimeError, match="broken"):
            await ask(cached)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lead)
        await anyio.wait_all_tasks_blocked()
        async with crowd(cached, 1000) as answers:
            app.gate.set()
    assert (app.calls, {answer.body for answer in answers}) == (2, {b"answer 2"})


# --- what cannot be stored --------------------------------------------------------------------------------------------


async def test_nobody_waits_once_a_response_turns_out_not_to_be_storable() -> None:
    app = Gated(PRIVATE, starts_first=True)
    async with crowd(ASGIAccelerator(app), 1000) as answers:
        assert app.calls == 1000
        app.gate.set()
    assert len({answer.body for answer in answers}) == 1000


async def unstorable_by_word(send: Send, body: bytes) -> None:
    no_store()
    await send(chunk(body))


async def unstorable_by_tag(send: Send, body: bytes) -> None:
    tag("")
    await send(chunk(body))


async def unstorable_by_size(send: Send, body: bytes) -> None:
    await send(chunk(body + b"x" * 1000))


async def unstorable_by_another_message(send: Send, body: bytes) -> None:
    await send({"type": "http.response.pathsend", "path": "/a/file"})


@pytest.mark.parametrize(
    "conclude", [unstorable_by_word, unstorable_by_tag, unstorable_by_size, unstorable_by_another_message]
)
async def test_what_was_not_storable_in_the_end_is_not_waited_for_again(
    conclude: Callable[[Send, bytes], Awaitable[None]],
) -> None:
    class Unstorable(Gated):
        async def conclude(self, send: Send, body: bytes) -> None:
            await conclude(send, body)

    app = Unstorable(SHARED)
    cached = ASGIAccelerator(app, max_body_bytes=100)
    app.gate.set()
    await ask(cached)
    app.gate = anyio.Event()
    async with crowd(cached, 100):
        assert app.calls == 101
        app.gate.set()


async def test_what_is_known_not_to_be_storable_is_remembered_for_a_while() -> None:
    clock, app = ManualClock(), Gated(PRIVATE)
    cached = ASGIAccelerator(app, clock=clock)

    async def reached_by(count: int) -> int:
        app.gate, before = anyio.Event(), app.calls
        async with crowd(cached, count):
            reached = app.calls - before
            app.gate.set()
        return reached

    assert await reached_by(1) == 1
    clock.advance(flight.UNSTORABLE_SECONDS - 1)
    assert await reached_by(10) == 10
    clock.advance(flight.UNSTORABLE_SECONDS)
    assert await reached_by(10) == 1


# --- patience ---------------------------------------------------------------------------------------------------------


class Endless(Gated):
    """An application whose responses never get further than to `stage`: the first one, or all."""

    def __init__(self, stage: str, *, always: bool = False) -> None:
        super().__init__()
        self.stage = stage
        self.always = always

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached.append(anyio.current_time())
        is_endless = self.always or self.calls == 1
        for stage, message in (("start", start(SHARED)), ("chunk", chunk(b"a", more=True)), ("end", chunk(b"b"))):
            if is_endless and stage == self.stage:
                await anyio.sleep_forever()
            await send(message)


STAGES = pytest.mark.parametrize("stage", ["start", "chunk", "end"])


@on_trios_clock
@STAGES
async def test_a_new_key_waits_at_most_the_limit(stage: str) -> None:
    app = Endless(stage)
    cached = ASGIAccelerator(app)
    began = anyio.current_time()
    async with anyio.create_task_group() as endless:
        endless.start_soon(ask, cached)
        await anyio.wait_all_tasks_blocked()
        async with crowd(cached, 100) as answers:
            assert app.calls == 1
        assert anyio.current_time() == began + flight.PATIENCE
        assert {answer.body for answer in answers} == {b"ab"}
        endless.cancel_scope.cancel()


@on_trios_clock
@STAGES
async def test_nobody_waits_again_for_a_fill_that_was_waited_for_in_vain(stage: str) -> None:
    cached = ASGIAccelerator(Endless(stage))
    async with anyio.create_task_group() as endless:
        endless.start_soon(ask, cached)
        await anyio.wait_all_tasks_blocked()
        await ask(cached)
        await cached.clear()
        asked = anyio.current_time()
        await ask(cached)
        assert anyio.current_time() == asked
        endless.cancel_scope.cancel()


@on_trios_clock
@STAGES
async def test_responses_that_never_end_are_waited_for_only_once(stage: str) -> None:
    app = Endless(stage, always=True)
    cached = ASGIAccelerator(app)
    began = anyio.current_time()
    async with anyio.create_task_group() as endless:
        for _ in range(3):
            endless.start_soon(ask, cached)
            await anyio.sleep(2 * flight.PATIENCE)
        endless.cancel_scope.cancel()
    assert [(when - began) / flight.PATIENCE for when in app.reached] == [0, 3, 4]


@STAGES
async def test_a_request_out_of_patience_goes_on_its_own(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flight, "PATIENCE", 0.001)
    app = Endless(stage)
    cached = ASGIAccelerator(app)
    async with anyio.create_task_group() as endless:
        endless.start_soon(ask, cached)
        await anyio.wait_all_tasks_blocked()
        async with crowd(cached, 100) as answers:
            pass
        assert {answer.body for answer in answers} == {b"ab"}
        endless.cancel_scope.cancel()


class Failing(Gated):
    """An application that fails after a while, each time."""

    def __init__(self, after: float) -> None:
        super().__init__()
        self.after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached.append(anyio.current_time())
        await anyio.sleep(self.after)
        raise RuntimeError("broken")


@on_trios_clock
@pytest.mark.parametrize(
    ("after", "reached"),
    [
        pytest.param(1, [0, 1, 2, 3, 3, 3], id="for at most three fills"),
        pytest.param(3, [0, 3, 5, 5, 5, 5], id="for at most the limit in all"),
    ],
)
async def test_a_request_waits(after: float, reached: list[float]) -> None:
    app = Failing(after)
    cached = ASGIAccelerator(app)

    async def fail() -> None:
        with pytest.raises(RuntimeError, match="broken"):
            await ask(cached)

    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for _ in reached:
            tasks.start_soon(fail)
    assert [when - began for when in app.reached] == reached


async def test_who_waited_in_vain_does_not_say_that_its_call_was_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9211 §2.6: `collapsed` is true if another one's response was of use."""
    monkeypatch.setattr(flight, "PATIENCE", 0.001)
    cached = ASGIAccelerator(Endless("start"))
    async with anyio.create_task_group() as endless:
        endless.start_soon(ask, cached)
        await anyio.wait_all_tasks_blocked()
        status = str((await ask(cached)).get("cache-status"))
        endless.cancel_scope.cancel()
    assert status in {"accelerator; fwd=uri-miss", "accelerator; fwd=uri-miss; collapsed=?0"}


@on_trios_clock
async def test_a_leader_with_a_slow_client_keeps_nobody_beyond_the_limit() -> None:
    app = Gated(SHARED)
    app.gate.set()
    cached = ASGIAccelerator(app)
    slow = Client(on_send=lambda message: anyio.sleep_forever())
    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(slow.ask, cached)
        await anyio.wait_all_tasks_blocked()
        async with crowd(cached, 100):
            pass
        assert anyio.current_time() <= began + flight.PATIENCE
        tasks.cancel_scope.cancel()


# --- directives of requests -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "calls"),
    [
        ("max-age=60", 1),
        ("max-stale", 1),
        ("no-transform", 1),
        ("no-cache", 10),
        ("max-age=0", 10),
        ("min-fresh=5", 10),
    ],
)
async def test_a_client_waits_for_what_was_made_for_another_one_if_it_takes_that(value: str, calls: int) -> None:
    app = Gated(SHARED)
    cached = ASGIAccelerator(app, obey_request_directives=True)
    async with crowd(cached, 10, headers=[("cache-control", value)]):
        assert app.calls == calls
        app.gate.set()
    assert app.calls == calls


# --- credentials ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [COOKIE, LOGIN, ("x-api-key", "a")], ids=["Cookie", "Authorization", "X-API-Key"])
async def test_requests_with_credentials_wait_only_for_what_is_known_to_be_storable(line: tuple[str, str]) -> None:
    app = Gated(SHARED)
    cached = ASGIAccelerator(app)
    async with crowd(cached, 10, headers=[line]):
        assert app.calls == 10
        app.gate.set()
    await cached.clear()
    app.gate = anyio.Event()
    async with crowd(cached, 10, headers=[line]):
        assert app.calls == 11
        app.gate.set()


async def test_requests_with_and_without_credentials_do_not_wait_for_each_other() -> None:
    """What the one gets, the other may not be given."""
    app = Gated(SHARED)
    cached = ASGIAccelerator(app)
    async with crowd(cached, 1), crowd(cached, 1, headers=[COOKIE]):
        assert app.calls == 2
        app.gate.set()
