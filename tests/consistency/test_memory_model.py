"""MemoryStore against a model: marks taken, responses stored, tags taken back in any order, on the smallest scale."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from accelerator import MemoryStore
from accelerator.stores import memory
from accelerator.tagging import ALL
from accelerator.testing import make_entry, make_request
from tests.consistency.history import History, Made, RuleBrokenError
from tests.consistency.profiles import profile
from tests.support import drive

if TYPE_CHECKING:
    from accelerator.entry import Entry, Mark, Request

REQUESTS = [
    make_request(f"https://example.org/{path}", [("accept", accept)]) for path in ("a", "b") for accept in ("1", "2")
]
START = 1_000.0
LIFETIME = 10.0

requests = st.sampled_from(range(len(REQUESTS)))
tags = st.frozensets(st.sampled_from(["x", "y"]), max_size=2)
which = st.integers(0, 7)


class MemoryModel(RuleBasedStateMachine):
    """A fill is begun, later ended; what is found has to be what the promise allows, and not less without a reason."""

    def __init__(self) -> None:
        super().__init__()
        self.history = History()
        self.made: dict[bytes, Made] = {}
        self.running: list[tuple[Request, Mark, int]] = []
        self.now = START
        self.log_length = memory.LOG_LENGTH

    @initialize(entries=st.sampled_from([2, 4, 100]), log_length=st.sampled_from([1, 2, 100]))
    def start(self, entries: int, log_length: int) -> None:
        memory.LOG_LENGTH = log_length  # type: ignore[misc]  # put back below
        size = memory._size_of(make_entry(REQUESTS[0], 0, ["x", "y"], vary=(b"accept",), body=b"1000"))
        self.store = MemoryStore(max_bytes=entries * size)

    def teardown(self) -> None:
        for request in range(len(REQUESTS)):
            self.look_up(request)
        memory.LOG_LENGTH = self.log_length  # type: ignore[misc]  # as above

    @rule(request=requests)
    def begin(self, request: int) -> None:
        found = drive(self.store.lookup(REQUESTS[request]))
        self.running.append((REQUESTS[request], found.mark, self.history.tick()))

    @precondition(lambda self: self.running)
    @rule(which=which, tags=tags, varies=st.booleans())
    def end(self, which: int, tags: frozenset[str], varies: bool) -> None:
        request, mark, begun = self.running.pop(which % len(self.running))
        vary = (b"accept",) if varies else ()
        body = b"%d" % len(self.made)
        entry = make_entry(request, mark, tags, vary=vary, body=body, received=self.now, lifetime=LIFETIME)
        self.commit(entry, begun)

    @rule(request=requests, tags=tags)
    def freshen(self, request: int, tags: frozenset[str]) -> None:
        """A validation that proves nothing keeps the mark, and adds to the tags."""
        entry = drive(self.store.lookup(REQUESTS[request])).entry
        if entry is not None:
            begun = self.made[entry.body].begun
            body = b"%d" % len(self.made)
            self.commit(replace(entry, tags=entry.tags | tags, received=self.now, body=body), begun)

    @rule(tags=tags, soft=st.booleans())
    def invalidate(self, tags: frozenset[str], soft: bool) -> None:
        call = self.history.call(tags, soft=soft)
        drive(self.store.invalidate(tags, soft=soft))
        call.returned = self.history.tick()

    @rule(request=requests, soft=st.booleans())
    def invalidate_url(self, request: int, soft: bool) -> None:
        self.invalidate(frozenset([REQUESTS[request].url_tag]), soft)

    @rule(soft=st.booleans())
    def clear(self, soft: bool) -> None:
        self.invalidate(frozenset([ALL]), soft)

    @rule(seconds=st.sampled_from([1.0, LIFETIME + 1]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(request=requests)
    def look_up(self, request: int) -> None:
        arrived = self.history.tick()
        found = drive(self.store.lookup(REQUESTS[request]))
        if found.entry is not None:
            made = self.made[found.entry.body]
            self.history.check(made, arrived, stale=found.invalidated)
            if found.invalidated and not self.is_taken_back(made, soft=True):
                raise RuleBrokenError("it is stale without a reason")

    # --- the model ----------------------------------------------------------------------------------------------------

    def commit(self, entry: Entry, begun: int) -> None:
        self.made[entry.body] = made = Made(len(self.made), entry.tags, begun)
        before = self.stored_in_place_of(entry)
        is_smaller = before is not None and self.mark(begun) < self.mark(before.begun)
        if drive(self.store.commit(entry)):
            if is_smaller and before and not self.is_taken_back(before, soft=False):
                raise RuleBrokenError("a usable entry was replaced by one with a smaller mark")
        else:
            changes = sum(len(one.tags) for one in self.history.invalidations if begun < one.called)
            if not (is_smaller or self.is_taken_back(made, soft=False) or changes > memory.LOG_LENGTH):
                raise RuleBrokenError("it was refused without a reason")

    def stored_in_place_of(self, entry: Entry) -> Made | None:
        """What stands where an entry goes, unless it is past its use."""
        resource = self.store._resources.get(entry.key)
        record = resource.records.get((entry.vary, entry.selected_by)) if resource is not None else None
        return self.made[record.entry.body] if record is not None and self.now <= record.entry.useful_until else None

    def mark(self, begun: int) -> int:
        return sum(one.called < begun for one in self.history.invalidations)

    def is_taken_back(self, made: Made, *, soft: bool) -> bool:
        return any(
            one.soft == soft and one.tags & made.tags and made.begun < one.called for one in self.history.invalidations
        )


TestMemoryModel = MemoryModel.TestCase
TestMemoryModel.settings = profile(steps=40)
