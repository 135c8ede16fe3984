"""Changes data, invalidates, reads, and lets things happen meanwhile.

A read is wrong if it was sent after `invalidate_tag` returned, and is answered with an older version.
"""

from __future__ import annotations

import asyncio
import random
import signal
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from accelerator import InvalidationError
from benchmarks.promise import near_mutations, on_cluster, on_lmdb, on_near, on_redis, on_sentinel
from benchmarks.promise.worker import BLOCKED, ITEMS, Data, Worker

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Awaitable, Callable, Sequence

BATCH: Final = 20
"""Requests that a reader sends at once on its connection."""

VARIETY: Final = 6
"""URLs of each page where entries are to be evicted."""

WORKER_PAUSES: Final = {"pause": 0.2, "blocked": 0.5, "crash": 0.3, "reload": 0.5}
"""Seconds between two faults of a kind that happen to workers. `pause` and `blocked` leave connections as they are."""

OF_WORKERS: Final = 0.5
"""The part of the invalidations that workers do."""

THROUGHOUT: Final = {"tiny", "relay"}
"""Faults that are there from the beginning to the end."""

IN_THE_MIDST: Final = 0.005
"""Seconds for which a worker may have been at an invalidation when it is killed."""

MOMENT: Final = 0.1
"""Seconds before the end of a block in which the worker is asked."""

NEAR_FAULTS: Final = ("pause", "blocked", "crash", "cut", "deaf", "kill", "promote", "evict", "relay", "reload")

OF_CLUSTERS: Final = ("cut", "reshard", "promote", "kill", "takeover", "evict")

FAULTS: Final = {
    "redis": ("pause", "cut", "kill", "promote", "evict"),
    "near": NEAR_FAULTS,
    "near-lmdb": NEAR_FAULTS,
    "cluster": ("pause", *OF_CLUSTERS),
    "near-cluster": ("pause", "blocked", "crash", "deaf", "reload", *OF_CLUSTERS),
    "lmdb": ("pause", "crash", "reload", "remove", "tiny"),
    "sentinel": ("pause", "failover", "kill", "cut", "silent"),
    "near-sentinel": ("pause", "blocked", "crash", "failover", "kill", "cut", "silent"),
}
"""What can happen, by the kind of store."""

MUTATIONS: Final = {
    "redis": on_redis.MUTATIONS,
    "near": near_mutations.MUTATIONS,
    "near-lmdb": near_mutations.OF_SHARED,
    "cluster": on_redis.MUTATIONS,
    "near-cluster": near_mutations.MUTATIONS,
    "lmdb": on_lmdb.MUTATIONS,
    "sentinel": on_sentinel.MUTATIONS,
    "near-sentinel": on_sentinel.NEAR_MUTATIONS,
}


@dataclass
class Plan:
    """What to do, for how long.

    `store` is `redis`, `sentinel` or `cluster`, each also with near stores in front: `near`, `near-sentinel` and
    `near-cluster`; or `near-lmdb:` or `lmdb:` with a directory.
    """

    seconds: float = 10.0
    seed: int = 0
    workers: int = 4
    readers: int = 8
    writers: int = 2
    faults: Sequence[str] = ()
    mutation: str = ""
    stop_at_first: bool = False
    pace: float = 1.0
    store: str = "redis"

    @property
    def kind(self) -> str:
        """The kind of store."""
        return self.store.partition(":")[0]

    @property
    def folder(self) -> Path | None:
        """The directory for the file, if there is one."""
        folder = self.store.partition(":")[2]
        return Path(folder) if folder else None


@dataclass
class Report:
    """What came of it. Reads that were cut off by the end of a worker are sent again, and not counted as such.

    Behind near stores `shared_reads` is the number of lookups that went to the shared store. Of the invalidations that
    failed, `interrupted` is the number of those whose worker died meanwhile, or was not there.
    """

    reads: int = 0
    hits: int = 0
    shared_reads: int = 0
    violations: int = 0
    unanswered: int = 0
    cut_off: int = 0
    invalidations: int = 0
    failed_invalidations: int = 0
    interrupted: int = 0
    evicted: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    first: str = ""


class Asked(NamedTuple):
    """A page that was asked for, and the versions that were promised by then."""

    page: int
    floor: tuple[int, int]


class Check:
    """One run."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        (folder / "data").write_bytes(bytes(8 * ITEMS))
        self.plan = plan
        self.report = Report()
        self.data = Data(folder / "data")
        self.promised = [0] * ITEMS
        self.ground = _ground(plan, folder)
        self.workers = [
            Worker(folder, number, (plan.kind, self.ground.address(number), plan.mutation))
            for number in range(plan.workers)
        ]
        self.is_over = asyncio.Event()

    async def run(self) -> Report:
        """Run it, and return the report."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.ground.stop)
            await self.ground.start()
            for worker in self.workers:
                stack.callback(worker.stop)
                await worker.start()
            start = time.monotonic()
            await self._work()
            self.report.seconds = time.monotonic() - start
            self.report.evicted, self.report.shared_reads = self.ground.evicted, self.ground.shared_reads()
            self.report.faults += self.ground.passing
        return self.report

    async def _work(self) -> None:
        seeds = random.Random(self.plan.seed)  # noqa: S311 - no secret
        jobs = [self._write(number, seeds.random()) for number in range(self.plan.writers)]
        jobs += [self._read(number, seeds.random()) for number in range(self.plan.readers)]
        jobs += [self._break(fault, seeds.random()) for fault in self.plan.faults if fault not in THROUGHOUT]
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.is_over.wait(), self.plan.seconds)
            self.is_over.set()
            self.ground.count_evicted()
            for worker in self.workers:
                worker.signal(signal.SIGCONT)

    async def _write(self, number: int, seed: float) -> None:
        """Change data, invalidate, and only then expect everybody to see it."""
        chance = random.Random(seed)  # noqa: S311 - no secret
        store: Any = self.ground.store(number)
        own = range(number, ITEMS, self.plan.writers)
        while not self.is_over.is_set():
            item = chance.choice(own)
            version = self.data.change(item)
            if await self._invalidate(store, item, chance):
                self.report.invalidations += 1
                self.promised[item] = version
            else:
                self.report.failed_invalidations += 1
            await asyncio.sleep(chance.random() * 0.2)
        await self.ground.close(store)

    async def _invalidate(self, store: Any, item: int, chance: random.Random) -> bool:
        """Invalidate an item, here or by a worker. Return whether that is done: a call that failed promises nothing."""
        try:
            if chance.random() < OF_WORKERS:
                return await chance.choice(self.workers).invalidate(item)
            await store.invalidate_tag(f"item:{item}")
        except InvalidationError:
            return False
        except (OSError, asyncio.IncompleteReadError):
            self.report.interrupted += 1
            return False
        return True

    async def _read(self, number: int, seed: float) -> None:
        """Read pages of one worker, on a new connection where it ends."""
        chance = random.Random(seed)  # noqa: S311 - no secret
        worker = self.workers[number % len(self.workers)]
        while not self.is_over.is_set():
            await self._talk(worker, partial(self._read_on, chance))

    async def _talk(self, worker: Worker, talk: Callable[[StreamReader, StreamWriter], Awaitable[None]]) -> None:
        """Talk to a worker, if it is there, until it ends."""
        try:
            reader, writer = await asyncio.open_unix_connection(worker.socket)
        except OSError:
            await asyncio.sleep(0.01)
            return
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.report.cut_off += 1
        finally:
            writer.close()

    async def _read_on(self, chance: random.Random, reader: StreamReader, writer: StreamWriter) -> None:
        while not self.is_over.is_set():
            await self._judge_all(self._ask(chance, writer), reader)

    def _ask(self, chance: random.Random, writer: StreamWriter) -> list[Asked]:
        """Send requests, and return what their answers may not be older than."""
        variety = VARIETY if {"evict", "tiny"} & {*self.plan.faults} else 2
        pages = [(chance.randrange(ITEMS), chance.randrange(variety)) for _ in range(BATCH)]
        lines = [f"GET /{variant}/{page} HTTP/1.1\r\nhost: localhost\r\n\r\n" for page, variant in pages]
        writer.write("".join(lines).encode())
        return [Asked(page, (self.promised[page], self.promised[(page + 1) % ITEMS])) for page, _ in pages]

    async def _judge_all(self, asked: list[Asked], reader: StreamReader) -> None:
        for page, floor in asked:
            self._judge(page, floor, *await _answer(reader))

    def _judge(self, page: int, floor: tuple[int, int], head: bytes, body: bytes) -> None:
        report = self.report
        report.reads += 1
        if not head.startswith(b"HTTP/1.1 200"):
            report.unanswered += 1
            report.first = report.first or f"page {page}: {head[:80]!r}"
            return
        is_hit = b"; hit" in head
        report.hits += is_hit
        first, second = map(int, body.split(b" ", 2)[:2])
        if first < floor[0] or second < floor[1]:
            report.violations += 1
            report.first = report.first or f"page {page} has {first, second}, promised were {floor}, {is_hit=}"
            if self.plan.stop_at_first:
                self.is_over.set()

    # --- faults -------------------------------------------------------------------------------------------------------

    async def _break(self, fault: str, seed: float) -> None:
        """Do it at random moments."""
        chance = random.Random(seed)  # noqa: S311 - no secret
        on_worker = fault in WORKER_PAUSES
        pause = (WORKER_PAUSES if on_worker else self.ground.pauses)[fault] * self.plan.pace
        while not self.is_over.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self.is_over.wait(), pause * (0.5 + chance.random()))
                return
            await getattr(self if on_worker else self.ground, fault)(chance)
            self.report.faults[fault] += 1

    async def pause(self, chance: random.Random) -> None:
        """Stop a worker for a while."""
        worker = chance.choice(self.workers)
        stop, go_on = (partial(worker.signal, number) for number in (signal.SIGSTOP, signal.SIGCONT))
        seconds = chance.random() * self.ground.longest_stop
        await self._talk(worker, partial(self._outlast, chance, seconds, stop, go_on))

    async def blocked(self, chance: random.Random) -> None:
        """Block the loop of a worker's requests, or that on which it follows."""
        worker, which = chance.choice(self.workers), chance.choice(("requests", "messages"))
        ordered: list[asyncio.Future[bool]] = []

        def block() -> None:
            ordered.append(asyncio.ensure_future(worker.order(f"block/{which}")))

        await self._talk(worker, partial(self._outlast, chance, BLOCKED - MOMENT, block, bool))
        await asyncio.gather(*ordered, return_exceptions=True)  # it may be killed meanwhile

    async def _outlast(
        self,
        chance: random.Random,
        seconds: float,
        begin: Callable[[], object],
        end: Callable[[], object],
        *streams: Any,
    ) -> None:
        """Ask a worker that does nothing for a while, just before that ends: what waits is from after a promise."""
        reader, writer = streams
        await self._judge_all(self._ask(chance, writer), reader)  # so it has taken the connection
        begin()
        try:
            await asyncio.sleep(seconds)
            asked = self._ask(chance, writer)
        finally:
            end()
        await self._judge_all(asked, reader)

    async def crash(self, chance: random.Random) -> None:
        """Kill a worker while it invalidates, if one does soon. Its parent forks another one."""
        worker = chance.choice(self.workers)
        worker.asked.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(worker.asked.wait(), 1)
            await asyncio.sleep(chance.random() * IN_THE_MIDST)
        worker.signal(signal.SIGKILL)

    async def reload(self, chance: random.Random) -> None:
        """Let a worker answer what it has begun, and end; its parent forks another one."""
        chance.choice(self.workers).signal(signal.SIGTERM)


def _ground(
    plan: Plan, folder: Path
) -> on_redis.OnRedis | on_cluster.OnCluster | on_lmdb.OnLMDB | on_sentinel.OnSentinel:
    if plan.kind.endswith("sentinel"):
        return on_sentinel.OnSentinel(folder, is_near=plan.kind == "near-sentinel")
    if plan.kind == "lmdb" and plan.folder is not None:
        return on_lmdb.OnLMDB(plan.folder, plan.faults)
    if plan.kind == "redis":
        return on_redis.OnRedis(folder, ITEMS)
    if plan.kind == "cluster":
        return on_cluster.OnCluster(ITEMS)
    if plan.kind == "near-cluster":
        return on_cluster.OnNearCluster(folder, ITEMS)
    return on_near.OnNear(folder, ITEMS, plan.folder, plan.faults, plan.workers)


async def _answer(reader: StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return head, await reader.readexactly(int(length))


async def check(plan: Plan) -> Report:
    """Run a plan.

    Raises:
        ValueError: the kind of store is unknown, or does not know a fault or the mutation.
    """
    if plan.kind not in FAULTS or plan.kind.endswith("lmdb") != (plan.folder is not None):
        raise ValueError(
            "a store is redis, sentinel, cluster, near, near-sentinel, near-cluster, near-lmdb:DIRECTORY or"
            f" lmdb:DIRECTORY, such as lmdb:/dev/shm, not {plan.store}"
        )
    for said, known in (({*plan.faults}, FAULTS), ({plan.mutation} - {""}, MUTATIONS)):
        if unknown := said - {*known[plan.kind]}:
            raise ValueError(
                f"on {plan.kind} there are {', '.join(known[plan.kind])}, not {', '.join(sorted(unknown))}"
            )
    with tempfile.TemporaryDirectory(prefix="promise-") as folder:
        return await Check(plan, Path(folder)).run()
