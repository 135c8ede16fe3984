"""The parts of the package that need pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from accelerator.stores.sync import SyncStore
from accelerator.stores.urls import shared

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from accelerator.stores.protocol import Store


def clean_store(store: Store | str) -> Any:
    """Return a pytest fixture that clears a store before and after each test, and returns it.

    Assign it to a name in a `conftest.py`. It then applies to every test below, whether a test names it or not. Tests
    may be sync or async.

    Args:
        store: the store that the application uses, or its URL if processes share it.
    """
    opened = shared(store).open() if isinstance(store, str) else store

    @imported_pytest().fixture(autouse=True)  # type: ignore[untyped-decorator]  # imported late
    def clean() -> Iterator[Store]:
        SyncStore(opened).clear()
        yield opened
        SyncStore(opened).clear()

    return clean


def imported_pytest() -> ModuleType:
    """Import pytest, and return it.

    Raises:
        ImportError: pytest is not installed.
    """
    try:
        import pytest  # not a dependency of the package
    except ImportError as error:
        raise ImportError("this part of accelerator.testing needs pytest: pip install pytest") from error
    return pytest
