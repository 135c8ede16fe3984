"""Opening the files of a store: those that are there if they can be trusted, else new ones.

All of it is done with the lock, which says of what files and of which boot of the system it is. So a process that dies
half way leaves a lock that says nothing, and the next one begins anew.
"""

from __future__ import annotations

import errno
import logging
from functools import partial
from typing import TYPE_CHECKING, Final, TypedDict

import lmdb

from accelerator.stores.lmdb.layout import DamagedError
from accelerator.stores.lmdb.lock import WriteLock
from accelerator.stores.lmdb.opened import UNREADABLE, Opened, ReadersFullError, begin
from accelerator.stores.lmdb.order import ORDER_KEY, read_order
from accelerator.stores.lmdb.place import LOCK
from accelerator.stores.lmdb.writing import Room, write_first

if TYPE_CHECKING:
    from accelerator.stores.lmdb.place import Place

logger = logging.getLogger("accelerator")

MAX_BYTES: Final = 256 * 1024 * 1024
"""The size that the data may have if nobody says one."""

MAX_PROCESSES: Final = 1024
"""Number of processes that may have the files open."""

SPARE: Final = 4
LEAST_SPARE: Final = 400_000
"""The data divided by `SPARE`, and so many bytes at least, are not for use: transactions write copies of pages, and who
reads keeps the old ones alive, for longer where processes wait for a processor."""


class _Options(TypedDict):
    mode: int
    sync: bool
    metasync: bool
    readahead: bool
    max_readers: int
    max_spare_txns: int


_OPTIONS: Final[_Options] = {
    "mode": 0o700,  # for files it is 0600
    "sync": False,  # files from before a crash of the system are not used, see `Seal`
    "metasync": False,
    "readahead": False,
    "max_readers": MAX_PROCESSES,
    "max_spare_txns": 1,
}


def open_files(place: Place, max_bytes: int | None, seconds: float) -> Opened:
    """Open the files of a store.

    Args:
        place: their directory.
        max_bytes: the size that the data may have, if it is made now; None takes whatever size it has.
        seconds: how long to wait for the lock.

    Raises:
        OSError, RuntimeError: see `Place.prepare`.
        LockTimeoutError: another process did not release the lock in time.
        ReadersFullError: too many processes have the files open.
        lmdb.Error: LMDB cannot make new files.
    """
    while True:
        place.prepare()
        lock = WriteLock(place.path / LOCK)
        try:
            opened = lock.run(partial(_open_locked, place, lock, max_bytes), seconds)
            if opened is not None:
                return opened
        except BaseException:
            lock.close()
            raise
        lock.close()  # it was removed meanwhile


def _open_locked(place: Place, lock: WriteLock, max_bytes: int | None) -> Opened | None:
    """Open the files, or return None if the lock is not that of the directory."""
    if not place.is_locked_by(lock):
        return None
    seal = place.read_seal(lock)
    if seal is not None:
        if max_bytes not in {None, int(seal.max_bytes)}:
            words = "the cache in %s was made for %s bytes, not %s, and keeps that size until its directory is removed"
            logger.warning(words, place.path, f"{int(seal.max_bytes):,}", f"{max_bytes:,}")
        try:
            return _open(place, lock, int(seal.max_bytes), bytes.fromhex(seal.incarnation))
        except lmdb.ReadersFullError:
            raise ReadersFullError(f"too many processes use the cache in {place.path}") from None
        except UNREADABLE as error:
            logger.warning("the cache in %s begins anew: %s", place.path, error)
    max_bytes = max_bytes or MAX_BYTES
    if not place.has_room_for(max_bytes):
        words = "max_bytes is %s, and the file system of %s is smaller: what is stored is lost whenever that is full"
        logger.warning(words, f"{max_bytes:,}", place.path)
    place.write_seal(lock, None)
    place.remove_files()
    place.reserve_readers()
    return _open(place, lock, max_bytes, None)


def _open(place: Place, lock: WriteLock, max_bytes: int, incarnation: bytes | None) -> Opened:
    """Open the files of an incarnation, or make new ones if there is none."""
    try:
        env = lmdb.open(str(place.path), map_size=max_bytes, **_OPTIONS)
    except (lmdb.MemoryError, OverflowError):
        words = f"a file of {max_bytes:,} bytes cannot be mapped into the memory of this process"
        raise OSError(errno.ENOMEM, words, str(place.path)) from None
    try:
        env.reader_check()
        if incarnation is None:
            with env.begin(write=True) as txn:
                incarnation = write_first(txn)
            place.write_seal(lock, place.seal(incarnation, max_bytes))
        _check_incarnation(env, incarnation)
        room = Room(env.stat()["psize"], max_bytes - max(max_bytes // SPARE, LEAST_SPARE))
        return Opened(env, place, lock, room, max_bytes)
    except BaseException:
        env.close()
        raise


def _check_incarnation(env: lmdb.Environment, incarnation: bytes) -> None:
    with begin(env) as txn:
        if read_order(txn.get(ORDER_KEY)).incarnation != incarnation:
            raise DamagedError("the data is not that of the lock beside it")
