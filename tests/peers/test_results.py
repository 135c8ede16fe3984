"""What a run found, as JSON."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from benchmarks.peers.results import Results
from tests.peers.support import OURS, PEER, results


def test_a_run_is_read_as_it_was_written() -> None:
    assert Results.model_validate_json(results().model_dump_json()) == results()


@pytest.mark.parametrize(
    "broken",
    [
        {"measure": "speed"},
        {"values": []},
        {"values": ["fast"]},
        {"unit": "µs"},
    ],
    ids=["no such measure", "no value", "not a number", "one more word"],
)
def test_what_is_no_series_is_refused(broken: dict[str, object]) -> None:
    told = json.loads(results().model_dump_json())
    told["series"][0] |= broken
    with pytest.raises(ValidationError):
        Results.model_validate(told)


def test_values_are_found_by_case_measure_and_place() -> None:
    assert results().values(PEER, "hit", 10_240) == [500, 600, 700]
    assert results().values(PEER, "hit", 1024) == []
    assert results().values("nobody", "hit", 10_240) == []


def test_places_and_cases_of_a_measure_are_named_once() -> None:
    assert results().at("calls") == [20]
    assert results().cases("calls") == [OURS, PEER]
