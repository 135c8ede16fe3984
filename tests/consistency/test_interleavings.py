"""Two threads in a MemoryStore: one is stopped before each of its instructions, and the other does its work there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from accelerator import Lookup, MemoryStore
from accelerator.http.request import Request
from accelerator.stores.memory import records as memory_records
from accelerator.stores.memory import store as memory
from accelerator.tags import ALL
from accelerator.testing import make_entry, make_request
from tests.consistency.history import History, Made, RuleBrokenError
from tests.consistency.stepping import Intruder, count_steps, stepwise
from tests.stores.tables import MODULES, check_tables, size_of
from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.rules.entry import Entry

X, Y, NEW, FILLER = (make_request(f"https://example.org/{path}") for path in ("x", "y", "xy", "more"))


@dataclass
class Scene:
    """A store with two entries and a fill that is running, and what happened there."""

    store: MemoryStore = field(init=False)
    history: History = field(default_factory=History)
    made: dict[bytes, Made] = field(default_factory=dict)
    committed: dict[bytes, Entry] = field(default_factory=dict)
    seen: list[tuple[Lookup, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        entries = [
            make_entry(request, 0, tags, body=b"%d" % number)
            for number, (request, tags) in enumerate([(X, ["x"]), (Y, ["y"]), (NEW, ["x", "z"])])
        ]
        self.store = MemoryStore()
        self.store._room = 2 * size_of(entries[2])  # besides, there is room for unfolded ones
        self.store._begin()
        *stored, self.running = entries
        for entry in entries:
            self.note(entry, self.history.tick())
        for entry in stored:
            assert drive(self.store.commit(entry))
        drive(self.store.lookup(X))  # checked and unfolded once already; the other one is not

    def note(self, entry: Entry, begun: int) -> None:
        self.made[entry.body] = Made(len(self.made), entry.tags, begun)
        self.committed[entry.body] = entry

    # --- what threads do ----------------------------------------------------------------------------------------------

    def take_back(self, *tags: str, soft: bool = False) -> None:
        call = self.history.call(frozenset(tags), soft=soft)
        drive(self.store.invalidate(tags, soft=soft))
        call.returned = self.history.tick()

    def end_the_running_fill(self) -> None:
        drive(self.store.commit(self.running))

    def look_up(self, request: Request) -> None:
        arrived = self.history.tick()
        self.seen.append((drive(self.store.lookup(request)), arrived))

    def ask_for_what_is_ready(self, request: Request) -> None:
        arrived = self.history.tick()
        ready = self.store.ready_entry(request.key, request, Request.selecting_values)
        if ready is not None:
            self.seen.append((Lookup(ready.entry, ready.entry.mark, False, ()), arrived))

    def fill(self, request: Request, *tags: str) -> None:
        mark = drive(self.store.lookup(request)).mark
        begun = self.history.tick()
        entry = make_entry(request, mark, tags, body=b"%d" % len(self.made))
        self.note(entry, begun)
        drive(self.store.commit(entry))

    def take_back_x_then_look_up_y(self) -> None:
        self.take_back("x")
        self.look_up(Y)

    def take_back_x_then_look_up_x(self) -> None:
        self.take_back("x")
        self.look_up(X)

    def take_back_x_then_fill(self) -> None:
        self.take_back("x")
        self.fill(FILLER, "w")

    def take_back_z_and_cut_the_log(self) -> None:
        self.take_back("z")
        self.take_back(*(f"other:{number}" for number in range(memory.LOG_LENGTH)))

    # --- what has to hold ---------------------------------------------------------------------------------------------

    def check(self) -> None:
        """No answer broke the promise, none does from now on, and each entry can still be taken back."""
        seen = [*self.seen]
        for found, arrived in seen:
            self.check_answer(found, arrived)
        self.look_up_all()
        for found, arrived in seen:
            self.validate(found, arrived)
        self.look_up_all()
        check_tables(self.store)
        self.take_back("x", "y", "z")
        self.look_up_all()

    def look_up_all(self) -> None:
        for request in (X, Y, NEW, FILLER):
            self.look_up(request)
            self.check_answer(*self.seen[-1])

    def check_answer(self, found: Lookup, arrived: int) -> None:
        if found.entry is not None:
            self.history.check(self.made[found.entry.body], arrived, stale=found.invalidated)
            if replace(self.committed[found.entry.body], mark=found.entry.mark) != found.entry:
                raise RuleBrokenError("it is not what was stored")

    def validate(self, found: Lookup, arrived: int) -> None:
        """Freshen what was found, as a strong validator allows: that must not lift it over what came meanwhile."""
        if found.entry is not None:
            entry = replace(found.entry, mark=found.mark, body=found.entry.body + b" again")
            self.note(entry, self.history.tick() if found.invalidated else arrived)
            drive(self.store.commit(entry))


ACTIONS: dict[str, Callable[[Scene], None]] = {
    "look up x": lambda scene: scene.look_up(X),
    "look up y": lambda scene: scene.look_up(Y),
    "ready x": lambda scene: scene.ask_for_what_is_ready(X),
    "hard x": lambda scene: scene.take_back("x"),
    "soft x": lambda scene: scene.take_back("x", soft=True),
    "hard x and y": lambda scene: scene.take_back("y", "x"),
    "soft x and y": lambda scene: scene.take_back("x", "y", soft=True),
    "hard x, then look up y": Scene.take_back_x_then_look_up_y,
    "hard x, then look up x": Scene.take_back_x_then_look_up_x,
    "hard z, and cut the log": Scene.take_back_z_and_cut_the_log,
    "clear": lambda scene: scene.take_back(ALL),
    "end the running fill": Scene.end_the_running_fill,
    "fill x anew": lambda scene: scene.fill(X, "x"),
    "fill and evict": lambda scene: scene.fill(FILLER, "x"),
    "hard x, then fill and sweep": Scene.take_back_x_then_fill,
}


def interleave(first: str, second: str, step: int | None) -> None:
    """Do both in two threads; the second intrudes before the given step of the first, or comes after it."""
    scene = Scene()
    intruder = Intruder(partial(ACTIONS[second], scene))
    scene.store._lock = intruder.lock()  # type: ignore[assignment]  # it is one, as far as `with` goes
    countdown = step or 0

    def before_step() -> bool:
        nonlocal countdown
        if countdown == 0:
            intruder.intrude()
            return False
        countdown -= 1
        return True

    try:
        if step is None:
            ACTIONS[first](scene)
        else:
            stepwise(MODULES, partial(ACTIONS[first], scene), before_step)
        intruder.finish()
        scene.check()
    except (LookupError, AttributeError) as error:
        raise RuleBrokenError("the tables are at odds") from error


@pytest.mark.parametrize("second", ACTIONS)
@pytest.mark.parametrize("first", ACTIONS)
def test_no_switch_between_threads_breaks_the_promise(first: str, second: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LOG_LENGTH", 4)
    monkeypatch.setattr(memory_records, "MAX_READY", 1)  # to unfold one is to fold the other
    monkeypatch.setattr(memory, "CLEARED_AT_ONCE", 0)  # what was cleared is still there, as it is where there is much
    interleave(first, second, None)
    steps = count_steps(MODULES, partial(ACTIONS[first], Scene()))
    assert steps, "no instruction was traced"
    for step in range(steps):
        interleave(first, second, step)
