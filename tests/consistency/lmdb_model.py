"""A model of LMDBStore: what processes that share a file may find, and what they have to.

Each step is one transaction of one process; that these do not mix is LMDB's promise.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from hypothesis.stateful import RuleBasedStateMachine

from accelerator.testing import make_entry, make_request
from tests.consistency.history import History, Made, RuleBrokenError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from accelerator import Lookup
    from accelerator.rules.entry import Entry, Mark
    from accelerator.stores.binary import Component
    from tests.consistency.search import Step
    from tests.stores.lmdb.worker import Here, Worker

LIFETIME = 10.0
MAX_BYTES = 1_000_000

Request: TypeAlias = "tuple[str, tuple[tuple[str, str], ...]]"
"""What `make_request` makes a request of."""


class LMDBModel(RuleBasedStateMachine):
    """A fill is begun by one process and ended by any; what is found is what the rule allows, and not less.

    Attributes:
        requests: what is asked for.
        workers: the processes.
        folder: where the files are, those of each example in a directory of their own.
    """

    requests: ClassVar[list[Request]]
    workers: ClassVar[list[Here | Worker]]
    numbers: ClassVar[Iterator[int]] = itertools.count()
    folder: ClassVar[Path]

    def begin_with(self, max_records: int) -> None:
        path = self.folder / str(next(self.numbers))
        self.path = path
        self.max_records = max_records
        for worker in self.workers:
            worker.ask("set", "lmdb.sweep", "MAX_RECORDS", max_records)
            worker.ask("set", "lmdb.writing", "MAX_RECORDS", max_records)
            worker.ask("set", "lmdb.writing", "SWEEP", 1)
            worker.ask("open", path, MAX_BYTES)
        self.history = History()
        self.made: dict[bytes, Made] = {}
        self.entries: dict[bytes, Entry] = {}
        self.running: list[tuple[Request, Mark, int]] = []
        self.incarnation = b""
        self.may_begin_anew = True
        self.now = 1000.0
        self.find(0, self.requests[0])
        self.workers[0].ask("close")

    def do(self, step: Step) -> None:
        do, arguments = step
        getattr(self, do)(*arguments)

    def teardown(self) -> None:
        if hasattr(self, "history"):
            for who, request in itertools.product(range(len(self.workers)), self.requests):
                self.look_up(who, request)
            for worker in self.workers:
                worker.ask("close")

    # --- what happens -------------------------------------------------------------------------------------------------

    def begin(self, who: int, request: Request) -> None:
        found = self.find(who, request)
        self.running.append((request, found.mark, self.history.tick()))

    def end(self, who: int, which: int, tags: frozenset[str], varies: bool, padding: int) -> None:
        if self.running:
            request, mark, begun = self.running.pop(which % len(self.running))
            more: dict[str, Any] = {"received": self.now, "lifetime": LIFETIME, "vary": (b"accept",) if varies else ()}
            body = b"%d " % len(self.made) + bytes(padding)
            self.commit(who, make_entry(make_request(*request), mark, tags, body=body, **more), begun)

    def fill(self, who: int, request: Request, tags: frozenset[str], varies: bool, padding: int) -> None:
        self.begin(who, request)
        self.end(who, len(self.running) - 1, tags, varies, padding)

    def freshen(self, who: int, request: Request, tags: frozenset[str]) -> None:
        """A validation that proves nothing keeps the mark, and adds to the tags."""
        entry = self.find(who, request).entry
        if entry is not None:
            body = b"%d " % len(self.made)
            begun = self.made[number(entry)].begun
            self.commit(who, replace(entry, tags=entry.tags | tags, received=self.now, body=body), begun)

    def take_back(self, who: int, tags: list[str], how: str) -> None:
        call = self.history.call(frozenset(tags), soft=how == "soft")
        self.workers[who].ask("invalidate", tags, how == "soft")
        call.returned = self.history.tick()

    def take_back_others(self, who: int, count: int) -> None:
        self.take_back(who, [f"other:{self.history.now}:{one}" for one in range(count)], "hard")

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def remove(self, names: list[str]) -> None:
        """Somebody removes files: all begins anew as soon as a process looks for the data, or opens the others."""
        self.may_begin_anew = True
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def fork(self, request: Request, tags: list[str]) -> None:
        """A child uses the store that its parent has opened, and both go on."""
        arrived = self.history.tick()
        _, worker = self.workers
        call = self.history.call(frozenset(tags), soft=False)
        found, _ = worker.ask("in_a_fork", "in_turn", ("look_up", *request), ("invalidate", tags))
        self.see(found.mark)
        self.check(found.entry, arrived, stale=found.invalidated)
        call.returned = self.history.tick()

    def look_up(self, who: int, request: Request) -> None:
        arrived = self.history.tick()
        self.check(self.workers[who].ask("ready", *request), arrived, stale=False)
        found = self.find(who, request)
        self.check(found.entry, arrived, stale=found.invalidated)
        self.check(self.workers[who].ask("ready", *request), arrived, stale=False)

    # --- the model ----------------------------------------------------------------------------------------------------

    def find(self, who: int, request: Request) -> Lookup:
        found: Lookup = self.workers[who].ask("look_up", *request)
        self.see(found.mark)
        return found

    def see(self, mark: Mark) -> None:
        """All processes are in one incarnation, and another one begins only after something was removed."""
        incarnation = incarnation_of(mark)
        if incarnation != self.incarnation:
            if not self.may_begin_anew:
                raise RuleBrokenError("it began anew without a reason")
            self.incarnation, self.may_begin_anew = incarnation, False

    def check(self, entry: Entry | None, arrived: int, *, stale: bool) -> None:
        if entry is not None:
            made = self.made[number(entry)]
            self.history.check(made, arrived, stale=stale)
            if stale and not self.is_taken_back(made, soft=True):
                raise RuleBrokenError("it is stale without a reason")

    def commit(self, who: int, entry: Entry, begun: int) -> None:
        self.made[number(entry)] = made = Made(len(self.made), entry.tags, begun)
        self.entries[number(entry)] = entry
        stored = self.workers[who].ask("commit", entry)
        if not stored and not self.may_be_refused(who, entry, made):
            raise RuleBrokenError("it was refused without a reason")

    def may_be_refused(self, who: int, entry: Entry, made: Made) -> bool:
        changes = sum(len(one.tags) for one in self.history.invalidations if made.begun < one.called)
        self.find(who, self.requests[0])
        is_of_before = incarnation_of(entry.mark) != self.incarnation
        is_too_old = changes > self.max_records
        return is_of_before or is_too_old or self.has_newer(entry, made.begun) or self.is_taken_back(made, soft=False)

    def has_newer(self, entry: Entry, begun: int) -> bool:
        return any(
            self.mark(self.made[name].begun) > self.mark(begun)
            and (one.key, one.vary, one.selected_by) == (entry.key, entry.vary, entry.selected_by)
            for name, one in self.entries.items()
        )

    def mark(self, begun: int) -> int:
        return sum(one.called < begun for one in self.history.invalidations)

    def is_taken_back(self, made: Made, *, soft: bool) -> bool:
        return any(
            one.soft == soft and one.tags & made.tags and made.begun < one.called for one in self.history.invalidations
        )


def number(entry: Entry) -> bytes:
    """Return what the body begins with, which tells entries apart."""
    return entry.body.partition(b" ")[0]


def incarnation_of(mark: Mark) -> bytes:
    """Return the incarnation of the only component of a mark."""
    component: Component = mark[0]
    return component.incarnation
