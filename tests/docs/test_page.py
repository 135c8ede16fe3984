"""docs/whole-site.md keeps to what it is called, and each page to the order of middlewares."""

from __future__ import annotations

import re

import pytest

from tests.docs.support import BLOCK, code_of
from tests.wsgi.servers import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ADDED = re.compile(r"\.add_middleware\(\s*(\w+)")


@pytest.mark.parametrize("framework", ["Django", "Wagtail", "Flask", "FastAPI"])
def test_a_whole_site_takes_five_lines(framework: str) -> None:
    lines = [line for line in code_of(framework)[0].splitlines() if line]
    assert len(lines) <= 5


def test_every_example_adds_the_cache_after_all_other_middlewares() -> None:
    """What Starlette is given last is the outermost middleware."""
    orders = [ADDED.findall(block) for page in PAGES for block in BLOCK.findall(page.read_text())]
    last = [order[-1] for order in orders if "ASGIAccelerator" in order]
    assert set(last) == {"ASGIAccelerator"}
