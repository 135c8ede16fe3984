"""The property test of the whole middleware, on RedisStore, with eviction as one more thing that may happen."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from accelerator import RedisStore
from accelerator.stores.loop_thread import loop_thread
from accelerator.stores.memory import store as memory
from accelerator.stores.sync import BlockingStore
from tests.consistency.search import profile
from tests.consistency.test_promise import Promise
from tests.consistency.world import World

if TYPE_CHECKING:
    from accelerator.demo.redis_server import RedisServer

_prefixes = (f"world-{number}:" for number in itertools.count())


class Far(BlockingStore):
    """RedisStore on the loop of the process, as a store that suspends nobody: the world's own loop has no I/O."""

    def __len__(self) -> int:
        return 1


class RedisPromise(Promise):
    """Whatever happens, in whatever order."""

    def __init__(self, server: RedisServer) -> None:
        super().__init__()
        self.server = server

    @initialize(coalesce=st.booleans())
    def start(self, coalesce: bool) -> None:
        self.log_length = memory.LOG_LENGTH
        self.prefix = next(_prefixes)
        self.redis = RedisStore(self.server.url, self.prefix, deadline=5)
        self.admin = self.server.client()
        self.world = World(1, coalesce=coalesce)
        world: Any = self.world
        world.memory = world.store._memory = Far(self.redis)

    @rule(which=st.integers(0, 30))
    def evict(self, which: int) -> None:
        """Any key, as a server that is full would."""
        keys = sorted(self.admin.keys(f"{self.prefix}*"))
        if keys:
            self.admin.delete(keys[which % len(keys)])

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "redis"):
            loop_thread.run(self.redis.aclose())
            self.admin.close()


@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of the server, by Hypothesis: nobody reads it
def test_no_request_is_answered_with_what_was_taken_back(server: RedisServer) -> None:
    fewer = settings(profile(steps=30), max_examples=45)  # each step crosses to a server
    machine: Any = functools.partial(RedisPromise, server)
    run_state_machine_as_test(machine, settings=fewer)
