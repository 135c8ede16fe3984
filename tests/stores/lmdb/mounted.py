"""A process that uses a store in a place that a test has prepared, and says on stdout what came of it.

The place is mounted as it has to be; or a stand-in answers as the system would there, at the border to its calls.
"""

from __future__ import annotations

import errno
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import lmdb

from accelerator import InvalidationError, LMDBStore
from tests.stores.lmdb.support import URL, body_at, fill
from tests.support import drive

ROOM = 1024 * 1024
"""Bytes of the full disk, or of the largest file: less than the store may take."""

PAGES = 200


def say(*words: object) -> None:
    print(*words)  # noqa: T201 - the test reads it


def refuse(path: str | Path, *arguments: Any, **more: Any) -> NoReturn:
    """Refuse to open a file for writing, as on a file system that cannot be written."""
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))


def use_read_only(path: Path) -> None:
    """Make a store where nothing can be written."""
    try:
        LMDBStore(path)
    except OSError as error:
        say(errno.errorcode[error.errno or 0], error.filename)


def use_full(path: Path, way: str) -> None:
    """Fill a store for which the disk has not room enough, let nothing at all be left of that, and take pages back."""
    store = LMDBStore(path / "store", 8 * ROOM)
    for number in range(PAGES):
        with suppress(lmdb.Error):  # the middleware goes on, too
            fill(store, f"{URL}{number}", f"x{number}", body=b"%d " % number + bytes(9000))
    found = {number: text.partition(" ")[0] for number in range(PAGES) if (text := answered(store, number))}
    wrong = sum(str(number) != text for number, text in found.items())
    use_up(path, way)
    left = 0
    for number in found:
        with suppress(InvalidationError):  # where not even an empty file fits: it is kept, and holds in this process
            drive(store.invalidate_tag(f"x{number}"))
        left += bool(answered(store, number))
    say(len(found), wrong, left)


def answered(store: LMDBStore, number: int) -> str:
    """Return the page that the store has; none if it fails, as then the application is asked."""
    try:
        return body_at(store, f"{URL}{number}")
    except (OSError, lmdb.Error):
        return ""


def use_up(path: Path, way: str) -> None:
    """Use the rest of the disk up, or let no file grow any more."""
    if way == "stand-in":
        size = (path / "store" / "data.mdb").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        return
    with (path / "more").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(512))


def main(kind: str, way: str, path: str) -> None:
    if kind == "full":
        if way == "stand-in":
            resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
        use_full(Path(path), way)
    elif way == "stand-in":
        with mock.patch("os.open", refuse):
            use_read_only(Path(path))
    else:
        use_read_only(Path(path))


if __name__ == "__main__":
    main(*sys.argv[1:])
