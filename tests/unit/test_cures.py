"""The table of reasons and cures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from accelerator.cures import COUNTED, CURES, FORWARDED, NEWER, UNFIT, Cure, cure_of, heading_of
from accelerator.tags import MAX_TAGS, MAX_TAGS_BYTES

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "cache-status.md").read_text()


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


def test_the_causes_of_a_response_that_is_not_for_the_request_are_all_named() -> None:
    row = re.findall(r"^\| `request` \| (.+) \|$", PAGE, re.MULTILINE)
    for text in (FORWARDED["request"].why, *row):
        assert [word for word in (*UNFIT, "newer") if word not in text] == []
    section = (DOCS / "troubleshooting.md").read_text().partition("## What is stored is not for this request")[2]
    assert re.findall(r"^\| `unfit=(\w+)` \|", section, re.MULTILINE) == [*UNFIT]


def test_public_is_advised_only_where_a_request_has_credentials() -> None:
    assert [name for name, cure in UNFIT.items() if "public" in cure.cure] == ["credentials"]
    before = FORWARDED["request"].cure.partition("public=True")[0]
    assert "credentials" in before
    assert "only then" in before
    rows = re.findall(r"^\| `(unfit=\w+|asked)` \|.*public", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)
    assert rows == ["unfit=credentials"]


def test_the_limits_of_tags_are_those_that_are_told() -> None:
    section = (DOCS / "troubleshooting.md").read_text().partition("### `tags`")[2].partition("###")[0]
    for text in (CURES["tags"].why, section):
        assert f"more than {MAX_TAGS} " in text
        assert f"more than {MAX_TAGS_BYTES // 1024} KiB in all" in text


@pytest.mark.parametrize("cure", [*CURES.values(), *FORWARDED.values(), *UNFIT.values(), NEWER, *COUNTED.values()])
def test_a_cure_is_said_in_sentences_and_its_rule_is_a_section(cure: Cure) -> None:
    for sentence in (cure.why, cure.cure):
        assert sentence.endswith(".")
        assert sentence.count("`") % 2 == 0
    assert re.fullmatch(r"(RFC \d{4} §\d+(\.\d+)*)?", cure.rule)
