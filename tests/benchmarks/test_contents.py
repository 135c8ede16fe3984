"""Counting what is in a file finds what was put there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerator import LMDBStore
from benchmarks.soak.contents import contents
from tests.stores.lmdb.support import URL, fill
from tests.stores.lmdb.worker import Worker
from tests.support import drive

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_put_into_a_file_is_counted(tmp_path: Path) -> None:
    with Worker() as other:
        other.ask("open", tmp_path / "store", 2_000_000)
        for number in range(10):
            assert other.ask("fill", f"{URL}{number}", [f"x{number}"], bytes(5000))
        other.ask("invalidate", ["x1", "x2", "unknown"])
        assert other.ask("lease", bytes(16)) == "OwnLease"
        found = contents(tmp_path / "store")
    assert found.entries == found.places == 10
    assert found.said_bytes == found.entry_bytes > 10 * 5000
    assert found.records == found.said_records == 3
    assert (found.ghosts, found.leases) == (0, 1)
    assert found.entry_bytes < found.file_bytes <= 2_000_000
    assert 1 <= found.readers <= 2


def test_what_left_probation_unused_is_counted_as_a_ghost(tmp_path: Path) -> None:
    store = LMDBStore(tmp_path / "store", 2_000_000)
    for number in range(300):
        fill(store, f"{URL}{number}", body=bytes(9000))
    drive(store.invalidate_tag("x"))
    store.close()
    found = contents(tmp_path / "store")
    assert 0 < found.ghosts <= found.entries == found.places < 300
