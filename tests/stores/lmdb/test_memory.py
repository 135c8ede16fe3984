"""What a process keeps in mind of the file has a bound in bytes, and is counted as what it takes."""

from __future__ import annotations

import gc
import tracemalloc
import urllib.parse
from typing import TYPE_CHECKING

import pytest

from accelerator.stores.lmdb import opened
from accelerator.testing import make_entry
from tests.stores.test_sizes import EMOJI, request_of
from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Iterable

    from accelerator import LMDBStore


def use(store: LMDBStore, numbers: Iterable[int], path: str, tags: int, variants: int) -> None:
    """Store responses, and look each of them up."""
    for number in numbers:
        for variant in range(variants):
            vary = (b"accept",) if variants > 1 else ()
            request = request_of(number, path, [(b"accept", b"%d" % variant)])
            names = [f"{number} {tag}" for tag in range(tags)]
            entry = make_entry(request, drive(store.lookup(request)).mark, names, vary=vary)
            assert drive(store.commit(entry))
            assert drive(store.lookup(request)).entry == entry


def test_a_page_that_is_too_large_to_be_kept_is_not_kept_as_used(
    store: LMDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was used is told by its number, whatever its size is."""
    monkeypatch.setattr(opened, "LARGEST_KNOWN", 1)
    request = request_of(1, "/large", [])
    entry = make_entry(request, drive(store.lookup(request)).mark, body=bytes(50_000))
    assert drive(store.commit(entry))
    drive(store.lookup(request))
    tracemalloc.start()
    try:
        start, _ = tracemalloc.get_traced_memory()
        for _ in range(20):
            assert drive(store.lookup(request)).entry == entry
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - start
    finally:
        tracemalloc.stop()
    assert taken < 50_000


@pytest.mark.parametrize(
    ("target", "entries", "tags", "variants"),
    [("/short", 200, 1, 1), ("/short", 100, 30, 1), (f"/{EMOJI}{'x' * 20_000}", 20, 5, 1), ("/varied", 4, 5, 50)],
    ids=["usual", "many tags", "long and wide", "many variants"],
)
def test_no_more_is_taken_than_is_counted(
    store: LMDBStore, target: str, entries: int, tags: int, variants: int
) -> None:
    use(store, [-1], target, tags, variants)
    before = store._file.present().known.size
    gc.collect()
    tracemalloc.start()
    try:
        start, _ = tracemalloc.get_traced_memory()
        use(store, range(entries), target, tags, variants)
        urllib.parse.clear_cache()  # type: ignore[attr-defined]  # no part of its interface
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - start
    finally:
        tracemalloc.stop()
    counted = store._file.present().known.size - before
    assert 0.3 < taken / counted < 1
