"""A fleet that is asked for pages while tags are taken back, event by event: who had it near, and what was sent.

Time is that of the simulation. Near stores give up what was used least recently, and start with the most popular pages;
what is counted begins when half of the requests are through.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from benchmarks.scaling.formulas import BEATS_A_SECOND, LEASE

if TYPE_CHECKING:
    from benchmarks.scaling.formulas import Site


@dataclass
class Counted:
    """What happened.

    Attributes:
        seconds: in how long.
        requests: requests.
        near: those that a near store answered.
        far: those that the far store answered, after the first look.
        cold: those of them that took another read, since the process did not remember the URL.
        waited: those that waited for a fill: of their process, or of another one where it is one for all.
        fills: those that made the page.
        refused: fills that were not stored, as their page was taken back meanwhile.
        reads: lookups in the far store.
        scripts: scripts of fills and leases.
        invalidations: invalidations.
        told: messages to followers.
        heartbeats: heartbeats.
    """

    seconds: float = 0.0
    requests: int = 0
    near: int = 0
    far: int = 0
    cold: int = 0
    waited: int = 0
    fills: int = 0
    refused: int = 0
    reads: int = 0
    scripts: int = 0
    invalidations: int = 0
    told: int = 0
    heartbeats: int = 0

    @property
    def commands(self) -> int:
        """All commands to the server; each follower acknowledges each message."""
        return self.reads + self.scripts + self.invalidations + self.told + self.heartbeats


class Fill:
    """The fills of a page since it was taken back last.

    Args:
        version: how often it was taken back before.
        ends: when the first one ends.
        worker: who makes it.
    """

    __slots__ = ("ends", "version", "workers")

    def __init__(self, version: int, ends: float, worker: int) -> None:
        self.version = version
        self.ends = ends
        self.workers = {worker}


class Traffic:
    """A run.

    Args:
        site: the site.
        for_all: a page is made by one process for all.
        seed: of all that is random.
    """

    def __init__(self, site: Site, *, for_all: bool, seed: int = 1) -> None:
        self._site = site
        self._for_all = for_all
        self._random = random.Random(seed)  # noqa: S311 - a simulation
        self._versions = [0] * site.pages
        popular = range(min(site.near, site.pages) - 1, -1, -1)
        self._near: list[OrderedDict[int, int]] = [OrderedDict.fromkeys(popular, 0) for _ in range(site.stores)]
        self._fills = [Fill(0, 0.0, -1) for _ in range(site.pages)]
        self._known: set[tuple[int, int]] = set()
        self._tagged: list[list[int]] = [[] for _ in range(site.all_tags)]
        for page in range(site.pages):
            for tag in self._random.sample(range(site.all_tags), site.tags):
                self._tagged[tag].append(page)
        self._counted = Counted()

    def run(self, requests: int) -> Counted:
        """Let so many requests come, and return what happened in the second half of them."""
        site, rand, now, begun = self._site, self._random, 0.0, 0.0
        weights = list(accumulate(rank**-site.skew for rank in range(1, site.pages + 1)))
        pages = rand.choices(range(site.pages), cum_weights=weights, k=requests)
        next_one = rand.expovariate(site.invalidations)
        for number, page in enumerate(pages):
            now += rand.expovariate(site.requests)
            if number == requests // 2:
                self._counted, begun = Counted(), now
            while next_one < now:
                self._take_back()
                next_one += rand.expovariate(site.invalidations)
            self._ask(page, rand.randrange(site.workers), now)
        counted = self._counted
        counted.seconds, counted.requests = now - begun, requests - requests // 2
        counted.heartbeats = round(site.stores * BEATS_A_SECOND * counted.seconds)
        return counted

    def _take_back(self) -> None:
        for page in self._random.choice(self._tagged):
            self._versions[page] += 1
        self._counted.invalidations += 1
        self._counted.told += self._site.stores

    def _ask(self, page: int, worker: int, now: float) -> None:
        near, version, counted = self._near[worker // self._site.a_store], self._versions[page], self._counted
        if near.get(page) == version:
            near.move_to_end(page)
            counted.near += 1
            return
        counted.reads += 1
        self._keep(near, page, version)
        fill = self._fills[page]
        if fill.version != version:
            counted.refused += fill.ends > now
            self._fills[page] = Fill(version, now + self._site.fill_seconds, worker)
            self._fill()
        elif fill.ends <= now:
            counted.far += 1
            if (worker, page) not in self._known:
                counted.cold += 1
                counted.reads += 1
        elif worker in fill.workers:
            counted.waited += 1
            counted.reads += 1
        elif self._for_all:
            counted.waited += 1
            counted.reads += 1
            counted.scripts += 1  # by which it learns that another one makes it
            fill.workers.add(worker)  # the others of this process wait for the one that waits
        else:
            fill.workers.add(worker)
            self._fill()
        self._known.add((worker, page))

    def _fill(self) -> None:
        self._counted.fills += 1
        self._counted.scripts += 1
        if self._for_all:
            self._counted.reads += LEASE[0]
            self._counted.scripts += LEASE[1]

    def _keep(self, near: OrderedDict[int, int], page: int, version: int) -> None:
        """Keep a page near from now on. It may not be there before its fill has ended: that is left out."""
        near[page] = version
        near.move_to_end(page)
        if len(near) > self._site.near:
            near.popitem(last=False)
