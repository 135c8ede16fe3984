"""LMDBStore keeps the contract of listing."""

from __future__ import annotations

from accelerator.testing import ListingContract


class TestListingOfLMDBStore(ListingContract):
    """The fixture `store` makes the store."""
