"""An accelerator whose application, clients, clock and loop move only when they are told to."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from accelerator import ASGIAccelerator, Lookup, MemoryStore, Store, cache_for, no_store, tag
from accelerator.tags import ALL, tag_of_url
from accelerator.testing import ManualClock
from tests.consistency.history import History, Made
from tests.support import Answer, http_scope, raw

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from accelerator.asgi_types import Message, Receive, Scope, Send
    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry
    from tests.support import Lines

URLS = ("/a", "/b")
TAGS = ("x", "y")
MODIFIED = ("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT")
WEAK = ("etag", 'W/"1"')


def url_tag(url: str) -> str:
    return tag_of_url(f"https://example.org{url}")


class SteppedLoop(asyncio.SelectorEventLoop):
    """A loop whose time stands still, and that runs until nothing more can happen."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__()

    def time(self) -> float:
        return self.now

    def settle(self) -> None:
        for _ in range(1000):
            self.call_soon(self.stop)
            self.run_forever()
            if not self._ready:  # type: ignore[attr-defined]  # nobody else tells
                return
        raise AssertionError("it never comes to rest")


@dataclass
class Reply:
    """What the application answers; `validator` is one of none, strong, weak, date and other.

    A 304 names the strong validator that it was asked about, unless that is none, or other than what was asked.
    """

    status: int = 200
    tags: frozenset[str] = frozenset()
    validator: str = "none"
    ttl: float = 10
    stale_while_revalidate: float = 0
    stale_if_error: float = 0
    varies: bool = False
    no_store: bool = False
    location: str = ""
    raises: bool = False
    pauses: bool = False


@dataclass
class Asking:
    """A client's request, as far as it came."""

    url: str
    method: str
    arrived: int
    is_slow: bool
    answer: Answer = field(default_factory=Answer)
    looked_up: int = 0
    found: Made | None = None
    on_first_byte: Callable[[], None] | None = None


@dataclass
class Call:
    """A call of the application, which waits for what it is to answer."""

    asking: Asking
    begun: int
    looked_up: int
    stale: Made | None
    conditions: dict[bytes, bytes]
    versions: dict[str, int]
    reply: asyncio.Future[Reply]

    @property
    def strong_etag(self) -> bytes:
        """The strong entity tag that it is asked about, empty if there is none."""
        etag = self.conditions.get(b"if-none-match", b"")
        return etag if etag.startswith(b'"') else b""


_asking: ContextVar[Asking] = ContextVar("asking")


class WatchedStore(Store):
    """A store that notes what was found for whom, and holds up the next call that comes to a closed gate."""

    def __init__(self, world: World, memory: MemoryStore) -> None:
        self._world = world
        self._memory = memory

    async def lookup(self, request: Request) -> Lookup:
        await self._pass_gate("before lookup")
        asking, moment = _asking.get(), self._world.history.tick()
        found = await self._memory.lookup(request)
        if found.entry is not None:
            asking.found, asking.looked_up = self._world.made_of(found.entry.headers), moment
        await self._pass_gate("after lookup")
        return found

    async def commit(self, entry: Entry) -> bool:
        await self._pass_gate("before commit")
        stored = await self._memory.commit(entry)
        await self._pass_gate("after commit")
        return stored

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        await self._pass_gate("before invalidate")
        await self._memory.invalidate(tags, soft=soft)
        await self._pass_gate("after invalidate")

    async def _pass_gate(self, name: str) -> None:
        if name in self._world.closed_gates:
            self._world.closed_gates.remove(name)
            await self._world.wait()


GATES = [f"{when} {call}" for when in ("before", "after") for call in ("lookup", "commit", "invalidate")]


class World:
    """The middleware over a MemoryStore, with everything around it.

    Args:
        max_bytes: of the store.
        coalesce: the option.
    """

    def __init__(self, max_bytes: int, *, coalesce: bool = True) -> None:
        self.loop = SteppedLoop()
        self.clock = ManualClock()
        self.history = History()
        self.closed_gates: set[str] = set()
        self.versions = dict.fromkeys([*TAGS, *map(url_tag, URLS), ALL], 0)
        self._calls: list[Call] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._unanswered: list[Asking] = []
        self._made: list[Made] = []
        self._content: dict[bytes, dict[str, int]] = {}  # strong ETag -> the versions of the data it was made from
        self.memory = MemoryStore(max_bytes)
        self.store = WatchedStore(self, self.memory)
        self._app = ASGIAccelerator(self._application, store=self.store, clock=self.clock, coalesce=coalesce)

    def close(self) -> None:
        """End whatever still runs."""
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.settle()
        self.loop.close()

    @property
    def calls(self) -> list[Call]:
        """The calls of the application that wait for what to answer."""
        return [call for call in self._calls if not call.reply.done()]

    @property
    def waiting(self) -> list[asyncio.Future[None]]:
        """What waits to be released: a client, a call of the store, an application before its end."""
        return [future for future in self._waiting if not future.done()]

    @property
    def running(self) -> list[asyncio.Task[None]]:
        """The requests and invalidations that have not come to their end."""
        return [task for task in self._tasks if not task.done()]

    # --- what can be done ---------------------------------------------------------------------------------------------

    def ask(self, url: str, headers: Lines = (), *, method: str = "GET", is_slow: bool = False) -> Asking:
        """A request arrives; a slow client takes the first byte, and then nothing until it is released."""
        asking = Asking(url, method, self.history.tick(), is_slow)
        self._unanswered.append(asking)
        self._start(self._ask(asking, headers))
        return asking

    def cancel(self, number: int) -> None:
        """The server cancels a request, or whoever takes something back is cancelled."""
        running = self.running
        running[number % len(running)].cancel()
        self.settle()

    def reply(self, call: Call, reply: Reply) -> None:
        """The application answers."""
        call.reply.set_result(reply)
        self.settle()

    def may_say_not_modified(self, call: Call) -> bool:
        """Tell whether 304 would be true; weak validators and dates notice no change within a second."""
        content = self._content.get(call.strong_etag, {})
        return bool(call.conditions) and content == {name: call.versions[name] for name in content}

    def invalidate(self, tags: Collection[str], *, soft: bool, changed: bool) -> None:
        """Data changes, is committed, and what was made from it is taken back; or only the latter."""
        for name in tags if changed else ():
            self.versions[name] += 1
        self._start(self._invalidate(frozenset(tags), soft))

    def release(self, number: int) -> None:
        """Let go on what waits."""
        waiting = self.waiting
        waiting[number % len(waiting)].set_result(None)
        self.settle()

    def lose_patience(self) -> None:
        """Whoever waits for another's fill does so no longer."""
        self.loop.now += 5.0
        self.settle()

    # --- what follows from it -----------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let happen what can happen, and hold what was answered against the promise."""
        self.loop.settle()
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()
        for asking in [one for one in self._unanswered if one.answer.messages]:
            self._unanswered.remove(asking)
            self._check(asking)

    def made_of(self, headers: Collection[tuple[bytes, bytes]]) -> Made:
        """Return the response that these header lines belong to."""
        return self._made[int(dict(headers)[b"x-made"])]

    async def wait(self) -> None:
        """Wait to be released."""
        released = self.loop.create_future()
        self._waiting.append(released)
        await released

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(self.loop.create_task(work))
        self.settle()

    async def _invalidate(self, tags: frozenset[str], soft: bool) -> None:
        call = self.history.call(tags, soft=soft)
        await self.store.invalidate(tags, soft=soft)
        call.returned = self.history.tick()

    async def _ask(self, asking: Asking, headers: Lines) -> None:
        _asking.set(asking)

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            asking.answer.messages.append(dict(message))
            if asking.on_first_byte is not None:
                asking.on_first_byte()
                asking.on_first_byte = None
            if asking.is_slow and message["type"] == "http.response.start":
                await self.wait()

        with suppress(ApplicationError):  # the server would say 500
            await self._app(http_scope(asking.url, method=asking.method, headers=headers), receive, send)

    def _check(self, asking: Asking) -> None:
        """Hold the start of an answer against the promise."""
        status = asking.answer.get("cache-status") or ""
        ttl = status.partition("ttl=")[2]
        stale = "stale-if-error" in status or ("fwd-status" not in status and ttl != "" and int(ttl) <= 0)
        self.history.check(self.made_of(asking.answer.headers), asking.arrived, stale=stale)

    # --- the application ----------------------------------------------------------------------------------------------

    async def _application(self, scope: Scope, receive: Receive, send: Send) -> None:
        asking = _asking.get()
        conditions = {
            name: value for name, value in scope["headers"] if name in {b"if-none-match", b"if-modified-since"}
        }
        call = Call(
            asking=asking,
            begun=self.history.tick(),
            looked_up=asking.looked_up,
            stale=asking.found,
            conditions=conditions,
            versions=dict(self.versions),
            reply=self.loop.create_future(),
        )
        self._calls.append(call)
        reply = await call.reply
        if reply.raises:
            raise ApplicationError
        cache_for(
            reply.ttl,
            stale_while_revalidate=reply.stale_while_revalidate,
            stale_if_error=reply.stale_if_error,
            public=True,
        )
        if reply.no_store:
            no_store()
        made = self._make(call, reply)
        lines = [("x-made", str(made.number)), *self._validators(call, reply, made)]
        lines += [("vary", "accept")] if reply.varies else []
        lines += [("location", reply.location)] if reply.location else []
        if asking.method == "POST" and reply.status < 400:
            self._expect_invalidation(asking, reply)
        await send({"type": "http.response.start", "status": reply.status, "headers": raw(lines)})
        if reply.pauses:
            await self.wait()
        tag(reply.tags)  # the last moment for it
        await send({"type": "http.response.body", "body": b"" if reply.status == 304 else b"%d" % made.number})

    def _make(self, call: Call, reply: Reply) -> Made:
        """Note what the answer is made from: a 304 speaks of the stored response, and of what it says itself."""
        own = frozenset([*reply.tags, url_tag(call.asking.url), ALL])
        if reply.status != 304 or call.stale is None:
            made = Made(len(self._made), own, call.begun)
        else:
            is_proof = call.strong_etag and reply.validator != "none"
            begun = call.looked_up if is_proof else call.stale.begun
            made = Made(len(self._made), own | call.stale.tags, begun)
        self._made.append(made)
        return made

    def _validators(self, call: Call, reply: Reply, made: Made) -> Lines:
        if reply.validator == "other":
            return [("etag", '"other"')]
        if reply.status == 304:
            return [("etag", call.strong_etag)] if call.strong_etag and reply.validator != "none" else []
        if reply.validator == "strong":
            etag = f'"{made.number}"'
            self._content[etag.encode()] = {name: call.versions[name] for name in made.tags}
            return [("etag", etag)]
        return {"none": [], "weak": [WEAK], "date": [MODIFIED]}[reply.validator]

    def _expect_invalidation(self, asking: Asking, reply: Reply) -> None:
        """What an unsafe method takes back is gone when the first byte of its answer is there (RFC 9111 §4.4)."""
        targets = {asking.url, reply.location} - {""}
        call = self.history.call(frozenset(map(url_tag, targets)), soft=False)

        def has_returned() -> None:
            call.returned = self.history.tick()

        asking.on_first_byte = has_returned


class ApplicationError(Exception):
    """The application failed."""
