"""The thread of a process that publishes figures, since no request may come for a long time."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from typing import Final, Protocol
from weakref import WeakSet

from accelerator.forks import wiped_by_forks

logger = logging.getLogger("accelerator")

_TURN_SECONDS: Final = 0.5
_page: Final = wiped_by_forks()
_locks: Final[dict[int, threading.Lock]] = {}  # by process: what a parent's thread holds is never given back in a child
_has_warned: Final[set[str]] = set()


class Publisher(Protocol):
    """What publishes the figures of one accelerator."""

    def begin(self) -> None:
        """Begin in this process, unless that is done."""
        ...

    def turn(self, now: float) -> None:
        """Publish what is to be published now; `now` is that of a monotonic clock. This raises nothing."""
        ...


_publishers: Final[WeakSet[Publisher]] = WeakSet()


def are_running() -> bool:
    """Tell whether this process has the thread."""
    return bool(_page[0])


def all_publishers() -> list[Publisher]:
    """Return the publishers of this process."""
    return list(_publishers)


def add(publisher: Publisher) -> None:
    """Have the thread publish these figures, too. If none can be started, that is logged once, and tried again."""
    with _locks.setdefault(os.getpid(), threading.Lock()):
        publisher.begin()
        _publishers.add(publisher)
        if not _page[0]:
            _start()


def _start() -> None:
    _page[0] = 1
    try:
        threading.Thread(target=_run, name="accelerator figures", daemon=True).start()
    except RuntimeError as error:
        _page[0] = 0
        if not _has_warned:
            _has_warned.add("no thread")
            logger.warning("the figures of this process are not shared with others for now: %r", error)


def _run() -> None:
    while publishers := _present():
        for publisher in publishers:
            publisher.turn(time.monotonic())
        del publishers, publisher  # who is not used any more goes meanwhile
        time.sleep(_TURN_SECONDS)


def _present() -> list[Publisher]:
    with _locks.setdefault(os.getpid(), threading.Lock()):
        found = all_publishers()
        if not found:
            _page[0] = 0
        return found


@atexit.register
def _publish_last() -> None:
    """Publish what was counted last before the process ends."""
    for publisher in all_publishers():
        publisher.turn(float("inf"))


def _after_fork() -> None:
    for publisher in all_publishers():
        publisher.begin()


os.register_at_fork(after_in_child=_after_fork)
