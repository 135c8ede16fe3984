"""Notes in a directory: one file for each process, which holds a lock on it for as long as it lives.

The lock is one of flock(2): the operating system gives it back however the process ends.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from accelerator.figures.board import Board, Note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIX: Final = ".figures"
_NEW: Final = ".new"


class _File:
    """A file that this process has locked, for as long as this object lives."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __del__(self) -> None:
        os.close(self._descriptor)


class FileBoard(Board):
    """Notes in a directory.

    Args:
        directory: the directory. It is made if it is missing, but not what it is in: somebody may have removed that.
    """

    suspends = False
    seconds = 1.0

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._begin()

    def _begin(self) -> None:
        self._publishing = threading.Lock()
        self._locked: _File | None = None
        self._claimed: dict[str, _File] = {}
        self.name = f"{os.getpid()}-{secrets.token_hex(4)}"

    async def publish(self, text: str) -> None:
        """Write the note beside its place and rename it, so that nobody reads half of one."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        path = self._path(self.name)
        new = path.with_suffix(_NEW)
        with self._publishing:
            file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            locked = _File(file)
            fcntl.flock(file, fcntl.LOCK_EX)
            _write(file, text.encode())
            new.rename(path)
            self._locked = locked  # the one before goes, and with it the lock of its file

    async def read(self) -> dict[str, Note]:
        """Return the notes of all processes."""
        notes = {}
        for path in self._directory.glob(f"*{SUFFIX}"):
            with suppress(FileNotFoundError), _opened(path) as file:
                is_alive = not _lock(file, fcntl.LOCK_SH)
                notes[path.stem] = Note(_read(file).decode(errors="replace"), is_alive)
        return notes

    async def claim(self, name: str) -> bool:
        """Take the lock of a file whose process has ended."""
        with suppress(FileNotFoundError), _opened(self._path(name)) as file:
            if (
                _lock(file, fcntl.LOCK_EX) and os.fstat(file).st_nlink
            ):  # else another process has claimed and removed it
                self._claimed[name] = _File(os.dup(file))
                return True
        return False

    def forget(self) -> None:
        """Close what a parent process has locked, which it keeps, and take another name."""
        self._begin()

    async def remove(self, name: str) -> None:
        """Remove the file, and give back its lock."""
        self._path(name).unlink(missing_ok=True)
        del self._claimed[name]

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}{SUFFIX}"


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        yield file
    finally:
        os.close(file)


def _lock(file: int, kind: int) -> bool:
    """Take a lock if no other process has it, and tell whether that was so."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]


def _read(file: int) -> bytes:
    chunks = []
    while chunk := os.read(file, 1 << 20):
        chunks.append(chunk)
    return b"".join(chunks)
