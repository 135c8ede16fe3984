"""A worker: looks up, fills and takes back, until it is told to end or is killed; and holds the others to the promise.

Pages are made from items, which have versions. Who changes one takes it back, and only then promises the version.
"""

from __future__ import annotations

import logging
import mmap
import random
from enum import IntEnum
from functools import lru_cache
from itertools import accumulate
from multiprocessing import parent_process
from typing import TYPE_CHECKING, Final

from accelerator import InvalidationError, LMDBStore
from accelerator.http.request import Request
from accelerator.stores.lmdb.repeating import FAILURES
from accelerator.stores.protocol import Lease
from accelerator.testing import make_entry, make_request
from benchmarks.lmdb_store import done

if TYPE_CHECKING:
    from pathlib import Path

    from accelerator import Lookup
    from accelerator.rules.entry import Entry

PAGES: Final = 8_000
ITEMS: Final = 1000
WEIGHTS: Final = list(accumulate(rank**-1.2 for rank in range(1, PAGES + 1)))
NAMES: Final = 1_000_000
"""Tags of entries that are long gone, whose records pile up."""

CHOSEN_AT_ONCE: Final = 500

INVALIDATIONS, SOFT, MANY, CLEARS = 0.003, 0.001, 0.0005, 0.00001
"""The parts of the operations that take back a tag, take one back softly, take back many, and clear."""


class Count(IntEnum):
    """What is counted of each worker: operations by what came of them, and hits older than what was promised."""

    HITS = 0
    FILLS = 1
    UNSTORED = 2
    INVALIDATIONS = 3
    CLEARS = 4
    FAILURES = 5
    OLDER = 6


OPERATIONS: Final = (Count.HITS, Count.FILLS, Count.UNSTORED, Count.INVALIDATIONS, Count.CLEARS, Count.FAILURES)


class Board:
    """Numbers in memory that all processes share; each has one writer.

    Args:
        path: the file, made of zeros.
    """

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._numbers = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")

    @staticmethod
    def make(path: Path, workers: int) -> Board:
        """Make a new one for so many workers."""
        path.write_bytes(bytes(8 * (2 * ITEMS + 1 + workers * len(Count))))
        return Board(path)

    def written(self, item: int) -> int:
        """Return the version of an item."""
        return self._numbers[item]

    def promised(self, item: int) -> int:
        """Return the version that everybody has to see."""
        return self._numbers[ITEMS + item]

    def write(self, item: int) -> int:
        """Make the next version of an item, and return it."""
        version = self._numbers[item] = self._numbers[item] + 1
        return version

    def promise(self, item: int, version: int) -> None:
        """Let everybody expect this version."""
        self._numbers[ITEMS + item] = version

    @property
    def is_over(self) -> bool:
        """Whether workers are to end."""
        return bool(self._numbers[2 * ITEMS])

    def end(self) -> None:
        """Tell workers to end."""
        self._numbers[2 * ITEMS] = 1

    def count(self, worker: int, what: Count) -> None:
        """Count one more."""
        self._numbers[2 * ITEMS + 1 + worker * len(Count) + what] += 1

    def counted(self, what: Count) -> int:
        """Return how many all workers counted."""
        return sum(self._numbers[2 * ITEMS + 1 + what :: len(Count)])

    @property
    def operations(self) -> int:
        """The number of all operations."""
        return sum(map(self.counted, OPERATIONS))


@lru_cache(1000)
def request_for(page: int, coding: str) -> Request:
    """Return a request for a page."""
    return make_request(f"https://www.example.org/{page}", [("accept-encoding", coding)])


class Worker:
    """What a worker does.

    Args:
        store: the store.
        board: the numbers that all share.
        number: its number, which says which items it changes.
        workers: how many there are.
        seed: of what it does.
    """

    def __init__(self, store: LMDBStore, board: Board, number: int, workers: int, seed: int) -> None:
        self._store = store
        self._board = board
        self._number = number
        self._own = range(number, ITEMS, workers)
        self._chance = random.Random(seed)  # noqa: S311 - no secret

    def run(self) -> None:
        """Work until told to end, or left alone."""
        parent = parent_process()
        limits = list(accumulate((CLEARS, MANY, SOFT, INVALIDATIONS)))
        while not self._board.is_over and (parent is None or parent.is_alive()):
            for page in self._chance.choices(range(PAGES), cum_weights=WEIGHTS, k=CHOSEN_AT_ONCE):
                kind = self._chance.random()
                if kind >= limits[-1]:
                    self.ask(page)
                else:
                    self._take_back(next(index for index, limit in enumerate(limits) if kind < limit))

    def ask(self, page: int) -> None:
        """Look a page up, fill it if it has to be, and see that it is no older than what was promised."""
        try:
            self._count(self._answer(page))
        except FAILURES:
            self._count(Count.FAILURES)  # the middleware would ask the application, and so would this

    def _count(self, what: Count) -> None:
        self._board.count(self._number, what)

    def _answer(self, page: int) -> Count:
        request = request_for(page, self._chance.choice(["gzip", "br", "zstd"]))
        least = self._board.promised(page % ITEMS)
        ready = self._store.ready_entry(request.key, request, Request.selecting_values)
        if ready is None:
            found: Lookup = done(self._store.lookup(request))
            if found.entry is None or found.invalidated:
                return self._fill(page, request, found)
        entry = ready.entry if ready is not None else found.entry
        assert entry is not None
        if int(entry.body.partition(b" ")[0]) < least:
            self._count(Count.OLDER)
        return Count.HITS

    def _fill(self, page: int, request: Request, found: Lookup) -> Count:
        entry = self._made(page, request, found)
        turn = done(self._store.lease(page.to_bytes(16))) if page % 4 == 0 else None
        is_stored = done(self._store.commit(entry))
        if isinstance(turn, Lease):
            turn.end()  # one that was not ended runs out
        return Count.FILLS if is_stored else Count.UNSTORED

    def _made(self, page: int, request: Request, found: Lookup) -> Entry:
        item = page % ITEMS
        body = b"%d " % self._board.written(item) + bytes(page * 7919 % 20_000)
        return make_entry(
            request,
            found.mark,
            [f"item:{item}", f"page:{page}", "site"],
            body=body,
            vary=(b"accept-encoding",) if page % 10 == 0 else (),
            lifetime=1.0 if page % 7 == 0 else 3600.0,
        )

    def _take_back(self, kind: int) -> None:
        store, what = self._store, Count.CLEARS if kind == 0 else Count.INVALIDATIONS
        item = self._chance.choice(self._own)
        try:
            if kind == 0:
                done(store.clear())
            elif kind == 1:
                done(store.invalidate_tag(f"gone:{self._chance.randrange(NAMES)}" for _ in range(20)))
            elif kind == 2:
                done(store.invalidate_tag(f"item:{item}", soft=True))
            else:
                version = self._board.write(item)
                done(store.invalidate_tag(f"item:{item}"))
                self._board.promise(item, version)
        except InvalidationError:
            what = Count.FAILURES
        self._count(what)


def main(path: Path, max_bytes: int, board: Path, number: int, workers: int, seed: int) -> None:
    """Work in a process of its own."""
    logging.disable()  # what fails is counted
    Worker(LMDBStore(path, max_bytes), Board(board), number, workers, seed).run()
