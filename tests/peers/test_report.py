"""The tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.peers import report
from benchmarks.peers.results import Series
from tests.peers.support import OURS, PEER, THEIR_BARE, results

if TYPE_CHECKING:
    from pathlib import Path


def row(name: str, lines: list[str]) -> list[str]:
    """The cells of the first row that begins with a name."""
    return next(line for line in lines if line.startswith(f"| {name}"))[2:-2].split(" | ")


def test_a_peer_stands_beside_this_cache_under_the_same_framework() -> None:
    lines = list(report.lines(results()))
    ours, theirs = row(f"**{OURS}**", lines), row(PEER, lines)
    assert ours == [f"**{OURS}**", "5,000", "20", "1", "40", "1", "1", "105", "the new page"]
    assert theirs[:1] + theirs[3:] == [f"{PEER} (starlette)", "4", "120", "3", "20", "180", "the old page"]
    assert theirs[1].startswith("600 (")


def test_the_summary_says_how_many_times_what_this_cache_takes() -> None:
    lines = list(report.summary(results()))
    assert row(PEER, lines) == [f"{PEER} (starlette)", "4", "3", "1,500", "20 calls", "the old page"]
    assert lines[-1].endswith("| **1** | **1** | **1** | **1 call** | **the new page** |")


def test_what_a_peer_does_for_less_is_said() -> None:
    assert "### Where a peer takes less" not in list(report.lines(results()))
    found = results(
        Series(case=OURS, measure="take back", at=1, values=[3]),
        Series(case=PEER, measure="take back", at=1, values=[2]),
    )
    lines = list(report.lines(found))
    at = lines.index("### Where a peer takes less")
    assert lines[at + 2 : at + 4] == [f"* taking back 1: {PEER} (2 µs, accelerator 3)", ""]


def test_a_site_without_a_cache_stands_by_itself() -> None:
    found = results(Series(case="bare of accelerator", measure="hit", at=10_240, values=[9000]))
    lines = list(report.lines(found))
    assert row("bare of accelerator", lines)[1] == "9,000"
    assert not [line for line in report.summary(found) if "bare of" in line or THEIR_BARE in line]


def test_what_was_not_measured_is_left_empty_and_named() -> None:
    found = results(
        Series(case="Django", measure="hit", at=10_240, values=[100]),
        left_out={"Varnish": "a log\nit is not installed on this machine"},
    )
    lines = list(report.lines(found))
    assert row("Django", lines)[1:4] == ["100", "", ""]
    assert "* Varnish: it is not installed on this machine" in lines


def test_workers_have_a_table_where_they_were_measured() -> None:
    assert "### By the number of workers" not in list(report.lines(results()))
    found = results(*(Series(case=PEER, measure="workers", at=at, values=[100.0 * at]) for at in (1, 2)))
    lines = list(report.lines(found))
    assert row(PEER, lines[lines.index("### By the number of workers") :]) == [PEER, "100", "200"]


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The page and the README, in a folder of their own."""
    found = [tmp_path / "benchmarks.md", tmp_path / "README.md"]
    for page in found:
        page.write_text("before\n<!-- peers: written by nox -s bench -->\nold\n<!-- peers: end -->\nafter\n")
    monkeypatch.setattr(report, "PAGE", found[0])
    monkeypatch.setattr(report, "README", found[1])
    return found


def test_a_later_run_takes_the_place_of_the_earlier_one_between_the_marks(pages: list[Path]) -> None:
    report.write_tables(results())
    first = [page.read_text() for page in pages]
    report.write_tables(results())
    assert [page.read_text() for page in pages] == first
    for text in first:
        assert text.startswith("before\n")
        assert text.endswith("<!-- peers: end -->\nafter\n")
        assert "old\n" not in text
        assert PEER in text


def test_a_page_without_the_marks_is_refused_and_kept(pages: list[Path]) -> None:
    pages[0].write_text("nothing\n")
    with pytest.raises(ValueError, match=r"benchmarks\.md does not have the line"):
        report.write_tables(results())
    assert pages[0].read_text() == "nothing\n"
