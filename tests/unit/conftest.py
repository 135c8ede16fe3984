from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator.notes import Notes, start_noting, stop_noting

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def notes() -> Iterator[Notes]:
    """What is noted as long as the test runs."""
    made = Notes()
    token = start_noting(made)
    yield made
    stop_noting(token)
