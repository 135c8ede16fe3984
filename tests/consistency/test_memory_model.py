"""MemoryStore against a model: marks taken, responses stored, tags taken back in any order, on the smallest scale."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from accelerator import MemoryStore
from accelerator.stores.memory import store as memory
from accelerator.tags import ALL
from accelerator.testing import make_entry, make_request
from tests.consistency.history import History, Made, RuleBrokenError
from tests.consistency.search import Step, one_of, profile, step
from tests.stores.tables import bound_for, size_of
from tests.support import drive

if TYPE_CHECKING:
    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry, Mark

REQUESTS = [make_request(f"https://example.org/{path}", [("accept", accept)]) for path, accept in ("a1", "a2", "b1")]
LIFETIME = 10.0

WHICH = range(4)
TAGS = [frozenset("x"), frozenset("y"), frozenset("xy"), frozenset[str]()]
TARGET_FIELDS = [["x"], ["y"], ["x", "y"], ["x"], ["y"], [REQUESTS[0].url_tag], [REQUESTS[2].url_tag], [ALL]]
VARIES = [False, False, True]
HOWS = [("hard",), ("soft",), ("hard", "soft"), ("soft", "hard")]

STEPS = [
    *[step("begin", REQUESTS)] * 3,
    *[step("end", WHICH, TAGS, VARIES)] * 3,
    *[step("fill", REQUESTS, TAGS, VARIES)] * 2,
    *[step("take_back", TARGET_FIELDS, ["hard", "soft"])] * 4,
    step("take_back_and_cut_the_log", TARGET_FIELDS, ["hard", "soft"]),
    step("take_back_during_a_fill", REQUESTS, TAGS, TARGET_FIELDS, HOWS),
    *[step("look_up", REQUESTS)] * 3,
    step("freshen", REQUESTS, TAGS),
    step("wait", [1, LIFETIME + 1]),
]


class MemoryModel(RuleBasedStateMachine):
    """A fill is begun, later ended; what is found has to be what the rule allows, and not less without a reason."""

    @initialize(entries=st.sampled_from([100, 2, 4]), log_length=st.sampled_from([1, 2, 100]))
    def start(self, entries: int, log_length: int) -> None:
        self.log_length, memory.LOG_LENGTH = memory.LOG_LENGTH, log_length  # type: ignore[misc]  # put back below
        size = size_of(make_entry(REQUESTS[0], 0, ["x", "y"], vary=(b"accept",), body=b"1000"))
        self.store = MemoryStore(max_bytes=bound_for(entries * size))
        self.history = History()
        self.made: dict[bytes, Made] = {}
        self.running: list[tuple[Request, Mark, int]] = []
        self.now = 1000.0

    @rule(step=one_of(STEPS))
    def step(self, step: Step) -> None:
        do, arguments = step
        getattr(self, do)(*arguments)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            memory.LOG_LENGTH = self.log_length  # type: ignore[misc]  # as above
            for request in REQUESTS:
                self.look_up(request)

    # --- what happens -------------------------------------------------------------------------------------------------

    def begin(self, request: Request) -> None:
        self.running.append((request, drive(self.store.lookup(request)).mark, self.history.tick()))

    def end(self, which: int, tags: frozenset[str], varies: bool) -> None:
        if self.running:
            request, mark, begun = self.running.pop(which % len(self.running))
            vary = (b"accept",) if varies else ()
            body = b"%d" % len(self.made)
            entry = make_entry(request, mark, tags, vary=vary, body=body, received=self.now, lifetime=LIFETIME)
            self.commit(entry, begun)

    def fill(self, request: Request, tags: frozenset[str], varies: bool) -> None:
        self.begin(request)
        self.end(len(self.running) - 1, tags, varies)

    def freshen(self, request: Request, tags: frozenset[str]) -> None:
        """A validation that proves nothing keeps the mark, and adds to the tags."""
        entry = drive(self.store.lookup(request)).entry
        if entry is not None:
            begun = self.made[entry.body].begun
            body = b"%d" % len(self.made)
            self.commit(replace(entry, tags=entry.tags | tags, received=self.now, body=body), begun)

    def take_back(self, tags: list[str], how: str) -> None:
        call = self.history.call(frozenset(tags), soft=how == "soft")
        drive(self.store.invalidate(tags, soft=how == "soft"))
        call.returned = self.history.tick()

    def take_back_and_cut_the_log(self, tags: list[str], how: str) -> None:
        self.take_back(tags, how)
        if memory.LOG_LENGTH < 10:
            self.take_back([f"other:{number}" for number in range(memory.LOG_LENGTH)], "hard")

    def take_back_during_a_fill(
        self, request: Request, tags: frozenset[str], taken_back: list[str], hows: tuple[str, ...]
    ) -> None:
        self.begin(request)
        for how in hows:
            self.take_back_and_cut_the_log(taken_back, how)
        self.end(len(self.running) - 1, tags, varies=False)
        self.look_up(request)

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def look_up(self, request: Request) -> None:
        arrived = self.history.tick()
        found = drive(self.store.lookup(request))
        if found.entry is not None:
            made = self.made[found.entry.body]
            self.history.check(made, arrived, stale=found.invalidated)
            if found.invalidated and not self.is_taken_back(made, soft=True):
                raise RuleBrokenError("it is stale without a reason")

    # --- the model ----------------------------------------------------------------------------------------------------

    def commit(self, entry: Entry, begun: int) -> None:
        self.made[entry.body] = made = Made(len(self.made), entry.tags, begun)
        before = self.stored_in_place_of(entry)
        newer = (
            self.made[before.body] if before and self.mark(self.made[before.body].begun) > self.mark(begun) else None
        )
        if drive(self.store.commit(entry)):
            is_of_use = before is not None and self.now <= before.useful_until  # else it may have been swept just now
            if newer and is_of_use and not self.is_taken_back(newer, soft=False):
                raise RuleBrokenError("a usable entry was replaced by one with a smaller mark")
        else:
            changes = sum(len(one.tags) for one in self.history.invalidations if begun < one.called)
            if not (newer or self.is_taken_back(made, soft=False) or changes > memory.LOG_LENGTH):
                raise RuleBrokenError("it was refused without a reason")

    def stored_in_place_of(self, entry: Entry) -> Entry | None:
        record = self.store._tables.instead_of(entry)
        return record.unfolded().entry if record is not None else None

    def mark(self, begun: int) -> int:
        return sum(one.called < begun for one in self.history.invalidations)

    def is_taken_back(self, made: Made, *, soft: bool) -> bool:
        return any(
            one.soft == soft and one.tags & made.tags and made.begun < one.called for one in self.history.invalidations
        )


TestMemoryModel = MemoryModel.TestCase
TestMemoryModel.settings = profile(steps=40)
