from __future__ import annotations

import pytest

from accelerator import MemoryStore
from accelerator.testing import ListingContract
from tests.stores.one_order import OneOrderContract


class TestMemoryStore(OneOrderContract, ListingContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
