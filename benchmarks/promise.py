"""Check the promise across processes: several uvicorn workers, one Redis, writers, readers, and faults on demand.

Writers change versioned data and then invalidate. A read is wrong if it was sent after `invalidate_tag` returned, and
is answered with an older version. The exit status is 1 if there was one, or if an answer was no answer.

`--mutation` breaks the rule on purpose, to show that the check finds it.
"""

from __future__ import annotations

import argparse
import asyncio
import mmap
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError

from accelerator import ASGIAccelerator, InvalidationError, RedisStore, cache_for, tag
from accelerator.demo.redis_server import RedisServer
from accelerator.stores.redis import server as redis_server
from accelerator.stores.redis import verdict as redis_verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelerator.asgi_types import Application, Receive, Scope, Send
    from accelerator.rules.entry import Entry

ITEMS: Final = 8
BATCH: Final = 20
"""Requests that a reader sends at once on its connection."""

VARIETY: Final = 6
"""URLs of each page where entries are to be evicted."""

PADDING: Final = bytes(20_000)
SPARE: Final = 0.9
"""The part of what the entries would take that Redis may use, where they are to be evicted."""

PAUSES: Final = {"pause": 0.2, "cut": 0.2, "kill": 1.0, "promote": 1.0, "evict": 0.03}
"""Seconds between two faults of a kind."""

AT_ONCE: Final = ("--repl-diskless-sync-delay", "0")

FAULTS: Final = ("pause", "cut", "kill", "promote", "evict")
MUTATIONS: Final = ("mark-at-storing", "missing-is-valid", "no-identity")


# --- a worker ---------------------------------------------------------------------------------------------------------


class Data:
    """The versions of the items, in memory that all processes share; each has one writer."""

    def __init__(self, path: str) -> None:
        with Path(path).open("r+b") as file:
            # read and written eight bytes at once; struct fills with zeros first, which another process may read
            self._versions = memoryview(mmap.mmap(file.fileno(), 8 * ITEMS)).cast("Q")

    def __getitem__(self, item: int) -> int:
        return self._versions[item]

    def change(self, item: int) -> int:
        """Make the next version, and return it."""
        version = self[item] + 1
        self._versions[item] = version
        return version


class _MarksAtStoring(RedisStore):
    async def commit(self, entry: Entry) -> bool:
        values, identity = await self._link().read([self._meta_key])
        meta = redis_verdict.read_meta(values[self._meta_key], identity)
        object.__setattr__(entry, "mark", meta.mark if meta else entry.mark)
        return await super().commit(entry)


def _store(url: str, mutation: str) -> RedisStore:
    """Return the store, broken as asked for."""
    if mutation == "mark-at-storing":
        return _MarksAtStoring(url, deadline=1)
    if mutation == "missing-is-valid":
        compare = redis_verdict.compare

        def skip_missing(entry: Entry, records: list[bytes | None], meta: Any) -> tuple[bool, bool]:
            return compare(entry, [record for record in records if record is not None], meta)

        redis_verdict.compare = skip_missing
    if mutation == "no-identity":

        def nobody(answer: bytes) -> bytes:  # noqa: ARG001 - that is the fault
            return b"nobody"

        redis_server.identity_in = nobody
    return RedisStore(url, deadline=1)


def create_app() -> Application:
    """Return the application of a worker: page n is made from items n and n + 1."""
    data = Data(os.environ["PROMISE_DATA"])
    chance = random.Random(os.getpid())  # noqa: S311 - no secret

    async def pages(scope: Scope, _receive: Receive, send: Send) -> None:
        page = int(scope["path"].rpartition("/")[2])
        items = page % ITEMS, (page + 1) % ITEMS
        cache_for(60)
        tag(*(f"item:{item}" for item in items))
        versions = [data[item] for item in items]
        await asyncio.sleep(chance.random() * 0.004)
        body = b"%d %d " % (versions[0], versions[1]) + PADDING
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await cached(scope, receive, send)

    cached = ASGIAccelerator(pages, store=_store(os.environ["PROMISE_REDIS"], os.environ["PROMISE_MUTATION"]))
    return app


class Worker:
    """One uvicorn process on a unix socket."""

    def __init__(self, folder: Path, number: int, mutation: str) -> None:
        self.socket = folder / f"worker-{number}.sock"
        self._folder = folder
        self._mutation = mutation
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, and return when it listens."""
        environment = {
            **os.environ,
            "PROMISE_DATA": str(self._folder / "data"),
            "PROMISE_REDIS": f"unix://{self._folder / 'redis.sock'}",
            "PROMISE_MUTATION": self._mutation,
        }
        here = Path(__file__)
        options = ["--factory", "--app-dir", str(here.parent), "--uds", str(self.socket), "--lifespan", "off"]
        command = [sys.executable, "-m", "uvicorn", f"{here.stem}:create_app", *options, "--log-level", "critical"]
        self.process = subprocess.Popen(command, env=environment)  # noqa: ASYNC220, S603 - it returns at once, and is our own
        while self.process.poll() is None:
            with suppress(OSError):
                _, writer = await asyncio.open_unix_connection(self.socket)
                writer.close()
                return
            await asyncio.sleep(0.02)
        raise RuntimeError("a worker did not start")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self.process is not None:
            self.process.send_signal(number)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


# --- the check --------------------------------------------------------------------------------------------------------


@dataclass
class Plan:
    """What to do, for how long."""

    seconds: float = 10.0
    seed: int = 0
    workers: int = 4
    readers: int = 8
    writers: int = 2
    faults: Sequence[str] = ()
    mutation: str = ""
    stop_at_first: bool = False
    pace: float = 1.0


@dataclass
class Report:
    """What came of it."""

    reads: int = 0
    hits: int = 0
    violations: int = 0
    unanswered: int = 0
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
        self.folder = folder
        self.address = folder / "redis.sock"
        self.data = Data(str(folder / "data"))
        self.promised = [0] * ITEMS
        self.workers = [Worker(folder, number, plan.mutation) for number in range(plan.workers)]
        self.redis = RedisServer(*AT_ONCE)
        self.is_over = asyncio.Event()
        self.server_change = asyncio.Lock()

    async def run(self) -> Report:
        """Run it, and return the report."""
        async with AsyncExitStack() as stack:
            stack.callback(lambda: self.redis.stop())
            await asyncio.to_thread(self.redis.start)
            self._move_in()
            for worker in self.workers:
                stack.callback(worker.stop)
                await worker.start()
            start = time.monotonic()
            await self._work()
            self.report.seconds = time.monotonic() - start
        return self.report

    async def _work(self) -> None:
        seeds = random.Random(self.plan.seed)  # noqa: S311 - no secret
        jobs = [self._write(number, seeds.random()) for number in range(self.plan.writers)]
        jobs += [self._read(number, seeds.random()) for number in range(self.plan.readers)]
        jobs += [self._break(fault, seeds.random()) for fault in self.plan.faults]
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.is_over.wait(), self.plan.seconds)
            self.is_over.set()
            self._count_evicted()
            for worker in self.workers:
                worker.signal(signal.SIGCONT)

    async def _write(self, number: int, seed: float) -> None:
        """Change data, invalidate, and only then expect everybody to see it."""
        chance = random.Random(seed)  # noqa: S311 - no secret
        store = RedisStore(f"unix://{self.address}", deadline=1)
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
        await store.aclose()

    async def _read(self, number: int, seed: float) -> None:
        """Read pages of one worker."""
        chance = random.Random(seed)  # noqa: S311 - no secret
        variety = VARIETY if "evict" in self.plan.faults else 2
        reader, writer = await asyncio.open_unix_connection(self.workers[number % len(self.workers)].socket)
        while not self.is_over.is_set():
            pages = [(chance.randrange(ITEMS), chance.randrange(variety)) for _ in range(BATCH)]
            floors = [(self.promised[page], self.promised[(page + 1) % ITEMS]) for page, _ in pages]
            lines = [f"GET /{variant}/{page} HTTP/1.1\r\nhost: localhost\r\n\r\n" for page, variant in pages]
            writer.write("".join(lines).encode())
            for (page, _), floor in zip(pages, floors, strict=True):
                self._judge(page, floor, *await _answer(reader))
        writer.close()

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

    def _move_in(self) -> None:
        """Let the server answer where everybody looks for it."""
        self.redis.socket.replace(self.address)
        self.redis.socket = self.address

    def _count_evicted(self) -> None:
        """Add what this server evicted, before it ends."""
        with suppress(RedisError), self.redis.client() as admin:
            self.report.evicted += admin.info("stats")["evicted_keys"]

    async def _break(self, fault: str, seed: float) -> None:
        """Do it at random moments."""
        chance = random.Random(seed)  # noqa: S311 - no secret
        pause = PAUSES[fault] * self.plan.pace
        while not self.is_over.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self.is_over.wait(), pause * (0.5 + chance.random()))
                return
            async with self.server_change if fault in {"kill", "promote"} else nullcontext():
                await getattr(self, f"_{fault}")(chance)
            self.report.faults[fault] += 1

    async def _pause(self, chance: random.Random) -> None:
        """Stop a worker for a while."""
        worker = chance.choice(self.workers)
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(chance.random() * 0.4)
        worker.signal(signal.SIGCONT)

    async def _cut(self, _chance: random.Random) -> None:
        """Cut every connection to Redis."""
        with suppress(RedisError), self.redis.client() as admin:
            admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    async def _kill(self, chance: random.Random) -> None:
        """Kill Redis, and start it empty."""
        self._count_evicted()
        self.redis.kill()
        await asyncio.sleep(chance.random() * 0.3)
        await asyncio.to_thread(self.redis.start)

    async def _evict(self, chance: random.Random) -> None:
        """Let Redis evict at random once it is warm, and lose the records that matter more often than chance would."""
        with suppress(RedisError), self.redis.client() as admin:
            evicts = admin.config_get("maxmemory")["maxmemory"] != "0"
            if not evicts and admin.dbsize() > 2 * ITEMS * VARIETY * 0.9:
                admin.config_set("maxmemory-policy", "allkeys-random")
                memory: Any = admin.info("memory")
                base = memory["used_memory_startup"]
                admin.config_set("maxmemory", base + int(SPARE * (memory["used_memory"] - base)))
            admin.delete(f"accelerator:{{0}}:t:item:{chance.randrange(ITEMS)}")

    async def _promote(self, chance: random.Random) -> None:
        """Promote a replica that missed what was written last."""
        replica = RedisServer(*AT_ONCE)
        await asyncio.to_thread(replica.start)
        with replica.client() as admin:
            admin.replicaof("127.0.0.1", str(self.redis.port))
            while admin.info("replication")["master_link_status"] != "up":  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.01)
            admin.replicaof("NO", "ONE")
        await asyncio.sleep(0.1 + chance.random() * 0.2)
        self._count_evicted()
        self.redis.kill()
        former, self.redis = self.redis, replica
        self._move_in()
        former.stop()


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return head, await reader.readexactly(int(length))


async def check(plan: Plan) -> Report:
    """Run a plan."""
    with tempfile.TemporaryDirectory(prefix="promise-") as folder:
        return await Check(plan, Path(folder)).run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long (10)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random here (0)")
    parser.add_argument("--workers", type=int, default=4, help="uvicorn processes (4)")
    parser.add_argument("--faults", nargs="*", choices=FAULTS, default=[], help="what to break meanwhile")
    parser.add_argument(
        "--pace", type=float, default=1.0, help="times between faults, longer so many times: more hits (1)"
    )
    parser.add_argument("--mutation", choices=MUTATIONS, default="", help="break the rule itself")
    parser.add_argument("--stop-at-first", action="store_true", help="end with the first violation")
    plan = Plan(**vars(parser.parse_args(arguments)))
    report = asyncio.run(check(plan))
    print(f"{plan}\n{report}")
    return 1 if report.violations or report.unanswered else 0


if __name__ == "__main__":
    sys.exit(main())
