"""Operators are told what each reason means that a request can have, and the documentation says more of it."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from accelerator.cures import CURES
from accelerator.figures.counts import OTHER
from tests.docs.test_troubleshooting import HEADINGS, all_reasons, missing
from tests.ops.support import Operators, said
from tests.wsgi.servers import ROOT

pytestmark = pytest.mark.anyio

FORWARDED: Final = re.findall(
    r"^\| `([\w-]+)` \|", (ROOT / "docs" / "cache-status.md").read_text().partition("| `fwd=` |")[2], re.MULTILINE
)


async def told() -> Any:
    return said(await Operators().get("/cures"))


async def test_each_reason_in_the_source_has_a_cure() -> None:
    assert missing(all_reasons(), await told()) == set()


async def test_each_way_past_the_cache_has_a_cure_and_so_has_what_figures_do_not_tell_apart() -> None:
    assert {"bypass", "uri-miss"} <= set(FORWARDED)
    assert {*FORWARDED, OTHER} - set(await told()) == set()


async def test_each_cure_is_of_a_reason_that_the_documentation_explains() -> None:
    assert set(await told()) - {*HEADINGS, *FORWARDED, OTHER} == set()


async def test_a_reason_has_what_it_means_what_to_do_and_its_rule() -> None:
    cure = CURES["Set-Cookie"]
    assert (await told())["Set-Cookie"] == {"why": cure.why, "cure": cure.cure, "rule": "RFC 9111 §7.3"}


async def test_one_part_of_a_reason_at_most_is_filled_in() -> None:
    """The page goes by what stands before and behind it."""
    assert [reason for reason in await told() if reason.count("…") > 1] == []
