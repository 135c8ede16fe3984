"""The operator's page has a cure for each reason that a request can have, and the documentation says more of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import accelerator
from tests.docs.test_troubleshooting import HEADINGS, all_reasons, missing
from tests.wsgi.servers import ROOT

FILE: Final = (Path(accelerator.__file__).parent / "ops" / "page" / "cures.js").read_text()
CURES: Final = dict(re.findall(r'^  \["(.+?)", "(.+)"\],$', FILE, re.MULTILINE))
FORWARDED: Final = re.findall(
    r"^\| `([\w-]+)` \|", (ROOT / "docs" / "cache-status.md").read_text().partition("| `fwd=` |")[2], re.MULTILINE
)


def test_each_reason_in_the_source_has_a_cure() -> None:
    assert missing(all_reasons(), CURES) == set()


def test_each_way_past_the_cache_has_a_cure() -> None:
    assert {"bypass", "uri-miss"} <= set(FORWARDED)
    assert set(FORWARDED) - set(CURES) == set()


def test_each_cure_is_of_a_reason_that_the_documentation_explains() -> None:
    assert set(CURES) - {*HEADINGS, *FORWARDED, "other"} == set()


def test_a_cure_is_a_line_of_the_table_and_no_line_is_left_out() -> None:
    assert len(CURES) == FILE.partition("];")[0].count("\n  [")
