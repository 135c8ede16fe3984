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
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from accelerator import InvalidationError
from benchmarks.promise import on_lmdb, on_redis
from benchmarks.promise.worker import ITEMS, Data, Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH: Final = 20
"""Requests that a reader sends at once on its connection."""

VARIETY: Final = 6
"""URLs of each page where entries are to be evicted."""

WORKER_PAUSES: Final = {"pause": 0.2, "crash": 0.3, "reload": 0.5}
"""Seconds between two faults of a kind that happen to workers. Only `pause` leaves the connections as they are."""

FAULTS: Final = {
    "redis": ("pause", "cut", "kill", "promote", "evict"),
    "lmdb": ("pause", "crash", "reload", "remove", "tiny"),
}
"""What can happen, by the kind of store."""

MUTATIONS: Final = {"redis": on_redis.MUTATIONS, "lmdb": on_lmdb.MUTATIONS}


@dataclass
class Plan:
    """What to do, for how long. `store` is `redis`, or `lmdb:` with a directory for the file."""

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


@dataclass
class Report:
    """What came of it. Reads that were cut off by the end of a worker are sent again, and not counted as such."""

    reads: int = 0
    hits: int = 0
    violations: int = 0
    unanswered: int = 0
    cut_off: int = 0
    invalidations: int = 0
    failed_invalidations: int = 0
    evicted: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    first: str = ""


class Check:
    """One run."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        (folder / "data").write_bytes(bytes(8 * ITEMS))
        self.plan = plan
        self.report = Report()
        self.data = Data(folder / "data")
        self.promised = [0] * ITEMS
        self.ground: on_redis.OnRedis | on_lmdb.OnLMDB
        if plan.kind == "lmdb":
            self.ground = on_lmdb.OnLMDB(Path(plan.store.partition(":")[2]), plan.faults)
        else:
            self.ground = on_redis.OnRedis(folder, ITEMS)
        store = plan.kind, self.ground.address, plan.mutation
        self.workers = [Worker(folder, number, store) for number in range(plan.workers)]
        self.is_over = asyncio.Event()

    async def run(self) -> Report:
        """Run it, and return the report."""
        async with AsyncExitStack() as stack:
            stack.callback(self.ground.stop)
            await self.ground.start()
            for worker in self.workers:
                stack.callback(worker.stop)
                await worker.start()
            start = time.monotonic()
            await self._work()
            self.report.seconds = time.monotonic() - start
            self.report.evicted = self.ground.evicted
        return self.report

    async def _work(self) -> None:
        seeds = random.Random(self.plan.seed)  # noqa: S311 - no secret
        jobs = [self._write(number, seeds.random()) for number in range(self.plan.writers)]
        jobs += [self._read(number, seeds.random()) for number in range(self.plan.readers)]
        jobs += [self._break(fault, seeds.random()) for fault in self.plan.faults if fault != "tiny"]
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
        store: Any = self.ground.store()
        own = range(number, ITEMS, self.plan.writers)
        while not self.is_over.is_set():
            item = chance.choice(own)
            version = self.data.change(item)
            try:
                await store.invalidate_tag(f"item:{item}")
            except InvalidationError:
                self.report.failed_invalidations += 1
            else:
                self.report.invalidations += 1
                self.promised[item] = version
            await asyncio.sleep(chance.random() * 0.2)
        await self.ground.close(store)

    async def _read(self, number: int, seed: float) -> None:
        """Read pages of one worker, on a new connection where it ends."""
        chance = random.Random(seed)  # noqa: S311 - no secret
        worker = self.workers[number % len(self.workers)]
        while not self.is_over.is_set():
            try:
                reader, writer = await asyncio.open_unix_connection(worker.socket)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            try:
                await self._read_on(chance, reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                self.report.cut_off += 1
            finally:
                writer.close()

    async def _read_on(self, chance: random.Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        variety = VARIETY if {"evict", "tiny"} & {*self.plan.faults} else 2
        while not self.is_over.is_set():
            pages = [(chance.randrange(ITEMS), chance.randrange(variety)) for _ in range(BATCH)]
            floors = [(self.promised[page], self.promised[(page + 1) % ITEMS]) for page, _ in pages]
            lines = [f"GET /{variant}/{page} HTTP/1.1\r\nhost: localhost\r\n\r\n" for page, variant in pages]
            writer.write("".join(lines).encode())
            for (page, _), floor in zip(pages, floors, strict=True):
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
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(chance.random() * 0.4)
        worker.signal(signal.SIGCONT)

    async def crash(self, chance: random.Random) -> None:
        """Kill a worker, whose parent forks another one."""
        chance.choice(self.workers).signal(signal.SIGKILL)

    async def reload(self, chance: random.Random) -> None:
        """Let a worker answer what it has begun, and end; its parent forks another one."""
        chance.choice(self.workers).signal(signal.SIGTERM)


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return head, await reader.readexactly(int(length))


async def check(plan: Plan) -> Report:
    """Run a plan.

    Raises:
        ValueError: the kind of store is unknown, or does not know a fault or the mutation.
    """
    if plan.kind not in FAULTS:
        raise ValueError(f"a store is redis or lmdb:DIRECTORY, such as lmdb:/dev/shm, not {plan.store}")
    for said, known in (({*plan.faults}, FAULTS), ({plan.mutation} - {""}, MUTATIONS)):
        if unknown := said - {*known[plan.kind]}:
            raise ValueError(
                f"on {plan.kind} there are {', '.join(known[plan.kind])}, not {', '.join(sorted(unknown))}"
            )
    with tempfile.TemporaryDirectory(prefix="promise-") as folder:
        return await Check(plan, Path(folder)).run()
