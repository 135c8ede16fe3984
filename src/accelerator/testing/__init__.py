"""What tests of stores and of applications with a cache need: a contract, a clean store, a clock wound by hand.

Only the contract and the fixture need pytest. There is no plugin that pytest would load by itself: it would import this
package into every test run of the environment, before coverage starts to measure, whether it is used or not. One line
in a `conftest.py` says the same:

    from accelerator.testing import clean_store
    from shop.cache import store

    cache = clean_store(store)  # each test begins and ends with an empty store
"""

from accelerator.testing.clock import ManualClock
from accelerator.testing.contract import StoreContract
from accelerator.testing.fixtures import clean_store
from accelerator.testing.samples import make_entry, make_request

__all__ = ["ManualClock", "StoreContract", "clean_store", "make_entry", "make_request"]
