"""Tools to test stores, and applications with a cache: a test suite, a fixture with an empty store, a manual clock.

Only the suite and the fixture need pytest. There is no plugin that pytest loads by itself: it would import this package
in every test run of the environment, used or not, before coverage starts to measure. One line in a `conftest.py` is
enough:

    from accelerator.testing import clean_store
    from shop.cache import store

    cache = clean_store(store)  # each test begins and ends with an empty store
"""

from accelerator.testing.clock import ManualClock
from accelerator.testing.contract import StoreContract
from accelerator.testing.contract_leases import LeaseContract
from accelerator.testing.contract_listing import ListingContract
from accelerator.testing.fixtures import clean_store
from accelerator.testing.samples import make_entry, make_request

__all__ = [
    "LeaseContract",
    "ListingContract",
    "ManualClock",
    "StoreContract",
    "clean_store",
    "make_entry",
    "make_request",
]
