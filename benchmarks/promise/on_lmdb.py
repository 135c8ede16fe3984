"""The promise on one LMDB file: where it is, what can happen to it, and ways to break the rule."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
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
        longest_stop: the most seconds for which a worker is stopped.
        pauses: the faults, and the seconds between two of a kind.
        evicted: 0, since nobody counts.
        passing: nothing, since there is no way to anywhere.
    """

    longest_stop = 0.4
    pauses: ClassVar = {"remove": 0.5}

    def __init__(self, parent: Path, faults: Sequence[str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="promise-", dir=parent))
        self._path = self._folder / "store"
        self._bytes = TINY if "tiny" in faults else BYTES
        self.evicted = 0
        self.passing: Counter[str] = Counter()

    async def start(self) -> None:
        """Do nothing: who comes first makes the file."""

    async def stop(self) -> None:
        """Remove the file."""
        shutil.rmtree(self._folder)

    def address(self, _number: int) -> str:
        """Return what `make_store` needs in a worker, which is the same for all."""
        return f"{self._path}:{self._bytes}"

    def store(self, number: int) -> LMDBStore:
        """Return a store for the writer of a number."""
        return make_store(self.address(number), "")

    async def close(self, store: LMDBStore) -> None:
        """Close that store."""
        store.close()

    def count_evicted(self) -> None:
        """Do nothing."""

    def shared_reads(self) -> int:
        """Return 0, since there is nothing behind it."""
        return 0

    # --- faults -------------------------------------------------------------------------------------------------------

    async def remove(self, chance: random.Random) -> None:
        """Remove some of the files."""
        names = [place.DATA, place.READERS, place.LOCK]
        for name in chance.sample(names, chance.randint(1, len(names))):
            (self._path / name).unlink(missing_ok=True)
