"""`python -m accelerator top`: what the cache does now."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections import deque
from contextlib import suppress
from importlib.util import find_spec
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

import click

from accelerator.commands.changes import Reading, change
from accelerator.commands.frames import ASCII_MARKS, MARKS, frame
from accelerator.commands.printing import say
from accelerator.commands.sources import takes_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator.commands.frames import Row
    from accelerator.commands.sources import Source

SPAN: Final = 10.0
"""Seconds over which the rates on the screen are taken at least: workers tell their figures only every few seconds."""


@click.command()
@takes_source
@click.option(
    "--every",
    type=click.FloatRange(0.1, 3600),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How often it is brought up to date.",
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after so many times, and show no screen.")
@click.option("--json", "as_json", is_flag=True, help="Write a line of JSON each time, and show no screen.")
def top(source: Source, every: float, count: int | None, as_json: bool) -> None:
    """Show what the cache does now: hit ratio, traffic, outcomes, the hottest URLs and tags, and what is not stored.

    q ends it.
    """
    with suppress(KeyboardInterrupt):
        if as_json:
            _write_json(source, every, count)
        elif count is None and _is_screen():
            _watch(source, every)
        else:
            _write(source, every, count)


def _is_screen() -> bool:
    """Tell whether a screen can be shown: else what is to be seen is written below what was there before."""
    is_terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown"}
    return is_terminal and find_spec("rich") is not None


class _Readings:
    """The latest readings of a source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._kept: deque[Reading] = deque()

    def read(self) -> None:
        """Read once more, and forget what is of no use any more."""
        kept = self._kept
        kept.append(Reading(self._source.figures(), monotonic()))
        while len(kept) > 2 and kept[1].at <= kept[-1].at - SPAN:
            kept.popleft()

    def frame(self, *, height: int | None = None, last: str = "") -> list[Row]:
        """Return what the last reading shows, with rates since the first one that is kept."""
        now = self._kept[-1]
        since = change(self._kept[0] if len(self._kept) > 1 else None, now)
        marks = MARKS if _has(MARKS) else ASCII_MARKS
        return frame(self._source.name, now.figures, since, marks=marks, height=height, last=last)


def _has(marks: str) -> bool:
    """Tell whether the encoding of what is written has some marks."""
    try:
        marks.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return True


def _watch(source: Source, every: float) -> None:
    """Show the latest until somebody presses q. A source that does not answer any more is asked again."""
    from accelerator.commands.terminal import Terminal

    readings = _Readings(source)
    readings.read()
    usual = last = f"rates over {SPAN:g} s or more, every {every:g} s; q ends it"

    with Terminal() as terminal:

        def show() -> None:
            terminal.show(readings.frame(height=terminal.height, last=last))

        show()
        while not terminal.is_left(every, show):
            try:
                readings.read()
            except click.ClickException as error:
                last = error.message
            else:
                last = usual
            show()


def _write(source: Source, every: float, count: int | None) -> None:
    """Write the latest again and again."""
    readings = _Readings(source)
    for turn in _turns(every, count):
        readings.read()
        if turn:
            say()
        for row in readings.frame():
            say(row.text)


def _write_json(source: Source, every: float, count: int | None) -> None:
    """Write what has happened since the line before, and in the first line since counting began."""
    before = None
    for _ in _turns(every, count):
        now = Reading(source.figures(), monotonic())
        click.echo(json.dumps(change(before, now)))
        before = now


def _turns(every: float, count: int | None) -> Iterator[int]:
    """Yield numbers from 0, at once and then every so many seconds."""
    for turn in itertools.count() if count is None else range(count):
        if turn:
            sleep(every)
        yield turn
