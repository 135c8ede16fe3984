"""Where the processes that serve one site put their figures, so that any of them can sum up all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple


class Note(NamedTuple):
    """What a process has put there.

    Attributes:
        text: its figures, as JSON.
        is_alive: whether the process is not known to have ended.
    """

    text: str
    is_alive: bool


class Board(ABC):
    """A place for the figures of processes. Each has a note there, under a name of its own.

    Attributes:
        name: the name of this process.
        suspends: False if no method ever waits, so that threads may call the methods without an event loop.
        seconds: how often a process brings its note up to date.
    """

    name: str
    suspends: bool
    seconds: float

    @abstractmethod
    async def publish(self, text: str) -> None:
        """Put the note of this process in place of the one before.

        Raises:
            Exception: whatever went wrong with the place; the next note may get there.
        """
        ...

    @abstractmethod
    async def read(self) -> dict[str, Note]:
        """Return the notes of all processes, by their names.

        Raises:
            Exception: whatever went wrong with the place.
        """
        ...

    @abstractmethod
    async def claim(self, name: str) -> bool:
        """Take the note of a process that has ended, to add it to one's own. Return whether nobody else has it."""
        ...

    @abstractmethod
    def forget(self) -> None:
        """Forget what a parent process has opened: the note of a child is another one."""
        ...

    @abstractmethod
    async def remove(self, name: str) -> None:
        """Remove a note that was claimed, once one's own note has what it said."""
        ...
