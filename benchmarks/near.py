"""What near stores cost: an invalidation that all of them have to acknowledge, a near hit, and its commands to Redis.

Each follower is a process of its own with a near store of its own, as each machine of a site has one. The invalidations
are made one after the other by one more process, and those that are compared take turns in one run, all on one Redis of
this script's own. Where nothing waits, CPU time is measured.

The script fails if a near hit sends anything to Redis, or if a follower has not followed.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import multiprocessing
import sys
import tempfile
from contextlib import ExitStack, suppress
from functools import partial
from statistics import median, quantiles
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple

from accelerator import ASGIAccelerator, LMDBStore, MemoryStore, RedisStore, TieredStore
from accelerator.demo.redis_server import RedisServer
from accelerator.http.request import Request
from accelerator.stores.redis.keys import Keys
from accelerator.stores.redis.scripts import BEAT
from accelerator.testing import make_entry, make_request
from benchmarks.hit import BATCH, browser_scope, hello, receive, seconds_of_batch, send, site
from benchmarks.lmdb_store import done, measure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from multiprocessing.connection import Connection
    from typing import Any, TypeAlias

    from accelerator import Store

    Say: TypeAlias = Callable[[TieredStore], Awaitable[Any]]
    """Returns what a follower says of its store."""

KINDS: Final[Mapping[str, Callable[[str], MemoryStore | LMDBStore]]] = {
    "MemoryStore": lambda _: MemoryStore(),
    "LMDBStore": lambda folder: LMDBStore(tempfile.mkdtemp(dir=folder), 16 * 1024 * 1024),
}
"""How a near store is made, given a folder for its file."""

PAGE: Final = make_request("https://www.example.org/followed")
FOLLOWED: Final = "followed"
"""The tag of what each follower has near."""

DEADLINE: Final = 5.0
"""Seconds that a call to Redis may take: on a busy machine none is to fail."""

PATIENCE: Final = 30.0
"""Seconds in which a near store has to be followed for, and a follower has to answer."""

CALLS: Final = 25
"""Invalidations in a row."""

END: Final = "the end of what is counted"

PAUSE: Final = 0.002
"""Seconds between batches of hits, in which the follower's thread can run, as it can while a server waits for I/O."""

BARE: Final = "RedisStore, nobody follows"
EVENTUAL: Final = "TieredStore, eventual"
STRICT: Final = "TieredStore, strict"
FOLLOWING: Final = "TieredStore, strict, follows too"


class Fleet(NamedTuple):
    """Where the processes of a site meet.

    Attributes:
        url: the URL of the server.
        prefix: the prefix of all keys.
        kind: the kind of the near stores.
        folder: where their files are.
    """

    url: str
    prefix: str
    kind: str
    folder: str

    def far(self) -> RedisStore:
        """Return the store that all share."""
        return RedisStore(self.url, self.prefix, deadline=DEADLINE)

    def near(self) -> MemoryStore | LMDBStore:
        """Return a near store of its own."""
        return KINDS[self.kind](self.folder)

    def tiered(self, **options: Any) -> TieredStore:
        """Return both."""
        return TieredStore(self.near(), self.far(), **options)


# --- followers --------------------------------------------------------------------------------------------------------


async def is_near(store: TieredStore) -> bool:
    """Tell whether the near store answers at once: it has the page, and is followed for."""
    await store.lookup(PAGE)  # an invalidation of something else makes it look at the page again
    return store.ready_entry(PAGE.key, PAGE, Request.selecting_values) is not None


async def until_near(store: TieredStore) -> None:
    """Return when the near store answers."""
    async with asyncio.timeout(PATIENCE):
        while not await is_near(store):
            found = await store.lookup(PAGE)
            if found.entry is None:
                await store.commit(make_entry(PAGE, found.mark, [FOLLOWED]))
            await asyncio.sleep(0.01)


def follow(fleet: Fleet, say: Say, told: Connection) -> None:
    """Follow in this process, and say something of the store whenever asked, until nobody can ask any more."""
    with suppress(EOFError):
        asyncio.run(_follow(fleet, say, told))


async def _follow(fleet: Fleet, say: Say, told: Connection) -> None:
    store = fleet.tiered()
    try:
        await until_near(store)
        while True:
            told.send(await say(store))
            await asyncio.to_thread(told.recv)
    finally:
        await store.aclose()


class Followers:
    """Processes that follow. A context manager that starts and ends them.

    Args:
        fleet: where they meet.
        number: how many.
        say: returns what each says when it is asked.
    """

    def __init__(self, fleet: Fleet, number: int, say: Say = is_near) -> None:
        self._fleet = fleet
        self._number = number
        self._say = say
        self._ends = ExitStack()
        self._asked: list[Connection] = []

    def __enter__(self) -> Followers:
        """Start them, and return when each of them follows."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        with ExitStack() as ends:
            for _ in range(self._number):
                ours, theirs = context.Pipe()
                process = context.Process(target=follow, args=(self._fleet, self._say, theirs), daemon=True)
                process.start()
                theirs.close()
                self._asked.append(ours)
                ends.callback(process.join, PATIENCE)
            for ours in self._asked:
                ends.callback(ours.close)  # before any is joined
            self._answers()
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End them."""
        self._ends.close()

    def ask(self) -> list[Any]:
        """Return what each of them says now.

        Raises:
            RuntimeError: one of them says nothing.
        """
        for asked in self._asked:
            asked.send(None)
        return self._answers()

    def _answers(self) -> list[Any]:
        for asked in self._asked:
            if not asked.poll(PATIENCE):
                raise RuntimeError("a follower has not followed")
        return [asked.recv() for asked in self._asked]


def check(said: Sequence[bool], *, is_near: bool) -> None:
    """See that all followers have the page near, or none.

    Raises:
        RuntimeError: that is not so.
    """
    if set(said) - {is_near}:
        raise RuntimeError("a follower has not followed")


# --- invalidations ----------------------------------------------------------------------------------------------------


async def settle(*stores: Store) -> None:
    """Let pass what may be left of leases from before: the first invalidation waits for it, and says so in Redis."""
    await asyncio.gather(*(store.invalidate_tag("settled") for store in stores))


async def times_in_turns(stores: Mapping[str, Store], rounds: int) -> dict[str, list[list[float]]]:
    """Return the seconds of each invalidation, by name and round."""
    times: dict[str, list[list[float]]] = {name: [] for name in stores}
    for turn in range(rounds + 1):
        for name in list(stores) if turn % 2 else reversed(list(stores)):
            taken = []
            for _ in range(CALLS):
                start = perf_counter()
                await stores[name].invalidate_tag("data")
                taken.append(perf_counter() - start)
            if turn:  # the first one connects
                times[name].append(taken)
    return times


def line_of_invalidation(name: str, taken: list[list[float]], base: list[list[float]]) -> str:
    """Return a line: milliseconds, and how many times what it takes turns with."""
    middles, others = ([median(calls) for calls in each] for each in (taken, base))
    cuts = quantiles([1e3 * seconds for calls in taken for seconds in calls], n=100, method="inclusive")
    ratio = median(middle / other for middle, other in zip(middles, others, strict=True))
    return f"{name:34}{1e3 * min(middles):8.2f}{cuts[49]:8.2f}{cuts[94]:8.2f}{cuts[98]:8.2f}{ratio:8.2f}"


async def measure_invalidations(bare: Fleet, fleet: Fleet, rounds: int) -> list[str]:
    """Return lines of what a process takes that does not follow, and then one that does."""
    base, far, eventual, strict = bare.far(), fleet.far(), fleet.tiered(consistency="eventual"), fleet.tiered()
    await settle(base, far)
    times = await times_in_turns({BARE: base, EVENTUAL: eventual, STRICT: strict}, rounds)
    lines = [line_of_invalidation(name, taken, times[BARE]) for name, taken in times.items()]
    await until_near(strict)
    times = await times_in_turns({BARE: base, FOLLOWING: strict}, rounds)
    lines.append(line_of_invalidation(FOLLOWING, times[FOLLOWING], times[BARE]))
    for store in (base, far, eventual, strict):
        await store.aclose()
    return lines


async def take_back(fleet: Fleet) -> None:
    """Take back what the followers have near."""
    store = fleet.far()
    await store.invalidate_tag(FOLLOWED)
    await store.aclose()


def show_invalidations(server: RedisServer, kind: str, folder: str, followers: Sequence[int], rounds: int) -> None:
    """Print what an invalidation takes with each number of followers."""
    print(f"\nms of an invalidation, near stores: {kind}")
    print(f"{'followers':45}{'least':>8}{'median':>8}{'95 %':>8}{'99 %':>8}{'ratio':>8}")
    for number in followers:
        fleet = Fleet(server.tcp_url, f"{kind}-{number}:", kind, folder)
        with Followers(fleet, number) as all_of_them:
            lines = asyncio.run(measure_invalidations(fleet._replace(prefix=f"{fleet.prefix}bare:"), fleet, rounds))
            check(all_of_them.ask(), is_near=True)
            with server.client() as client:
                fields = client.hkeys(Keys(fleet.prefix.encode()).near)
            if sum(field.startswith(b"f:") for field in fields) < number:  # a store of here may still be among them
                raise RuntimeError("a follower was taken out of the list meanwhile")
            asyncio.run(take_back(fleet))
            check(all_of_them.ask(), is_near=False)
        print(*(f"{number:9}  {line}" for line in lines), sep="\n")


# --- hits -------------------------------------------------------------------------------------------------------------


class Hits:
    """Hits of one store.

    Args:
        store: the store.
    """

    def __init__(self, store: Any) -> None:
        self.store = store
        self._app = ASGIAccelerator(site(hello), default_ttl=3600, store=store)

    async def begin(self) -> None:
        """Put there what is hit."""
        await self._app(browser_scope(), receive, send)
        if isinstance(self.store, TieredStore):
            await until_near(self.store)
            await self._app(browser_scope(), receive, send)  # this one finds it near
        else:
            await self.store.commit(make_entry(PAGE, (await self.store.lookup(PAGE)).mark))
            await self.store.lookup(PAGE)

    async def through_middleware(self) -> float:
        """Return the seconds of CPU that a hit takes through the middleware."""
        return await seconds_of_batch(self._app, browser_scope)

    async def ready(self) -> float:
        """Return those of `ready_entry`."""
        return measure(partial(self.store.ready_entry, PAGE.key, PAGE, Request.selecting_values), BATCH) / 1e6

    async def lookup(self) -> float:
        """Return those of `lookup`, which does not wait."""
        return measure(lambda: done(self.store.lookup(PAGE)), BATCH) / 1e6


WAYS: Final[Mapping[str, Callable[[Hits], Awaitable[float]]]] = {
    "through the middleware": Hits.through_middleware,
    "ready_entry": Hits.ready,
    "lookup": Hits.lookup,
}


async def show_hits(fleet: Fleet, rounds: int) -> None:
    """Print what a hit takes in a near store alone, and with the far one behind it."""
    alone, tiered = Hits(fleet.near()), Hits(fleet.tiered())
    cases = {f"{fleet.kind} alone": alone, "the same, near": tiered}
    for hits in cases.values():
        await hits.begin()
    print(f"\n{f'µs of a hit, {fleet.kind}':45}{'least':>8}{'median':>8}{'quartiles':>16}{'ratio':>8}")
    for way, seconds_of in WAYS.items():
        times: dict[str, list[float]] = {name: [] for name in cases}
        for turn in range(rounds + 1):
            for name in list(cases) if turn % 2 else reversed(cases):
                await asyncio.sleep(PAUSE)
                taken = await seconds_of(cases[name])
                if turn:
                    times[name].append(1e6 * taken)
        base = times[f"{fleet.kind} alone"]
        for name, each in times.items():
            low, middle, high = quantiles(each, n=4, method="inclusive")
            ratio = median(one / other for one, other in zip(each, base, strict=True))
            print(f"{f'{way}, {name}':45}{min(each):8.2f}{middle:8.2f}{f'{low:.2f}-{high:.2f}':>16}{ratio:8.2f}")
    await tiered.store.aclose()


# --- commands ---------------------------------------------------------------------------------------------------------


class Sent(NamedTuple):
    """What came to the server meanwhile.

    Attributes:
        heartbeats: the number of heartbeats.
        others: that of all other commands, except what the connections of heartbeats ask of the server's identity.
    """

    heartbeats: int
    others: int


async def sent_meanwhile(server: RedisServer, work: Callable[[], Awaitable[object]]) -> Sent:
    """Let Redis tell each command that it gets over TCP while something is done."""
    with server.client() as other, server.client() as client:
        other.ping()  # so that it has connected before anything is counted
        with client.monitor() as monitor:
            await work()
            other.echo(END)
            told = list(itertools.takewhile(lambda said: END not in said["command"], monitor.listen()))
    told = [said for said in told if said["client_type"] != "lua"]  # those within a script
    beating = {_connection(said) for said in told if BEAT.sha in said["command"]}
    heartbeats = sum(BEAT.sha in said["command"] for said in told)
    identities = sum(_connection(said) in beating and said["command"].startswith("INFO") for said in told)
    return Sent(heartbeats, len(told) - heartbeats - identities)


def _connection(said: dict[str, Any]) -> tuple[str, str]:
    return said["client_address"], said["client_port"]


async def hit_for(hits: Hits, way: Callable[[Hits], Awaitable[float]], seconds: float) -> int:
    """Hit for so long. Return how many hits that were."""
    until, batches = perf_counter() + seconds, 0
    while not batches or perf_counter() < until:
        await way(hits)
        await asyncio.sleep(PAUSE)
        batches += 1
    return batches * BATCH


async def show_commands(server: RedisServer, fleets: Sequence[Fleet], seconds: float) -> bool:
    """Print what hits send to Redis. Return whether those in near stores send nothing."""
    print(f"\n{'commands to Redis':45}{'hits':>10}{'sent':>8}{'a hit':>8}{'heartbeats':>12}")
    cases = [
        ("RedisStore", Hits(fleets[0].far())),
        *((f"near, {fleet.kind}", Hits(fleet.tiered())) for fleet in fleets),
    ]
    is_right = True
    for name, hits in cases:
        await hits.begin()
        for way, seconds_of in WAYS.items() if isinstance(hits.store, TieredStore) else list(WAYS.items())[:1]:
            made = 0

            async def work(hits: Hits = hits, seconds_of: Callable[[Hits], Awaitable[float]] = seconds_of) -> None:
                nonlocal made
                made = await hit_for(hits, seconds_of, seconds)

            sent = await sent_meanwhile(server, work)
            print(f"{f'{way}, {name}':45}{made:10,}{sent.others:8,}{sent.others / made:8.2f}{sent.heartbeats:12}")
            is_right &= not sent.others or isinstance(hits.store, RedisStore)
        await hits.store.aclose()
    return is_right


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print. Return 1 if a near hit sent anything to Redis."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--near", choices=KINDS, nargs="+", default=[*KINDS], help="kinds of near stores (both)")
    parser.add_argument("--followers", type=int, nargs="+", default=[1, 4, 16], help="numbers of followers (1 4 16)")
    parser.add_argument("--rounds", type=int, default=40, help="rounds of each table (40)")
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds of hits whose commands are counted (2)")
    parser.add_argument("--path", default="/dev/shm", help="where files are made for a while (/dev/shm)")  # noqa: S108 - one's own directory in it
    told = parser.parse_args(arguments)
    print(f"Python {sys.version.split()[0]}; {told.rounds} rounds of {CALLS} invalidations or {BATCH} hits")
    with tempfile.TemporaryDirectory(prefix="near-", dir=told.path) as folder, RedisServer() as server:
        for kind in told.near:
            show_invalidations(server, kind, folder, told.followers, told.rounds)
        for kind in told.near:
            asyncio.run(show_hits(Fleet(server.tcp_url, f"hits-{kind}:", kind, folder), told.rounds))
        fleets = [Fleet(server.tcp_url, f"commands-{kind}:", kind, folder) for kind in told.near]
        is_right = asyncio.run(show_commands(server, fleets, told.seconds))
    print("no near hit has sent anything to Redis" if is_right else "a near hit has sent something to Redis")
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
