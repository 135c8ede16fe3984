"""Hits a second of one, two and four workers: `LMDBStore` beside the other stores, hishel's SQLite and a bare route.

The page, the servers and the client are those of the comparison with other caches. What is compared takes turns in one
run. Workers and client share all processors, so the ratios tell more than the rates. CPU is what the processes of a
server take for an answer, in microseconds, the kernel's part included; that of Redis and of the client is not in it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from accelerator.demo.redis_server import RedisServer
from benchmarks.peers import environments, intervals
from benchmarks.peers.catalogue import cases
from benchmarks.peers.run import Run, Scale

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.peers.catalogue import Case
    from benchmarks.peers.results import Measure, Results

BARE: Final = "starlette of accelerator"
MEMORY: Final = "accelerator, starlette"
LMDB: Final = "accelerator, starlette, LMDB"
REDIS: Final = "accelerator, starlette, Redis"
HISHEL: Final = "hishel"
NAMES: Final = {
    BARE: "Starlette route",
    MEMORY: "MemoryStore",
    LMDB: "LMDBStore",
    REDIS: "RedisStore",
    HISHEL: "hishel, SQLite",
}
"""What the table calls the cases."""


def chosen() -> list[Case]:
    """Return the cases."""
    known = cases()
    known[LMDB] = replace(known[MEMORY], name=LMDB, cache="accelerator_lmdb")
    return [known[name] for name in NAMES]


def scale(rounds: int, seconds: float, workers: Sequence[int]) -> Scale:
    """Return how much is measured: hits alone."""
    return Scale(
        name="workers", rounds=rounds, seconds=seconds, sizes=(), connections=32, crowd=0, crowds=0, ttl=0, entries=(),
        patience=0, workers=tuple(workers),
    )  # fmt: skip


def lines(results: Results) -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"{'workers':>7}  {'':18}{'a second':>10}{'95 %':>14}{'ratio':>7}{'CPU':>9}{'95 %':>16}{'ratio':>7}"
    for workers in results.at("workers"):
        for case, name in NAMES.items():
            if results.values(case, "workers", workers):
                rates = _columns(results, "workers", case, workers, (10, 14, 0))
                costs = _columns(results, "workers cpu", case, workers, (9, 16, 1))
                yield f"{workers:7}  {name:18}{rates}{costs}"
    for workers in results.at("workers"):
        ratio = _ratio(results, "workers cpu", LMDB, MEMORY, workers)
        yield f"with {workers}, a hit of LMDBStore takes {ratio:.2f} times the CPU of one of MemoryStore"
    yield f"the client was at work for {results.busy:.0%} of the time in the slice that kept it busiest"
    yield from (f"left out: {name}: {reason}" for name, reason in results.left_out.items())


def _columns(results: Results, measure: Measure, case: str, workers: int, form: tuple[int, int, int]) -> str:
    """Return the median, its interval, and the ratio to the bare route, in so many places and digits."""
    low, middle, high = intervals.of(results.values(case, measure, workers))
    width, room, digits = form
    interval = f"{low:.{digits}f}-{high:.{digits}f}"
    return f"{middle:{width}.{digits}f}{interval:>{room}}{_ratio(results, measure, case, BARE, workers):7.2f}"


def _ratio(results: Results, measure: Measure, case: str, base: str, workers: int) -> float:
    """Return the median, over the rounds, of how many times that of the other case it is in the same round."""
    values, others = (results.values(name, measure, workers) for name in (case, base))
    return intervals.ratio(values, others).middle


def python_here(environment: str) -> Path:
    """Return this Python for the environment of this project.

    Raises:
        RuntimeError: another one is wanted.
    """
    if environment != "accelerator":
        raise RuntimeError("it needs an environment of its own: say --environments FOLDER")
    return Path(sys.executable)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=Path, help="the folder for environments; hishel needs one of its own")
    parser.add_argument("--path", type=Path, default="/dev/shm", help="where files are made for a while (/dev/shm)")  # noqa: S108 - one's own directory in it
    parser.add_argument("--rounds", type=int, default=15, help="slices of each case (15)")
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds of each slice (1)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="numbers of workers (1 2 4)")
    told = parser.parse_args(arguments)
    folder = told.environments
    python_of = partial(environments.python_of, folder=folder.resolve()) if folder else python_here
    with tempfile.TemporaryDirectory(prefix="workers-", dir=told.path) as place, RedisServer() as redis:
        amount = scale(told.rounds, told.seconds, told.workers)
        run = Run(chosen(), amount, python_of, Path(place), redis.tcp_url, lambda _: None)
        results = run.measure_workers()
    print(f"Python {results.python}, {results.processor}; {amount.rounds} rounds of {amount.seconds:g} s", end="")
    print(f", {amount.connections} connections, a page of 10,240 bytes")
    print(*lines(results), sep="\n")


if __name__ == "__main__":
    main()
