"""The table of reasons and cures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from accelerator.cures import COUNTED, CURES, FORWARDED, Cure, cure_of, heading_of

PAGE = (Path(__file__).parents[2] / "docs" / "cache-status.md").read_text()


@pytest.mark.parametrize(
    ("detail", "heading"),
    [
        ("Set-Cookie", "Set-Cookie"),
        ("status 500", "status …"),
        ("a request with X-API-Key needs public", "a request with … needs public"),
        ("a request with a session needs public", "a request with … needs public"),
        (
            "a request with Cookie needs a word for shared caches",
            "a request with Cookie needs a word for shared caches",
        ),
    ],
)
def test_a_reason_has_its_cure_whatever_is_filled_in(detail: str, heading: str) -> None:
    assert heading_of(detail) == heading
    assert cure_of(detail) is CURES[heading]


@pytest.mark.parametrize("detail", ["", "stored", "status ", "set-cookie", "nobody knows"])
def test_what_is_no_reason_has_no_cure(detail: str) -> None:
    assert (heading_of(detail), cure_of(detail)) == ("", None)


def test_each_reason_to_ask_the_application_is_explained() -> None:
    table = PAGE.partition("## Why the application was asked")[2]
    assert [*FORWARDED] == re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)


@pytest.mark.parametrize("cure", [*CURES.values(), *FORWARDED.values(), *COUNTED.values()])
def test_a_cure_is_said_in_sentences_and_its_rule_is_a_section(cure: Cure) -> None:
    for sentence in (cure.why, cure.cure):
        assert sentence.endswith(".")
        assert sentence.count("`") % 2 == 0
    assert re.fullmatch(r"(RFC \d{4} §\d+(\.\d+)*)?", cure.rule)
