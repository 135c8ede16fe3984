"""A run of the comparison of policies on the beginning of each trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.eviction import POLICIES, SIZES, main, traces

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_table_has_each_policy_and_both_stores_on_each_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program itself ends with an error where a store hits less often than its policy does."""
    main(["--path", str(tmp_path), "--requests", "400"])
    _, _, _, head, *rows, means, bests = capsys.readouterr().out.splitlines()
    assert head.split()[1:] == [word for name in (*POLICIES, "MemoryStore", "LMDBStore") for word in name.split()]
    assert [row[:33].strip() for row in rows] == [name for name in traces() for _ in SIZES]
    assert all(len(row[38:].split()) == len(POLICIES) + 2 for row in (*rows, means))
    assert len(bests[38:].split()) == len(POLICIES)
    assert list(tmp_path.iterdir()) == []
