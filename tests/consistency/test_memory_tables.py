"""MemoryStore's tables fit each other and keep to their bounds, whatever happens in whatever order."""

from __future__ import annotations

from hypothesis.stateful import invariant

from accelerator.stores.memory import store as memory
from tests.consistency.search import profile
from tests.consistency.test_memory_model import MemoryModel
from tests.stores.tables import check_tables


class MemoryTables(MemoryModel):
    """The same steps, with a look at the tables after each."""

    @invariant()
    def tables_fit(self) -> None:
        if hasattr(self, "store"):
            check_tables(self.store)
            assert self.store.size <= self.store._max_bytes
            assert len(self.store._log) <= memory.LOG_LENGTH


TestMemoryTables = MemoryTables.TestCase
TestMemoryTables.settings = profile(steps=20)
