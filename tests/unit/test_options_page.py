"""docs/options.md names what there is."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from accelerator import CacheEvent
from accelerator.options import Options

PAGE = (Path(__file__).parents[2] / "docs" / "options.md").read_text()


def test_every_option_stands_in_the_table_with_its_default() -> None:
    table = PAGE.partition("## Events")[0]
    written = dict(re.findall(r"^\| `(\w+)` \| `(.+?)` \|", table, re.MULTILINE))
    defaults = {field.name: repr(field.default) for field in fields(Options)}
    named = {"credentials": "CREDENTIALS", "unstored_fields": "UNSTORED_FIELDS", "clock": "time.time"}
    assert written == defaults | named


def test_every_field_of_an_event_is_explained() -> None:
    events = PAGE.partition("## Events")[2].partition("\n## ")[0]
    named = {name for row in re.findall(r"^\| (`.+?) \|", events, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert named == {field.name for field in fields(CacheEvent)}
