"""What strict invalidations wait for, message by message: one server, processes that follow, processes that write.

Each process does one thing at a time, in the order in which it comes, on the first free processor of its machine.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.scaling.formulas import BEATS_A_SECOND, HOP

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.scaling.constants import Constants

MICRO: Final = 1e-6


class Machine:
    """A machine.

    Args:
        processors: how many it has.
    """

    def __init__(self, processors: int) -> None:
        self._free = [0.0] * processors

    def work(self, ready: float, seconds: float) -> float:
        """Return when a processor has done something that was ready at some time."""
        start = max(ready, heapq.heappop(self._free))
        heapq.heappush(self._free, start + seconds)
        return start + seconds


@dataclass
class Process:
    """A process.

    Attributes:
        machine: where it runs.
        free: when it has done all that has come so far.
    """

    machine: Machine
    free: float = 0.0

    def work(self, ready: float, seconds: float) -> float:
        """Return when it has done something that came at some time."""
        self.free = self.machine.work(max(ready, self.free), seconds)
        return self.free


@dataclass
class Fleet:
    """Who takes part.

    Attributes:
        followers: how many follow.
        writers: how many processes invalidate.
        rate: invalidations a second of all; None: each one when the one before holds everywhere.
        shared: processors of the one machine that all of them share; None: each has a processor of its own.
        hop: seconds from one process to another.
    """

    followers: int
    writers: int = 1
    rate: float | None = None
    shared: int | None = None
    hop: float = HOP


@dataclass
class _Invalidation:
    """An invalidation.

    Attributes:
        writer: who waits for it.
        since: when it was called.
        heard: how many followers have acknowledged it.
    """

    writer: Process
    since: float
    heard: int = 0


@dataclass
class Waits:
    """A run.

    Args:
        c: the constants.
        fleet: who takes part.
        seed: of all that is random.
    """

    c: Constants
    fleet: Fleet
    seed: int = 1
    _events: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)
    _number: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - a simulation
        shared = None if self.fleet.shared is None else Machine(self.fleet.shared)
        self._server, *others = (
            Process(shared or Machine(1)) for _ in range(1 + self.fleet.followers + self.fleet.writers)
        )
        self._followers, self._writers = others[: self.fleet.followers], others[self.fleet.followers :]
        self._waits: list[float] = []
        self._left = 0

    def run(self, invalidations: int) -> list[float]:
        """Return the seconds that each of some invalidations has waited, the shortest first."""
        self._left = invalidations
        now = 0.0
        for writer in (
            self._writers if self.fleet.rate is None else self._random.choices(self._writers, k=invalidations)
        ):
            self._begin(writer, now)
            now += self._random.expovariate(self.fleet.rate) if self.fleet.rate else 0.0
        for _ in self._followers:
            self._at(self._random.random() / BEATS_A_SECOND, self._beat)
        while self._events and len(self._waits) < invalidations:
            now, _, happens = heapq.heappop(self._events)
            happens(now)
        return sorted(self._waits)

    def _at(self, when: float, happens: Callable[[float], None]) -> None:
        self._number += 1  # what is to happen at the same time happens in this order
        heapq.heappush(self._events, (when, self._number, happens))

    def _beat(self, now: float) -> None:
        self._server.work(now, self.c.heartbeat_cpu * MICRO)
        self._at(now + 1 / BEATS_A_SECOND, self._beat)

    def _begin(self, writer: Process, when: float) -> None:
        if self._left:
            self._left -= 1
            self._at(when, partial(self._call, _Invalidation(writer, when)))

    # --- an invalidation on its way -----------------------------------------------------------------------------------

    def _call(self, one: _Invalidation, now: float) -> None:
        self._at(one.writer.work(now, self.c.writer_cpu * MICRO) + self.fleet.hop, partial(self._announce, one))

    def _announce(self, one: _Invalidation, now: float) -> None:
        """Tell the followers, one after the other."""
        at = self._server.work(now, self.c.invalidation_cpu * MICRO)
        for follower in self._followers:
            at = self._server.work(at, self.c.told_cpu * MICRO)
            self._at(at + self.fleet.hop, partial(self._hear, one, follower))
        if not self._followers:
            self._at(at + self.fleet.hop, partial(self._done, one))

    def _hear(self, one: _Invalidation, follower: Process, now: float) -> None:
        self._at(follower.work(now, self.c.follower_cpu * MICRO) + self.fleet.hop, partial(self._acknowledge, one))

    def _acknowledge(self, one: _Invalidation, now: float) -> None:
        at = self._server.work(now, self.c.acknowledgement_cpu * MICRO)
        self._at(at + self.fleet.hop, partial(self._acknowledged, one))

    def _acknowledged(self, one: _Invalidation, now: float) -> None:
        one.heard += 1
        at = one.writer.work(now, self.c.heard_cpu * MICRO)
        if one.heard == self.fleet.followers:
            self._at(at, partial(self._done, one))

    def _done(self, one: _Invalidation, now: float) -> None:
        self._waits.append(now - one.since)
        if self.fleet.rate is None:
            self._begin(one.writer, now)
