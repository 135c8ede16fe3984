"""Stores with figures and entries, as workers leave them, for the commands that show them."""

from __future__ import annotations

import itertools
import os
import pty
import re
import select
import subprocess
import sys
import termios
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from accelerator import ASGIAccelerator, LMDBStore, tag
from accelerator.__main__ import main
from tests.support import App, ask, drive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from accelerator.figures.snapshot import Figures
    from tests.support import Lines, Scope

HOSTILE = "\u202e[red]\u2066[/]"
"""What turns the direction of a terminal's text, or its colour by the markup of `rich`."""

DEADLINE = 60.0

_TAKES_THE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "accelerator", *sys.argv[1:]])
"""


async def page(scope: Scope) -> tuple[int, Lines, bytes]:
    """Answer with a page that has two tags, one of them hostile where the query says so; /private is not stored."""
    if scope["path"].startswith("/private"):
        return 200, [("cache-control", "private")], b"private"
    tag(HOSTILE if scope["query_string"] == b"hostile" else f"page:{scope['path'][1:]}", "pages")
    return 200, [("cache-control", "max-age=600")], b"x" * 2000


def cache_at(path: Path) -> ASGIAccelerator:
    return ASGIAccelerator(App(page), store=LMDBStore(path))


_moments = itertools.count(1000.0, 1000.0)


def publish(cache: ASGIAccelerator) -> None:
    """Do what the thread of a process does when its time has come, but for taking over what has ended."""
    cache._publishing._look_at = float("inf")
    cache._publishing.turn(next(_moments))


def visit(cache: ASGIAccelerator, *urls: str, **more: Any) -> None:
    """Ask for pages, and tell others what was counted."""
    for url in urls:
        drive(ask(cache, url, **more))
    publish(cache)


def counted(*urls: str) -> Figures:
    """Return the figures of a cache that was asked for some pages."""
    cache = ASGIAccelerator(App(page))
    for url in urls:
        drive(ask(cache, url))
    return cache.figures()


def run(*arguments: str, fails: int = 0, **environment: str) -> str:
    """Run a command, and return what it writes. One that fails writes a line, or how it is used."""
    result = CliRunner().invoke(main, arguments, env=environment)
    assert result.exit_code == fails, (result.output, result.exception)
    if fails == 1:
        assert result.output.startswith("Error: ")
        assert result.output.count("\n") == 1
    return result.output


def is_shown_as_text(written: str) -> bool:
    """Tell whether nothing in it steers a terminal."""
    return all(one.isprintable() for line in written.split("\n") for one in line)


class Ran:
    """A command in a terminal of its own, whose output is read for as long as it runs."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self.master = master
        self.process = process
        self.written = b""

    def wait_for(self, pattern: str) -> None:
        """Read until the text of the frames has a pattern, since this was called last."""
        begun, end = len(self.written), time.monotonic() + DEADLINE
        while not re.search(pattern, plain(self.written[begun:])):
            assert time.monotonic() < end, plain(self.written[begun:])[-2000:]
            self._read()

    def resize(self, height: int, width: int) -> None:
        termios.tcsetwinsize(self.master, (height, width))

    def press(self, key: bytes) -> None:
        os.write(self.master, key)

    def end(self) -> int:
        """Read to the end, and return the status."""
        end = time.monotonic() + DEADLINE
        while self.process.poll() is None:
            assert time.monotonic() < end, plain(self.written)[-2000:]
            self._read()
        self._read()
        return self.process.returncode

    def _read(self) -> None:
        while select.select([self.master], [], [], 0.05)[0]:
            self.written += os.read(self.master, 65536)


def plain(written: bytes) -> str:
    """Return what a terminal shows, without what steers it."""
    return re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", written.decode())


@contextmanager
def in_terminal(*arguments: str, **environment: str) -> Iterator[Ran]:
    """Run the real command in a terminal."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(master, (24, 80))
    try:
        command = [sys.executable, "-c", _TAKES_THE_TERMINAL, *arguments]
        variables = {name: text for name, text in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
        given = {**variables, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **environment}
        with subprocess.Popen(  # noqa: S603 - ours
            command, stdin=slave, stdout=slave, stderr=slave, env=given, start_new_session=True
        ) as process:
            try:
                yield Ran(master, process)
            finally:
                process.kill()
    finally:
        os.close(master)
        os.close(slave)


@contextmanager
def drained(master: int) -> Iterator[bytearray]:
    """Read what a terminal in this process is written, until its other end is closed."""
    written = bytearray()
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set() or select.select([master], [], [], 0)[0]:
            if select.select([master], [], [], 0.01)[0]:
                written.extend(os.read(master, 65536))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield written
    finally:
        ended.set()
        thread.join()
