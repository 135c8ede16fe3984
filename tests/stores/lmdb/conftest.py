"""Stores in directories of their own, closed when a test is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator import LMDBStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of this test is."""
    return tmp_path / "store"


@pytest.fixture
def store(path: Path) -> Iterator[LMDBStore]:
    store = LMDBStore(path, max_bytes=16 * 1024 * 1024)
    yield store
    store.close()
