"""The promise on one LMDB file: where it is, what can happen to it, and ways to break the rule."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from accelerator import LMDBStore
from accelerator.stores.lmdb import place
from accelerator.stores.lmdb.opened import Opened

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from accelerator.rules.entry import Entry

MUTATIONS: Final = ("mark-at-storing", "removed-is-used")

BYTES: Final = 64 * 1024 * 1024
TINY: Final = 1_000_000
"""Bytes of the file where entries are to be evicted: it has room for half of the pages."""


class _MarksAtStoring(LMDBStore):
    async def commit(self, entry: Entry) -> bool:
        mark = self._file.read(lambda _, view: view.order.mark)
        object.__setattr__(entry, "mark", mark)
        return await super().commit(entry)


def make_store(address: str, mutation: str) -> LMDBStore:
    """Return the store, broken as asked for.

    Args:
        address: its directory and the bytes of its file, with a colon between.
        mutation: how to break it.
    """
    path, _, size = address.rpartition(":")
    if mutation == "removed-is-used":

        def looks_away(self: Opened) -> bool:  # noqa: ARG001 - that is the fault
            return True

        Opened.is_present = looks_away  # type: ignore[method-assign]
    return (_MarksAtStoring if mutation == "mark-at-storing" else LMDBStore)(path, int(size))


class OnLMDB:
    """A file of its own.

    Args:
        parent: a directory, where one is made for the files.
        faults: what is to happen.

    Attributes:
        kind, address: what `make_store` needs.
        pauses: the faults, and the seconds between two of a kind.
        evicted: 0, since nobody counts.
    """

    kind = "lmdb"
    pauses: ClassVar = {"remove": 0.5}

    def __init__(self, parent: Path, faults: Sequence[str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="promise-", dir=parent))
        self._path = self._folder / "store"
        self.address = f"{self._path}:{TINY if 'tiny' in faults else BYTES}"
        self.evicted = 0

    async def start(self) -> None:
        """Do nothing: who comes first makes the file."""

    def stop(self) -> None:
        """Remove the file."""
        shutil.rmtree(self._folder)

    def store(self) -> LMDBStore:
        """Return a store for who invalidates."""
        return make_store(self.address, "")

    async def close(self, store: LMDBStore) -> None:
        """Close that store."""
        store.close()

    def count_evicted(self) -> None:
        """Do nothing."""

    # --- faults -------------------------------------------------------------------------------------------------------

    async def remove(self, chance: random.Random) -> None:
        """Remove some of the files."""
        names = [place.DATA, place.READERS, place.LOCK]
        for name in chance.sample(names, chance.randint(1, len(names))):
            (self._path / name).unlink(missing_ok=True)
