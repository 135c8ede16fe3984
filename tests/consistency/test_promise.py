"""The promise, by random schedules: no request is answered with what was taken back before it arrived."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from accelerator.stores.memory import store as memory
from accelerator.tags import ALL
from tests.consistency.search import Step, one_of, profile, step
from tests.consistency.world import GATES, URLS, Call, Reply, World, url_tag

KINDS = {"anybody": [], "with Accept": [("accept", "1")], "with Cookie": [("cookie", "a=1")]}
TARGET_FIELDS = {
    "x": ["x"],
    "y": ["y"],
    "x and y": ["x", "y"],
    "/a": [url_tag("/a")],
    "/b": [url_tag("/b")],
    "all": [ALL],
}
REPLIES = [
    Reply(tags=frozenset(tags), validator=validator, stale_while_revalidate=while_revalidate, stale_if_error=if_error)
    for tags, validator, while_revalidate, if_error in product(
        ["x", "xy", "y"], ["strong", "strong", "weak", "date", "none"], [0, 0, 100], [0, 100]
    )
]
ODD_REPLIES = [
    *(Reply(tags=frozenset(tags), varies=True, validator="strong") for tags in ("x", "xy")),
    *(Reply(tags=frozenset(tags), pauses=True, validator="weak") for tags in ("x", "xy")),
    *(Reply(raises=True), Reply(503), Reply(404), Reply(no_store=True), Reply(ttl=0)),
]
MOSTLY_AT_ONCE = [0, 0, 11]
MOSTLY_A = ["/a", "/a", "/a", "/b"]
MOSTLY_ANYBODY = ["anybody", "anybody", "anybody", "with Accept", "with Cookie"]
MOSTLY = [True, True, True, False]
WHICH = [0, 1, 2]

STEPS = [  # what finds faults comes often
    *[step("ask_and_reply", MOSTLY_AT_ONCE, MOSTLY_A, MOSTLY_ANYBODY, REPLIES, MOSTLY)] * 6,
    step("ask_and_reply", MOSTLY_AT_ONCE, ["/a"], MOSTLY_ANYBODY, ODD_REPLIES, MOSTLY),
    step("ask", MOSTLY_AT_ONCE, MOSTLY_A, MOSTLY_ANYBODY, ["GET", "GET", "HEAD"]),
    *[step("ask_and_be_held_up", [0, 11, 11], REPLIES, ["after lookup", "after lookup", *GATES])] * 2,
    *[step("reply", WHICH, REPLIES, MOSTLY)] * 2,
    step("reply", WHICH, ODD_REPLIES, [False]),
    *[step("take_back", [*TARGET_FIELDS], ["hard", "soft"], ["changed", "unchanged"], ["", "/a"])] * 5,
    *[step("go_on", WHICH)] * 2,
    step("post", [303, 303, 500], ["", *URLS], MOSTLY),
    step("wait", [11, 120, 5000], [True, False]),
    step("cancel", WHICH),
]


class Promise(RuleBasedStateMachine):
    """Whatever happens, in whatever order. The world itself checks each answer when it has begun."""

    @initialize(
        kilobytes=st.sampled_from([1000, 4, 8]), log_length=st.sampled_from([1000, 1, 3]), coalesce=st.booleans()
    )
    def start(self, kilobytes: int, log_length: int, coalesce: bool) -> None:
        self.log_length, memory.LOG_LENGTH = memory.LOG_LENGTH, log_length  # type: ignore[misc]  # put back below
        self.world = World(kilobytes * 1024, coalesce=coalesce)

    @rule(step=one_of(STEPS))
    def step(self, step: Step) -> None:
        do, arguments = step
        getattr(self, do)(*arguments)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            try:
                for url in URLS:
                    self.world.ask(url)
            finally:
                memory.LOG_LENGTH = self.log_length  # type: ignore[misc]  # as above
                self.world.close()

    # --- clients and the application ----------------------------------------------------------------------------------

    def ask(self, after: int, url: str, kind: str, method: str) -> None:
        self.world.clock.advance(after)
        self.world.ask(url, KINDS[kind], method=method)

    def ask_and_be_held_up(self, after: int, reply: Reply, gate: str) -> None:
        """What is asked for is stored already, maybe stale, and the store takes its time."""
        self.ask_and_reply(0, "/a", "anybody", reply, may_be_304=True)
        self.world.closed_gates.add(gate)
        self.ask(after, "/a", "anybody", "GET")

    def ask_and_reply(self, after: int, url: str, kind: str, reply: Reply, may_be_304: bool) -> None:
        self.world.clock.advance(after)
        asking = self.world.ask(url, KINDS[kind])
        for call in self.world.calls:
            if call.asking is asking:
                self.answer(call, reply, may_be_304)

    def reply(self, which: int, reply: Reply, may_be_304: bool) -> None:
        if calls := self.world.calls:
            self.answer(calls[which % len(calls)], reply, may_be_304)

    def answer(self, call: Call, reply: Reply, may_be_304: bool) -> None:
        is_304 = may_be_304 and self.world.may_say_not_modified(call)
        self.world.reply(call, replace(reply, status=304) if is_304 else reply)

    # --- what is taken back -------------------------------------------------------------------------------------------

    def take_back(self, name: str, how: str, changed: str, then: str) -> None:
        self.world.invalidate(TARGET_FIELDS[name], soft=how == "soft", changed=changed == "changed")
        if then:
            self.world.ask(then)

    def post(self, status: int, location: str, is_slow: bool) -> None:
        asking = self.world.ask("/a", method="POST", is_slow=is_slow)
        for call in self.world.calls:
            if call.asking is asking:
                self.world.reply(call, Reply(status, location=location))
                self.world.ask("/a")

    # --- time ---------------------------------------------------------------------------------------------------------

    def wait(self, seconds: int, with_loop: bool) -> None:
        self.world.clock.advance(seconds)
        if with_loop:
            self.world.lose_patience()

    def go_on(self, which: int) -> None:
        if self.world.waiting:
            self.world.release(which)

    def cancel(self, which: int) -> None:
        if self.world.running:
            self.world.cancel(which)


TestPromise = Promise.TestCase
TestPromise.settings = profile(steps=40)
