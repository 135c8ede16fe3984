from __future__ import annotations

import pytest

from accelerator import MemoryStore
from accelerator.testing import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
