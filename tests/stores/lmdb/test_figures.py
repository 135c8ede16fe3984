"""What an LMDBStore says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerator import ASGIAccelerator, LMDBStore
from accelerator.stores.lmdb import store as lmdb_store
from tests.support import app_saying, ask, drive

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_entries_bytes_and_what_gave_way_are_known(path: Path) -> None:
    store = LMDBStore(path, max_bytes=2_000_000)
    cache = ASGIAccelerator(app_saying(("cache-control", "max-age=60"), body=bytes(40_000)), store=store)
    for number in range(60):
        drive(ask(cache, f"/{number}"))
    known = cache.figures()["store"]
    assert (known["kind"], known["shared"]) == ("LMDBStore", True)
    assert 0 < known["entries"] < 60
    assert known["entries"] * 40_000 < known["bytes"] <= known["max_bytes"] <= 2_000_000
    assert known["evictions"] == 60 - known["entries"]
    assert LMDBStore(path).store_figures()["evictions"] == 0
    store.close()


def test_of_a_file_that_cannot_be_read_only_its_kind_is_known(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LMDBStore(path)

    def refuse(_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(lmdb_store, "read_size", refuse)
    assert store.store_figures() == {"kind": "LMDBStore", "shared": True, "evictions": 0}
    store.close()
