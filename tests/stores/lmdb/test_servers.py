"""Workers of a real server share one cache, whether the store was made, or used, before they were forked or after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator import LMDBStore, SyncStore
from tests.stores.memory.test_workers import GUNICORN, Server

if TYPE_CHECKING:
    from pathlib import Path

PAGES = 20
KINDS = {
    "gunicorn": ("--workers 3", ""),
    "gunicorn --preload": ("--workers 3 --preload", ""),
    "gunicorn --preload, used before": ("--workers 3 --preload", "1"),
    "gunicorn --preload, threads": ("--workers 2 --threads 4 --preload", "1"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_made_once_for_all_workers_and_taken_back_in_all_of_them(
    kind: str, path: Path, tmp_path: Path
) -> None:
    options, clear = KINDS[kind]
    command = f"{GUNICORN} {options} tests.stores.lmdb.served:app"
    server = Server(command, tmp_path / "log", STORE=str(path), CLEAR=clear)
    try:
        first = [server.ask(page) for page in range(PAGES)]
        again = [server.ask(page) for page in range(PAGES) for _ in range(3)]
        store = LMDBStore(path)
        SyncStore(store).invalidate_tag("page")
        after = [server.ask(page) for page in range(PAGES)]
        store.close()
    finally:
        server.end()
    assert not any("; hit" in status for status in first)
    assert all("; hit" in status for status in again)
    assert not any("; hit" in status for status in after)
    assert "Traceback" not in server.log
