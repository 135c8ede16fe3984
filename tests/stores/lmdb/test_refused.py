"""Where no store can be: a clear error when it is made, which says what is wrong and what to do."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import lmdb
import pytest

from accelerator import LMDBStore
from accelerator.stores.lmdb import system
from accelerator.stores.lmdb.place import LOCK, READERS, READERS_BYTES
from accelerator.stores.lmdb.system import kind_of
from tests.stores.lmdb.conftest import MAX_BYTES
from tests.stores.lmdb.support import body_at
from tests.stores.lmdb.worker import ROOT

NOBODY = 65534

MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
60 27 0:55 / /mnt/share rw,relatime shared:30 master:1 - nfs4 server:/export rw,vers=4.2
61 27 0:56 / /mnt/ssh rw,nosuid - fuse.sshfs user@host:/ rw
30 27 8:1 / / rw,relatime - ext4 /dev/sda1 rw
"""


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((42,), TypeError, "path is a str or a Path, not int"),
        ((b"/dev/shm/x",), TypeError, "path is a str or a Path, not bytes"),
        (("x", "1"), TypeError, "max_bytes is an int, not str"),
        (("x", True), TypeError, "max_bytes is an int, not bool"),
        (("x", 1000), ValueError, "max_bytes is at least 1,000,000, not 1,000"),
        (("x",), ValueError, "path is the whole path of a directory, such as /dev/shm/site, not 'x'"),
        (("",), ValueError, "path is the whole path of a directory, such as /dev/shm/site, not ''"),
        (("~/x",), ValueError, "path is the whole path of a directory, such as /dev/shm/site, not '~/x'"),
        (("lmdb:///dev/shm/x",), ValueError, "such as /dev/shm/site, not 'lmdb:///dev/shm/x'"),
    ],
)
def test_arguments_that_make_no_sense_are_an_error(
    arguments: Any, error: type[Exception], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        LMDBStore(*arguments)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("max_bytes", [2**47, 2**70])
def test_a_file_that_no_process_could_map_is_an_error(max_bytes: int, tmp_path: Path) -> None:
    with pytest.raises(
        OSError, match=f"a file of {max_bytes:,} bytes cannot be mapped into the memory of this process"
    ):
        LMDBStore(tmp_path / "store", max_bytes)
    LMDBStore(tmp_path / "store", MAX_BYTES).close()


def test_data_of_somebody_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path)) as env, env.begin(write=True) as txn:
        txn.put(b"theirs", b"kept")
    with pytest.raises(FileExistsError, match=r"no cache.*: name a directory for the cache alone, or remove that file"):
        LMDBStore(tmp_path, MAX_BYTES)
    with lmdb.open(str(tmp_path)) as env, env.begin() as txn:
        assert txn.get(b"theirs") == b"kept"


def test_who_starts_while_the_directory_is_being_removed_looks_again_before_it_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LMDBStore(tmp_path / "store", MAX_BYTES).close()
    (tmp_path / "store" / LOCK).unlink()
    monkeypatch.setattr("accelerator.stores.lmdb.place.sleep", lambda _: shutil.rmtree(tmp_path / "store"))
    LMDBStore(tmp_path / "store", MAX_BYTES).close()


def test_a_directory_for_everybody_is_refused_with_the_name_of_a_better_one(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(PermissionError, match=f"name one of its own in it, such as {tmp_path}/site"):
        LMDBStore(tmp_path, MAX_BYTES)


def test_the_table_of_readers_has_all_its_room_from_the_beginning(tmp_path: Path) -> None:
    """On a full disk, to touch a page of it for the first time would end the process."""
    LMDBStore(tmp_path / "store", MAX_BYTES).close()
    table = (tmp_path / "store" / READERS).stat()
    assert table.st_size == READERS_BYTES
    assert 512 * table.st_blocks >= table.st_size


@pytest.mark.parametrize(
    ("module", "name", "error", "words"),
    [
        (
            os,
            "posix_fallocate",
            OSError(errno.ENOSPC, "No space left on device"),
            r"No space left on device: '.*store'",
        ),
        (lmdb, "open", lmdb.DiskError("File too large"), "cannot be made or opened: File too large"),
    ],
)
def test_where_there_is_no_room_for_files_it_is_an_error_of_the_system(
    module: Any, name: str, error: Exception, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(module, name, refuse)
        with pytest.raises(OSError, match=words):
            LMDBStore(tmp_path / "store", MAX_BYTES)
    LMDBStore(tmp_path / "store", MAX_BYTES).close()


def test_a_file_system_that_is_smaller_than_the_file_may_become_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = os.statvfs_result((4096, 4096, 100, 100, 100, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: small)
    LMDBStore(tmp_path / "store", MAX_BYTES).close()
    assert f"max_bytes is {MAX_BYTES:,}, and the file system of {tmp_path / 'store'} is smaller" in caplog.text


CRAMPED = """
import resource, sys
from accelerator import LMDBStore
resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
try:
    LMDBStore(sys.argv[1])
except OSError as error:
    print(error)
"""


def test_a_process_that_cannot_map_a_file_leaves_it_to_those_that_can(tmp_path: Path) -> None:
    place = tmp_path / "store"
    LMDBStore(place, 2**33).close()
    before = (place / "data.mdb").stat().st_ino
    command = [sys.executable, "-c", CRAMPED, str(place)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - our own script
    assert "a file of 8,589,934,592 bytes cannot be mapped into the memory of this process" in done.stdout
    assert (place / "data.mdb").stat().st_ino == before


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "store"):
        with pytest.raises(NotADirectoryError, match=r"is a directory, and .*/file is a file"):
            LMDBStore(path)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_directory_that_others_may_write_to_is_refused(mode: int, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store").chmod(mode)
    with pytest.raises(PermissionError, match=r"others may write to .* chmod go-w it"):
        LMDBStore(tmp_path / "store")


def test_the_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "store").mkdir(mode=0o700)
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(PermissionError, match=f"is of user {owner}, and this process runs as {owner + 1}: all"):
        LMDBStore(tmp_path / "store")


@pytest.mark.parametrize(("user", "is_refused"), [(NOBODY, True), (0, False), (os.geteuid(), False)])
def test_a_link_of_another_user_is_refused(
    user: int, is_refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "store").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "store")
    lstat = Path.lstat

    def of_user(self: Path) -> os.stat_result:
        found = lstat(self)
        return os.stat_result((*found[:4], user, *found[5:]))

    monkeypatch.setattr(Path, "lstat", of_user)
    if is_refused:
        with pytest.raises(PermissionError, match=f"/link is a link of user {NOBODY}, who may let it lead anywhere"):
            LMDBStore(tmp_path / "link", MAX_BYTES)
        assert [*(tmp_path / "store").iterdir()] == []
    else:
        LMDBStore(tmp_path / "link", MAX_BYTES).close()


@pytest.mark.parametrize(("device", "kind"), [((0, 55), "nfs4"), ((0, 56), "fuse.sshfs")])
def test_a_file_system_of_a_network_is_refused(
    device: tuple[int, int], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mounts").write_text(MOUNTS)
    monkeypatch.setattr(system, "_MOUNTS", tmp_path / "mounts")
    monkeypatch.setattr(system, "device_of", lambda directory: os.makedev(*device))
    with pytest.raises(
        RuntimeError, match=f"is on {kind}, and other systems would not see .* such as /dev/shm or a disk"
    ):
        LMDBStore(tmp_path / "store")


@pytest.mark.parametrize(("device", "kind"), [((8, 1), "ext4"), ((0, 21), "proc"), ((7, 7), "")])
def test_file_systems_are_known_by_their_devices(device: tuple[int, int], kind: str) -> None:
    assert kind_of(os.makedev(*device), MOUNTS.splitlines()) == kind


def test_it_needs_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(RuntimeError, match="LMDBStore needs Linux, this is darwin: take MemoryStore for one process"):
        LMDBStore(tmp_path / "store")


def test_files_are_for_their_user_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store = LMDBStore(tmp_path / "a" / "store")
    finally:
        os.umask(old)
    inside = list((tmp_path / "a").rglob("*"))
    for directory in (tmp_path / "a", *filter(Path.is_dir, inside)):
        assert directory.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in inside if file.is_file()} == {0o600}
    store.close()


SCRIPT = """
import os, sys
from accelerator import LMDBStore
if os.geteuid() == 0:
    os.setegid({nobody}), os.seteuid({nobody})
try:
    LMDBStore(sys.argv[1])
except OSError as error:
    print(type(error).__name__, error)
"""


def test_a_directory_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """It is made by a process without the rights of root, if this one has them."""
    place = tmp_path / "store"
    place.mkdir()
    if os.geteuid() == 0:
        os.chown(place, NOBODY, NOBODY)
        for parent in (tmp_path, *tmp_path.parents):
            if parent.owner() == "root" and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o011)
    place.chmod(0o500)
    command = [sys.executable, "-c", SCRIPT.format(nobody=NOBODY), str(place)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own script
    assert done.stdout.startswith("PermissionError [Errno 13] Permission denied: "), done
    assert f"'{place}/" in done.stdout


def test_a_file_that_was_made_with_another_size_keeps_it_and_that_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    LMDBStore(tmp_path / "store", 2_000_000).close()
    store = LMDBStore(tmp_path / "store", 1_000_000)
    assert (
        "was made for 2,000,000 bytes, not 1,000,000, and keeps that size until its directory is removed" in caplog.text
    )
    assert store._file.present()._env.info()["map_size"] == 2_000_000
    store.close()


def test_who_says_no_size_makes_a_file_of_the_size_that_there_was(tmp_path: Path) -> None:
    LMDBStore(tmp_path / "store", 2_000_000).close()
    store = LMDBStore(tmp_path / "store")
    (tmp_path / "store" / LOCK).unlink()
    assert body_at(store) == ""
    assert store._file.present().max_bytes == 2_000_000
    store.close()


def test_who_says_no_size_takes_the_one_that_the_file_was_made_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    LMDBStore(tmp_path / "store", 2_000_000).close()
    store, new = LMDBStore(tmp_path / "store"), LMDBStore(tmp_path / "new")
    sizes = [found._file.present()._env.info()["map_size"] for found in (store, new)]
    assert (sizes, caplog.text) == ([2_000_000, 256 * 1024 * 1024], "")
    store.close()
    new.close()


def test_a_store_shows_where_it_is(tmp_path: Path) -> None:
    store = LMDBStore(tmp_path / "store")
    assert repr(store) == f"<LMDBStore: {tmp_path / 'store'}>"
    store.close()
