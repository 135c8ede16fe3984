"""Everybody can use the page: by eye, ear and keyboard, in light and dark, on small screens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.ops.browser.figures import figures

if TYPE_CHECKING:
    from tests.ops.browser.looking import Looking

VIEWS = {
    "overview": "",
    "reasons": "#reasons?reason=Set-Cookie",
    "entries": "#entries?tag=catalogue",
    "story": "#story?url=https%3A%2F%2Fshop.example%2Fproducts%2F7",
    "store": "#store",
    "take-back": "#take-back",
}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def drawn(looking: Looking, view: str) -> None:
    """Load a view with all that it can show."""
    looking.operated.story["unstored"] = [["Set-Cookie", 12]]
    looking.at(VIEWS[view], store={**figures()["store"], "breaker_open": True})
    expect(looking.page.locator(f"[data-view={view}]")).to_be_visible()
    if view in {"entries", "story"}:
        expect(looking[f"{view}-told"]).not_to_have_text("Looking…")
    for summary in looking.page.locator(f"[data-view={view}] summary").all():
        summary.click()


def violations(looking: Looking) -> dict[str, list[str]]:
    """The rules of axe that the page breaks, with where."""
    looking.page.clock.resume()  # axe waits for its own timers
    found = Axe().run(looking.page, options=RULES).response["violations"]
    return {rule["id"]: [node["html"][:200] for node in rule["nodes"]] for rule in found}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    "kind",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": {"width": 320, "height": 640}}],
    ids=["light", "dark", "narrow"],
)
def test_each_view_keeps_the_rules_for_contents_that_everybody_can_use(looking: Looking, view: str) -> None:
    drawn(looking, view)
    assert violations(looking) == {}


@pytest.mark.parametrize("kind", [{"color_scheme": "light"}, {"color_scheme": "dark"}], ids=["light", "dark"])
@pytest.mark.parametrize("answer", [(200, {"done": True}), (202, {"done": False, "reason": "away"}), (400, {})])
def test_the_question_and_its_answer_keep_them_too(looking: Looking, answer: tuple[int, Any]) -> None:
    looking.operated.instead["invalidate"] = answer
    page = looking.at("#take-back")
    looking["take-back-name"].fill("a")
    looking["take-back-name"].press("Enter")
    assert violations(looking) == {}
    looking["dialog-go"].click()
    expect(looking["dialog-result"]).not_to_have_text("Taking back…")
    assert violations(looking) == {}
    looking["dialog-close"].click()
    page.get_by_role("button", name="Take back everything…").click()
    assert violations(looking) == {}


@pytest.mark.parametrize("kind", [{"color_scheme": "light"}, {"color_scheme": "dark"}], ids=["light", "dark"])
def test_a_page_that_is_paused_or_has_lost_its_server_keeps_them_too(looking: Looking) -> None:
    looking.at()
    looking.operated.instead["figures"] = (503, {"error": "away"})
    looking.wait(2)
    expect(looking["lost"]).to_be_visible()
    assert violations(looking) == {}
    looking["pause"].click()
    assert violations(looking) == {}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("kind", [{"viewport": {"width": 320, "height": 640}}], ids=["320"])
def test_nothing_is_wider_than_a_small_screen(looking: Looking, view: str) -> None:
    long = "https://shop.example/" + "a" * 230
    looking.operated.entries[0] |= {"url": long, "tags": ["t" * 250], "etag": "e" * 200}
    drawn(looking, view)
    looking.see(2, urls=[[long, 4]], latest=[{**figures()["latest"][1], "url": long}], unstored=[["tags", long, 1]])
    assert looking.page.evaluate("document.documentElement.scrollWidth") == 320


@pytest.mark.parametrize("kind", [{"viewport": {"width": 320, "height": 640}}], ids=["320"])
def test_a_table_on_a_small_screen_is_still_a_table_for_those_who_hear_it(looking: Looking) -> None:
    drawn(looking, "entries")
    table = looking.page.get_by_role("table", name="Entries")
    expect(table.get_by_role("columnheader")).to_have_count(9)
    expect(table.get_by_role("row").nth(1).get_by_role("rowheader")).to_have_text("https://shop.example/products/0")
    expect(table.get_by_role("row").nth(1).get_by_role("cell")).to_have_count(8)


@pytest.mark.parametrize(
    ("kind", "behaviour"),
    [({"reduced_motion": "reduce"}, "auto"), ({"reduced_motion": "no-preference"}, "smooth")],
    ids=["reduced", "not reduced"],
)
def test_nothing_moves_by_itself_for_those_who_do_not_want_it(looking: Looking, behaviour: str) -> None:
    page = looking.at()
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == behaviour
    assert page.evaluate("document.getAnimations().length") == 0


@pytest.mark.parametrize("kind", [{"forced_colors": "active"}])
def test_the_charts_are_seen_in_colours_that_the_system_forces(looking: Looking) -> None:
    page = looking.at()
    ink, line = page.evaluate(
        "[document.body, document.querySelector('#ratio-chart .line')].map(node => getComputedStyle(node))"
        ".map((style, index) => index ? style.stroke : style.color)"
    )
    assert ink == line


def test_the_wheel_and_keys_reach_each_part_that_scrolls(looking: Looking) -> None:
    drawn(looking, "overview")
    unreachable = looking.page.evaluate(
        """[...document.querySelectorAll("*")].filter((node) => {
            const style = getComputedStyle(node);
            const scrolls = node.scrollHeight > node.clientHeight + 1 && /auto|scroll/.test(style.overflowY);
            return scrolls && node.tabIndex < 0;
        }).map((node) => node.id || node.className)"""
    )
    assert unreachable == []
