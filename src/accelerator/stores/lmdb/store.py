"""The store that all processes of one machine share, in a file.

A lookup is one transaction that reads: position, entry and records of tags are one state of the file, in which every
invalidation that returned before is seen. A commit or an invalidation is one that writes. `layout.py` says what is in
the file, and `opened.py` how a process knows that it is still the file that all others use.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from accelerator.figures.files import FileBoard
from accelerator.http.request import Request
from accelerator.stores.binary import pack, unpack
from accelerator.stores.listing import ListsEntries
from accelerator.stores.lmdb.entries import read_entry, read_variants
from accelerator.stores.lmdb.file import file_at
from accelerator.stores.lmdb.known import Decoded, Known
from accelerator.stores.lmdb.layout import url_key
from accelerator.stores.lmdb.leasing import Leasing
from accelerator.stores.lmdb.listing import list_entries
from accelerator.stores.lmdb.lock import ClosedError
from accelerator.stores.lmdb.opened import LARGEST_KNOWN, UNREADABLE
from accelerator.stores.lmdb.page import page_in
from accelerator.stores.lmdb.queues import read_size
from accelerator.stores.lmdb.repeating import FAILURES
from accelerator.stores.lmdb.writing import Commit
from accelerator.stores.observed import observed
from accelerator.stores.pending import judge as judge_pending
from accelerator.stores.protocol import (
    GrantsLeases,
    InvalidationError,
    KnowsFigures,
    KnowsReadyEntries,
    Lookup,
    SharedPage,
    SharesFigures,
    SharesPage,
    Store,
)
from accelerator.uncopied import Uncopied

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from lmdb import Transaction

    from accelerator.figures.board import Board
    from accelerator.figures.snapshot import InvalidationFigures, StoreFigures
    from accelerator.http.request import Key, Vary
    from accelerator.rules.entry import Entry, Mark
    from accelerator.stores.listing import Listed
    from accelerator.stores.lmdb.opened import Opened, View
    from accelerator.stores.pending import Kept
    from accelerator.stores.protocol import Lease, ReadyEntry, RequestT, TakenLease

logger = logging.getLogger("accelerator")

MIN_BYTES: Final = 1_000_000
"""Bytes that a file has at least, so that there is room beside the copies that transactions write."""


class LMDBStore(
    Uncopied, KnowsReadyEntries, GrantsLeases, SharesPage, KnowsFigures, SharesFigures, ListsEntries, Store
):
    """Keeps entries in a file for all processes of this machine that have a store with the same path. It needs Linux.

    Any thread may use it. It does not wait but for the lock of those who write, a fifth of a second at most.

    Args:
        path: a directory for the files of the store alone, on a local file system. It is made if it is missing.
        max_bytes: the size that the file may have, 256 MiB unless told. If it is there already, it keeps the size that
            it was made for.

    Raises:
        TypeError: `path` is no path, or `max_bytes` no int.
        ValueError: `path` does not begin with a slash, or `max_bytes` is less than 1,000,000.
        OSError: the directory cannot be made or written, is another user's, or others may write to it; or the process
            cannot map so large a file.
        RuntimeError: it is on a network file system, or this is not Linux.

    Attributes:
        invalidated: what was taken back in this process, by all its stores with this path.
    """

    suspends = False

    def __init__(self, path: str | os.PathLike[str], max_bytes: int | None = None) -> None:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"path is a str or a Path, not {type(path).__name__}")
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int | None):
            raise TypeError(f"max_bytes is an int, not {type(max_bytes).__name__}")
        if max_bytes is not None and max_bytes < MIN_BYTES:
            raise ValueError(f"max_bytes is at least {MIN_BYTES:,}, not {max_bytes:,}")
        if not Path(path).is_absolute():
            raise ValueError(f"path is the whole path of a directory, such as /dev/shm/site, not {os.fspath(path)!r}")
        self._file = file_at(Path(path), max_bytes)
        self.invalidated = self._file.invalidated
        self._leasing = Leasing(self._file)
        self._evictions = 0

    def __repr__(self) -> str:
        return f"<LMDBStore: {self._file.place.path}>"

    def close(self) -> None:
        """Close the file in this process. If a store is used after that, it is opened again."""
        self._leasing.forget()
        self._file.close()

    async def aclose(self) -> None:
        """Wait until caches downstream that follow this store were told all, but only for some seconds."""
        await self.invalidated.aclose()

    # --- lookup -------------------------------------------------------------------------------------------------------

    def ready_entry(
        self, key: Key, request: RequestT, selecting_values: Callable[[RequestT, Vary], tuple[bytes | None, ...]]
    ) -> ReadyEntry | None:
        """Return an entry that a lookup has decoded and compared, if the file shows that it would find it again."""
        if self._file.pending.kept or getattr(self.lookup, "__func__", None) is not _LOOKUP:
            return None
        try:
            again = _find_again(self._file.present(), key, request, selecting_values)
        except FAILURES:  # the lookup comes next, and says so
            return None
        return again[0] if again is not None else None

    async def lookup(self, request: Request) -> Lookup:
        """Find the entry for a request, in one transaction.

        Raises:
            OSError, RuntimeError, lmdb.Error: the file cannot be opened or read.
        """
        file = self._file
        kept = file.pending.kept  # read before the file, which may not yet show what succeeds meanwhile
        if kept:
            file.repeater.see_to(file.take_back_again)
        else:
            again = _find_again(file.present(), request.key, request, Request.selecting_values)
            if again is not None:
                ready, mark, vary = again
                return Lookup(ready.entry, mark, False, vary)
        return file.read(lambda opened, view: _look_up(opened, view, request, kept))

    # --- commit, and invalidation -------------------------------------------------------------------------------------

    async def commit(self, entry: Entry) -> bool:
        """Check the tags of an entry and store it, in one transaction.

        Raises:
            OSError, RuntimeError, lmdb.Error: the lock was not to be had in time, or the file cannot be written.
        """
        if judge_pending(self._file.pending.kept, entry.tags)[0]:
            return False
        value, url = pack(entry), url_key(entry.key)

        def work(opened: Opened, txn: Transaction[bytes]) -> tuple[bool, int]:
            commit = Commit(txn, opened.order_in(txn), opened.room)
            return commit.store(entry, url, value, opened.tell()), commit.evicted

        is_stored, evicted = self._file.write(work)
        self._evictions += evicted
        return is_stored

    @observed
    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        """Set the position of each tag, in one transaction. The time does not depend on how many entries have it.

        Raises:
            InvalidationError: it is not known to hold. It is kept, holds in this process, and is repeated.
        """
        file = self._file
        try:
            file.take_back(tags, soft)
        except FAILURES as error:
            file.pending.add(tags, soft=soft)
            file.repeater.see_to(file.take_back_again)
            logger.warning("an invalidation failed and will be repeated: %s", error)
            raise InvalidationError(
                f"not known to be taken back: {error}; this process acts as if it were, and goes on trying"
            ) from error

    # --- figures ------------------------------------------------------------------------------------------------------

    def store_figures(self) -> StoreFigures:
        """Return where the store stands: of entries and bytes nothing if the file cannot be read.

        Evictions are those of commits of this object.
        """
        found: StoreFigures = {"kind": type(self).__name__, "shared": True, "evictions": self._evictions}
        with suppress(*FAILURES):
            entries, size, room = self._file.read(lambda opened, view: (*read_size(view.txn), opened.room.size))
            found |= {"entries": entries, "bytes": size, "max_bytes": room}
        return found | self.invalidated.downstream_figures()

    def invalidation_figures(self) -> InvalidationFigures:
        """Return what this process has invalidated."""
        return self.invalidated.as_figures()

    def figures_board(self) -> Board:
        """Return the directory of the figures of all processes that have a store with this path."""
        return FileBoard(self._file.place.figures)

    # --- browsing -----------------------------------------------------------------------------------------------------

    async def list_entries(
        self, *, url: str | None = None, tag: str | None = None, cursor: str | None = None, limit: int = 100
    ) -> Listed:
        """List entries, see `ListsEntries.list_entries`. It reads in a few transactions of a millisecond each.

        Raises:
            OSError, RuntimeError, lmdb.Error: the file cannot be opened or read.
        """
        return list_entries(self._file, url, tag, cursor, limit)

    # --- one fill for all processes -----------------------------------------------------------------------------------

    async def lease(self, name: bytes) -> Lease | TakenLease | None:
        """Take the lease of a name, in one transaction, if no other fill has it.

        Raises:
            OSError, RuntimeError, lmdb.Error: the lock was not to be had in time, or the file cannot be used.
        """
        return self._leasing.lease(name)

    def shared_page(self, name: str) -> SharedPage:
        """Return the page of all processes that have a store with this path.

        Raises:
            OSError: it cannot be opened.
            ValueError: it has another name.
        """
        return page_in(self._file.place.path, name)


def _find_again(
    opened: Opened,
    key: Key,
    request: RequestT,
    selecting_values: Callable[[RequestT, Vary], tuple[bytes | None, ...]],
) -> tuple[ReadyEntry, Mark, Vary] | None:
    """Return what was decoded and would be found, usable and fresh, again. None if the file has to be read."""
    known = opened.known.peek(key)
    if known is None or (vary := known.vary) is None:
        return None
    one = known.decoded.get((vary, selecting_values(request, vary) if vary else ()))
    if one is None:
        return None
    try:
        mark = opened.mark_for(known, one)
    except (ClosedError, *UNREADABLE):  # what reads next sees to it
        return None
    if mark is None:
        return None
    opened.use(one)
    return one.ready, mark, vary


def _look_up(opened: Opened, view: View, request: Request, kept: Kept) -> Lookup:
    """Find the entry for a request, in a transaction."""
    get, order, mark = view.txn.get, view.order, view.order.mark
    known = opened.known.get(request.key) or Known(request.key)
    value = get(known.url)
    if value != known.value:
        known = known.renewed(value, read_variants(value))
        opened.keep(request.key, known)
    known.see(view.number, mark)
    for vary in known.variants:
        one = _decoded(opened, view, known, request, vary)
        if one is None:
            continue
        entry = one.ready.entry
        is_usable, is_fresh = one.judge(get, order, mark)
        taken_back, made_stale = judge_pending(kept, entry.tags)
        if is_usable and not taken_back:
            opened.use(one)
            return Lookup(entry, mark, made_stale or not is_fresh, known.vary)
    return Lookup(None, mark, False, known.vary)


def _decoded(opened: Opened, view: View, known: Known, request: Request, vary: Vary) -> Decoded | None:
    """Return the variant for a request, None if there is none with its values, or it cannot be read."""
    selected_by = request.selecting_values(vary)
    one = known.decoded.get((vary, selected_by))
    if one is not None:
        return one
    stored = known.find(vary, selected_by)
    entry = unpack(read_entry(view.txn, stored.number)) if stored is not None else None
    if (
        stored is None
        or entry is None
        or (entry.key, entry.vary, entry.selected_by) != (request.key, vary, selected_by)
    ):
        return None
    one = Decoded(entry, stored)
    known.keep(one, LARGEST_KNOWN)
    opened.keep(request.key, known)
    return one


_LOOKUP: Final = LMDBStore.lookup
