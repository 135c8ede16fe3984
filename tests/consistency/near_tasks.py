"""What tasks of the model of near stores wait for, and the tasks, which may be held up there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

NEVER: Final = -1


class LostError(Exception):
    """A connection was lost: what was asked may have been done, or not."""


class Waits(Protocol):
    """What a task waits for."""

    def is_ready(self) -> bool:
        """Tell whether it may go on."""


class Command:
    """What a process asks the server; the answer takes its time."""

    __slots__ = ("_arguments", "_script", "is_done", "is_lost", "reply")

    def __init__(self, script: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._script = script
        self._arguments = arguments
        self.is_done = self.is_lost = False
        self.reply: Any = None

    def execute(self) -> None:
        self.reply = self._script(*self._arguments)
        self.is_done = True

    def lose(self) -> None:
        """The connection is lost, whether it was executed or not."""
        self.is_done = self.is_lost = True

    def is_ready(self) -> bool:
        return self.is_done


class Waiting:
    """Waits until something is true, or a time has come."""

    __slots__ = ("_clock", "_is_true", "until")

    def __init__(self, clock: Callable[[], int], until: int, is_true: Callable[[], bool]) -> None:
        self._clock = clock
        self.until = until
        self._is_true = is_true

    def is_ready(self) -> bool:
        return self._is_true() or self._clock() >= self.until


class Switch:
    """Others may go on here."""

    @staticmethod
    def is_ready() -> bool:
        return True


SWITCH = Switch()


class Task:
    """Work that goes on from one moment of waiting to the next, and may be held up there."""

    __slots__ = ("_hold_in", "_holds_command", "_work", "has_ended", "name", "waits")

    def __init__(self, name: str, work: Generator[Waits, None, None]) -> None:
        self.name = name
        self._work = work
        self.waits: Waits = SWITCH
        self.has_ended = False
        self._hold_in = NEVER
        self._holds_command = False

    def hold(self, hold_in: int, *, holds_command: bool) -> None:
        """Hold it up once it has gone on so often, maybe before the server gets what it asks."""
        self._hold_in, self._holds_command = hold_in, holds_command

    def let(self) -> None:
        """Hold it up no longer."""
        self._hold_in = NEVER

    @property
    def is_held(self) -> bool:
        return self._hold_in == 0

    def sent(self) -> Command | None:
        """Return the command that it waits for, if that was not executed yet."""
        return self.waits if isinstance(self.waits, Command) and not self.waits.is_done else None

    def go_on(self) -> bool:
        """Go on as far as possible; tell whether it was possible."""
        went_on = False
        while not self.has_ended and self._step():
            went_on = True
        return went_on

    def _step(self) -> bool:
        sent = self.sent()
        if sent is not None and not (self.is_held and self._holds_command):
            sent.execute()
        elif not self.is_held and self.waits.is_ready():
            self._hold_in -= 1
            try:
                self.waits = next(self._work)
            except (StopIteration, LostError):
                self.has_ended = True
        else:
            return False
        return True
