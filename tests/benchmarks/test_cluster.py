"""A tiny run of what a cluster costs beside one server: that it is complete, not how fast anything is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.cluster import main

if TYPE_CHECKING:
    import pytest


def test_each_line_has_the_times_of_both_and_their_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--rounds", "2"])
    _, _, *rows = capsys.readouterr().out.splitlines()
    assert [row[:34].strip() for row in rows] == [
        "hit, 1 at once",
        "hit, 64 URLs in turn, 1 at once",
        "hit, 32 at once",
        "hit, 64 URLs in turn, 32 at once",
        "invalidation of a tag",
        "invalidation of 10 tags",
        "clear",
    ]
    assert all(len(figures := row[34:].split()) == 5 and float(figures[-1]) > 0 for row in rows)
