"""docs/troubleshooting.md and docs/options.md: each reason for not storing is explained, and comes about."""

from __future__ import annotations

import ast
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import accelerator
from accelerator import ASGIAccelerator, CacheEvent, cache_for, tag
from accelerator.cures import CURES
from accelerator.testing import ManualClock
from tests.docs.support import blocks_of, run
from tests.refusals import Case, cases, notes
from tests.support import ask
from tests.wsgi.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SOURCE = Path(accelerator.__file__).parent
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
HEADINGS = re.findall(r"^### `(.+)`$", PAGE, re.MULTILINE)
TABLE = (ROOT / "docs" / "options.md").read_text().partition("## Why a response was not stored")[2]

pytestmark = pytest.mark.anyio


# --- every reason in the source is explained --------------------------------------------------------------------------


def reasons(node: ast.AST) -> Iterator[str]:
    """The reasons that a piece of code gives: those of refusals, of fills that give up, and those assigned as such."""
    match node:
        case ast.Call(func=ast.Name(name) | ast.Attribute(attr=name), args=[why]) if name.lstrip("_").lower() in {
            "refusal",
            "refuse",
            "give_up",
        }:
            yield from texts(why)
        case ast.Call(func=ast.Name("Reason"), args=[_, why]):
            yield from texts(why)
        case ast.Assign(targets=[ast.Attribute(attr="reason")], value=why):
            yield from texts(why)
        case ast.Constant(value=str(text)):
            yield from re.findall(r'^detail="(.+)"$', text)


def texts(node: ast.AST) -> Iterator[str]:
    """The texts that an expression may be, `*` in place of what is filled in."""
    match node:
        case ast.Constant(value=str(text)) if text:
            yield text
        case ast.JoinedStr(values):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in values)
        case ast.IfExp():
            yield from texts(node.body)
            yield from texts(node.orelse)


def all_reasons() -> set[str]:
    trees = [ast.parse(file.read_text()) for file in SOURCE.rglob("*.py") if "demo" not in file.parts]
    return {reason for tree in trees for node in ast.walk(tree) for reason in reasons(node)}


def is_the_same(reason: str, heading: str) -> bool:
    """Tell whether a page speaks of a reason: `*` in the source, and `…` on the page, stand for anything."""
    as_pattern = re.escape(reason).replace(r"\*", ".+"), re.escape(heading).replace("…", ".+")
    return bool(re.fullmatch(as_pattern[0], heading) or re.fullmatch(as_pattern[1], reason))


def missing(reasons: Iterable[str], documented: Iterable[str]) -> set[str]:
    return {reason for reason in reasons if not any(is_the_same(reason, heading) for heading in documented)}


def test_every_reason_in_the_source_has_a_heading() -> None:
    found = all_reasons()
    assert {"no explicit time", "body too large", "the client left", "tags", "only-if-cached", "status *"} <= found
    assert "the store's lookup failed" in found
    assert missing(found, HEADINGS) == set()


def test_every_heading_has_its_cure_in_the_package() -> None:
    assert [*CURES] == HEADINGS


def test_every_reason_in_the_source_stands_in_the_table() -> None:
    assert missing(all_reasons(), re.findall(r'`"([^"]+)"`', TABLE)) == set()


# --- every heading comes about ----------------------------------------------------------------------------------------


async def detail_of(case: Case) -> str:
    events: list[CacheEvent] = []
    clock = ManualClock()
    app = ASGIAccelerator(case.app, clock=clock, on_event=events.append, **case.options)
    for request in case.requests:
        clock.advance(60)
        with suppress(OSError):  # the client has left
            await case.client().ask(app, **request)
    return [event.detail for event in events if event.kind != "invalidate"][-1]


@pytest.mark.parametrize("detail", cases())
async def test_each_reason_comes_about_as_its_section_says(detail: str) -> None:
    assert await detail_of(cases()[detail]) == detail


def test_each_section_is_of_a_reason_that_comes_about() -> None:
    assert {heading for heading in HEADINGS if not any(is_the_same(reason, heading) for reason in cases())} == set()


async def test_the_listener_of_the_page_prints_what_came_of_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    site = notes(lambda: cache_for(60), lambda: tag("b", "a"))
    page: dict[str, Any] = {"ASGIAccelerator": ASGIAccelerator, "site": site}
    (listener,) = blocks_of("troubleshooting.md")
    run(listener, page)
    await ask(page["app"], "/p")
    assert capsys.readouterr().out == "miss GET https://example.org/p stored ['a', 'b']\n"
