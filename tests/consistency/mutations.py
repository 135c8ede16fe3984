"""The ways to break the invalidation rule in one process, as changes of the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

MODEL, PROMISE, RULES = "test_memory_model.py", "test_promise.py", "test_rules.py"
MEMORY, TABLES = "stores/memory/store.py", "stores/memory/tables.py"
FILL, ENGINE = "engine/fill.py", "engine/engine.py"
FILLING, INVALIDATIONS = "engine/filling.py", "engine/invalidations.py"
FLIGHT, BYPASS, REFRESH, RULE_304 = "engine/flight.py", "engine/bypass.py", "engine/refresh.py", "rules/validation.py"


def threads(first: str, second: str) -> str:
    """Name the test of two threads."""
    return f"test_interleavings.py::test_no_switch_between_threads_breaks_the_promise[{first}-{second}]"


def schedules(stored: str, age: int, gate: str) -> str:
    """Name the test of some schedules."""
    return f"test_schedules.py::test_nothing_that_happens_during_a_request_breaks_the_promise[{stored}-{age}-{gate}]"


class Change(NamedTuple):
    """Text that stands once in a file, and what takes its place."""

    file: str
    old: str
    new: str


class Mutation:
    """Changes that bring a fault in, and the test that has to find it."""

    def __init__(self, name: str, found_by: str, *changes: Change) -> None:
        self.name = name
        self.found_by = found_by
        self.changes = changes

    def apply(self, package: Path) -> None:
        """Change a copy of the package.

        Raises:
            ValueError: a text to be changed is not there, or not once.
        """
        for file, old, new in self.changes:
            path = package / file
            text = path.read_text()
            if text.count(old) != 1:
                raise ValueError(f"{self.name}: in {file}, this stands {text.count(old)} times: {old!r}")
            path.write_text(text.replace(old, new))


MARKS = [
    Mutation(
        "mark at storing",
        PROMISE,
        Change(
            MEMORY,
            """
        packed = pack(entry)
""",
            """
        object.__setattr__(entry, "mark", self._position)
        packed = pack(entry)
""",
        ),
    ),
    Mutation(
        "mark after the lookup, in the store",
        threads("look up y", "hard x and y"),
        Change(MEMORY, "Lookup(ready.entry, position, not", "Lookup(ready.entry, self._position, not"),
    ),
    Mutation(
        "mark after the lookup, in the engine",
        schedules("strong", 11, "after lookup"),
        Change(
            FILLING,
            """
        task = Task(found, decision, flight, fwd, purpose)
""",
            """
        again = await services.store.look_up(request)
        found = found._replace(mark=again.mark)
        task = Task(found, decision, flight, fwd, purpose)
""",
        ),
    ),
    Mutation(
        "an entry counts as checked up to a position read after those of its tags",
        threads("look up y", "hard x and y"),
        Change(
            MEMORY,
            """
                is_usable, is_fresh = tables.judge(record, position)
""",
            """
                is_usable, is_fresh = tables.judge(record, position)
            record.checked = self._position if is_fresh else record.checked
""",
        ),
    ),
    Mutation(
        "what is checked once is fresh for ever",
        MODEL,
        Change(TABLES, "if record.checked == position:", "if record.checked >= 0:"),
    ),
    Mutation(
        "what is stale counts as checked",
        MODEL,
        Change(
            TABLES,
            """
        return hard <= mark, False
""",
            """
        record.note_fresh(position)
        return hard <= mark, False
""",
        ),
    ),
    Mutation(
        "a smaller mark replaces a usable entry",
        MODEL,
        Change(MEMORY, "if old.mark > entry.mark and tables.judge(old, self._position)[0]:", "if False:"),
    ),
]

LOCK = [
    Mutation(
        "commit without the lock",
        threads("hard z, and cut the log", "end the running fill"),
        Change(
            MEMORY,
            """
        with self._lock:
            self._sweep(""",
            """
        if True:
            self._sweep(""",
        ),
    ),
    Mutation(
        "commit checks before it takes the lock",
        threads("hard z, and cut the log", "end the running fill"),
        Change(
            MEMORY,
            """
        with self._lock:
            self._sweep(entry.received)
            if size > self._room or entry.mark < self._log_floor or self._was_invalidated(entry):
                return False
""",
            """
        if size > self._room or entry.mark < self._log_floor or self._was_invalidated(entry):
            return False
        with self._lock:
            self._sweep(entry.received)
""",
        ),
    ),
    Mutation(
        "two invalidators given one position",
        threads("hard x and y", "hard x, then look up y"),
        Change(
            MEMORY,
            """
        with self._lock:
            position = self._position + 1
""",
            """
        position = self._position + 1
        with self._lock:
""",
        ),
    ),
    Mutation(
        "the position is published before those of the tags",
        threads("hard x", "look up x"),
        Change(MEMORY, "position = self._position + 1\n", "position = self._position = self._position + 1\n"),
    ),
]

TAGS = [
    Mutation(
        "soft removes hard",
        MODEL,
        Change(
            TABLES,
            """
            (part.soft if soft else part.hard)[name] = position
""",
            """
            (part.soft if soft else part.hard)[name] = position
            if soft:
                part.hard.pop(name, None)
""",
        ),
    ),
    Mutation(
        "the positions of a tag go with any of its entries",
        MODEL,
        Change(
            TABLES,
            """
            more = part.more.get(tag, 0)
""",
            """
            more = part.more.get(tag, 0)
            part.hard.pop(tag, None)
            part.soft.pop(tag, None)
""",
        ),
    ),
    Mutation(
        "a tag of several entries is not taken back",
        MODEL,
        Change(TABLES, "if name is not None:", "if name is not None and name not in part.more:"),
    ),
    Mutation(
        "missing = valid: a new tag knows nothing of the log",
        MODEL,
        Change(TABLES, "hard, soft = log.get(hash(tag), NEVER)", "hard = soft = 0"),
    ),
    Mutation(
        "missing = valid: a lookup does not see that the positions went with the record",
        threads("hard x, then look up x", "hard x, then fill and sweep"),
        Change(
            TABLES,
            """
        hard, soft = self.tags.last(record.tags)
        mark = record.mark  # read after the positions, which may have gone with the record
""",
            """
        mark = record.mark
        hard, soft = self.tags.last(record.tags)
""",
        ),
    ),
    Mutation(
        "missing = valid: what was cleared is judged by the new tables",
        threads("hard x, then look up x", "clear"),
        Change(MEMORY, "is_fresh = tables.judge(record, position)", "is_fresh = self._tables.judge(record, position)"),
    ),
]

LOG = [
    Mutation(
        "soft overwrites hard in the log",
        MODEL,
        Change(MEMORY, "(hard_before, position) if soft", "(0, position) if soft"),
    ),
    Mutation(
        "the log is written only where there is no cell",
        MODEL,
        Change(
            MEMORY,
            """
                self._write_log(tag, position, soft)
""",
            """
                if tag not in list(self._tables.tags):
                    self._write_log(tag, position, soft)
""",
        ),
    ),
    Mutation(
        "missing = valid: no log_floor",
        MODEL,
        Change(MEMORY, " or entry.mark < self._log_floor", ""),
    ),
    Mutation(
        "the log's floor forgets soft invalidations",
        MODEL,
        Change(MEMORY, "max(self._log_floor, *dropped)", "max(self._log_floor, dropped[0])"),
    ),
    Mutation(
        "overwrite instead of max: the log's floor goes down",
        MODEL,
        Change(MEMORY, "max(self._log_floor, *dropped)", "min(dropped)"),
    ),
    Mutation(
        "clear without floor",
        MODEL,
        Change(
            MEMORY,
            """
                self._write_log(tag, position, soft)
""",
            """
                if tag != ALL or soft:
                    self._write_log(tag, position, soft)
""",
        ),
    ),
    Mutation(
        "clear forgets the log",
        MODEL,
        Change(
            MEMORY,
            """
                self._begin()
""",
            """
                self._begin()
                self._log.clear()
""",
        ),
    ),
]

VALIDATION = [
    Mutation(
        "tags of the 304 only",
        schedules("strong", 11, ""),
        Change(FILL, "frozenset[str]() if freshens is None else freshens.tags", "frozenset[str]()"),
    ),
    Mutation(
        "weak validator moves the mark",
        PROMISE,
        Change(
            RULE_304,
            'return is_strong(entry.validator) and response.get(b"etag") == entry.validator',
            "return True",
        ),
    ),
    Mutation(
        "weak validator asked about after a soft invalidation",
        PROMISE,
        Change(
            RULE_304,
            """
    if invalidated:
        return is_strong(entry.validator)
""",
            "\n",
        ),
        Change(
            RULE_304,
            'return is_strong(entry.validator) and response.get(b"etag") == entry.validator',
            "return True",
        ),
    ),
    Mutation(
        "a weak validator vouches for tags it has not known",
        schedules("weak", 0, ""),
        Change(FILL, "if mark != self._mark and not tags.issubset(older_tags):", "if False:"),
    ),
]

REQUESTS = [
    Mutation(
        "waiters handed the leader's response",
        PROMISE,
        Change(FLIGHT, '"_landing", "name", "place")', '"_landing", "entry", "name", "place")'),
        Change(
            FLIGHT,
            """
        self.place = place
""",
            """
        self.place = place
        self.entry = None
""",
        ),
        Change(FLIGHT, '("_has_looked_again", ', '("flight", "_has_looked_again", '),
        Change(
            FLIGHT,
            """
        if landing is not None:
""",
            """
        if landing is not None:
            patience.flight = running
""",
        ),
        Change(
            FILL,
            """
        self.reason = await self._services.store.commit(self.entry)
""",
            """
        self.reason = await self._services.store.commit(self.entry)
        self._task.flight.entry = self.entry
""",
        ),
        Change(
            ENGINE,
            """
                        await self._filler.fill(exchange, turn, decision, flight)
                        return None
""",
            """
                        await self._filler.fill(exchange, turn, decision, flight)
                        return None
                    if patience.has_waited and patience.flight.entry is not None:
                        found = found._replace(entry=patience.flight.entry, invalidated=False)
                        return await self._serve(exchange, found, now, patience, "hit")
""",
        ),
    ),
    Mutation(
        "a refresh begun before a soft invalidation counts as the one after it",
        RULES,
        Change(
            REFRESH,
            "if again is None or again.entry is None or not again.invalidated",
            "if True or not again.invalidated",
        ),
    ),
    Mutation(
        "an unsafe method's invalidation after its first byte",
        PROMISE,
        Change(
            BYPASS,
            """
            if self._exchange.request.is_unsafe:
                await self._invalidations.after_request(self._exchange.request, response, self.notes)
""",
            "\n",
        ),
        Change(
            BYPASS,
            """
        await self._exchange.send(message)
""",
            """
        await self._exchange.send(message)
        if kind == "http.response.start":
            await self._invalidations.after_request(self._exchange.request, response, self.notes)
""",
        ),
    ),
    Mutation(
        "an unsafe method's invalidation not awaited",
        schedules("strong", 0, "before invalidate"),
        Change(ENGINE, "Invalidations(store, self.ignored, self._services)", "Invalidations(store, self, runtime)"),
        Change(
            INVALIDATIONS,
            """
        self._ignored = ignored
        self._services = services
""",
            """
        self._ignored = ignored.ignored
        self._services = ignored._services
        self._runtime = services
""",
        ),
        Change(
            INVALIDATIONS,
            "await self._services.store.invalidate(invalidated_by(",
            "self._runtime.spawn('late', 60, self._services.store.invalidate, invalidated_by(",
        ),
    ),
]

MUTATIONS = [*MARKS, *LOCK, *TAGS, *LOG, *VALIDATION, *REQUESTS]
