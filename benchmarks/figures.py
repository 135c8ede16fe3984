"""What counting costs: the same requests with figures, and with all counting left out, in one run.

The requests and their timing are those of `hit.py`. Each case is measured with and without counting in turn; the cost
is the median over the rounds of the difference in the same round. Hits of the engine are those of a store that names no
ready entries, as Redis does not: here a MemoryStore of which only the lookups are shown.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import sys
import threading
import time
import tracemalloc
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from accelerator import ASGIAccelerator, MemoryStore, Store
from accelerator.figures.counts import Answered, Counts
from accelerator.figures.tally import Served
from benchmarks.hit import WARM_UP, ask, browser_scope, hello, seconds_of_batch, site

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from accelerator import Lookup
    from accelerator.asgi_types import Application, Receive, Scope, Send
    from accelerator.figures.tally import Tally
    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry

HIT, ENGINE, MISS, UNSTORED = "plain hit", "hit of the engine", "miss, stored, another one evicted", "not to be stored"


class Looked(Store):
    """A store that shows nothing of another one but the protocol."""

    suspends = False

    def __init__(self) -> None:
        self._store = MemoryStore()

    async def lookup(self, request: Request) -> Lookup:
        """Look up."""
        return await self._store.lookup(request)

    async def commit(self, entry: Entry) -> bool:
        """Store."""
        return await self._store.commit(entry)

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        """Invalidate."""
        await self._store.invalidate(tags, soft=soft)


class Uncounted(ASGIAccelerator):
    """One whose plain hits are not counted."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as far as these benchmarks ask."""
        if self._shortcut is not None and (hit := self._shortcut.answer(scope)) is not None:
            start, body, _, report, _ = hit
            await send(start)
            await send(body)
            if report is not None:
                report()
        else:
            await self._engine.handle(scope, receive, send)


class Nothing(Counts):
    """Counts nothing."""

    def answered(self, *_: Any) -> None:
        """Count nothing."""

    def served(self, *_: Any) -> None:
        """Count nothing."""

    def tally(self, tally: Tally) -> None:
        """Count nothing."""

    def filled(self, seconds: float) -> None:
        """Count nothing."""


def uncounted(app: Application, **options: Any) -> ASGIAccelerator:
    """Return an accelerator that counts nothing."""
    made = Uncounted(app, **options)
    made._engine.counts.__class__ = Nothing  # noqa: SLF001 - there is no option to leave it out
    return made


async def cases() -> dict[str, tuple[Application, Application, Callable[[], Scope]]]:
    """Return the cases: an application that counts, one that does not, and what makes the scope of a request."""
    numbers = itertools.count(1)
    made: dict[str, Any] = {}
    for name, store, ttl in (
        (HIT, MemoryStore, 3600),
        (ENGINE, Looked, 3600),
        (MISS, lambda: MemoryStore(max_bytes=1_000_000), 3600),
        (UNSTORED, MemoryStore, None),
    ):
        both = [kind(site(hello), default_ttl=ttl, store=store()) for kind in (ASGIAccelerator, uncounted)]
        for app in both:
            await ask(app, browser_scope())
        made[name] = (*both, (lambda: browser_scope(f"page={next(numbers)}")) if name == MISS else browser_scope)
    return made


async def main(rounds: int) -> None:
    """Measure every case in turn, round by round, and print the table."""
    made = await cases()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in made}
    for turn in range(WARM_UP + rounds):
        for name, (counted, bare, make_scope) in made.items():
            pair = [
                await seconds_of_batch(app, make_scope) for app in ((counted, bare) if turn % 2 else (bare, counted))
            ]
            if turn >= WARM_UP:
                times[name].append((pair[0], pair[1]) if turn % 2 else (pair[1], pair[0]))
    print(f"Python {sys.version.split()[0]}; {rounds} rounds of each case with and without counting; µs")
    print(f"{'':35}{'counted':>9}{'not':>8}{'cost':>8}{'quartiles':>15}")
    for name, pairs in times.items():
        costs = [1e6 * (counted - bare) for counted, bare in pairs]
        low, middle, high = quantiles(costs, n=4)
        counted, bare = (1e6 * median(column) for column in zip(*pairs, strict=True))
        print(f"{name:35}{counted:9.2f}{bare:8.2f}{middle:8.2f}{f'{low:.2f}-{high:.2f}':>15}")


def memory(number: int) -> int:
    """Return the bytes that figures take after so many requests, each of another URL, with another tag and reason."""
    gc.collect()
    tracemalloc.start()
    counts = Counts(time.time, threading.Lock())
    for turn in range(number // 2):
        url, of_tag = f"https://example.org/page/{turn}", (f"tag:{turn}",)
        served = Served(url, of_tag, 0.1)
        counts.answered(Answered("miss", f"reason {turn}", "GET"), served)
        counts.served(("hit", "GET", False, 1, turn), 1.0, 100, served, lambda served: lambda: served)
    counts.number()
    del served
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=60, help="rounds of each case (60)")
    parser.add_argument("--requests", type=int, default=1_000_000, help="different URLs and tags (1,000,000)")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.rounds))
    for number in (2000, arguments.requests):
        print(f"{memory(number):,} bytes of figures after {number:,} requests, each of another URL, tag and reason")
