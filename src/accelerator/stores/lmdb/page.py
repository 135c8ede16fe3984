"""Pages of memory for all processes that share a store: files of their own in the directory, for each boot.

Who has it holds a lock of the operating system that neither a child inherits nor a dead process keeps: see fcntl(2),
advisory record locking. It goes when *any* descriptor of the file is closed in the process, so there is one for each
path, which stays open.
"""

from __future__ import annotations

import fcntl
import os
from functools import cache
from mmap import PAGESIZE, mmap
from typing import TYPE_CHECKING, Final

from accelerator.stores.lmdb.system import boot_id
from accelerator.stores.protocol import SharedPage

if TYPE_CHECKING:
    from pathlib import Path

PAGE: Final = "page."
"""What the name of the file begins with, before the boot of the system: what another boot left would say nothing."""


class FilePage(SharedPage):
    """A page in a file, which is made if it is missing.

    Args:
        path: the file.

    Raises:
        OSError: it cannot be opened, or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        os.posix_fallocate(self._file, 0, PAGESIZE)  # to touch a page that a full disk has not would end a process
        self.memory = mmap(self._file, PAGESIZE)

    def acquire(self) -> bool:
        """Take it, unless another process has it."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Give it back."""
        fcntl.lockf(self._file, fcntl.LOCK_UN)


@cache
def page_in(directory: Path, name: str) -> FilePage:
    """Return the page of a directory, which is one in a process. Those of earlier boots are removed.

    Args:
        directory: the directory.
        name: what the store is near to: pages of another one would be answered, and not taken back.

    Raises:
        OSError: see `FilePage`.
        ValueError: since the system was booted it was near to something else.
    """
    of_this_boot = f"{PAGE}{boot_id()}."
    for page in directory.glob(f"{PAGE}*"):
        if not page.name.startswith(of_this_boot):
            page.unlink(missing_ok=True)
        elif page.name != of_this_boot + name:
            raise ValueError(
                f"{directory} is, or was, in front of another server, database or prefix: name another directory, or"
                " remove this one if nobody uses it any more"
            )
    return FilePage(directory / f"{of_this_boot}{name}")
