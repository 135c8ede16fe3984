"""Two processes on one file: one is stopped before each of its instructions, and the other does its work there.

What the other cannot do there, since the first one has the lock, it does not do at all.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from accelerator import InvalidationError
from accelerator.stores.lmdb import file, opened, place, store, writing
from accelerator.stores.lmdb.lock import LockTimeoutError
from accelerator.tags import ALL
from accelerator.testing import make_entry, make_request
from tests.consistency.history import History, Made
from tests.consistency.stepping import count_steps, stepwise
from tests.stores.lmdb.worker import Here, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from accelerator.rules.entry import Entry

MODULES = {module.__name__.rpartition(".")[2]: module for module in (file, opened, store, writing)}
WITH_THE_LOCK = ["writing"]
"""Modules that run with the lock only, where the other process can do nothing but what needs none."""

MAX_BYTES = 4 * 1024 * 1024
DROPS = 12
"""Invalidations after which the record of a tag is dropped, where one record is as many as there may be."""

NEVER = 1e6
"""Seconds, more than all tests take: what failed is settled, and not repeated by a thread that would hold the lock."""

_numbers = itertools.count()


@dataclass
class Scene:
    """An entry made from x, a fill that is running and will have the tag z, and what happened there."""

    here: Here
    other: Worker
    path: Path
    history: History = field(default_factory=History)
    made: dict[bytes, Made] = field(default_factory=dict)

    def __post_init__(self) -> None:
        number = next(_numbers)
        self.x, self.z = f"x:{number}", f"z:{number}"
        self.stored = (f"https://example.org/{number}/stored",)
        self.new = (f"https://example.org/{number}/new",)
        self.fill(self.here, self.stored, self.x)
        self.here.ask("look_up", *self.stored)
        self.other.ask("look_up", *self.stored)
        self.running = self.begin(self.here, self.new, self.z)

    def begin(self, who: Here | Worker, request: tuple[str], tag: str) -> Entry:
        mark = who.ask("look_up", *request).mark
        entry = make_entry(make_request(*request), mark, [tag], body=b"%d" % len(self.made))
        self.made[entry.body] = Made(len(self.made), entry.tags, self.history.tick())
        return entry

    def fill(self, who: Here | Worker, request: tuple[str], tag: str) -> None:
        who.ask("commit", self.begin(who, request, tag))

    def take_back(self, who: Here | Worker, tag: str, *, soft: bool = False) -> None:
        call = self.history.call(frozenset([tag]), soft=soft)
        who.ask("invalidate", [tag], soft)
        call.returned = self.history.tick()

    def look_up(self, who: Here | Worker, request: tuple[str]) -> None:
        arrived = self.history.tick()
        found = who.ask("look_up", *request)
        if found.entry is not None:
            self.history.check(self.made[found.entry.body], arrived, stale=found.invalidated)

    def ask_for_what_is_ready(self, who: Here | Worker) -> None:
        arrived = self.history.tick()
        entry = who.ask("ready", *self.stored)
        if entry is not None:
            self.history.check(self.made[entry.body], arrived, stale=False)

    def freshen(self, who: Here | Worker) -> None:
        found = who.ask("look_up", *self.stored)
        if found.entry is not None:
            entry = replace(found.entry, body=b"%d" % len(self.made))
            self.made[entry.body] = replace(self.made[found.entry.body], number=len(self.made))
            who.ask("commit", entry)

    def remove(self) -> None:
        for name in (place.DATA, place.READERS, place.LOCK):
            (self.path / name).unlink(missing_ok=True)

    def remove_and_take_back(self) -> None:
        self.remove()
        self.take_back(self.other, self.x)
        self.take_back(self.other, self.z)

    def take_back_z_and_drop_its_record(self) -> None:
        self.take_back(self.other, self.z)
        for number in range(DROPS):
            self.take_back(self.other, f"other:{number}")

    def check(self) -> None:
        """No answer breaks the promise from now on, and each entry can still be taken back."""
        for _ in range(2):
            for who in (self.here, self.other):
                for request in (self.stored, self.new):
                    self.look_up(who, request)
                self.ask_for_what_is_ready(who)
            self.take_back(self.other, self.x)
            self.take_back(self.here, self.z)


FIRST: dict[str, Callable[[Scene], None]] = {
    "look up": lambda scene: scene.look_up(scene.here, scene.stored),
    "ready": lambda scene: scene.ask_for_what_is_ready(scene.here),
    "end the running fill": lambda scene: scene.here.ask("commit", scene.running),
    "freshen": lambda scene: scene.freshen(scene.here),
    "hard z": lambda scene: scene.take_back(scene.here, scene.z),
    "soft x": lambda scene: scene.take_back(scene.here, scene.x, soft=True),
}
SECOND: dict[str, Callable[[Scene], None]] = {
    "hard x": lambda scene: scene.take_back(scene.other, scene.x),
    "hard z": lambda scene: scene.take_back(scene.other, scene.z),
    "hard z, and drop its record": Scene.take_back_z_and_drop_its_record,
    "clear": lambda scene: scene.take_back(scene.other, ALL),
    "fill anew": lambda scene: scene.fill(scene.other, scene.stored, scene.x),
    "remove, and hard x and z": Scene.remove_and_take_back,
}


WITHOUT_THE_LOCK = ["hard x", "remove, and hard x and z"]
"""One that needs the lock, and all that do not."""

CASES = [
    (first, second, module)
    for first, second, module in itertools.product(FIRST, SECOND, MODULES)
    if module not in WITH_THE_LOCK or second in WITHOUT_THE_LOCK
]


@pytest.fixture(scope="module")
def other() -> Iterator[Worker]:
    with Worker() as worker:
        yield worker


@pytest.fixture
def processes(other: Worker, tmp_path: Path) -> Iterator[tuple[Here, Worker, Path]]:
    path = tmp_path / "store"
    with pytest.MonkeyPatch.context() as patch:
        here = Here()
        patch.setattr(opened, "TRUST_SECONDS", 0.0)
        other.ask("set", "lmdb.opened", "TRUST_SECONDS", 0.0)
        other.ask("set", "lmdb.file", "WRITE_SECONDS", 0)
        other.ask("set", "lmdb.repeating", "REPEAT_SECONDS", (NEVER,))
        for module, name in (("sweep", "MAX_RECORDS"), ("writing", "MAX_RECORDS"), ("writing", "SWEEP")):
            patch.setattr(f"accelerator.stores.lmdb.{module}.{name}", 1)
            other.ask("set", f"lmdb.{module}", name, 1)
        for one in (here, other):
            one.ask("open", path, MAX_BYTES)
        yield here, other, path
        here.ask("close")


def interleave(first: str, second: str, module: str, step: int, processes: tuple[Here, Worker, Path]) -> None:
    """Do the first; the second intrudes before the given step of it."""
    scene = Scene(*processes)
    countdown = step

    def before_step() -> bool:
        nonlocal countdown
        if countdown == 0:
            try:
                SECOND[second](scene)
            except (InvalidationError, LockTimeoutError):
                scene.other.ask("settle")
            return False
        countdown -= 1
        return True

    stepwise([MODULES[module]], partial(FIRST[first], scene), before_step)
    scene.check()


@pytest.mark.parametrize(("first", "second", "module"), CASES)
def test_no_switch_between_processes_breaks_the_promise(
    first: str, second: str, module: str, processes: tuple[Here, Worker, Path]
) -> None:
    steps = count_steps([MODULES[module]], partial(FIRST[first], Scene(*processes)))
    for step in range(steps):
        interleave(first, second, module, step, processes)
