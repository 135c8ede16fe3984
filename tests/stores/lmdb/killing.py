"""Processes that fill, read and take back, hold each other to the promise, and are killed at any instruction."""

from __future__ import annotations

import mmap
import os
import random
import signal
import sys
import time
from pathlib import Path

from accelerator import InvalidationError, LMDBStore
from accelerator.testing import make_entry, make_request
from tests.support import drive

ITEMS = 6
MAX_BYTES = 2_000_000


class Versions:
    """The versions of the data, and of what has been taken back, in memory that all processes share."""

    def __init__(self) -> None:
        self._memory = memoryview(mmap.mmap(-1, 16 * ITEMS)).cast("Q")

    def written(self, item: int) -> int:
        return self._memory[item]

    def promised(self, item: int) -> int:
        return self._memory[ITEMS + item]

    def change(self, store: LMDBStore, item: int) -> None:
        version = self._memory[item] = self._memory[item] + 1
        try:
            drive(store.invalidate_tag(f"item:{item}"))
        except InvalidationError:
            return  # it promises nothing yet
        self._memory[ITEMS + item] = version


def work(store: LMDBStore, versions: Versions, own: int, seed: int) -> None:
    """Read everything, fill what is missing, and change one item, until killed."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    while True:
        item = chance.randrange(ITEMS)
        request = make_request(f"https://example.org/{item}/{chance.randrange(4)}")
        least = versions.promised(item)
        found = drive(store.lookup(request))
        if found.entry is None:
            body = b"%d " % versions.written(item) + bytes(chance.randrange(20_000))
            try:
                drive(store.commit(make_entry(request, found.mark, [f"item:{item}"], body=body)))
            except Exception:  # noqa: BLE001 - the middleware would go on, too
                time.sleep(0)
        elif int(found.entry.body.partition(b" ")[0]) < least:
            os._exit(3)
        if chance.random() < 0.1:
            versions.change(store, own)


def main(path: str, kills: str) -> None:
    versions, chance = Versions(), random.Random(0)  # noqa: S311 - no secret
    store = LMDBStore(Path(path), MAX_BYTES)
    children: dict[int, int] = {}
    for number in range(int(kills)):
        while len(children) < 3:
            own = min({0, 1, 2} - {*children.values()})
            child = os.fork()
            if child == 0:
                try:
                    work(store, versions, own, number)
                finally:
                    os._exit(4)
            children[child] = own
        time.sleep(chance.random() * 0.02)
        victim = chance.choice([*children])
        os.kill(victim, signal.SIGKILL)
        _, status = os.waitpid(victim, 0)
        if status != signal.SIGKILL:
            sys.exit(f"a process ended with status {status}")
        del children[victim]
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    for item in range(ITEMS):
        versions.change(store, item)
        request = make_request(f"https://example.org/{item}/0")
        assert drive(store.lookup(request)).entry is None
    size = (Path(path) / "data.mdb").stat().st_size
    sys.stdout.write(f"{sum(map(versions.promised, range(ITEMS)))} {size}")


if __name__ == "__main__":
    main(*sys.argv[1:])
