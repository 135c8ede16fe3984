"""LMDBStore keeps the contract of stores."""

from __future__ import annotations

from tests.stores.one_order import OneOrderContract


class TestLMDBStore(OneOrderContract):
    """The fixture `store` makes the store."""
