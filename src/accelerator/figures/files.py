"""Notes in a directory: one file for each process, which holds a lock on it for as long as it lives.

The lock is one of flock(2): the operating system gives it back however the process ends.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from accelerator.figures.board import MAX_BYTES, Board, Note

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX: Final = ".figures"
_NEW: Final = ".new"

LEFT_SECONDS: Final = 60.0
"""After so many seconds what a process has begun to write, and not put in its place, is one that has ended."""

MAX_ATTEMPTS: Final = 5
"""Number of times that a directory is read, at most, in which notes are removed meanwhile."""

_UNREADABLE: Final = Note("", is_alive=False)


class _File:
    """An open file, with the lock that this process has on it, for as long as this object lives."""

    def __init__(self, path: Path, flags: int) -> None:
        flags |= os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # what is no file may make one wait for ever
        self.descriptor = os.open(path, flags, 0o600)
        found = os.fstat(self.descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise PermissionError(f"{path} is no file of this user")

    def __del__(self) -> None:
        with suppress(AttributeError):  # it could not be opened
            os.close(self.descriptor)

    def lock(self, kind: int) -> bool:
        """Take a lock if nobody else has it, and tell whether that was so."""
        try:
            fcntl.flock(self.descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    @property
    def is_named(self) -> bool:
        """Whether the file is still in its directory."""
        return os.fstat(self.descriptor).st_nlink > 0

    def read(self) -> str:
        """Return the text, `""` if it is too long."""
        with os.fdopen(os.dup(self.descriptor), "rb") as file:
            content = file.read(MAX_BYTES + 1)
        return content.decode(errors="replace") if len(content) <= MAX_BYTES else ""

    def write(self, text: str) -> None:
        """Write a text."""
        with os.fdopen(os.dup(self.descriptor), "wb") as file:
            file.write(text.encode())


class FileBoard(Board):
    """Notes in a directory.

    Args:
        directory: the directory. It is made if it is missing, but not what it is in: somebody may have removed that.
    """

    suspends = False
    seconds = 1.0

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.begin()

    def begin(self) -> None:
        """Take a name for this process. A parent keeps the locks that it has."""
        self.name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._own: _File | None = None
        self._claimed: dict[str, _File] = {}

    async def publish(self, text: str) -> None:
        """Write the note beside its place and rename it, so that nobody reads half of one."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        path = self._path(self.name)
        new = path.with_suffix(_NEW)
        file = _File(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            file.lock(fcntl.LOCK_EX)
            file.write(text)
            new.rename(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        self._own = file  # the one before goes, and with it the lock of what has no name any more

    async def read(self) -> dict[str, Note]:
        """Return the notes of all processes.

        A note may go while others are read, since another one has it now, which may have been read before: so all are
        read again.
        """
        for _ in range(MAX_ATTEMPTS):
            names = self._names()
            notes = {name: note for name in names if (note := self._read(name)) is not None}
            if len(notes) == len(names):
                break
        return notes

    async def claim(self, name: str) -> bool:
        """Take the lock of a file whose process has ended."""
        if name in self._claimed:
            return True
        with suppress(OSError):
            file = _File(self._path(name), os.O_RDONLY)
            if file.lock(fcntl.LOCK_EX) and file.is_named:  # else another process has claimed and removed it
                self._claimed[name] = file
                return True
        return False

    async def release(self, name: str) -> None:
        """Give the lock back."""
        self._claimed.pop(name, None)

    async def remove(self, name: str) -> None:
        """Remove the file, and give back its lock."""
        self._path(name).unlink(missing_ok=True)
        self._claimed.pop(name, None)

    def _names(self) -> list[str]:
        """Return the names of all notes, and remove what a process has begun to write that has ended."""
        try:
            with os.scandir(self._directory) as found:
                files = [entry.name for entry in found]
        except FileNotFoundError:
            return []
        for file in files:
            if file.endswith(_NEW):
                self._remove_if_left(self._directory / file)
        return [file.removesuffix(SUFFIX) for file in files if file.endswith(SUFFIX)]

    def _remove_if_left(self, path: Path) -> None:
        with suppress(OSError):
            if time.time() - path.lstat().st_mtime > LEFT_SECONDS:
                path.unlink()

    def _read(self, name: str) -> Note | None:
        """Return a note, None if there is none any more."""
        try:
            file = _File(self._path(name), os.O_RDONLY)
            is_alive = not file.lock(fcntl.LOCK_SH)
            return Note(file.read(), is_alive) if file.is_named else self._read_again(name)
        except FileNotFoundError:
            return None
        except OSError:
            return _UNREADABLE

    def _read_again(self, name: str) -> Note | None:
        """Return a note that was replaced while it was opened: its process is at work."""
        file = _File(self._path(name), os.O_RDONLY)
        return Note(file.read(), not file.lock(fcntl.LOCK_SH) or not file.is_named)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}{SUFFIX}"
