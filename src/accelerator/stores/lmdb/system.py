"""What the operating system tells: the boot it runs since, and on what kind of file system a directory is."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

NETWORK: Final = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "drvfs", "fuse", "gfs2", "glusterfs", "gpfs", "lustre",
        "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
    }
)  # fmt: skip
"""Types of file systems that other systems may write, or that do not show all processes the same memory."""

STAT_BYTES: Final = 2048
"""More bytes than the status of a process has."""

_ENDED: Final = frozenset({b"Z", b"X", b"x"})
"""The states of processes that have ended, see proc(5)."""

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_MOUNTS: Final = Path("/proc/self/mountinfo")


def boot_id() -> str:
    """Return the random name of this boot of the system.

    Raises:
        RuntimeError: this is not Linux. Elsewhere a killed process may leave LMDB's lock held for ever.
    """
    if sys.platform != "linux":
        raise RuntimeError(
            f"LMDBStore needs Linux, this is {sys.platform}: take MemoryStore for one process, or RedisStore"
        )
    return _BOOT.read_text().strip()


def start_of(pid: int) -> int | None:
    """Return when a process started, in ticks since the boot; None if it has ended: see proc(5), stat."""
    try:
        file = os.open(
            f"/proc/{pid}/stat", os.O_RDONLY
        )  # who waits asks again and again, and a Path takes thrice as long
    except FileNotFoundError:
        return None
    try:
        text = os.read(file, STAT_BYTES)
    except ProcessLookupError:  # it ended just now
        return None
    finally:
        os.close(file)
    state, *fields = text.rpartition(b")")[2].split()  # the name before it may have any characters
    return int(fields[18]) if state not in _ENDED else None


def network_file_system(directory: Path) -> str:
    """Return the type of the file system of a directory if it is one of a network, `""` if not."""
    with _MOUNTS.open() as mounts:
        kind = kind_of(device_of(directory), mounts)
    return kind if kind.partition(".")[0] in NETWORK else ""


def device_of(directory: Path) -> int:
    """Return the device that a directory is on."""
    return directory.stat().st_dev


def kind_of(device: int, mounts: Iterable[str]) -> str:
    """Return the type of the file system on a device, `""` if it is not mounted: see proc(5), mountinfo."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts:
        fields = line.split()
        if fields[2] == wanted:
            return fields[fields.index("-") + 1]
    return ""
