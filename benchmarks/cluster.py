"""What a hit and an invalidation cost on a cluster of three primaries, beside the same on one server.

The two take turns in one run. A hit is that of a page of 10 KB with five tags, through the middleware, at 1 and at 32
concurrent requests. Invalidations are made one after the other: of one tag, of ten, and of all. All servers are this
script's own, on ports of this machine; those of the cluster have no replicas. They share its processors with the
client, so the ratios tell more than the times.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from functools import partial
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final

from accelerator import ASGIAccelerator, RedisStore
from accelerator.demo.redis_server import RedisServer
from benchmarks.deployments.cluster import RedisCluster
from benchmarks.redis_store import check, hello, request_to, request_to_many, time_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import TypeAlias

    Call: TypeAlias = Callable[[], Awaitable[object]]

ONE: Final = "one server"
MANY: Final = "cluster"

DEADLINE: Final = 5.0
"""Seconds that a call to a server may take: on a busy machine none is to fail."""

HITS: Final = 320
INVALIDATIONS: Final = 20
"""Calls in a row."""

TAGS: Final = [f"of no page {number}" for number in range(10)]


async def times_in_turns(
    calls: Mapping[str, Call], concurrent: int, number: int, rounds: int
) -> dict[str, list[float]]:
    """Return the microseconds that a call takes, by name, in each round. What is first to be done is not counted."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            taken = await time_of(call, concurrent, number)
            if turn:
                times[name].append(taken)
    return times


def line(what: str, times: Mapping[str, list[float]]) -> str:
    """Return a line: median and quartiles of both, and how many times that of one server the cluster takes."""
    columns = ""
    for taken in times.values():
        low, middle, high = quantiles(taken, n=4, method="inclusive")
        columns += f"{middle:10.0f}{f'{low:.0f}-{high:.0f}':>14}"
    ratio = median(many / one for many, one in zip(times[MANY], times[ONE], strict=True))
    return f"{what:34}{columns}{ratio:8.2f}"


async def hits(stores: Mapping[str, RedisStore], rounds: int) -> list[str]:
    """Return the lines of hits."""
    apps = {name: ASGIAccelerator(hello, store=store) for name, store in stores.items()}
    for name, app in apps.items():
        await check(name, app)
    lines = []
    for concurrent in (1, 32):
        for what, request in {"hit": request_to, "hit, 64 URLs in turn": request_to_many}.items():
            calls = {name: request(app) for name, app in apps.items()}
            times = await times_in_turns(calls, concurrent, HITS, rounds)
            lines.append(line(f"{what}, {concurrent} at once", times))
    return lines


async def invalidations(stores: Mapping[str, RedisStore], rounds: int) -> list[str]:
    """Return the lines of invalidations."""
    kinds: dict[str, Callable[[RedisStore], Call]] = {
        "invalidation of a tag": lambda store: partial(store.invalidate_tag, TAGS[0]),
        "invalidation of 10 tags": lambda store: partial(store.invalidate_tag, *TAGS),
        "clear": lambda store: store.clear,
    }
    lines = []
    for what, kind in kinds.items():
        calls = {name: kind(store) for name, store in stores.items()}
        lines.append(line(what, await times_in_turns(calls, 1, INVALIDATIONS, rounds)))
    return lines


async def measure(urls: Mapping[str, str], rounds: int) -> None:
    """Print the table."""
    stores = {name: RedisStore(url, deadline=DEADLINE) for name, url in urls.items()}
    print(f"{'µs':34}" + "".join(f"{name:>10}{'quartiles':>14}" for name in stores) + f"{'ratio':>8}")
    print(*await hits(stores, rounds), sep="\n")
    print(*await invalidations(stores, rounds), sep="\n")
    for store in stores.values():
        await store.aclose()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="rounds of each line (40)")
    told = parser.parse_args(arguments)
    print(f"Python {sys.version.split()[0]}; {told.rounds} rounds of {HITS} hits or {INVALIDATIONS} invalidations")
    with RedisServer() as server, RedisCluster(replicas=0) as cluster:
        asyncio.run(measure({ONE: server.tcp_url, MANY: cluster.url}, told.rounds))


if __name__ == "__main__":
    main()
