"""Opening the files of a store: those that are there if they can be trusted, else new ones.

All of it is done with the lock, which says of what files and of which boot of the system it is. So a process that dies
half way leaves a lock that says nothing, and the next one begins anew. Somebody may remove the lock itself, and another
process then makes files with one of its own. So once files are open, the lock is looked at again: if the directory
still names it, nobody else has made any.
"""

from __future__ import annotations

import errno
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, TypedDict

import lmdb

from accelerator.stores.lmdb.layout import DamagedError
from accelerator.stores.lmdb.lock import WriteLock
from accelerator.stores.lmdb.opened import UNREADABLE, Opened, ReadersFullError, begin
from accelerator.stores.lmdb.order import ORDER_KEY, read_order
from accelerator.stores.lmdb.place import LOCK, NO_INCARNATION
from accelerator.stores.lmdb.writing import Room, write_first

if TYPE_CHECKING:
    from accelerator.stores.lmdb.place import Identity, Place, Seal

logger = logging.getLogger("accelerator")

MAX_BYTES: Final = 256 * 1024 * 1024
"""The size that the data may have if nobody says one."""

MAX_PROCESSES: Final = 1024
"""Number of processes that may have the files open."""

MAX_ATTEMPTS: Final = 10
"""Number of times that files are opened, if they are removed each time before they are open."""

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


def open_files(place: Place, max_bytes: int | None, seconds: float, bad: Identity | None = None) -> Opened:
    """Open the files of a store.

    Args:
        place: their directory.
        max_bytes: the size that the data may have, if it is made now; None takes whatever size it has.
        seconds: how long to wait for the lock.
        bad: files that cannot be read or written. If they are still there, new ones take their place.

    Raises:
        OSError, RuntimeError: see `Place.prepare`; or the files were removed again and again.
        LockTimeoutError: another process did not release the lock in time.
        ReadersFullError: too many processes have the files open.
        lmdb.Error: LMDB cannot make new files.
    """
    for _ in range(MAX_ATTEMPTS - 1):
        with suppress(FileNotFoundError):  # it was removed meanwhile
            return _lock_and_open(place, max_bytes, seconds, bad)
    return _lock_and_open(place, max_bytes, seconds, bad)


def _lock_and_open(place: Place, max_bytes: int | None, seconds: float, bad: Identity | None) -> Opened:
    place.prepare()
    lock = WriteLock(place.path / LOCK)
    try:
        return lock.run(partial(_open_locked, place, lock, max_bytes, bad), seconds)
    except BaseException:
        lock.close()
        raise


def _open_locked(place: Place, lock: WriteLock, max_bytes: int | None, bad: Identity | None) -> Opened:
    place.check_lock(lock)
    seal = place.read_seal(lock)
    if seal is not None and place.identity() != bad:
        if max_bytes not in {None, int(seal.max_bytes)}:
            words = "the cache in %s was made for %s bytes, not %s, and keeps that size until its directory is removed"
            logger.warning(words, place.path, f"{int(seal.max_bytes):,}", f"{max_bytes:,}")
        try:
            return _open(place, lock, seal)
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
    place.make_files()
    return _open(place, lock, place.seal(NO_INCARNATION, max_bytes))


def _open(place: Place, lock: WriteLock, seal: Seal) -> Opened:
    """Open the files that the seal is of. If it has no incarnation, they are empty, and get one.

    Raises:
        FileNotFoundError: they were replaced meanwhile.
    """
    max_bytes, incarnation = int(seal.max_bytes), bytes.fromhex(seal.incarnation)
    try:
        env = lmdb.open(str(place.path), map_size=max_bytes, **_OPTIONS)
    except (lmdb.MemoryError, OverflowError):
        words = f"a file of {max_bytes:,} bytes cannot be mapped into the memory of this process"
        raise OSError(errno.ENOMEM, words, str(place.path)) from None
    try:
        identity = place.identity()
        place.check_seal(seal)
        place.check_lock(lock)  # comes last: nobody makes files without it
        env.reader_check()
        if incarnation == NO_INCARNATION:
            with env.begin(write=True) as txn:
                incarnation = write_first(txn)
            place.write_seal(lock, seal._replace(incarnation=incarnation.hex()))
        _check_incarnation(env, incarnation)
        room = Room(env.stat()["psize"], max_bytes - max(max_bytes // SPARE, LEAST_SPARE))
        return Opened(env, place, identity, lock, room, max_bytes)
    except BaseException:
        env.close()
        raise


def _check_incarnation(env: lmdb.Environment, incarnation: bytes) -> None:
    with begin(env) as txn:
        if read_order(txn.get(ORDER_KEY)).incarnation != incarnation:
            raise DamagedError("the data is not that of the lock beside it")
