"""Figures and entries from the store that the workers share. Nobody else notices: what is there is left as it is."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from accelerator.commands.entries import described, in_order
from accelerator.commands.printing import shown
from accelerator.commands.sources import Found, Source
from accelerator.commands.stores import open_present, store_errors
from accelerator.stores.listing import ListsEntries
from accelerator.stores.protocol import SharesFigures
from accelerator.stores.publishing import sum_of

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from accelerator.figures.snapshot import Figures

T = TypeVar("T")

_WHEN: Final = (
    "a worker does within seconds of its first request. Is it the store, and the prefix, that the workers have?"
)
_OTHERS: Final = "another version of this software has put its figures in"
_CURE: Final = "install the one here that the workers have"


class SharedStore(Source):
    """A store that other processes have.

    Args:
        url: its URL.

    Raises:
        click.ClickException: it is not there.
    """

    def __init__(self, url: str) -> None:
        with store_errors(url):
            self._store = open_present(url)
        assert isinstance(self._store, SharesFigures)  # noqa: S101 - all do that have a URL and are shared
        self._board = self._store.figures_board()
        self._runner = asyncio.Runner()  # the connections to a server belong to its loop
        self.name = repr(self._store)

    def figures(self) -> Figures:
        """Return the sum of what all processes have put there, also those that have ended."""
        notes = self._run(self._board.read(), "figures")
        figures = sum_of(notes)
        if figures is None and notes:
            raise click.ClickException(shown(f"{_OTHERS} {self.name}: {_CURE}"))
        if figures is None:
            raise click.ClickException(shown(f"nobody has put figures in {self.name} yet: {_WHEN}"))
        return figures

    def entries(self, url: str | None, tag: str | None, cursor: str | None, limit: int) -> Found:
        """Return a part of the entries that are stored."""
        assert isinstance(self._store, ListsEntries)  # noqa: S101 - all do that have a URL and are shared
        listing = self._store.list_entries(url=url, tag=tag, cursor=cursor, limit=limit)
        listed = self._run(listing, "entries")
        now = time.time()
        return Found(
            [described(entry, now) for entry in sorted(listed.entries, key=in_order)], listed.cursor, listed.examined
        )

    def close(self) -> None:
        """Close the store."""
        with self._runner:
            self._runner.run(self._store.aclose())

    def _run(self, work: Coroutine[Any, Any, T], what: str) -> T:
        try:
            return self._runner.run(work)
        except Exception as error:  # noqa: BLE001 - a store may raise anything
            words = f"the {what} in {self.name} cannot be read: {error or type(error).__name__}"
            raise click.ClickException(shown(words)) from None
