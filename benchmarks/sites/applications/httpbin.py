"""httpbin as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from httpbin import app

if TYPE_CHECKING:
    from pathlib import Path


def prepare(home: Path) -> None:
    """It has no data."""


def application(home: Path) -> Any:  # noqa: ARG001 - the same for all sites
    """Return httpbin."""
    return app
