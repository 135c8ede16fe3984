"""The figures of all processes that serve one site: each puts its own where the others find them.

A thread of each process does so every few seconds, since no request may come for a long time. What a process that has
ended had counted is added to the figures of one that is alive.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from weakref import WeakSet

from accelerator.figures.files import FileBoard
from accelerator.figures.total import total
from accelerator.forks import wiped_by_forks
from accelerator.stores.finish import finish_now
from accelerator.stores.loop_thread import loop_thread
from accelerator.stores.protocol import SharesFigures

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from accelerator.figures.board import Board, Note
    from accelerator.figures.counts import Counts
    from accelerator.figures.snapshot import Figures
    from accelerator.stores.protocol import Store

logger = logging.getLogger("accelerator")

T = TypeVar("T")

DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names a directory of all workers, where the store is none that they share."""

MAX_ADOPTED: Final = 100
"""Number of processes that have ended whose names a note repeats: by then, what others wrote is long removed."""

_MALFORMED: Final = (ValueError, TypeError, KeyError, AttributeError, IndexError)


def board_of(store: Store) -> Board | None:
    """Return where the processes with this store put their figures, None if there is no place for them."""
    if isinstance(store, SharesFigures):
        return store.figures_board()
    directory = os.environ.get(DIRECTORY)
    return FileBoard(Path(directory, "accelerator")) if directory else None


class _Adopted(NamedTuple):
    """What was added to the figures of a process: the names of those that had counted it, and the sum."""

    names: tuple[str, ...]
    figures: tuple[Figures, ...]

    def with_one(self, name: str, figures: Figures) -> _Adopted:
        first, *more = (figures, *self.figures)
        return _Adopted((*self.names, name)[-MAX_ADOPTED:], (total([first], ended=more),))


_NOBODY: Final = _Adopted((), ())


class Publishing:
    """The figures of one accelerator among those of others.

    Args:
        figures: returns its own figures.
        counts: what they are counted by. They begin anew in a child process.
        board: where the processes put theirs; None if there is no such place.
    """

    def __init__(self, figures: Callable[[], Figures], counts: Counts, board: Board | None) -> None:
        self._figures = figures
        self._counts = counts
        counts.tell(self.see_to)
        self._board = board
        self._is_begun = False
        self._adopting = threading.Lock()
        self._adopted = _NOBODY
        self._published = 0
        self._due = 0.0
        self._fails = False

    def see_to(self) -> None:
        """See to it that this process publishes its figures from now on."""
        if not (self._is_begun and _page[0]) and self._board is not None:
            _publish(self)
            self._is_begun = True

    def after_fork(self) -> None:
        """Begin anew in a child process."""
        self._counts.reset()
        self._is_begun, self._adopted, self._published, self._due = False, _NOBODY, 0, 0.0
        self._adopting = threading.Lock()
        if self._board is not None:
            self._board.forget()

    async def total(self) -> Figures:
        """Return the sum of the figures of all processes: of this one alone if those of others cannot be read."""
        own = self._figures()
        if self._board is None:
            return own
        try:
            return await self._sum(own, self._board)
        except Exception as error:  # noqa: BLE001 - a store may raise anything
            self._note_failure(error)
            return total([{**own, "complete": False}], ended=self._adopted.figures)

    def total_now(self) -> Figures:
        """Do what `total` does, and block the thread meanwhile."""
        return _now(self._board, self.total())

    def publish_if_due(self, now: float) -> None:
        """Publish the figures of this process if it is time to, and they have changed."""
        board = self._board
        if board is None or now < self._due:
            return
        self._due = now + board.seconds
        number = self._counts.number()
        if number == self._published:
            return
        try:
            _now(board, self._publish(board, self._figures()))
        except Exception as error:  # noqa: BLE001 - a store may raise anything
            self._note_failure(error)
        else:
            self._published, self._fails = number, False

    async def _publish(self, board: Board, own: Figures) -> None:
        adopted = self._adopted
        note = {"figures": total([own], ended=adopted.figures), "adopted": adopted.names}
        await board.publish(json.dumps(note))

    async def _sum(self, own: Figures, board: Board) -> Figures:
        """Sum up all, and add those of processes that have ended to one's own for good."""
        notes = await board.read()
        notes.pop(board.name, None)
        alive, ended, is_complete = read_notes(notes)
        if self._adopting.acquire(blocking=False):
            try:
                await self._adopt(own, board, ended)
            finally:
                self._adopting.release()
        adopted = self._adopted
        left = [figures for name, figures in ended.items() if name not in adopted.names]
        return total([*alive.values(), {**own, "complete": is_complete}], ended=[*adopted.figures, *left])

    async def _adopt(self, own: Figures, board: Board, ended: Mapping[str, Figures]) -> None:
        """Add what processes that have ended had counted to one's own note, and then remove theirs."""
        for name, figures in ended.items():
            if name not in self._adopted.names and await board.claim(name):
                self._adopted = self._adopted.with_one(name, figures)
                await self._publish(board, own)
                await board.remove(name)

    def _note_failure(self, error: Exception) -> None:
        if not self._fails:
            logger.warning("the figures of this process cannot be shared with others: %s", error)
        self._fails = True


def read_notes(notes: Mapping[str, Note]) -> tuple[dict[str, Figures], dict[str, Figures], bool]:
    """Return the figures of processes that are alive, of those that have ended, and whether all could be read.

    What was added to the figures of another process is not among them.
    """
    alive: dict[str, Figures] = {}
    ended: dict[str, Figures] = {}
    adopted: set[str] = set()
    is_complete = True
    for name, note in notes.items():
        try:
            said = json.loads(note.text)
            figures = total([said["figures"]])
            adopted.update(said["adopted"])
        except _MALFORMED:
            is_complete = False
        else:
            (alive if note.is_alive else ended)[name] = figures
    return alive, {name: figures for name, figures in ended.items() if name not in adopted}, is_complete


def _now(board: Board | None, work: Coroutine[Any, Any, T]) -> T:
    return finish_now(work) if board is None or not board.suspends else loop_thread.run(work)


# --- the thread -------------------------------------------------------------------------------------------------------

_TURN_SECONDS: Final = 0.5
_page = wiped_by_forks()
_lock = threading.Lock()
_publishers: WeakSet[Publishing] = WeakSet()


def _publish(publishing: Publishing) -> None:
    """Add an accelerator to those whose figures this process publishes."""
    if not _page[0] and _publishers:  # a server in C has forked without a word
        _after_fork()
    with _lock:
        _publishers.add(publishing)
        if not _page[0]:
            threading.Thread(target=_run, name="accelerator figures", daemon=True).start()
            _page[0] = 1


def _run() -> None:
    while True:
        with _lock:
            publishers = list(_publishers)
            if not publishers:
                _page[0] = 0
                return
        for publishing in publishers:
            publishing.publish_if_due(time.monotonic())
        del publishers, publishing
        time.sleep(_TURN_SECONDS)


@atexit.register
def _publish_last() -> None:
    """Publish what was counted last before the process ends."""
    for publishing in list(_publishers):
        publishing.publish_if_due(float("inf"))


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    inherited = list(_publishers)
    _publishers.clear()
    for publishing in inherited:
        publishing.after_fork()


os.register_at_fork(after_in_child=_after_fork)
