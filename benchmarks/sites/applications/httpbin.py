"""httpbin as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def prepare(home: Path) -> None:
    """It has no data."""


def application(home: Path) -> Any:
    """Return httpbin."""
    from httpbin import app

    return app
