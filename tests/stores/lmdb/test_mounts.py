"""File systems that are full or cannot be written: by a stand-in, and mounted where the system allows that."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from accelerator import LMDBStore
from tests.stores.lmdb.mounted import PAGES, ROOM
from tests.stores.lmdb.support import URL, body_at, fill
from tests.stores.lmdb.worker import ROOT

if TYPE_CHECKING:
    from pathlib import Path

MOUNTS = {
    "full": f'mount -t tmpfs -o size={ROOM},mode=0700 none "$0"',
    "read-only": 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"',
}


def in_namespace(mount: str, place: Path, *command: str) -> list[str]:
    """Return a command that runs another one where a place is mounted, for that one alone."""
    return [shutil.which("unshare") or "false", "-rm", "sh", "-c", f'{mount} && exec "$@"', str(place), *command]


def outcomes(kind: str, place: Path) -> dict[str, list[str]]:
    """Return what a process says of a store there, by the ways to make the place so."""
    command = [sys.executable, "-m", "tests.stores.lmdb.mounted", kind]
    ways = {"stand-in": [*command, "stand-in", str(place)]}
    trial = in_namespace(MOUNTS[kind], place, "true")
    if subprocess.run(trial, capture_output=True, check=False).returncode == 0:  # noqa: S603 - our own script
        ways["mount"] = in_namespace(MOUNTS[kind], place, *command, "mount", str(place))
    done = {
        way: subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - our own script
        for way, words in ways.items()
    }
    return {way: each.stdout.split() for way, each in done.items()}


def test_a_file_system_that_cannot_be_written_is_refused_and_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "store"
    store = LMDBStore(place, 2_000_000)
    fill(store, URL, body=b"1")
    for way, said in outcomes("read-only", place).items():
        assert said == ["EROFS", str(place / "accelerator.lock")], way
    assert body_at(store) == "1"
    store.close()


def test_a_full_disk_costs_hits_and_neither_pages_nor_invalidations(tmp_path: Path) -> None:
    for way, said in outcomes("full", tmp_path).items():
        found, wrong, left = map(int, said)
        assert 0 < found < PAGES, way
        assert (wrong, left) == (0, 0), way


@pytest.mark.parametrize("kind", MOUNTS)
def test_a_way_that_the_system_does_not_allow_is_left_out(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert [*outcomes(kind, tmp_path)] == ["stand-in"]
