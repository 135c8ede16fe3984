"""A model of CONSISTENCY, section 3: every schedule of a small world, with eviction at every step.

`World` is the store's rule in a few lines of Python, and it can be broken in the ways that the rule's text names. All
schedules of a few actions are tried; what counts is that the rule as it stands shows no stale answer, and that each of
its mutations does. `test_machine.py` runs random schedules of the same kind against the real scripts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

LOG_LENGTH = 1

MUTATIONS = {
    "missing means valid",
    "birth at zero",
    "birth at the mark",
    "birth at a counter read earlier",
    "no check against the log's floor",
    "the floor does not rise",
    "the log lost means nothing happened",
    "the counter starts at zero again",
    "no server identity",
    "incarnation ignored in marks",
    "incarnation ignored in entries",
    "an older position overwrites",
    "the same position for two invalidations",
    "mark at storing",
    "a commit does not look at records",
    "a fill keeps the record of before",
}


@dataclass(frozen=True)
class Mark:
    incarnation: int
    position: int


@dataclass(frozen=True)
class Entry:
    """What is stored: its mark, and the version of x that its making read."""

    mark: Mark
    version: int


@dataclass
class World:
    """One Redis, two URLs made from x, one fill at a time, and a log of one record."""

    broken: str = ""
    identity: int = 1
    incarnations: int = 0
    meta: tuple[int, int, int] | None = None  # incarnation, position, identity
    records: dict[str, tuple[int, int]] = field(default_factory=dict)  # tag -> incarnation, position
    log: dict[str, int] | None = None
    floor: int = 0
    entries: dict[str, Entry] = field(default_factory=dict)
    saved: tuple[object, ...] | None = None
    version: int = 0
    filling: tuple[str, Mark, int] | None = None

    def order(self) -> tuple[int, int]:
        """Incarnation and position, begun anew if they are lost or another server's."""
        same = self.meta is not None and (self.meta[2] == self.identity or self.broken == "no server identity")
        if not same:
            self.incarnations += self.broken != "the counter starts at zero again"
            self.meta = (self.incarnations, 1, self.identity)
            self.log = None
        assert self.meta is not None
        return self.meta[:2]

    def position_of(self, tag: str, incarnation: int) -> int | None:
        found = self.records.get(tag)
        return None if found is None or found[0] != incarnation else found[1]

    # --- actions ------------------------------------------------------------------------------------------------------

    def begin(self, url: str) -> None:
        self.filling = (url, Mark(*self.order()), self.version)

    def commit(self) -> None:
        if self.filling is None:
            return
        (url, mark, version), self.filling = self.filling, None
        incarnation, position = self.order()
        if self.broken == "mark at storing":
            mark = Mark(incarnation, position)
        if self.broken == "incarnation ignored in marks":
            mark = Mark(incarnation, min(mark.position, position))
        if mark.incarnation != incarnation or mark.position > position:
            return
        last = self.position_of("x", incarnation)
        if last is None:
            birth = self.birth(mark, position)
            if birth is None:
                return
            self.records["x"] = (incarnation, birth)
        elif last > mark.position and self.broken != "a commit does not look at records":
            return
        elif self.broken == "a commit does not look at records":
            self.records["x"] = (incarnation, min(last, mark.position))
        self.entries[url] = Entry(mark, version)

    def birth(self, mark: Mark, position: int) -> int | None:
        """Where the record of x begins, None if the fill cannot be judged."""
        if self.broken == "birth at zero":
            return 0
        if self.broken in {"birth at the mark", "birth at a counter read earlier"}:
            return mark.position
        floor = position if self.log is None else self.floor
        last = (self.log or {}).get("x", 0)
        if self.broken == "the log lost means nothing happened" and self.log is None:
            floor = 0
        if self.broken == "no check against the log's floor":
            floor = 0
        if max(floor, last) > mark.position:
            return None
        return max(floor, last)

    def invalidate(self, tag: str) -> None:
        """Change the data, then take it back; when this returns, no answer may be older."""
        self.version += tag == "x"
        incarnation, position = self.order()
        if self.log is None:
            self.log, self.floor = {}, position
        if self.broken != "the same position for two invalidations":
            position += 1
        last = self.position_of(tag, incarnation)
        if last is not None and self.broken != "a fill keeps the record of before":
            self.records[tag] = (incarnation, position)
        if self.broken == "an older position overwrites" and last is not None and self.filling is not None:
            self.records[tag] = (incarnation, self.filling[1].position)
        self.log.pop(tag, None)
        self.log[tag] = position
        while len(self.log) > LOG_LENGTH:
            dropped = self.log.pop(next(iter(self.log)))
            self.floor = self.floor if self.broken == "the floor does not rise" else max(self.floor, dropped)
        self.meta = (incarnation, position, self.identity)

    def evict_record(self) -> None:
        self.records.pop("x", None)

    def evict_log(self) -> None:
        self.log = None

    def evict_meta(self) -> None:
        self.meta = None

    def save(self) -> None:
        """A replica, or a file on disk, has the state of now."""
        self.saved = (self.meta, dict(self.records), self.log and dict(self.log), self.floor, dict(self.entries))

    def fail_over(self) -> None:
        """Another server comes up with it."""
        if self.saved is not None:
            self.meta, records, self.log, self.floor, entries = self.saved  # type: ignore[assignment]  # as saved
            self.records = dict(records)  # type: ignore[call-overload]  # as saved
            self.entries = dict(entries)  # type: ignore[call-overload]  # as saved
        self.identity += 1

    def is_right(self) -> bool:
        """Whether a request that arrives now is answered with what is not older than the last invalidation."""
        incarnation, _ = self.order()
        return not any(
            self.is_usable(entry, incarnation) and entry.version != self.version for entry in self.entries.values()
        )

    def is_usable(self, entry: Entry, incarnation: int) -> bool:
        if entry.mark.incarnation != incarnation and self.broken != "incarnation ignored in entries":
            return False
        last = self.position_of("x", incarnation)
        return self.broken == "missing means valid" if last is None else last <= entry.mark.position


ACTIONS = {
    "begin a": lambda world: world.begin("a"),
    "begin b": lambda world: world.begin("b"),
    "commit": World.commit,
    "inv x": lambda world: world.invalidate("x"),
    "inv y": lambda world: world.invalidate("y"),
    "evict record": World.evict_record,
    "evict log": World.evict_log,
    "evict meta": World.evict_meta,
    "save": World.save,
    "fail over": World.fail_over,
}


def stale_answer(broken: str, length: int) -> tuple[str, ...] | None:
    """The first schedule that shows what must not be shown, None if there is none."""
    worlds: dict[str, tuple[World, tuple[str, ...]]] = {repr(World(broken)): (World(broken), ())}
    for _ in range(length):
        successors: dict[str, tuple[World, tuple[str, ...]]] = {}
        for world, schedule in worlds.values():
            for name, act in ACTIONS.items():
                other = copy(world)
                act(other)
                if not other.is_right():
                    return (*schedule, name)
                successors.setdefault(repr(other), (other, (*schedule, name)))
        worlds = successors
    return None


def copy(world: World) -> World:
    return World(
        world.broken,
        world.identity,
        world.incarnations,
        world.meta,
        dict(world.records),
        world.log and dict(world.log),
        world.floor,
        dict(world.entries),
        world.saved,
        world.version,
        world.filling,
    )


def test_no_schedule_shows_what_was_taken_back() -> None:
    assert stale_answer("", 6) is None


@pytest.mark.parametrize("broken", sorted(MUTATIONS))
def test_each_mutation_is_found(broken: str) -> None:
    assert stale_answer(broken, 7) is not None
