"""One run: every case in turn, slice by slice, so that a busy machine slows all of them."""

from __future__ import annotations

import itertools
import json
import os
import platform
import subprocess
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from redis import Redis

from benchmarks.deployments.machine import processors
from benchmarks.peers import servers
from benchmarks.peers.catalogue import REQUIREMENTS, ROOT
from benchmarks.peers.client import Client, request
from benchmarks.peers.results import Results, Series
from benchmarks.peers.site import Site, path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.peers.catalogue import Case
    from benchmarks.peers.results import Measure

LONG: Final = 3600
"""Seconds for which a page is fresh where it is not to expire."""

AGREED: Final = 1.2
"""Seconds after a page's time is over until all peers agree that it is: some count whole ones."""

SLOW: Final = 100
"""Milliseconds that a page takes which many ask for at once."""

MISSED: Final = 10_240
"""Bytes of the pages that are asked for once."""

TELLING: Final = 10_000
"""Entries from which on the time that they take tells what more of them would take."""

CPU: Final[dict[Measure, Measure]] = {"hit": "hit cpu", "miss": "miss cpu", "workers": "workers cpu"}
"""The measures of CPU time, by those of answers a second."""

DATABASES: Final = 16
"""Of a Redis server; there are fewer cases that have one each."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is measured.

    Attributes:
        name: of the scale.
        rounds: slices of each case.
        seconds: how long a slice is.
        sizes: of pages, in bytes.
        connections: on which pages are asked for.
        crowd: how many ask at once.
        crowds: how many times.
        ttl: seconds after which the page that they ask for has expired.
        entries: how many pages are kept where that is what matters.
        patience: seconds in which so many have to be kept, looked up and taken back.
        workers: how many processes serve.
    """

    name: str
    rounds: int
    seconds: float
    sizes: tuple[int, ...]
    connections: int
    crowd: int
    crowds: int
    ttl: int
    entries: tuple[int, ...]
    patience: float
    workers: tuple[int, ...] = ()


QUICK: Final = Scale(
    name="quick", rounds=5, seconds=0.15, sizes=(1024, 10_240, 1_048_576), connections=16, crowd=20, crowds=3, ttl=2,
    entries=(1, 100, 10_000), patience=60,
)  # fmt: skip
FULL: Final = Scale(
    name="full", rounds=15, seconds=0.4, sizes=(1024, 10_240, 1_048_576), connections=16, crowd=20, crowds=10, ttl=2,
    entries=(1, 100, 10_000, 100_000, 1_000_000), patience=300, workers=(1, 2),
)  # fmt: skip


class Running(NamedTuple):
    """A case that is served, and its client."""

    case: Case
    server: servers.Server
    client: Client
    calls: Path


@dataclass
class Run:
    """A run as it goes on.

    Args:
        chosen: the cases.
        scale: how much is measured.
        python_of: returns the Python of an environment by its name, or raises RuntimeError.
        folder: where servers write.
        redis: the URL of a Redis server, without the number of a database.
        step: called with what is done next, once for each step.
    """

    chosen: Sequence[Case]
    scale: Scale
    python_of: Callable[[str], Path]
    folder: Path
    redis: str
    step: Callable[[str], None]
    left_out: dict[str, str] = field(default_factory=dict)
    busy: float = 0.0
    _pythons: dict[str, Path] = field(default_factory=dict)
    _found: defaultdict[tuple[str, Measure, int], list[float]] = field(default_factory=lambda: defaultdict(list))
    _took: dict[str, float] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _databases: Iterator[int] = field(default_factory=lambda: itertools.cycle(range(DATABASES)))

    @property
    def steps(self) -> int:
        """How many steps a run has at the most."""
        cases, scale = len(self.chosen), self.scale
        slices = (len(scale.sizes) + 1 + len(scale.workers)) * scale.rounds
        return cases * (1 + 2 + slices + scale.crowds + len(scale.entries) + len(scale.workers))

    def measure(self, keep: Callable[[Results], None]) -> Results:
        """Measure everything, and return what was found; `keep` is called with as much of it as there is by then."""
        self._make_environments()
        for part in (self._in_slices, self._in_crowds, self._as_stores_fill, self._with_workers):
            part()
            keep(self.results())
        return self.results()

    def measure_workers(self) -> Results:
        """Measure hits by the number of workers, and nothing else."""
        self._make_environments()
        self._with_workers()
        return self.results()

    def results(self) -> Results:
        """Return what was found so far."""
        used = {case.environment for case in self.chosen}
        return Results(
            scale=self.scale.name,
            python=platform.python_version(),
            processor=processors(),
            requirements={name: list(each) for name, each in REQUIREMENTS.items() if name in used},
            busy=self.busy,
            left_out=self.left_out,
            series=[
                Series(case=case, measure=measure, at=at, values=values)
                for (case, measure, at), values in self._found.items()
            ],
        )

    def _make_environments(self) -> None:
        for case in self.chosen:
            self.step(f"{case.name}: its environment")
            if case.proxy and not servers.is_installed(case.proxy):
                self.left_out[case.name] = "it is not installed on this machine"
                continue
            if case.environment not in self._pythons:
                try:
                    self._pythons[case.environment] = self.python_of(case.environment)
                except RuntimeError as error:
                    self.left_out[case.name] = str(error)

    def _runnable(self) -> list[Case]:
        return [case for case in self.chosen if case.environment in self._pythons and case.name not in self.left_out]

    def _site(self, case: Case, ttl: int) -> Site:
        folder = self.folder / str(next(self._numbers))
        folder.mkdir()
        redis = self._empty_database() if case.is_shared else ""
        calls = folder / "calls"
        return Site(framework=case.framework, cache=case.cache, ttl=ttl, redis=redis, calls=calls)

    def _empty_database(self) -> str:
        """Return the URL of a database of Redis that none of the sites served now has, emptied."""
        url = f"{self.redis}/{next(self._databases)}"
        with Redis.from_url(url) as client:
            client.flushdb()
        return url

    def _served(self, stack: ExitStack, ttl: int, connections: int, workers: int = 0) -> list[Running]:
        """Serve all that can be served, on the server's processor, or on all if it is about workers.

        Sites without a cache are there for hits and misses alone.
        """
        cases = [case for case in self._runnable() if case.has_cache or ttl == LONG]
        return [each for case in cases if (each := self._serve(stack, case, ttl, connections, workers))]

    def _serve(self, stack: ExitStack, case: Case, ttl: int, connections: int, workers: int) -> Running | None:
        self.step(f"{case.name}: its server")
        site = self._site(case, ttl)
        place = os.sched_getaffinity(0) if workers else servers.processors()[1]
        try:
            with servers.held_on(place):
                server = stack.enter_context(servers.serve(case, site, self._pythons[case.environment], workers or 1))
        except RuntimeError as error:
            self.left_out[case.name] = str(error)
            return None
        client = Client(server.port, connections)
        stack.callback(client.close)
        return Running(case, server, client, site.calls)

    def _in_slices(self) -> None:
        """Measure hits and misses."""
        with ExitStack() as stack:
            sites = self._served(stack, LONG, self.scale.connections)
            with servers.held_on(servers.processors()[0]):
                for size in self.scale.sizes:
                    self._hits(sites, size)
                self._rounds(sites, "miss", MISSED, lambda: request(path(MISSED, 0, next(self._numbers))))

    def _hits(self, sites: Sequence[Running], size: int) -> None:
        hit = request(path(size, 0, 0))
        for each in self._still(sites):
            with self._or_left_out(each.case):
                each.client.ask(lambda: hit, 0)  # it is warm now
        self._rounds(sites, "hit", size, lambda: hit)

    def _rounds(self, sites: Sequence[Running], measure: Measure, at: int, next_request: Callable[[], bytes]) -> None:
        for turn in range(self.scale.rounds):
            for each in self._still(sites if turn % 2 else sites[::-1]):
                self.step(f"{each.case.name}: {measure} at {at:,}")
                with self._or_left_out(each.case):
                    self._slice(each, measure, at, next_request)

    def _slice(self, each: Running, measure: Measure, at: int, next_request: Callable[[], bytes]) -> None:
        before = each.server.cpu_seconds()
        done = each.client.ask(next_request, self.scale.seconds)
        cpu = each.server.cpu_seconds() - before
        self.busy = max(self.busy, done.busy)
        self._found[each.case.name, measure, at].append(done.answers / done.seconds)
        self._found[each.case.name, CPU[measure], at].append(1e6 * cpu / done.answers)

    def _in_crowds(self) -> None:
        """Measure what comes of many requests for a page that has just expired."""
        paths = [path(MISSED, SLOW, number) for number in range(self.scale.crowds)]
        with ExitStack() as stack:
            sites = self._served(stack, self.scale.ttl, self.scale.crowd)
            stack.enter_context(servers.held_on(servers.processors()[0]))
            for each in self._still(sites):
                for target in paths:
                    with self._or_left_out(each.case):
                        each.client.crowd(target)
            time.sleep(self.scale.ttl + AGREED)
            for target in paths:
                for each in self._still(sites):
                    self._crowd(each, target)

    def _crowd(self, each: Running, target: str) -> None:
        crowd = self.scale.crowd
        self.step(f"{each.case.name}: {crowd} at once")
        with self._or_left_out(each.case):
            before = each.calls.stat().st_size
            slowest = max(each.client.crowd(target))
            self._found[each.case.name, "slowest", crowd].append(1000 * slowest)
            self._found[each.case.name, "calls", crowd].append(each.calls.stat().st_size - before)

    def _still(self, sites: Sequence[Running]) -> list[Running]:
        return [each for each in sites if each.case.name not in self.left_out]

    @contextmanager
    def _or_left_out(self, case: Case) -> Iterator[None]:
        """Leave a case out, with all that was found of it, if it fails."""
        try:
            yield
        except (OSError, ValueError) as error:
            self.left_out[case.name] = f"{type(error).__name__}: {error}"
            for key in [key for key in self._found if key[0] == case.name]:
                del self._found[key]

    def _as_stores_fill(self) -> None:
        """Measure looking up, memory and taking back, each number of entries in a process of its own."""
        for entries in self.scale.entries:
            for case in self._runnable():
                self.step(f"{case.name}: {entries:,} entries")
                if case.has_cache and not case.proxy and f"{case.name}, entries" not in self.left_out:
                    self._probe(case, entries)

    def _probe(self, case: Case, entries: int) -> None:
        expected = self._took.get(case.name, 0.0)
        if expected * entries > self.scale.patience:
            self.left_out[f"{case.name}, entries"] = f"{entries:,} of them would take {expected * entries:.0f} s"
            return
        site = self._site(case, LONG)
        command = [str(self._pythons[case.environment]), "-m", "benchmarks.peers.probe", "--entries", str(entries)]
        environment = {**os.environ, **site.told(), "PYTHONPATH": str(ROOT)}
        began = time.monotonic()
        try:
            with servers.held_on(servers.processors()[1]):
                done = subprocess.run(  # noqa: S603 - the command is the one above
                    command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=self.scale.patience,
                    check=True,
                )  # fmt: skip
        except subprocess.TimeoutExpired:
            self.left_out[f"{case.name}, entries"] = f"{entries:,} of them took more than {self.scale.patience:.0f} s"
        except subprocess.CalledProcessError as error:
            self.left_out[f"{case.name}, entries"] = error.stderr[-2000:]
        else:
            if entries >= TELLING:
                self._took[case.name] = (time.monotonic() - began) / entries
            for line in done.stdout.splitlines():
                series: Mapping[str, str] = json.loads(line)
                found = Series.model_validate({"case": case.name, **series})
                self._found[found.case, found.measure, found.at] = found.values

    def _with_workers(self) -> None:
        """Measure hits with more than one process, which share all processors with the client."""
        hit = request(path(MISSED, 0, 0))
        for workers in self.scale.workers:
            with ExitStack() as stack:
                sites = self._served(stack, LONG, self.scale.connections, workers)
                for each in self._still(sites):
                    with self._or_left_out(each.case):
                        each.client.ask(lambda: hit, self.scale.seconds)  # each process has filled its store now
                self._rounds(sites, "workers", workers, lambda: hit)
