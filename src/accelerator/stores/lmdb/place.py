"""The directory of a store: what it has to be, which files it has, and whether these are still the ones opened."""

from __future__ import annotations

import errno
import os
import stat
import struct
from time import sleep
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from accelerator.stores.lmdb.layout import FORMAT
from accelerator.stores.lmdb.system import boot_id, network_file_system

if TYPE_CHECKING:
    from pathlib import Path

    from accelerator.stores.lmdb.lock import WriteLock

FIGURES: Final = "figures"
LOCK: Final = "accelerator.lock"
DATA: Final = "data.mdb"
READERS: Final = "lock.mdb"

READERS_BYTES: Final = 65_664
"""The size of LMDB's table of 1,024 readers."""

NO_INCARNATION: Final = b""
"""What stands for the incarnation of files that are empty."""

Identity: TypeAlias = "tuple[int, int, int]"
"""Device and inode of the data, and when its directory was changed last.

The latter changes whenever a file in it is made, removed or renamed, and when it is renamed itself. The store does none
of that once the files are sealed. It tells a directory that was away for a while, and a copy that got the same inodes.
"""

REMOVAL_SECONDS: Final = 0.05
"""Seconds after which files are looked at again that somebody may be removing, one after the other."""

_META_PAGES: Final = 2
_MAGIC: Final = struct.pack("=I", 0xBEEFC0DE)
_META: Final = struct.Struct("=16xIIQQI92xQ")
"""A meta page of LMDB 0.9 up to its number of the last page: header, magic, version, address, map size, page size."""


class Seal(NamedTuple):
    """What the lock file says of the files beside it. They are used only if it is true of them.

    Attributes:
        layout: the version of their layout.
        boot: the boot of the system in which they were made: they are not synced, so a crash may lose pages.
        data: device and inode of the data.
        readers: those of the table of readers.
        changed: when their directory was changed last, see `Identity`.
        incarnation: the name of the order in them, in hexadecimal digits.
        max_bytes: the size that the data may have.
    """

    layout: str
    boot: str
    data: str
    readers: str
    changed: str
    incarnation: str
    max_bytes: str


class Place:
    """The directory of a store.

    Args:
        path: the directory.

    Attributes:
        path: the given directory.
        figures: the directory in it for the figures of processes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.figures = path / FIGURES
        self._directory = str(path)
        self._data = str(path / DATA)

    def prepare(self) -> None:
        """Make the directory if it is missing, and check it.

        Raises:
            OSError: it cannot be made or written, is another user's or for everybody, or others may write to it; or its
                path is a link of another user.
            RuntimeError: its file system is of a network, or this is not Linux.
        """
        boot_id()
        try:
            for directory in (*reversed(self.path.parents), self.path):
                if not directory.is_dir():
                    directory.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError as error:
            raise NotADirectoryError(
                f"the path of an LMDBStore is a directory, and {error.filename} is a file"
            ) from None
        if kind := network_file_system(self.path):
            raise RuntimeError(
                f"{self.path} is on {kind}, and other systems would not see what is written there: an LMDBStore needs"
                " a local file system, such as /dev/shm or a disk"
            )
        link = self.path.lstat()
        if stat.S_ISLNK(link.st_mode) and link.st_uid not in {0, os.geteuid()}:
            raise PermissionError(
                f"{self.path} is a link of user {link.st_uid}, who may let it lead anywhere: name a directory"
            )
        found = self.path.stat()
        if found.st_mode & stat.S_ISVTX:
            raise PermissionError(
                f"{self.path} is a directory for everybody: name one of its own in it, such as {self.path / 'site'}"
            )
        if found.st_uid != os.geteuid():
            raise PermissionError(
                f"{self.path} is of user {found.st_uid}, and this process runs as {os.geteuid()}: all processes that"
                " share an LMDBStore run as one user, and its directory is theirs"
            )
        if stat.S_IMODE(found.st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(f"others may write to {self.path}, and so put pages into the cache: chmod go-w it")
        self.figures.mkdir(mode=0o700, exist_ok=True)  # now, since a name made later would make it another directory

    def refuse_others(self) -> None:
        """Refuse a directory with data of somebody else: what has no lock beside it may be no cache.

        Raises:
            FileExistsError: there is such data.
        """
        if self._has_data_alone():
            sleep(REMOVAL_SECONDS)
            if self._has_data_alone():
                raise FileExistsError(
                    f"{self.path} has a {DATA} that is no cache, or has lost its {LOCK}: name a directory for the cache"
                    " alone, or remove that file"
                )

    def _has_data_alone(self) -> bool:
        return (self.path / DATA).exists() and not (self.path / LOCK).exists()

    def make_files(self) -> None:
        """Make the data, which is empty, and the table of readers, with room for all of it.

        To touch a page of the table that a full disk has not would end a process.

        Raises:
            OSError: there is no room.
            FileNotFoundError: another process makes them, too: this one's lock was removed.
        """
        try:
            os.close(os.open(self._data, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            raise self._replaced() from None
        table = os.open(self.path / READERS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(table, 0, READERS_BYTES)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None
        finally:
            os.close(table)

    def has_room_for(self, size: int) -> bool:
        """Tell whether the file system is as large as the data may become."""
        system = os.statvfs(self.path)
        return system.f_blocks * system.f_frsize >= size

    def identity(self) -> Identity:
        """Return what is to be known of the data that the directory names now.

        Raises:
            FileNotFoundError: it names none.
        """
        data = os.stat(self._data)  # noqa: PTH116 - in each invalidation, and a Path takes twice as long
        return data.st_dev, data.st_ino, os.stat(self._directory).st_ctime_ns  # noqa: PTH116 - the same

    def size(self) -> int:
        """Return the bytes of the data, 0 if there is none."""
        try:
            return (self.path / DATA).stat().st_size
        except FileNotFoundError:
            return 0

    def check_lock(self, lock: WriteLock) -> None:
        """Look whether the directory still names the file that was locked.

        Raises:
            FileNotFoundError: it does not.
        """
        if not os.path.samestat(lock.status(), (self.path / LOCK).stat()):
            raise self._replaced()

    def check_seal(self, seal: Seal) -> None:
        """Look whether the directory still names the files that the seal is of.

        Raises:
            FileNotFoundError: it does not.
        """
        if seal != self.seal(bytes.fromhex(seal.incarnation), int(seal.max_bytes)):
            raise self._replaced()

    def _replaced(self) -> FileNotFoundError:
        return FileNotFoundError(
            errno.ENOENT, "files of the cache were replaced while they were opened", str(self.path)
        )

    def seal(self, incarnation: bytes, max_bytes: int) -> Seal:
        """Return what is to be said of the present files.

        Raises:
            FileNotFoundError: one is missing.
        """
        data, readers = [(self.path / name).stat() for name in (DATA, READERS)]
        return Seal(
            str(FORMAT),
            boot_id(),
            f"{data.st_dev}:{data.st_ino}",
            f"{readers.st_dev}:{readers.st_ino}",
            str(self.path.stat().st_ctime_ns),
            incarnation.hex(),
            str(max_bytes),
        )

    def read_seal(self, lock: WriteLock) -> Seal | None:
        """Return what the lock file says, None if that is not true of the files.

        Nor is it used if they were cut short, or if others could write to them.
        """
        words = lock.read().split()
        if len(words) != len(Seal._fields) + 1 or words[0] != "accelerator":
            return None
        said = Seal(*words[1:])
        try:
            true = self.seal(bytes.fromhex(said.incarnation), int(said.max_bytes))
        except (ValueError, FileNotFoundError):
            return None
        return said if said == true and self._is_whole() and self._is_private() else None

    def write_seal(self, lock: WriteLock, seal: Seal | None) -> None:
        """Say it in the lock file; None says nothing, so the files are not used."""
        lock.write(" ".join(("accelerator", *seal)) + "\n" if seal is not None else "")

    def _is_whole(self) -> bool:
        """Tell whether the data has all pages that LMDB would read: one that is missing would end the process."""
        path = self.path / DATA
        size, page_size = path.stat().st_size, 0
        with path.open("rb") as file:
            for number in range(_META_PAGES):
                file.seek(number * page_size)
                head = file.read(_META.size)
                if len(head) < _META.size or head[16:20] != _MAGIC:
                    return False
                *_, page_size, last = _META.unpack(head)
                if (last + 1) * page_size > size:
                    return False
        return True

    def _is_private(self) -> bool:
        """Tell whether nobody else may write to the files."""
        modes = [(self.path / name).stat().st_mode for name in (DATA, READERS)]
        return not any(mode & (stat.S_IWGRP | stat.S_IWOTH) for mode in modes)

    def remove_files(self) -> None:
        """Remove the data and the table of readers, which processes that have them open notice."""
        (self.path / DATA).unlink(missing_ok=True)
        (self.path / READERS).unlink(missing_ok=True)
