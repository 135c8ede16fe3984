"""The figures of all processes that serve one site: each puts its own where the others find them.

One thread of a process writes its note, and adds to it what others had counted that have ended. Everybody else reads.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

from accelerator.figures.files import FileBoard
from accelerator.figures.invalidations import InvalidationCounts
from accelerator.figures.notes import MAX_ADOPTED, Said, note_of, said_by
from accelerator.figures.total import total
from accelerator.stores import publishers
from accelerator.stores.finish import finish_now
from accelerator.stores.loop_thread import loop_thread
from accelerator.stores.protocol import SharesFigures

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Mapping

    from accelerator.figures.board import Board, Note
    from accelerator.figures.counts import Counts
    from accelerator.figures.snapshot import Figures
    from accelerator.stores.protocol import Store

logger = logging.getLogger("accelerator")

T = TypeVar("T")

DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names a directory of all workers, where the store is none that they share."""

REPEAT_SECONDS: Final = 60.0
"""Seconds after which a note is written again that says nothing new: so its process is known to be alive."""

LOOK_SECONDS: Final = 60.0
"""Seconds after which a process looks whether another one has ended."""

LAST_SECONDS: Final = 2.0
"""Seconds for which the end of a process waits for the note that is being written."""

_OF_STORE: Final = ("entries", "bytes", "max_bytes", "evictions", "fanout")
"""What figures say of the store itself, which accelerators may have in common."""


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

    def with_one(self, name: str, said: Said) -> _Adopted:
        """Return the sum with another one, which may have added others to its own."""
        first, *more = (said.figures, *self.figures)
        return _Adopted((*self.names, name, *said.adopted), (total([first], ended=more),))

    def named_in(self, names: Collection[str]) -> _Adopted:
        """Return the same without the names of those whose notes are gone."""
        return self._replace(names=tuple(name for name in self.names if name in names)[-MAX_ADOPTED:])


_NOBODY: Final = _Adopted((), ())
_numbers: Final = itertools.count()


class Publishing:
    """The figures of one accelerator among those of others.

    Args:
        figures: returns its own figures.
        counts: what they are counted by. They begin anew in a child process.
        store: its store.
        board: where the processes put theirs; None if there is no such place.
    """

    def __init__(self, figures: Callable[[], Figures], counts: Counts, store: Store, board: Board | None) -> None:
        self._figures = figures
        self._counts = counts
        self._counted_by = getattr(store, "invalidated", store)  # what accelerators may have in common
        self._board = board
        self._number = next(_numbers)
        self._process: int | None = None
        self._turning = threading.Lock()
        self._fails = False
        self._forget()
        if board is not None:
            counts.tell(self.see_to)

    def _forget(self) -> None:
        self._adopted = _NOBODY
        self._seen: dict[str, Note] = {}  # the notes that were read last: numbers do not fall while they are away
        self._published = 0
        self._due = self._repeat_at = self._look_at = 0.0

    # --- in this process ----------------------------------------------------------------------------------------------

    def see_to(self) -> None:
        """See to it that this process publishes its figures from now on."""
        if self._process is None or not publishers.are_running():
            publishers.add(self)

    def begin(self) -> None:
        """Begin in this process, unless that is done: a child has counted nothing of what its parent has."""
        process = os.getpid()
        if self._board is None or self._process == process:
            return
        if self._process is not None:
            self._counts.reset()
            self._forget()
            self._turning = threading.Lock()
        self._process = process
        self._board.begin()

    def turn(self, now: float) -> None:
        """Publish the figures of this process if it is time to, and look whether others have ended.

        Args:
            now: the present moment of a monotonic clock; infinity for the last one.
        """
        board = self._board
        if board is None or now < self._due or not self._turning.acquire(timeout=LAST_SECONDS):
            return
        try:
            self._due = now + board.seconds
            _now(board, self._turn(board, now))
        except Exception as error:  # noqa: BLE001 - a store may raise anything
            self._note_failure(error)
        else:
            self._fails = False
        finally:
            self._turning.release()

    async def _turn(self, board: Board, now: float) -> None:
        number = self._counts.number()
        if isinstance(self._counted_by, InvalidationCounts):
            number += self._counted_by.number()
        if number and (number != self._published or now >= self._repeat_at):
            await board.publish(self._note(self._adopted))
            self._published, self._repeat_at = number, now + REPEAT_SECONDS
        if self._look_at <= now < float("inf"):
            await self._look(board)
            self._look_at = now + LOOK_SECONDS

    async def _look(self, board: Board) -> None:
        """Add what processes that have ended had counted to one's own note, and then remove theirs."""
        notes = await board.read()
        said = {name: said_by(note.text) for name, note in notes.items() if name != board.name}
        elsewhere = _adopted_by(said)
        if board.name in elsewhere:  # this process was taken for one that has ended, and what it had counted is there
            self._counts.reset()
            self._forget()
            board.begin()
            return
        self._adopted = self._adopted.named_in(notes)
        ended = [name for name, note in notes.items() if name in said and not note.is_alive]
        claimed = [name for name in ended if await board.claim(name)]
        adopted = self._adopted
        for name in claimed:
            one = said[name]
            if one is None:
                logger.warning("figures of a process that has ended cannot be read, and are given up: %r", name)
            elif name not in elsewhere and name not in adopted.names:
                adopted = adopted.with_one(name, one)
        if adopted != self._adopted:
            try:
                await board.publish(self._note(adopted))
            except BaseException:
                for name in claimed:
                    await board.release(name)
                raise
            self._adopted = adopted
        for name in claimed:
            await board.remove(name)

    def _note(self, adopted: _Adopted) -> str:
        return note_of(Said(total([self._own()], ended=adopted.figures), adopted.names))

    def _own(self) -> Figures:
        """Return the figures of this accelerator, without those of the store if another one here says them."""
        figures = self._figures()
        others = [one for one in publishers.all_publishers() if one is not self and isinstance(one, Publishing)]
        is_published = self._process is not None
        if not any(
            one._counted_by is self._counted_by and (one._number < self._number or not is_published)  # noqa: SLF001 - another one of this class
            for one in others
        ):
            return figures
        store: Any = {name: value for name, value in figures["store"].items() if name not in _OF_STORE}
        return {**figures, **InvalidationCounts().as_figures(), "store": store}

    # --- of all processes ---------------------------------------------------------------------------------------------

    async def total(self) -> Figures:
        """Return the sum of the figures of all processes: with what others said last, if that cannot be read now."""
        if self._board is None:
            return self._figures()
        own = self._own()
        try:
            notes = await self._board.read()
        except Exception as error:  # noqa: BLE001 - a store may raise anything
            self._note_failure(error)
            notes, own["complete"] = self._seen, False
        self._seen = notes
        others = {name: note for name, note in notes.items() if name != self._board.name}
        adopted = self._adopted  # after the notes were read: what was added since is among them
        return cast("Figures", sum_of(others, Said(total([own], ended=adopted.figures), adopted.names)))

    def total_now(self) -> Figures:
        """Do what `total` does, and block the thread meanwhile."""
        return _now(self._board, self.total())

    def _note_failure(self, error: Exception) -> None:
        if not self._fails:
            kind = type(error).__name__
            logger.warning("the figures of this process cannot be shared with others: %s: %s", kind, error)
        self._fails = True


def sum_of(notes: Mapping[str, Note], own: Said | None = None) -> Figures | None:
    """Return the sum of what notes say, None if there is none that can be read.

    Args:
        notes: the notes, by the names of their processes.
        own: what this process says, None if it has counted nothing.
    """
    said = {name: said_by(note.text) for name, note in notes.items()}
    counted = _adopted_by(said).union(() if own is None else own.adopted)
    left = {name: one.figures for name, one in said.items() if one is not None and name not in counted}
    alive = [figures for name, figures in left.items() if notes[name].is_alive]
    ended = [figures for name, figures in left.items() if not notes[name].is_alive]
    if own is not None:
        alive.append(own.figures)
    if not (alive or ended):
        return None
    found = total(alive, ended=ended) if alive else {**total(ended[:1], ended=ended[1:]), "workers": 0, "filling": 0}
    found["complete"] &= None not in said.values()
    return found


def _adopted_by(said: Mapping[str, Said | None]) -> frozenset[str]:
    """Return the names of those whose figures are in those of others."""
    return frozenset(name for one in said.values() if one is not None for name in one.adopted)


def _now(board: Board | None, work: Coroutine[Any, Any, T]) -> T:
    return finish_now(work) if board is None or not board.suspends else loop_thread.run(work)
