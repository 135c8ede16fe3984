"""docs/whole-site.md keeps to what it is called, and each page to what holds for all of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.support import BLOCK, code_of
from tests.wsgi.servers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)#:]+)(?:#([^)]+))?\)")
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


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=lambda page: page.name)
def test_the_links_of_the_pages_outside_of_the_site_lead_somewhere(page: Path) -> None:
    """Those of the site are checked when it is built."""
    for target, anchor in LINK.findall(page.read_text()):
        assert (ROOT / target).exists(), target
        assert not anchor or anchor in anchors(ROOT / target), (target, anchor)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_shown_as_python_is_python(page: Path) -> None:
    for block in BLOCK.findall(page.read_text()):
        compile(block, page.name, "exec")
