"""What other processes say is looked at before it is shown."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest

from accelerator.commands.entries import described
from accelerator.commands.shapes import are_facts, are_figures
from accelerator.figures.total import total
from accelerator.stores.listing import facts_of
from accelerator.testing import make_entry, make_request
from tests.commands.support import counted

FIGURES: dict[str, Any] = json.loads(json.dumps(total([counted("/a", "/a", "/private")])))
FACTS: dict[str, Any] = json.loads(
    json.dumps(described(facts_of(make_entry(make_request("https://a/"), 0), 5, is_usable=True, is_fresh=True), 0.0))
)


def test_figures_and_facts_are_what_they_say() -> None:
    assert are_figures(FIGURES)
    assert are_figures({**FIGURES, "more": object()})
    assert are_figures({**FIGURES, "since": 3, "until": time.time()})
    assert are_figures({**FIGURES, "store": {}})
    assert are_figures({**FIGURES, "latest": [{**FIGURES["latest"][0], "age": None}]})
    assert are_facts(FACTS)
    assert are_facts({**FACTS, "hits": 3, "etag": None, "vary": ["accept"]})


@pytest.mark.parametrize("name", FIGURES)
def test_figures_without_one_of_them_are_none(name: str) -> None:
    assert not are_figures({key: value for key, value in FIGURES.items() if key != name})


@pytest.mark.parametrize("name", [name for name in FACTS if name != "etag"])
@pytest.mark.parametrize("value", [None, {}, [1], object()])
def test_facts_with_a_wrong_one_are_none(name: str, value: object) -> None:
    assert not are_facts({**FACTS, name: value})
    assert not are_facts({key: value for key, value in FACTS.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workers", True),
        ("workers", 2**63),
        ("workers", 1.5),
        ("complete", 1),
        ("since", float("nan")),
        ("since", float("inf")),
        ("since", 10**400),
        ("until", "now"),
        ("requests", {"hit": 3}),
        ("requests", {"hit": {"": "3"}}),
        ("requests", []),
        ("requests", {3: {}}),
        ("ages", {"bounds": [1], "counts": [1, None], "sum": 0}),
        ("ages", None),
        ("store", {"entries": "many"}),
        ("store", {"near": {"lease": []}}),
        ("urls", [["/"]]),
        ("urls", [["/", 1, 2]]),
        ("urls", [[1, "/"]]),
        ("urls", {}),
        ("urls", "ab"),
        ("traffic", [5]),
        ("latest", [[]]),
    ],
)
def test_figures_with_a_wrong_one_are_none(name: str, value: object) -> None:
    assert not are_figures({**copy.deepcopy(FIGURES), name: value})


@pytest.mark.parametrize("value", [None, [], "figures", 3])
def test_what_is_no_object_is_none(value: object) -> None:
    assert not are_figures(value)
    assert not are_facts(value)
