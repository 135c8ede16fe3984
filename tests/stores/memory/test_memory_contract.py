from __future__ import annotations

import pytest

from accelerator import MemoryStore
from tests.stores.one_order import OneOrderContract


class TestMemoryStore(OneOrderContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
