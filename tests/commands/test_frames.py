"""A frame of `top`: what there is room for, and nothing that steers a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from accelerator.commands.changes import Reading, change
from accelerator.commands.frames import ASCII_MARKS, MARKS, frame, shared_out
from tests.commands.support import HOSTILE, counted

BASE: Any = {**counted(), "since": 1000.0, "until": 1100.0}


def framed(height: int | None = None, name: str = "store", last: str = "", **figures: Any) -> list[str]:
    found: Any = {**BASE, **figures}
    since = change(Reading(BASE, 0.0), Reading(found, 10.0))
    return [row.text for row in frame(name, found, since, marks=ASCII_MARKS, height=height, last=last)]


BUSY: dict[str, Any] = {
    "workers": 4,
    "requests": {"hit": {"": 900}, "miss": {"private": 60, "stored": 40}},
    "bytes_served": 20480,
    "seconds_saved": 31.0,
    "filling": 3,
    "invalidations": {"tag": {"hard": 15, "soft": 5}},
    "store": {"kind": "LMDBStore", "entries": 1234, "bytes": 4096},
    "urls": [(f"https://example.org/{number}", 20 - number) for number in range(12)],
    "tags": [("user:42", 7)],
    "unstored": [("private", "https://example.org/p", 60)],
    "traffic": [(1100.0, 30, 10), (1090.0, 2, 2), (1085.0, 0, 0), (900.0, 1000, 0)],
}


def test_a_frame_has_ratio_traffic_outcomes_and_the_hottest() -> None:
    lines = framed(**BUSY)
    assert lines[:4] == [
        "4 workers, counting for 1 min 40 s: store",
        "hit ratio 90.0 % (in all 90.0 %)  100.0 requests/s  2.0 KiB/s from the cache",
        "application spared 3.1 s/s  filling 3  invalidations 2.0/s  entries 1,234, 4.0 KiB",
        f"3 min of traffic {' ' * 33}_ # peak 8.0/s",
    ]
    assert lines[4:10] == [
        "       /s        in all           outcome, reason",
        "     90.0           900   90.0 %  hit",
        "      6.0            60    6.0 %  miss, private",
        "      4.0            40    4.0 %  miss, stored",
        "       /s  in 10-20 min  hot URLs",
        "      2.0            20  https://example.org/0",
    ]
    assert lines[-4:] == [
        "       /s  in 10-20 min  hot tags",
        "      0.7             7  user:42",
        "       /s  in 10-20 min  not stored",
        "      6.0            60  private: https://example.org/p",
    ]
    assert len([line for line in lines if "https://example.org/" in line]) == 11  # ten of the hottest


def test_where_nothing_has_come_there_are_no_sections() -> None:
    lines = framed(complete=False)
    assert lines[0] == "1 worker, some of whose figures cannot be read, counting for 1 min 40 s: store"
    assert lines[1].startswith("hit ratio - (in all -)  0.0 requests/s  0 B/s")
    assert len(lines) == 4


@pytest.mark.parametrize("height", range(1, 40))
def test_a_frame_is_never_higher_than_there_is_room_for(height: int) -> None:
    lines = framed(height, last="q ends it", **BUSY)
    assert len(lines) <= height
    assert lines[-1] == "q ends it"
    assert all(not earlier.startswith("       /s") for earlier in lines[-2:])  # no heading without a row


def test_at_24_rows_each_section_has_rows() -> None:
    lines = framed(24, last="q ends it", **BUSY)
    assert len(lines) == 24
    assert len([line for line in lines if line.startswith("       /s")]) == 4


@pytest.mark.parametrize("last", ["", f"error {HOSTILE}"])
def test_hostile_text_shows_as_text(last: str) -> None:
    url = f"https://example.org/\x1b]0;title\x07{HOSTILE}\n"
    lines = framed(
        name=f"store {HOSTILE}",
        requests={f"hit{HOSTILE}": {f"\x1b[31m{HOSTILE}": 1}},
        urls=[(url, 3)],
        tags=[(HOSTILE, 2)],
        unstored=[(HOSTILE, url, 1)],
        last=last,
    )
    assert all(line.isprintable() for line in lines)
    assert lines[9].endswith("  2  \\u202e[red]\\u2066[/]")
    assert lines[7].endswith("https://example.org/\\x1b]0;title\\x07\\u202e[red]\\u2066[/]\\n")


def test_numbers_that_cannot_be_still_make_a_frame() -> None:
    lines = framed(traffic=[(1100.0, -500, 0), (1e18, 3, 0)], since=2e9, requests={"hit": {"": -5}}, bytes_served=-1)
    assert lines[3].endswith("peak 0.0/s")


def test_before_there_is_a_rate_of_a_url_it_is_not_known() -> None:
    figures: Any = {**BASE, "urls": [("/", 3)]}
    rows = frame("store", figures, change(None, Reading(figures, 0.0)), marks=MARKS, height=None, last="")
    assert rows[-1].text == "        -             3  /"
    at_once: Any = {**figures, "until": figures["since"]}
    assert frame("store", at_once, change(None, Reading(at_once, 0.0)), marks=MARKS, height=None, last="")


def test_room_is_shared_out_evenly_to_those_who_want_it() -> None:
    assert shared_out(10, [1, 9, 9]) == [1, 5, 4]
    assert shared_out(100, [1, 2]) == [1, 2]
    assert shared_out(2, [5, 5, 5]) == [1, 1, 0]
    assert shared_out(-1, [5]) == [0]
    assert shared_out(3, []) == []
