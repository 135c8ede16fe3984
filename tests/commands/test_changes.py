"""What has happened between two readings of figures."""

from __future__ import annotations

import json
from typing import Any

from accelerator.commands.changes import Reading, change, hit_ratio
from tests.commands.support import counted

BASE = counted()


def reading(at: float, requests: dict[str, dict[str, int]], **more: Any) -> Reading:
    figures: Any = {**BASE, "since": 1000.0, "until": 1000.0 + at, "requests": requests, **more}
    return Reading(figures, at)


def test_numbers_are_those_since_the_reading_before() -> None:
    before = reading(10, {"hit": {"": 5}, "miss": {"stored": 3}}, bytes_served=100, seconds_saved=1.5)
    now = reading(12, {"hit": {"": 9}, "miss": {"stored": 3, "private": 4}}, bytes_served=150, seconds_saved=4.0)
    found = change(before, now)
    assert found["requests"] == {"hit": {"": 4}, "miss": {"stored": 0, "private": 4}}
    assert (found["seconds"], found["hit_ratio"], found["bytes_served"], found["seconds_saved"]) == (2, 0.5, 50, 2.5)
    assert (found["time"], found["workers"], found["complete"]) == (1012, 1, True)
    assert json.loads(json.dumps(found))["requests"] == found["requests"]


def test_the_first_reading_has_all_since_counting_began() -> None:
    found = change(None, reading(30, {"hit": {"": 5}}, urls=[("/", 5)]))
    assert (found["seconds"], found["requests"], found["urls"]) == (30, {"hit": {"": 5}}, [("/", 5, None)])


def test_a_number_that_went_back_has_not_grown() -> None:
    """One of several processes has gone, with what it had counted: no rate is negative, or as large as all."""
    before = reading(10, {"hit": {"": 1000}, "pass": {"method": 3}}, collapsed=8)
    found = change(before, reading(12, {"hit": {"": 600}}, collapsed=9))
    assert (found["requests"], found["collapsed"], found["hit_ratio"]) == ({"hit": {"": 0}}, 1, None)


def test_if_all_began_anew_all_of_it_has_happened_since() -> None:
    before = reading(10, {"hit": {"": 1000}}, urls=[("/", 900)])
    now = reading(12, {"hit": {"": 7}}, since=1011.0, urls=[("/", 6)])
    found = change(before, now)
    assert (found["requests"], found["seconds"], found["urls"]) == ({"hit": {"": 7}}, 2, [("/", 6, 6)])


def test_a_url_that_was_not_among_the_hottest_is_new_only_if_all_were_known() -> None:
    few = reading(10, {}, urls=[("/a", 5)], unstored=[("private", "/p", 2)])
    now = reading(12, {}, urls=[("/a", 8), ("/b", 3)], unstored=[("private", "/p", 2), ("private", "/q", 1)])
    found = change(few, now)
    assert found["urls"] == [("/a", 8, 3), ("/b", 3, 3)]
    assert found["unstored"] == [("private", "/p", 2, 0), ("private", "/q", 1, 1)]
    many = reading(10, {}, urls=[(f"/{number}", 5) for number in range(50)])
    assert change(many, reading(12, {}, urls=[("/1", 6), ("/new", 5)]))["urls"] == [("/1", 6, 1), ("/new", 5, None)]


def test_a_url_whose_number_went_back_was_forgotten_meanwhile() -> None:
    before, now = reading(10, {}, tags=[("a", 50)]), reading(12, {}, tags=[("a", 7)])
    assert change(before, now)["tags"] == [("a", 7, None)]


def test_hits_and_stale_answers_count_for_the_ratio() -> None:
    requests = {"hit": {"": 2}, "stale": {"": 1, "stale-if-error": 1}, "validated": {"stored": 1}, "miss": {"x": 3}}
    assert hit_ratio(requests) == 0.5
    assert hit_ratio({}) is None
