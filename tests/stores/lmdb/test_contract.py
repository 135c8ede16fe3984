"""LMDBStore keeps the contract of stores."""

from __future__ import annotations

from accelerator.testing import StoreContract


class TestLMDBStore(StoreContract):
    """The fixture `store` makes the store."""
