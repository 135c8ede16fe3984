"""Runs workers, kills some and starts others, and looks at what the file and the processes take."""

from __future__ import annotations

import multiprocessing
import random
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import lmdb
import psutil

from accelerator.stores.lmdb.layout import DamagedError
from accelerator.stores.lmdb.opened import MAX_KNOWN_BYTES
from accelerator.stores.lmdb.opening import LEAST_SPARE, SPARE
from accelerator.stores.lmdb.sweep import MAX_RECORDS
from accelerator.stores.lmdb.writing import RECORD_BYTES
from benchmarks.soak import worker
from benchmarks.soak.contents import Contents, contents
from benchmarks.soak.worker import Board, Count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.context import ForkServerProcess

ROWS: Final = 20
"""Rows of the table."""

LOOKS: Final = 1.0
"""Seconds between two looks at what is taken, besides those that the table shows."""

PATIENCE: Final = 500
"""Looks in a row, some milliseconds apart, for which the file may not be there."""

STARTED: Final = 48 * 1024 * 1024
"""Bytes of memory that a process has which has just started, with all modules."""

MEMORY: Final = STARTED + MAX_KNOWN_BYTES * 3 // 2
"""Bytes that it may take: what it has decoded, as it is counted, and half as much for what malloc keeps."""

RECORDS: Final = 2 * MAX_RECORDS
"""Records of tags that there may be: those that are always kept, and those that wait for a pass of the sweep."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do.

    Attributes:
        folder: where the file is made for a while.
        operations: how many.
        seconds: in which they have to be done.
        workers: the number of processes.
        max_bytes: the size that the file may have.
        kills: the seconds between two kills, on average.
        seed: of all that is random here.
    """

    folder: Path
    operations: int = 200_000
    seconds: float = 3600.0
    workers: int = 4
    max_bytes: int = 64 * 1024 * 1024
    kills: float = 2.0
    seed: int = 0


class Look(NamedTuple):
    """A look at what is taken.

    Attributes:
        operations: those that were done by then.
        found: what is in the file.
        memory: the bytes of memory of each process, without the mapped file.
    """

    operations: int
    found: Contents
    memory: list[int]


def breaches(look: Look, plan: Plan) -> Iterator[str]:
    """Yield what is not within its bounds."""
    found = look.found
    room = plan.max_bytes - max(plan.max_bytes // SPARE, LEAST_SPARE)
    in_use = found.entry_bytes + RECORD_BYTES * found.records
    bounds = {
        "bytes of the file": (found.file_bytes, plan.max_bytes),
        "bytes in use": (in_use, room + RECORD_BYTES * MAX_RECORDS // 8),  # a commit makes room again
        "records of tags": (found.records, RECORDS),
        "ghosts": (found.ghosts, found.entries),
        "places among the readers": (found.readers, 2 * plan.workers + 2),
        "bytes of a process": (max(look.memory, default=0), MEMORY),
    }
    yield from (f"{value:,} {what}, over {bound:,}" for what, (value, bound) in bounds.items() if value > bound)
    said = {
        "bytes of entries": (found.entry_bytes, found.said_bytes),
        "places in the queues": (found.places, found.entries),
        "records of tags": (found.records, found.said_records),
    }
    yield from (f"{value:,} {what}, said were {other:,}" for what, (value, other) in said.items() if value != other)


class Outcome(NamedTuple):
    """What came of a run: what was counted, kills, files seen, seconds, and what was not within its bounds."""

    counts: dict[Count, int]
    kills: int
    files: int
    seconds: float
    breaches: list[str]


class Run:
    """One run.

    Args:
        plan: what to do.
        folder: where the numbers are that all share.
        show: called with each row's look, and the kills by then.
    """

    def __init__(self, plan: Plan, folder: Path, show: Callable[[Look, int], None]) -> None:
        self._plan = plan
        self._show = show
        self._path = folder / "store"
        self._board_path = folder / "board"
        self._board = Board.make(self._board_path, plan.workers)
        self._chance = random.Random(plan.seed)  # noqa: S311 - no secret
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([worker.__name__])
        self._processes: list[ForkServerProcess] = []
        self._kills = self._in_vain = 0
        self._files: set[int] = set()
        self._breaches: list[str] = []

    def run(self) -> Outcome:
        """Run it."""
        plan, began = self._plan, time.monotonic()
        self._processes = [self._started(number) for number in range(plan.workers)]
        try:
            self._watch(began + plan.seconds)
        finally:
            self._board.end()
            for process in self._processes:
                process.join()
        self._breaches += [f"a worker ended with {each.exitcode}" for each in self._processes if each.exitcode != 0]
        counts = {what: self._board.counted(what) for what in Count}
        if counts[Count.OLDER]:
            self._breaches.append(f"{counts[Count.OLDER]:,} hits were older than what was promised")
        return Outcome(counts, self._kills, len(self._files), time.monotonic() - began, self._breaches)

    def _started(self, number: int) -> ForkServerProcess:
        plan = self._plan
        words = (self._path, plan.max_bytes, self._board_path, number, plan.workers, self._chance.getrandbits(32))
        process = self._context.Process(target=worker.main, args=words)
        process.start()
        return process

    def _watch(self, until: float) -> None:
        """Kill workers and look, until all is done."""
        plan = self._plan
        rows = [plan.operations * (row + 1) // ROWS for row in range(ROWS)]
        next_kill, next_look = time.monotonic() + plan.kills, 0.0
        while rows and (now := time.monotonic()) < until and not self._breaches and self._all_work():
            if now >= next_kill:
                next_kill = now + plan.kills * 2 * self._chance.random()
                self._kill()
            if self._board.operations >= rows[0] or now >= next_look:
                next_look = now + LOOKS
                self._look(rows)
            time.sleep(0.005)

    def _kill(self) -> None:
        number = self._chance.randrange(self._plan.workers)
        victim = self._processes[number]
        victim.kill()
        victim.join()
        self._kills += 1
        if victim.exitcode == -signal.SIGKILL:
            self._processes[number] = self._started(number)

    def _all_work(self) -> bool:
        return all(each.exitcode is None for each in self._processes)

    def _look(self, rows: list[int]) -> None:
        """Look at what is taken, and show it if another row is due."""
        try:
            found = contents(self._path)
        except (FileNotFoundError, lmdb.Error, DamagedError):
            self._in_vain += 1  # workers may just begin it anew
            if self._in_vain > PATIENCE:
                raise
            return
        self._in_vain = 0
        self._files.add(found.file)
        look = Look(self._board.operations, found, [_memory(each) for each in self._processes])
        self._breaches += breaches(look, self._plan)
        if look.operations >= rows[0]:
            self._show(look, self._kills)
            rows[:] = [row for row in rows if row > look.operations]


def _memory(process: ForkServerProcess) -> int:
    """Return the bytes of memory of a process's own, 0 if it has ended."""
    try:
        taken = psutil.Process(process.pid).memory_info()
    except psutil.NoSuchProcess:
        return 0
    return int(taken.rss - taken.shared)


def soak(plan: Plan, show: Callable[[Look, int], None]) -> Outcome:
    """Run a plan, and return what came of it."""
    with tempfile.TemporaryDirectory(prefix="soak-", dir=plan.folder) as folder:
        return Run(plan, Path(folder), show).run()
