"""Stores in directories of their own, and another process. All are closed when a test is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator import LMDBStore
from tests.stores.lmdb.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 16 * 1024 * 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of this test is."""
    return tmp_path / "store"


@pytest.fixture
def store(path: Path) -> Iterator[LMDBStore]:
    store = LMDBStore(path, MAX_BYTES)
    yield store
    store.close()


@pytest.fixture
def other(store: LMDBStore, path: Path) -> Iterator[Worker]:
    """Another process with a store in the same place."""
    with Worker() as worker:
        worker.ask("open", path, MAX_BYTES)
        yield worker
