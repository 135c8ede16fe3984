"""Entries are listed a hundred at a time, however many there are, and each URL has a story."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.ops.browser.figures import LATEST, NOW, entry

if TYPE_CHECKING:
    from tests.ops.browser.looking import Looking

STORY = "#story?url=https%3A%2F%2Fshop.example%2Fproducts%2F7"


def test_all_entries_are_listed_page_by_page(looking: Looking) -> None:
    page = looking.at("#entries")
    rows = looking["entries"].locator("tr")
    expect(looking["entries-told"]).to_have_text("100 entries on page 1; 100 looked at.")
    expect(page.get_by_role("button", name="Back")).to_be_disabled()
    page.get_by_role("button", name="Next 100").click()
    expect(rows.first).to_contain_text("products/100")
    page.get_by_role("button", name="Next 100").click()
    expect(looking["entries-told"]).to_have_text("50 entries on page 3, the last one; 50 looked at.")
    expect(page.get_by_role("button", name="Next 100")).to_be_disabled()
    page.get_by_role("button", name="Back").click()
    expect(rows.first).to_contain_text("products/100")
    expect(rows).to_have_count(100)


def test_those_with_a_tag_are_looked_for_part_by_part(looking: Looking) -> None:
    looking.operated.examined_at_once = 20
    looking.at("#entries?tag=product%3A249")
    expect(looking["entries-told"]).to_have_text("1 entry, and no more; 250 looked at.")
    expect(looking["entries"].locator("tr")).to_have_count(1)
    assert looking.operated.times_asked("entries") == 13


def test_a_search_that_takes_long_says_how_far_it_is_and_can_be_stopped_and_gone_on_with(looking: Looking) -> None:
    looking.operated.examined_at_once = 100
    page = looking.at()
    with looking.operated.holding("entries"):
        page.goto(f"{looking.operated.address}#entries?tag=product%3A249")
        expect(looking["entries-told"]).to_have_text("Looking…")
        page.get_by_role("button", name="Stop looking").click()
    expect(looking["entries-told"]).to_have_text("0 entries on page 1; 100 looked at.")
    page.get_by_role("button", name="Next 100").click()
    expect(looking["entries-told"]).to_have_text("1 entry on page 2, the last one; 150 looked at.")


def test_a_store_of_a_million_entries_is_listed_as_quickly(looking: Looking) -> None:
    one = entry()
    looking.operated.entries = [one] * 1_000_000
    looking.at("#entries")
    expect(looking["entries"].locator("tr")).to_have_count(100)
    expect(looking["entries-told"]).to_have_text("100 entries on page 1; 100 looked at.")
    assert looking.operated.times_asked("entries") == 1


def test_what_is_asked_for_is_in_the_address(looking: Looking) -> None:
    page = looking.at("#entries")
    looking["entries-by"].select_option("tag")
    looking["entries-name"].fill("a&b=c #d")
    looking["entries-name"].press("Enter")
    expect(page).to_have_url(re.compile(r"#entries\?tag=a%26b%3Dc\+%23d$"))
    expect(looking["entries-told"]).to_have_text("0 entries, and no more; 250 looked at.")
    looking["entries-by"].select_option("all")
    page.get_by_role("button", name="List", exact=True).click()
    expect(looking["entries"].locator("tr")).to_have_count(100)


def test_the_same_can_be_asked_again(looking: Looking) -> None:
    page = looking.at("#entries?tag=catalogue")
    expect(looking["entries"].locator("tr")).to_have_count(100)
    looking.operated.entries = []
    page.get_by_role("button", name="List", exact=True).click()
    expect(looking["entries-told"]).to_have_text("0 entries, and no more; 0 looked at.")


def test_an_answer_to_an_earlier_question_is_dropped(looking: Looking) -> None:
    page = looking.at()
    with looking.operated.holding("entries"):
        page.goto(f"{looking.operated.address}#entries?tag=product%3A1")
        expect(looking["entries-told"]).to_have_text("Looking…")
        page.goto(f"{looking.operated.address}#entries?tag=product%3A2")
    expect(looking["entries"].locator("tr")).to_have_count(1)
    expect(looking["entries"]).to_contain_text("products/2")


@pytest.mark.parametrize(
    ("changes", "state", "ttl"),
    [
        ({}, "fresh", "50 s"),
        ({"ttl": -12.0, "age": 72.0}, "stale", "−12 s"),
        ({"is_fresh": False, "ttl": 0.0}, "softly taken back", "0 s"),
        ({"is_usable": False, "is_fresh": False, "ttl": 0.0}, "taken back", "0 s"),
    ],
)
def test_an_entry_says_how_it_stands(looking: Looking, changes: dict[str, Any], state: str, ttl: str) -> None:
    looking.operated.entries = [entry(**changes)]
    looking.at("#entries")
    cells = looking["entries"].get_by_role("cell")
    expect(cells.first).to_have_text(state)
    expect(cells.nth(3)).to_have_text(ttl)


def test_an_entry_says_for_which_requests_it_is(looking: Looking) -> None:
    looking.operated.entries = [
        entry(vary=["cookie", "x"], selected_by=["(hidden)", "(absent)"], method="QUERY or POST", partition=True)
    ]
    looking.at("#entries")
    variant = "QUERY or POST · cookie: (hidden) · x: (absent) · in a partition"
    expect(looking["entries"].get_by_role("cell").last).to_have_text(variant)


def test_hits_that_nobody_knows_are_no_number(looking: Looking) -> None:
    looking.operated.entries = [entry(70)]
    looking.at("#entries")
    expect(looking["entries"].get_by_role("cell").nth(5)).to_have_text("–")


def test_a_tag_of_an_entry_leads_to_all_with_the_tag(looking: Looking) -> None:
    looking.at("#entries")
    looking["entries"].get_by_role("link", name="product:3", exact=True).click()
    expect(looking["entries-told"]).to_have_text("1 entry, and no more; 250 looked at.")


def test_a_long_url_is_cut_and_leads_to_the_story_of_the_whole(looking: Looking) -> None:
    long = "https://shop.example/" + "a" * 6000
    looking.operated.entries = [entry(url=long)]
    looking.at("#entries")
    shown = looking["entries"].get_by_role("rowheader")
    expect(shown).to_have_text(long[:119] + "…")
    expect(shown.get_by_title(long)).to_be_visible()
    shown.get_by_role("link").click()
    expect(looking["story-url"]).to_have_text(long)
    expect(looking["variants"].locator("article")).to_have_count(1)


def test_a_long_tag_is_cut_and_leads_to_all_with_the_whole(looking: Looking) -> None:
    long = "t" * 46 + "\N{BELL}" + "u" * 900
    looking.operated.entries = [entry(tags=[long]), entry(8)]
    looking.at("#entries")
    looking["entries"].get_by_role("link", name="t" * 46 + "…", exact=True).click()  # no half of a character
    expect(looking["entries-name"]).to_have_value(long)
    expect(looking["entries"].locator("tr")).to_have_count(1)


def test_a_long_variant_is_cut_in_the_list_and_whole_in_the_story(looking: Looking) -> None:
    looking.operated.entries = [entry(7, vary=["user-agent"], selected_by=["v" * 2000])]
    looking.at("#entries")
    expect(looking["entries"].get_by_role("cell").last).to_have_text("user-agent: " + "v" * 107 + "…")
    looking["entries"].get_by_role("rowheader").get_by_role("link").click()
    expect(looking["variants"]).to_contain_text("user-agent: " + "v" * 2000)


@pytest.mark.parametrize("view", ["#entries", STORY])
def test_the_tags_of_an_entry_after_the_first_ones_are_opened_by_key(looking: Looking, view: str) -> None:
    looking.operated.entries = [entry(7, tags=[f"tag-{number}" for number in range(300)])]
    page = looking.at(view)
    links = page.get_by_role("link", name=re.compile(r"^tag-\d+$"))
    expect(links).to_have_count(10)
    more = page.get_by_text("and 290 more", exact=True)
    more.press("Enter")
    expect(links).to_have_count(300)
    for _ in range(2):
        more.press("Enter")
    expect(links).to_have_count(300)
    links.last.click()
    expect(looking["entries-name"]).to_have_value("tag-299")


@pytest.mark.parametrize("kind", [{"viewport": {"width": width, "height": 900}} for width in (1360, 900, 320)], ids=str)
def test_long_urls_and_many_tags_leave_each_column_its_width(looking: Looking) -> None:
    tags = [f"{number}-{'t' * 900}" for number in range(1000)]
    looking.operated.entries = [
        entry(url="https://shop.example/" + "a" * 6000, tags=tags, selected_by=["v" * 2000], is_fresh=False),
        entry(8, tags=tags[:3]),
    ]
    page = looking.at("#entries")
    row = looking["entries"].get_by_role("row").first
    expect(row).to_contain_text("and 990 more")
    widths = row.evaluate("row => [row.cells[0], row.cells[7]].map((cell) => cell.offsetWidth)")
    assert min(widths) >= 180
    assert row.evaluate("row => row.offsetHeight") < 1200
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_listing_that_fails_says_why(looking: Looking) -> None:
    looking.operated.instead["entries"] = (400, {"error": "tag: it is empty"})
    looking.at("#entries")
    expect(looking["entries-told"]).to_have_text("Tag: it is empty. Nothing is listed.")
    expect(looking["entries-stop"]).to_be_hidden()


# --- the story of a URL -----------------------------------------------------------------------------------------------


def test_a_story_has_each_variant_and_the_latest_requests(looking: Looking) -> None:
    other = entry(7, selected_by=["(absent)"], etag=None, tags=[], age=75.0, ttl=-15.0)
    looking.operated.entries.append(other)
    looking.operated.story["unstored"] = [["Set-Cookie", 12]]
    looking.at(STORY)
    variants = looking["variants"].locator("article")
    expect(looking["story-told"]).to_have_text(re.compile(r"^2 variants stored, as of \d\d:\d\d:\d\d\.$"))
    expect(variants.first).to_contain_text("accept-encoding: gzip, br")
    expect(variants.first).to_contain_text("17 s old of 60 s: fresh for 43 s more; served 30 s longer while it is made")
    expect(variants.first).to_contain_text("10 min longer if the application fails")
    expect(variants.first).to_contain_text(re.compile(r"made in\s*84 ms\s*route\s*/products/{id}\s*ETag"))
    expect(variants.nth(1)).to_contain_text("past its time by 15 s")
    expect(variants.nth(1)).to_contain_text("No tags.")
    expect(variants.nth(1)).not_to_contain_text("ETag")
    expect(looking["story-unstored"]).to_contain_text("The response sets a cookie")
    expect(looking["story-latest"].locator("tr")).to_have_count(3)


def test_a_url_of_which_nothing_is_stored_says_so(looking: Looking) -> None:
    looking.operated.story |= {"latest": [], "unstored": []}
    looking.at("#story?url=https%3A%2F%2Felsewhere.example%2F")
    expect(looking["story-told"]).to_contain_text("Nothing is stored for it")
    expect(looking["story-unstored"]).to_be_hidden()


def test_a_story_of_before_is_not_shown_with_another_url(looking: Looking) -> None:
    page = looking.at(STORY)
    expect(looking["variants"].locator("article")).to_have_count(1)
    with looking.operated.holding("story"):
        page.goto(f"{looking.operated.address}#story?url=https%3A%2F%2Fshop.example%2Fproducts%2F8")
        expect(looking["story-url"]).to_have_text("https://shop.example/products/8")
        expect(looking["variants"].locator("article")).to_have_count(0)
        expect(looking["story-latest"].locator("tr")).to_have_count(0)
    expect(looking["variants"].locator("article")).to_have_count(1)


def test_a_url_with_more_variants_than_a_story_has_leads_to_all_of_them(looking: Looking) -> None:
    looking.operated.story["cursor"] = "1"
    looking.at(STORY)
    expect(looking["story-told"]).to_contain_text("1 variant found so far")
    looking.page.get_by_role("link", name="List the others").click()
    expect(looking["entries-name"]).to_have_value("https://shop.example/products/7")
    expect(looking["entries"].locator("tr")).to_have_count(1)


def test_a_story_can_be_looked_at_again(looking: Looking) -> None:
    page = looking.at(STORY)
    expect(looking["variants"].locator("article")).to_have_count(1)
    looking.operated.entries = []
    page.get_by_role("button", name="Look again").click()
    expect(looking["variants"].locator("article")).to_have_count(0)


def test_a_story_that_fails_says_why(looking: Looking) -> None:
    looking.operated.instead["story"] = (503, {"error": "the store did not answer"})
    looking.at(STORY)
    expect(looking["story-told"]).to_have_text("The store did not answer.")


def test_requests_of_another_day_have_their_day(looking: Looking) -> None:
    line = dict(zip(("outcome", "reason", "method", "url", "age", "number"), LATEST[0][1:], strict=True))
    looking.operated.story |= {"latest": [{"time": NOW - 86_400, **line}], "unstored": []}
    looking.at(STORY)
    expect(looking["story-latest"].get_by_role("cell").first).to_have_text("May 27, 20:26")
