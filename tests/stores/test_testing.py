"""What accelerator.testing gives to the tests of others."""

from __future__ import annotations

import sys

import pytest

from accelerator import MemoryStore, testing
from accelerator.testing import ManualClock, make_entry, make_request
from tests.figures.test_requests import Plain
from tests.support import drive


def test_a_manual_clock_stands_still_until_it_is_told() -> None:
    clock = ManualClock(100)
    assert (clock(), clock()) == (100, 100)
    clock.advance(5)
    assert clock() == 105


@pytest.mark.parametrize("store", ["MemoryStore()", "'lmdb://{folder}/store'"], ids=["a store", "a URL"])
def test_a_clean_store_is_empty_at_the_beginning_of_each_test(store: str, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(f"""
        from accelerator import MemoryStore
        from accelerator.testing import clean_store

        store = clean_store({store.format(folder=pytester.path)})
    """)
    pytester.makepyfile("""
        import pytest
        from accelerator.testing import make_entry, make_request

        @pytest.mark.anyio
        @pytest.mark.parametrize("number", [1, 2])
        async def test_one(store, number):
            request = make_request()
            found = await store.lookup(request)
            assert found.entry is None
            assert await store.commit(make_entry(request, found.mark))

        @pytest.fixture
        def anyio_backend():
            return "asyncio"
    """)
    pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:asyncio").assert_outcomes(passed=2)


def test_a_missing_pytest_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytest", None)
    with pytest.raises(ImportError, match="pip install pytest"):
        testing.clean_store(MemoryStore())


def test_a_store_that_has_nothing_open_is_closed_at_once() -> None:
    store = Plain()
    drive(store.aclose())
    assert drive(store.commit(make_entry(make_request(), 0))) is False
