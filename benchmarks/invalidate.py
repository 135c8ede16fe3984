"""What invalidating costs: a tag on 1, 1,000 and 1,000,000 entries of one store, clearing it, and what entries weigh.

The tags take turns in one run, and each call is timed alone. What takes long is given in CPU time, so that a busy
machine does not count. The garbage collector is as Python has it by default, except while the store is built. Memory is
what the process holds (RSS, Linux) for the big store, and what tracemalloc counts for small ones, beside what the store
accounts.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import tracemalloc
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, process_time
from typing import TYPE_CHECKING

from accelerator import MemoryStore
from accelerator.stores.memory.store import LOG_LENGTH
from accelerator.testing import make_entry, make_request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry

ROUNDS = 2000
UNBOUNDED = 64 * 1024**3
BODY_BYTES = 100


def request(number: int) -> Request:
    """Return a request for the page of that number, made of new objects."""
    return make_request(f"http://www.example.org/page/{number}")


def entry(number: int, tags: Iterable[str] = (), lines: int = 0) -> Entry:
    """Return the entry of a page, made of new objects as an application's would be, with some more header lines."""
    etag = f'W/"{number:024x}"'.encode()
    return make_entry(
        request(number),
        0,
        tags,
        headers=(
            (b"content-type", "text/plain; charset=utf-8".encode("latin-1")),
            (b"content-length", f"{BODY_BYTES:3}".encode()),
            (b"date", "Tue, 01 Jan 2030 00:00:00 GMT".encode("latin-1")),
            *((f"x-field-{line}".encode(), f"value {line}".encode()) for line in range(lines)),
        ),
        added=((b"cache-control", b"no-cache"), (b"etag", etag)),
        body=bytes(BODY_BYTES),
        etag=etag,
    )


async def fill(store: MemoryStore, entries: int) -> None:
    """Store that many entries: all tagged `all of them`, the first 1,000 `thousand`, the first `one`."""
    for number in range(entries):
        small = [name for name, size in (("one", 1), ("thousand", 1000)) if number < size]
        stored = await store.commit(entry(number, ("all of them", *small)))
        assert stored


async def seconds(call: Awaitable[object]) -> float:
    """Return what a call takes."""
    start = perf_counter()
    await call
    return perf_counter() - start


def megabytes() -> float:
    """Return what the process holds in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def show(name: str, times: list[float], base: list[float]) -> None:
    """Print a line: the first call, median and quartiles of the others, and the ratio to the baseline."""
    first, *others = (1e6 * taken for taken in times)
    low, middle, high = quantiles(others, n=4)
    ratio = middle / (1e6 * median(base[1:]))
    print(f"{name:44}{first:9.2f}{middle:9.2f}{f'{low:.2f}-{high:.2f}':>13}{ratio:7.2f}")


async def measure_big_store(entries: int) -> None:
    """Invalidate, look up and clear in a store of that many entries."""
    before = megabytes()
    store = MemoryStore(max_bytes=UNBOUNDED)
    gc.disable()
    start = process_time()
    await fill(store, entries)
    taken = process_time() - start
    gc.enable()
    held, accounted = megabytes() - before, store.size / 1e6
    print(f"a store of {len(store):,} entries, made in {taken:.0f} s")
    print(f"{held:.0f} MB held, {accounted:.0f} MB accounted: {held / accounted:.2f} of it")
    gc.collect()  # lets go of tuples of texts, as smaller collections do where they are not off
    gc.collect()
    start = process_time()
    gc.collect()
    print(f"a full garbage collection beside it: {1e3 * (process_time() - start):.0f} ms\n")

    print(f"{'µs':44}{'first':>9}{'median':>9}{'quartiles':>13}{'ratio':>7}")
    await measure_invalidations(store, entries)
    start = process_time()
    await store.clear()
    print(
        f"clear: {1e3 * (process_time() - start):.0f} ms; of {held:.0f} MB {megabytes() - before:.0f} are held after it"
    )
    after = [await seconds(store.lookup(request(number))) for number in range(ROUNDS)]
    show("lookup after clear: not found", after, after)


async def measure_invalidations(store: MemoryStore, entries: int) -> None:
    """Print what invalidating tags costs, and lookups before, between and after."""
    sizes = {"one": 1, "thousand": 1000, "all of them": entries}
    times: dict[tuple[str, bool], list[float]] = {(tag, soft): [] for soft in (True, False) for tag in sizes}
    requests = [request(number * max(1, entries // ROUNDS) % entries) for number in range(ROUNDS)]
    cold, again, checking, gone = [], [], [], []
    for asked in requests:
        cold.append(await seconds(store.lookup(asked)))
        again.append(await seconds(store.lookup(asked)))
        await store.invalidate_tag("of no entry")
        checking.append(await seconds(store.lookup(asked)))
    for _ in range(ROUNDS):
        for (tag, soft), taken in times.items():
            taken.append(await seconds(store.invalidate_tag(tag, soft=soft)))
    full_log = [await seconds(store.invalidate_tag(f"another {number}")) for number in range(LOG_LENGTH + ROUNDS)]
    for asked in requests:
        assert (await store.lookup(asked)).entry is None
        gone.append(await seconds(store.lookup(asked)))
    for (tag, soft), taken in times.items():
        show(f"{'soft' if soft else 'hard'} invalidation of a tag on {sizes[tag]:,}", taken, times["one", soft])
    show("hard invalidation, each of another tag", full_log[LOG_LENGTH:], times["one", False])
    show("lookup: hit", again, again)
    show("lookup: hit, not touched for long", cold, again)
    show("lookup: hit, first since an invalidation", checking, again)
    show("lookup: taken back", gone, again)


async def measure_memory(entries: int) -> None:
    """Print what entries of several shapes take, by tracemalloc, and what the store accounts for them."""
    shapes: dict[str, Callable[[int], Entry]] = {
        "no tags": entry,
        "1 tag of its own": lambda number: entry(number, (f"tag:{number}",)),
        "10 tags of its own": lambda number: entry(number, (f"tag:{number}:{index}" for index in range(10))),
        "10 tags shared with all": lambda number: entry(number, (f"tag:{index}" for index in range(10))),
        "40 more header lines": lambda number: entry(number, lines=40),
    }
    print(f"\n{f'bytes per entry, of {entries:,}':44}{'taken':>9}{'accounted':>13}{'ratio':>7}")
    for name, make in shapes.items():
        gc.collect()
        tracemalloc.start()
        store = MemoryStore(max_bytes=UNBOUNDED)
        for number in range(entries):
            await store.commit(make(number))
        taken = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        print(f"{name:44}{taken / entries:9.0f}{store.size / entries:13.0f}{taken / store.size:7.2f}")


async def main(entries: int) -> None:
    """Measure both."""
    print(f"Python {sys.version.split()[0]}; {ROUNDS} calls each")
    await measure_big_store(entries)
    await measure_memory(20_000)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--entries", type=int, default=1_000_000, help="entries of the big store (1,000,000)")
    asyncio.run(main(parser.parse_args().entries))
