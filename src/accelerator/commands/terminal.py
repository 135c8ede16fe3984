"""The terminal in which something is shown for as long as nobody presses q: its keys, its size, and its end."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
import tty
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from accelerator.commands.printing import writable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from accelerator.commands.frames import Row

_ENDS: Final = (signal.SIGTERM, signal.SIGHUP)


class Terminal:
    """A screen of its own, which is gone at the end, however that comes. Keys need no Enter, and are not shown."""

    def __init__(self) -> None:
        self._console = Console(markup=False, highlight=False, emoji=False)
        self._live = Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._stack = ExitStack()

    @property
    def height(self) -> int:
        """The number of its rows now."""
        return self._console.height

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._resized, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            stack.callback(os.close, self._resized)
            stack.callback(os.close, write)

            def tell(*_: object) -> None:
                with suppress(BlockingIOError):
                    os.write(write, b"r")

            _handle(stack, signal.SIGWINCH, tell)
            for end in _ENDS:
                _handle(stack, end, _exit)
            self._watched = [self._resized]
            if sys.stdin.isatty():
                keys = sys.stdin.fileno()
                stack.callback(termios.tcsetattr, keys, termios.TCSADRAIN, termios.tcgetattr(keys))
                tty.setcbreak(keys, termios.TCSADRAIN)  # what was typed before still counts
                self._watched.append(keys)
            stack.enter_context(self._live)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def show(self, rows: list[Row]) -> None:
        """Show rows in place of those before. What is too wide is cut."""
        encoding = self._console.encoding
        texts = [Text(writable(text, encoding), style, no_wrap=True, overflow="crop") for text, style in rows]
        self._live.update(Group(*texts), refresh=True)

    def is_left(self, seconds: float, redraw: Callable[[], None]) -> bool:
        """Wait, and tell whether somebody has pressed q meanwhile.

        Args:
            seconds: how long to wait.
            redraw: is called when the size has changed.
        """
        end = time.monotonic() + seconds
        while True:
            ready, _, _ = select.select(self._watched, [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return False
            if self._resized in ready:
                os.read(self._resized, 4096)
                redraw()
            if any(_ends(os.read(keys, 4096)) for keys in ready if keys != self._resized):
                return True


def _ends(typed: bytes) -> bool:
    """Tell whether what was typed ends it. Nothing is read of a terminal that has gone."""
    return not typed or b"q" in typed.lower()


def _handle(stack: ExitStack, number: signal.Signals, handler: Callable[..., None]) -> None:
    before: Any = signal.signal(number, handler)
    stack.callback(signal.signal, number, before)


def _exit(number: int, _: object) -> None:
    raise SystemExit(128 + number)
