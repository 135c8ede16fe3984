"""What strangers wrote is text, wherever it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.ops.browser.figures import HOSTILE, NOW, entry, figures

if TYPE_CHECKING:
    from tests.ops.browser.looking import Looking

SHOWN = HOSTILE.replace("\u202e", "\\u202e").replace("\u0007", "\\u0007")
LINE = {"time": NOW, "outcome": HOSTILE, "reason": HOSTILE, "method": HOSTILE, "url": HOSTILE, "age": 1.0, "number": 2}
HOSTILE_FIGURES: Final[dict[str, Any]] = {
    "requests": {"miss": {HOSTILE: 3, "__proto__": 1, "constructor": 1}, HOSTILE: {"": 1}},
    "refreshes": {HOSTILE: 1},
    "store": {**figures()["store"], "kind": HOSTILE, "fanout": {HOSTILE: {"sent": 1, "failed": 0, "waiting": 1}}},
    "urls": [[HOSTILE, 5], [HOSTILE, 4], ["javascript:document.title='taken'", 1], ["\ud800", 1]],
    "tags": [[HOSTILE, 5], ["__proto__", 1]],
    "unstored": [[HOSTILE, HOSTILE, 2]],
    "latest": [LINE, {**LINE, "url": "x" * 256}, {**LINE, "url": "javascript:alert(1)"}],
}
VIEWS = {
    "": ("#urls", "#tags", "#latest", "#outcomes", "#attention"),
    "#reasons": ("#reasons",),
    "#entries": ("#entries",),
    "#story?" + urlencode({"url": HOSTILE}): ("#story-url", "#variants", "#story-latest", "#story-unstored"),
    "#store": ("#kept", "#fanout"),
}


@pytest.fixture(autouse=True)
def _answers_are_hostile(looking: Looking) -> None:
    looking.operated.entries = [
        entry(url=HOSTILE, method=HOSTILE, tags=[HOSTILE], vary=[HOSTILE], selected_by=[HOSTILE], etag=HOSTILE)
        | {"route": HOSTILE}
    ]
    looking.operated.story |= {"latest": [LINE], "unstored": [[HOSTILE, 2]]}


def nothing_was_taken(looking: Looking) -> bool:
    page = looking.page
    return (
        "taken" not in page.title()
        and looking.complaints == []
        and page.locator("img, iframe, script:not([src='page.js'])").count() == 0
        and page.locator("a[href]:not([href^='#'])").count() == 0
    )


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_shows_it_as_text_with_what_cannot_be_seen_spelt_out(looking: Looking, view: str) -> None:
    page = looking.at(view, **HOSTILE_FIGURES)
    for place in VIEWS[view]:
        expect(page.locator(place)).to_contain_text(SHOWN)
    assert nothing_was_taken(looking)


def test_it_is_followed_and_taken_back_by_its_own_name(looking: Looking) -> None:
    page = looking.at(**HOSTILE_FIGURES)
    looking["urls"].get_by_role("link").first.click()
    expect(looking["story-url"]).to_have_text(SHOWN)
    page.get_by_role("button", name="Take back…").click()
    expect(looking["dialog-name"]).to_have_text(SHOWN)
    looking["dialog-go"].click()
    expect(looking["taken"]).to_contain_text(SHOWN)
    assert looking.operated.orders == [{"tags": [], "urls": [HOSTILE], "all": False, "soft": False}]
    assert nothing_was_taken(looking)


def test_a_reason_of_strangers_leads_to_its_group(looking: Looking) -> None:
    looking.at(**HOSTILE_FIGURES)
    looking["latest"].locator(".reason").first.click()
    expect(looking["reasons"].locator(".looked-at")).to_contain_text(SHOWN)
    assert nothing_was_taken(looking)


def test_what_the_server_says_of_an_error_is_text(looking: Looking) -> None:
    looking.at(**HOSTILE_FIGURES)
    looking.operated.instead["figures"] = (400, {"error": HOSTILE})
    looking.wait(2)
    expect(looking["lost"]).to_contain_text(SHOWN)
    looking.complaints.clear()  # the console was told of the status
    assert nothing_was_taken(looking)
