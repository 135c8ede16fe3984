"""Which entry should a full store give up? Hit ratios of FIFO, LRU, SIEVE and S3-FIFO on seeded traces, and their cost.

All entries weigh the same. "1 bit" is S3-FIFO where a hit only sets a bit. The real stores run through the same traces:
`MemoryStore` has to hit exactly where its policy does, and `LMDBStore` nearly as often.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import itertools
import random
import sys
import tempfile
from collections import OrderedDict
from pathlib import Path
from statistics import mean, median, quantiles
from time import process_time
from typing import TYPE_CHECKING, Final, Protocol

from accelerator import LMDBStore, MemoryStore
from accelerator.stores.lmdb.opening import LEAST_SPARE, SPARE
from accelerator.stores.memory.store import READY_PART
from accelerator.testing import make_entry, make_request
from benchmarks.soak.contents import contents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelerator import Store
    from accelerator.http.request import Request

OBJECTS: Final = 20_000
LENGTH: Final = 200_000
SKEWS: Final = (0.6, 0.8, 1.0, 1.2)
SIZES: Final = (0.01, 0.05, 0.2)
SEED: Final = 20240416
ROUNDS: Final = 15
BODY: Final = bytes(3000)
"""The body of each entry; a file that had room for less than 200 of them would be smaller than files may be."""

NEARLY: Final = 2.0
"""Points of the hit ratio by which `LMDBStore` may differ from its policy, which looks at one thing at a time."""


# --- traces -----------------------------------------------------------------------------------------------------------


def zipf(rng: random.Random, skew: float, length: int) -> list[int]:
    """Return requests for `OBJECTS` objects whose popularity falls with their rank to the power of `skew`."""
    weights = itertools.accumulate(1 / rank**skew for rank in range(1, OBJECTS + 1))
    return rng.choices(range(OBJECTS), cum_weights=list(weights), k=length)


def with_one_hit_wonders(rng: random.Random, trace: list[int], share: float) -> list[int]:
    """Replace a share of the requests by ones for objects that nobody asks for again."""
    fresh = itertools.count(OBJECTS)
    return [next(fresh) if rng.random() < share else number for number in trace]


def with_scans(trace: list[int], every: int, length: int) -> list[int]:
    """Let a crawler pass now and then, which asks for `length` objects in a row, the same ones each time."""
    scan = range(10 * OBJECTS, 10 * OBJECTS + length)
    parts = (trace[start : start + every] for start in range(0, len(trace), every))
    return [number for part in parts for number in (*part, *scan)]


def drifting(trace: list[int], every: int, step: int) -> list[int]:
    """Let what is popular change: after so many requests, each rank belongs to the object `step` further on."""
    return [(number + index // every * step) % OBJECTS for index, number in enumerate(trace)]


def traces() -> dict[str, list[int]]:
    """Return the traces by name; each is the same in every run."""
    rng = random.Random(SEED)  # noqa: S311 - a simulation has to repeat itself
    made = {f"Zipf {skew}": zipf(rng, skew, LENGTH) for skew in SKEWS}
    made["Zipf 0.8, 30 % asked for once"] = with_one_hit_wonders(rng, made["Zipf 0.8"], 0.3)
    made["Zipf 1.0, 30 % asked for once"] = with_one_hit_wonders(rng, made["Zipf 1.0"], 0.3)
    made["Zipf 0.8, scans"] = with_scans(zipf(rng, 0.8, LENGTH // 2), every=10_000, length=10_000)
    made["Zipf 1.0, scans"] = with_scans(zipf(rng, 1.0, LENGTH // 2), every=10_000, length=10_000)
    made["Zipf 0.8, drifting"] = drifting(zipf(rng, 0.8, LENGTH), every=100, step=1)
    made["Zipf 1.0, drifting"] = drifting(zipf(rng, 1.0, LENGTH), every=100, step=1)
    made["Zipf 1.0, changing at once"] = drifting(zipf(rng, 1.0, LENGTH), every=LENGTH // 4, step=5000)
    return made


# --- policies ---------------------------------------------------------------------------------------------------------


class Policy(Protocol):
    """What is held of at most `capacity` objects."""

    def __init__(self, capacity: int) -> None: ...

    def __call__(self, number: int) -> bool:
        """Say whether an object is there, and take it in if it is not."""
        ...


class Fifo:
    """The oldest goes."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.held: OrderedDict[int, None] = OrderedDict()

    def __call__(self, number: int) -> bool:
        """A hit changes nothing."""
        if number in self.held:
            return True
        if len(self.held) >= self.capacity:
            self.held.popitem(last=False)
        self.held[number] = None
        return False


class Lru:
    """What was not asked for the longest goes: every hit moves its object to the end of the queue."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.held: OrderedDict[int, None] = OrderedDict()

    def __call__(self, number: int) -> bool:
        """A hit moves its object to the end."""
        if number in self.held:
            self.held.move_to_end(number)
            return True
        if len(self.held) >= self.capacity:
            self.held.popitem(last=False)
        self.held[number] = None
        return False


class Node:
    """An object in the queue of `Sieve`."""

    __slots__ = ("newer", "number", "older", "used")

    def __init__(self, number: int, older: Node | None) -> None:
        self.number = number
        self.older = older
        self.newer: Node | None = None
        self.used = False


class Sieve:
    """A hand goes from old to new and takes the first that was not used since it passed last (NSDI 2024)."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.held: dict[int, Node] = {}
        self.newest: Node | None = None
        self.oldest: Node | None = None
        self.hand: Node | None = None

    def __call__(self, number: int) -> bool:
        """A hit sets a bit."""
        node = self.held.get(number)
        if node is not None:
            node.used = True
            return True
        if len(self.held) >= self.capacity:
            self._evict()
        node = self.held[number] = Node(number, self.newest)
        if self.newest is not None:
            self.newest.newer = node
        self.newest = node
        self.oldest = self.oldest or node
        return False

    def _evict(self) -> None:
        node = self.hand or self.oldest
        while node is not None and node.used:
            node.used = False
            node = node.newer or self.oldest
        assert node is not None
        self.hand = node.newer
        if node.newer is not None:
            node.newer.older = node.older
        else:
            self.newest = node.older
        if node.older is not None:
            node.older.newer = node.newer
        else:
            self.oldest = node.newer
        node.newer = node.older = None
        del self.held[node.number]


class S3Fifo:
    """New objects pass a small queue; what is used there, or comes again soon, gets into the main one (SOSP 2023)."""

    most_uses = 3
    uses_for_main = 2

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.small_capacity = max(1, capacity // 10)
        self.uses: dict[int, int] = {}  # of what is held
        self.small: OrderedDict[int, None] = OrderedDict()
        self.main: OrderedDict[int, None] = OrderedDict()
        self.ghosts: OrderedDict[int, None] = OrderedDict()  # names of what went from the small queue

    def __call__(self, number: int) -> bool:
        """A hit counts, up to a limit."""
        if number in self.uses:
            self.uses[number] = min(self.most_uses, self.uses[number] + 1)
            return True
        while len(self.uses) >= self.capacity:
            if len(self.small) >= self.small_capacity:
                self._judge_oldest_of_small()
            else:
                self._judge_oldest_of_main()
            if len(self.ghosts) > len(self.uses):
                self.ghosts.popitem(last=False)
        queue = self.main if number in self.ghosts else self.small
        self.ghosts.pop(number, None)
        queue[number] = None
        self.uses[number] = 0
        return False

    def _judge_oldest_of_small(self) -> None:
        number, _ = self.small.popitem(last=False)
        if self.uses[number] >= self.uses_for_main:
            self.uses[number] = 0
            self.main[number] = None
        else:
            del self.uses[number]
            self.ghosts[number] = None

    def _judge_oldest_of_main(self) -> None:
        number = next(iter(self.main))
        if self.uses[number]:
            self.uses[number] -= 1
            self.main.move_to_end(number)
        else:
            del self.main[number], self.uses[number]


class S3FifoOneBit(S3Fifo):
    """S3-FIFO where a hit only sets a bit."""

    most_uses = 1
    uses_for_main = 1


POLICIES: Final[dict[str, type[Policy]]] = {
    "FIFO": Fifo,
    "LRU": Lru,
    "SIEVE": Sieve,
    "S3-FIFO": S3Fifo,
    "1 bit": S3FifoOneBit,
}
OF_THE_STORE: Final = "1 bit"


# --- the store itself -------------------------------------------------------------------------------------------------


@functools.cache
def request_for(number: int) -> Request:
    """Return a request for an object; all their entries weigh the same."""
    return make_request(f"http://www.example.org/{number:08}")


async def look_up_or_store(store: Store, number: int) -> bool:
    """Say whether an object is there, and take it in if it is not."""
    request = request_for(number)
    found = await store.lookup(request)
    if found.entry is None:
        await store.commit(make_entry(request, found.mark, body=BODY))
    return found.entry is not None


async def hits_of_memory_store(trace: list[int], capacity: int) -> int:
    """Return the hits of a `MemoryStore` with room for that many of these entries."""
    one = MemoryStore()
    await look_up_or_store(one, 0)
    store = MemoryStore(max_bytes=READY_PART * one.size * capacity // (READY_PART - 1))  # a part is for entries in use
    hits = [await look_up_or_store(store, number) for number in trace]
    assert len(store) <= capacity
    return sum(hits)


async def hits_of_lmdb_store(trace: list[int], capacity: int, folder: Path) -> int:
    """Return the hits of an `LMDBStore` with room for that many of these entries, whose file is made there."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        one = LMDBStore(Path(place, "one"))
        await look_up_or_store(one, 0)
        one.close()
        room = contents(Path(place, "one")).entry_bytes * capacity
        store = LMDBStore(Path(place, "store"), room + max(-(-room // (SPARE - 1)), LEAST_SPARE))
        hits = [await look_up_or_store(store, number) for number in trace]
        store.close()
        assert contents(Path(place, "store")).entries <= capacity
        return sum(hits)


# --- measuring --------------------------------------------------------------------------------------------------------


def hits_of(policy: Policy, trace: list[int]) -> int:
    """Return how many requests of a trace a policy answers."""
    return sum(map(policy, trace))


async def compare(folder: Path, length: int) -> None:
    """Print hit ratios for each trace and size, and hold the stores to their policy here."""
    print(f"hit ratio in %; {OBJECTS:,} objects, {length:,} requests; room in % of the objects; * is the best\n")
    stores = "MemoryStore", "LMDBStore"
    print(
        f"{'':33}{'room':>5}" + "".join(f"{name:>9}" for name in POLICIES) + "".join(f"{name:>13}" for name in stores)
    )
    ratios: dict[str, list[float]] = {name: [] for name in (*POLICIES, *stores)}
    bests = dict.fromkeys(POLICIES, 0)
    for name, whole in traces().items():
        trace = whole[:length]
        for size in SIZES:
            capacity = int(OBJECTS * size)
            hits = {policy: hits_of(kind(capacity), trace) for policy, kind in POLICIES.items()}
            best = max(hits.values())
            bests = {policy: bests[policy] + (number == best) for policy, number in hits.items()}
            hits["MemoryStore"] = await hits_of_memory_store(trace, capacity)
            hits["LMDBStore"] = await hits_of_lmdb_store(trace, capacity, folder)
            for each, number in hits.items():
                ratios[each].append(100 * number / len(trace))
            line = "".join(f"{ratios[policy][-1]:8.2f}{'*' if hits[policy] == best else ' '}" for policy in POLICIES)
            line += "".join(f"{ratios[store][-1]:12.2f} " for store in stores)
            print(f"{name:33}{100 * size:5.0f}{line}", flush=True)
            assert hits["MemoryStore"] == hits[OF_THE_STORE], f"MemoryStore does what {OF_THE_STORE} does here"
            assert abs(ratios["LMDBStore"][-1] - ratios[OF_THE_STORE][-1]) <= NEARLY, "LMDBStore hits nearly as often"
    means = "".join(f"{mean(ratios[policy]):8.2f} " for policy in POLICIES)
    print(f"{'mean':38}{means}" + "".join(f"{mean(ratios[store]):12.2f} " for store in stores))
    print(f"{'best of these':38}" + "".join(f"{bests[policy]:8} " for policy in POLICIES))


def seconds_each(policy: Policy, numbers: Sequence[int]) -> float:
    """Return what one call takes."""
    gc.collect()
    gc.disable()
    start = process_time()
    for number in numbers:
        policy(number)
    taken = process_time() - start
    gc.enable()
    return taken / len(numbers)


def time_each() -> None:
    """Print what the bookkeeping costs by each policy, of hits alone and over a trace, the policies taking turns."""
    name, capacity = "Zipf 1.0", OBJECTS // 10
    trace = traces()[name]
    hits: dict[str, list[float]] = {name: [] for name in POLICIES}
    requests: dict[str, list[float]] = {name: [] for name in POLICIES}
    for _ in range(ROUNDS):
        for policy, kind in POLICIES.items():
            full = kind(OBJECTS)
            hits_of(full, list(range(OBJECTS)))
            hits[policy].append(seconds_each(full, range(OBJECTS)))
            requests[policy].append(seconds_each(kind(capacity), trace))
    print(
        f"\nµs of bookkeeping                    a hit  quartiles  ratio   a request of {name}, room for {capacity:,}"
    )
    for policy in POLICIES:
        print(f"{policy:33}{column(hits[policy], hits['FIFO'])}{column(requests[policy], requests['FIFO'])}")


def column(times: list[float], base: list[float]) -> str:
    """Return median, quartiles, and the ratio to the baseline."""
    low, middle, high = quantiles((1e6 * taken for taken in times), n=4)
    ratio = median(one / other for one, other in zip(times, base, strict=True))
    return f"{middle:9.2f}{f'{low:.2f}-{high:.2f}':>11}{ratio:7.2f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--path", type=Path, default="/dev/shm", help="where files are made for a while (/dev/shm)")  # noqa: S108 - one's own directory in it
    parser.add_argument("--requests", type=int, default=LENGTH, help=f"of each trace, at most ({LENGTH})")
    told = parser.parse_args(arguments)
    print(f"Python {sys.version.split()[0]}")
    asyncio.run(compare(told.path, told.requests))


if __name__ == "__main__":
    main()
    time_each()
