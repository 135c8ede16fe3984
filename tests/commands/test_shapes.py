"""What other processes say is looked at before it is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from accelerator.commands.entries import described
from accelerator.commands.shapes import are_facts
from accelerator.stores.listing import facts_of
from accelerator.testing import make_entry, make_request

FACTS: dict[str, Any] = json.loads(
    json.dumps(described(facts_of(make_entry(make_request("https://a/"), 0), 5, is_usable=True, is_fresh=True), 0.0))
)


def test_facts_are_what_they_say() -> None:
    assert are_facts(FACTS)
    assert are_facts({**FACTS, "hits": 3, "etag": None, "vary": ["accept"]})


@pytest.mark.parametrize("name", [name for name in FACTS if name != "etag"])
@pytest.mark.parametrize("value", [None, {}, [1], object()])
def test_facts_with_a_wrong_one_are_none(name: str, value: object) -> None:
    assert not are_facts({**FACTS, name: value})
    assert not are_facts({key: value for key, value in FACTS.items() if key != name})
