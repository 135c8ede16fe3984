"""Where the processes that serve one site put their figures, so that any of them can sum up all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, NamedTuple

MAX_BYTES: Final = 1024 * 1024
"""Bytes of a note that are read. A longer one is not one of figures."""


class Note(NamedTuple):
    """What a process has put there.

    Attributes:
        text: its figures, see `notes.py`; `""` if it cannot be read.
        is_alive: whether the process is not known to have ended.
    """

    text: str
    is_alive: bool


class Board(ABC):
    """A place for the figures of processes. Each has a note there, under a name of its own.

    Any thread may read. One thread of a process does everything else.

    Attributes:
        name: the name of this process.
        suspends: False if no method ever waits, so that threads may call the methods without an event loop.
        seconds: how often a process brings its note up to date.
    """

    name: str
    suspends: bool
    seconds: float

    @abstractmethod
    def begin(self) -> None:
        """Take a name for this process, and forget what a parent process has opened."""
        ...

    @abstractmethod
    async def publish(self, text: str) -> None:
        """Put the note of this process in place of the one before.

        Raises:
            Exception: whatever went wrong with the place; the next note may get there.
        """
        ...

    @abstractmethod
    async def read(self) -> dict[str, Note]:
        """Return the notes of all processes, by their names: of each that is there all the while.

        Raises:
            Exception: whatever went wrong with the place.
        """
        ...

    @abstractmethod
    async def claim(self, name: str) -> bool:
        """Take the note of a process that has ended, to add it to one's own. Return whether nobody else has it."""
        ...

    @abstractmethod
    async def release(self, name: str) -> None:
        """Leave a note that was claimed to others."""
        ...

    @abstractmethod
    async def remove(self, name: str) -> None:
        """Remove a note that was claimed, once one's own note has what it said."""
        ...
