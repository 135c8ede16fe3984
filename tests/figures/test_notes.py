"""What processes write for each other is checked before it is used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator.figures.notes import MAX_NAMES, Said, note_of, said_by
from accelerator.figures.total import total
from tests.figures.test_total import REQUESTS, figures_of

if TYPE_CHECKING:
    from accelerator.figures.snapshot import Figures

WHOLE = figures_of(
    [(("hit", ""), "/a", 2, 1.0), (("miss", "stored"), "/b", 1, 2.0)], near={"lease": 1.5, "follower": None}
)


def said(figures: Any, adopted: Any = ()) -> Said | None:
    return said_by(
        json.dumps({"figures": figures, "adopted": list(adopted) if isinstance(adopted, tuple) else adopted})
    )


@given(st.lists(REQUESTS, max_size=6))
def test_what_is_written_is_read_as_it_was(requests: list[Any]) -> None:
    figures = figures_of(requests, entries=3, evictions=1, errors={"lookup": 1}, breaker_open=True)
    read = said_by(note_of(Said(figures, ("a", "b"))))
    assert read == Said(figures, ("a", "b"))


@pytest.mark.parametrize("name", [name for name in WHOLE if name != "requests"])
def test_what_an_older_version_did_not_write_counts_as_nothing(name: str) -> None:
    read = said({other: value for other, value in WHOLE.items() if other != name})
    assert read is not None
    assert total([read.figures])[name] is not None  # type: ignore[literal-required]
    assert not read.figures[name] or name == "complete" or "counts" in read.figures[name]  # type: ignore[literal-required]


def test_names_of_a_later_version_are_left_out() -> None:
    read = said({**WHOLE, "later": 1})
    assert read is not None
    assert "later" not in read.figures


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("since", float("nan")),
        ("since", "1"),
        ("collapsed", -1),
        ("collapsed", 1.5),
        ("collapsed", True),
        ("workers", None),
        ("bytes_served", float("inf")),
        ("complete", 1),
        ("requests", 5),
        ("requests", {"miss": 5}),
        ("requests", {"miss": {"stored": -1}}),
        ("requests", {"miss": {str(number): 1 for number in range(MAX_NAMES + 1)}}),
        ("requests", {"m" * 10_000: {}}),
        ("ages", {"bounds": [1.0], "counts": [0, 0], "sum": 0}),
        ("ages", {**WHOLE["ages"], "counts": [1] * 30}),
        ("ages", {**WHOLE["ages"], "sum": "x"}),
        ("ages", {}),
        ("ages", []),
        ("store", []),
        ("store", {"entries": "many"}),
        ("store", {"near": {"lease": []}}),
        ("store", {"fanout": {"Fastly": 1}}),
        ("urls", [["/a"]]),
        ("urls", [["/a", 1]] * 51),
        ("unstored", [[1, "/a", 1]]),
        ("latest", [{"time": 0, "url": 5}]),
        ("latest", ["x"]),
        ("traffic", [[0, 1]]),
    ],
)
def test_a_value_of_another_kind_makes_the_whole_note_unreadable(name: str, value: object) -> None:
    assert said({**WHOLE, name: value}) is None


@pytest.mark.parametrize(
    "text", ["", "no json", "[]", "5", "{}", '{"figures": {}}', "[" * 100_000, '{"figures": 1, "adopted": []}']
)
def test_what_is_no_note_is_unreadable(text: str) -> None:
    assert said_by(text) is None


@pytest.mark.parametrize("adopted", [5, "name", [1], ["x"] * 1001])
def test_names_of_others_are_texts_in_a_list_of_a_bounded_length(adopted: object) -> None:
    assert said(WHOLE, adopted) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*WHOLE]), JSON))
def test_whatever_stands_there_what_is_read_can_be_summed(changes: dict[str, Any]) -> None:
    read = said({**WHOLE, **changes})
    if read is not None:
        whole: list[Figures] = [WHOLE, read.figures]
        json.dumps(total(whole, ended=[read.figures]), allow_nan=False)
