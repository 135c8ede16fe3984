"""A short run of the long one; and that it finds what is not within its bounds."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import LMDBStore
from benchmarks.soak.__main__ import main
from benchmarks.soak.contents import Contents
from benchmarks.soak.run import MEMORY, RECORDS, Look, Plan, breaches
from benchmarks.soak.worker import ITEMS, Board, Count, Worker

if TYPE_CHECKING:
    from pathlib import Path

WITHIN = Contents(
    file=1, file_bytes=1_000_000, entries=10, entry_bytes=100_000, said_bytes=100_000, places=10, ghosts=5, records=7,
    said_records=7, leases=1, readers=5,
)  # fmt: skip


def test_a_short_run_with_kills_stays_within_its_bounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = ["--store", f"lmdb:{tmp_path}", "--operations", "3000", "--workers", "2", "--kills", "0.2"]
    assert main([*told, "--max-bytes", "4000000"]) == 0
    head, *rows, counts, verdict = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "operations"
    assert all(len(row.split()) == 8 for row in rows)
    assert int(rows[-1].split()[0].replace(",", "")) >= 3000
    assert " 0 older; " in counts
    assert verdict == "all within its bounds"
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_not_done_in_time_fails(tmp_path: Path) -> None:
    assert main(["--store", f"lmdb:{tmp_path}", "--operations", "1000000000", "--seconds", "0", "--workers", "1"]) == 1


def test_what_is_within_its_bounds_is_not_complained_about(tmp_path: Path) -> None:
    assert list(breaches(Look(1, WITHIN, [MEMORY]), Plan(folder=tmp_path))) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"file_bytes": 2**26 + 1}, "bytes of the file, over"),
        ({"entry_bytes": 2**26, "said_bytes": 2**26}, "bytes in use, over"),
        ({"records": RECORDS + 1, "said_records": RECORDS + 1}, "records of tags, over"),
        ({"ghosts": 11}, "11 ghosts, over 10"),
        ({"readers": 11}, "11 places among the readers, over 10"),
        ({"said_bytes": 99_999}, "100,000 bytes of entries, said were 99,999"),
        ({"places": 11}, "11 places in the queues, said were 10"),
        ({"said_records": 8}, "7 records of tags, said were 8"),
    ],
)
def test_what_is_not_within_its_bounds_is_found(changed: dict[str, Any], words: str, tmp_path: Path) -> None:
    (found,) = breaches(Look(1, WITHIN._replace(**changed), [1]), Plan(folder=tmp_path))
    assert words in found


def test_a_process_that_takes_too_much_memory_is_found(tmp_path: Path) -> None:
    (found,) = breaches(Look(1, WITHIN, [1, MEMORY + 1]), Plan(folder=tmp_path))
    assert found.startswith(f"{MEMORY + 1:,} bytes of a process, over")


def test_a_hit_that_is_older_than_what_was_promised_is_counted(tmp_path: Path) -> None:
    """All items are said to have versions that no page can have yet."""
    board = Board.make(tmp_path / "board", 1)
    store = LMDBStore(tmp_path / "store", 8_000_000)
    worker = Worker(store, board, 0, 1, 0)
    for page in range(1, 10):
        worker.ask(page)
    for item in range(ITEMS):
        board.promise(item, 1)
    for page in range(1, 10):
        worker.ask(page)
    store.close()
    assert (board.counted(Count.FILLS), board.counted(Count.HITS)) == (9, 9)
    assert board.counted(Count.OLDER) == 9
    assert board.operations == 18


@pytest.mark.parametrize("store", ["redis", "lmdb:/nowhere"])
def test_what_cannot_be_asked_for_is_said(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--store", store])
    assert "a store is lmdb:DIRECTORY, such as lmdb:/dev/shm" in capsys.readouterr().err


def test_a_worker_that_ends_by_itself_ends_the_run(tmp_path: Path) -> None:
    """A file of less than a million bytes is refused where a worker makes its store.

    It runs by itself: a worker speaks where the server that forks it was started, which may be another test here.
    """
    told = ["--store", f"lmdb:{tmp_path}", "--workers", "1", "--max-bytes", "1000", "--kills", "1000"]
    command = [sys.executable, "-m", "benchmarks.soak", *told]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "a worker ended with 1"
    assert "max_bytes is at least 1,000,000" in done.stderr
