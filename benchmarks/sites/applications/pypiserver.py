"""An index of a few packages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import pypiserver

if TYPE_CHECKING:
    from pathlib import Path

PASSWORDS: Final = {"ann": "of ann", "bob": "of bob"}


def prepare(home: Path) -> None:
    """Write the packages; an index reads no more of them than their names and their bytes."""
    for name in ("leaf", "root.zone", "Stem_Cell"):
        for release in ("1.0", "1.1", "2.0rc1"):
            for file in (f"{name}-{release}.tar.gz", f"{name}-{release}-py3-none-any.whl"):
                path = home / file
                path.write_bytes(f"the bytes of {file}\n".encode() * 3000)
                os.utime(path, (1_000_000_000, 1_000_000_000))


def application(home: Path) -> Any:
    """Return the index."""
    return pypiserver.app(
        roots=[home],
        authenticate=["download", "update"],
        auther=lambda user, password: PASSWORDS.get(user) == password,
        disable_fallback=True,
    )
