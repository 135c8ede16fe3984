"""What entries of a `MemoryStore` take, and how long it stands still: for the garbage collector, and to be cleared.

Entries have 10 header lines, 5 tags and a small body. "Beyond its texts" is what tracemalloc counts, less the lengths
of all texts: names and values of lines, key, tags and body. Times are CPU time, so that a busy machine counts less; the
garbage collector is off while calls are timed. A million entries, which take 2 GB and minutes, are made on demand.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tracemalloc
from statistics import median, quantiles
from time import process_time
from typing import TYPE_CHECKING

from accelerator import MemoryStore
from accelerator.http.request import Request
from accelerator.testing import make_entry, make_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from accelerator.http.request import Vary
    from accelerator.rules.entry import Entry

UNBOUNDED = 64 * 1024**3
WEIGHED = 20_000
BATCH = 500
SHARED = tuple(f"tag:{number}" for number in range(5))


def request(number: int) -> Request:
    """Return a request for the page of that number, made of new objects."""
    return make_request(f"http://www.example.org/page/{number:07}", [("accept-encoding", "gzip")])


def entry(number: int, tags: Iterable[str] = SHARED, vary: Vary = ()) -> Entry:
    """Return the entry of a page, made of new objects as an application's would be."""
    etag = f'W/"{number:024x}"'.encode()
    return make_entry(
        request(number),
        0,
        tags,
        headers=tuple([(f"x-field-{line}".encode(), f"value {line} of {number:07}".encode()) for line in range(8)]),
        added=((b"cache-control", b"no-cache"), (b"etag", etag)),
        body=bytes(100),
        etag=etag,
        vary=vary,
    )


def texts(made: Entry, shared: Iterable[str]) -> int:
    """Return the lengths of the texts that an entry has, without those that all others have, too."""
    lines = sum(len(name) + len(value) for name, value in made.headers + made.added)
    return lines + sum(map(len, (*made.key, *made.tags.difference(shared), made.body, *made.vary)))


async def measure_bytes() -> None:
    """Print what entries take at rest, and what the store accounts for them."""
    shapes: dict[str, Callable[[int], Entry]] = {
        "no tags": lambda number: entry(number, ()),
        "5 tags shared with all": entry,
        "5 tags of its own": lambda number: entry(number, [f"tag:{number:07}:{index}" for index in range(5)]),
        "5 shared tags, Vary": lambda number: entry(number, vary=(b"accept-encoding",)),
    }
    print(f"{f'bytes per entry, of {WEIGHED:,}':34}{'taken':>9}{'beyond its texts':>18}{'accounted':>11}{'ratio':>7}")
    for name, make in shapes.items():
        gc.collect()
        tracemalloc.start()
        store = MemoryStore(max_bytes=UNBOUNDED)
        for number in range(WEIGHED):
            await store.commit(make(number))
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        beyond = taken / WEIGHED - texts(make(0), SHARED)
        accounted = store.size / WEIGHED
        print(f"{name:34}{taken / WEIGHED:9.0f}{beyond:18.0f}{accounted:11.0f}{taken / store.size:7.2f}")


async def filled(entries: int) -> tuple[MemoryStore, float]:
    """Return a store of that many entries, and the longest commit in seconds."""
    store, longest = MemoryStore(max_bytes=UNBOUNDED), 0.0
    for number in range(entries):
        made = entry(number)
        gc.disable()
        start = process_time()
        await store.commit(made)
        longest = max(longest, process_time() - start)
        gc.enable()
    return store, longest


async def measure_stops(entries: int) -> None:
    """Print how long the longest calls on a store of that many entries take."""
    store, commit = await filled(entries)
    collections = []
    for _ in range(4):  # the first lets go of what holds only texts and numbers
        start = process_time()
        gc.collect()
        collections.append(process_time() - start)
    gc.disable()
    start = process_time()
    await store.clear()
    cleared, after = process_time() - start, 0.0
    for number in range(1000):
        made = entry(number)
        start = process_time()
        await store.commit(made)
        after = max(after, process_time() - start)
    gc.enable()
    times = (median(collections[1:]), commit, cleared, after)
    print(f"{entries:34,}" + "".join(f"{1e3 * taken:18.2f}" for taken in times))


async def each(call: Callable[[int], object], numbers: Iterable[int]) -> list[float]:
    """Return what one call takes, by batches."""
    gc.collect()
    gc.disable()
    taken, waiting = [], list(numbers)
    for first in range(0, len(waiting), BATCH):
        batch = waiting[first : first + BATCH]
        start = process_time()
        for number in batch:
            call(number)
        taken.append((process_time() - start) / len(batch))
    gc.enable()
    return taken


def show(name: str, times: list[float]) -> None:
    """Print a line: the fastest batch, median and quartiles."""
    low, middle, high = quantiles([1e6 * taken for taken in times], n=4)
    print(f"{name:34}{1e6 * min(times):9.2f}{middle:9.2f}{f'{low:.2f}-{high:.2f}':>14}")


def done(work: object) -> object:
    """Drive a call that never waits."""
    try:
        work.send(None)  # type: ignore[attr-defined]  # a coroutine, whatever it returns
    except StopIteration as end:
        return end.value
    raise AssertionError("a MemoryStore never waits")


async def measure_calls(entries: int) -> None:
    """Print what calls take: on a store that fills, on one that is full, and lookups by what they find."""
    made, asked = [entry(number) for number in range(entries)], [request(number) for number in range(entries)]
    store = MemoryStore(max_bytes=UNBOUNDED)
    print(f"\n{f'µs, {entries:,} entries':34}{'best':>9}{'median':>9}{'quartiles':>14}")
    show("commit", await each(lambda number: done(store.commit(made[number])), range(entries)))
    full = MemoryStore(max_bytes=store.size // 10)
    show("commit, another one evicted", await each(lambda number: done(full.commit(made[number])), range(entries)))
    show(
        "lookup: not in use, is unfolded", await each(lambda number: done(store.lookup(asked[number])), range(entries))
    )
    used = range(BATCH)
    for number in used:
        await store.lookup(asked[number])
    turns = [number for _ in range(40) for number in used]
    show("lookup: in use", await each(lambda number: done(store.lookup(asked[number])), turns))
    keys = [one.key for one in asked]
    show(
        "ready entry",
        await each(lambda number: store.ready_entry(keys[number], asked[0], Request.selecting_values), turns),
    )


async def measure_lookups(entries: int) -> None:
    """Print what a lookup takes in a store of that many entries, of a thousand all over it; and in a plain dictionary.

    There the processor's caches do to it what they do to the store.
    """
    store, _ = await filled(entries)
    asked = [request(number) for number in range(0, entries, entries // 1000)]
    keys = [one.key for one in asked]
    first = await each(lambda number: done(store.lookup(asked[number])), range(1000))
    turns = [*range(1000)] * 20
    again = await each(lambda number: done(store.lookup(asked[number])), turns)
    ready = await each(lambda number: store.ready_entry(keys[number], asked[0], Request.selecting_values), turns)
    plain = {request(number).key: number for number in range(entries)}
    got = await each(lambda number: plain.get(keys[number]), turns)
    print(
        f"{entries:34,}"
        + "".join(f"{1e6 * min(taken):18.2f}" for taken in (first, again, ready))
        + f"{1e6 * min(got):14.2f}"
    )


async def main(most: int) -> None:
    """Measure it all."""
    print(f"Python {sys.version.split()[0]}\n")
    await measure_bytes()
    sizes = [10**power for power in range(3, 8) if 10**power <= most]
    print(f"\n{'ms, by number of entries':34}{'full collection':>18}{'longest commit':>18}", end="")
    print(f"{'clear':>18}{'commit after it':>18}")
    for entries in sizes:
        await measure_stops(entries)
    await measure_calls(20_000)
    print(f"\n{'µs, by number of entries':34}{'first lookup':>18}{'lookup':>18}{'ready entry':>18}{'a dictionary':>14}")
    for entries in sizes:
        await measure_lookups(entries)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--entries", type=int, default=100_000, help="entries of the biggest store (100,000)")
    asyncio.run(main(parser.parse_args().entries))
