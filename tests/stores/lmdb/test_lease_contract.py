"""LMDBStore keeps the contract of leases."""

from __future__ import annotations

from accelerator.testing import LeaseContract


class TestLeasesOfLMDBStore(LeaseContract):
    """The fixture `store` makes the store."""
