"""A tiny run of the hits of several workers: that it is complete, not how fast anything is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.workers import HISHEL, NAMES, main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_each_store_is_measured_with_that_many_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--path", str(tmp_path), "--rounds", "2", "--seconds", "0.02", "--workers", "2"])
    _, _, *rows, ratio, busy, left_out = capsys.readouterr().out.splitlines()
    ours = [name for case, name in NAMES.items() if case != HISHEL]
    assert [row[9:27].strip() for row in rows] == ours
    assert all(row.split()[0] == "2" and float(row.split()[-3]) > 0 for row in rows)
    assert ratio.startswith("with 2, a hit of LMDBStore takes ")
    assert busy.startswith("the client was at work for ")
    assert left_out == "left out: hishel: it needs an environment of its own: say --environments FOLDER"
    assert list(tmp_path.iterdir()) == []
