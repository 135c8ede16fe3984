"""Nothing is taken back before somebody has seen what it is, and said yes; what came of it is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.ops.browser.figures import entry

if TYPE_CHECKING:
    from tests.ops.browser.looking import Looking


def ask_for_tag(looking: Looking, tag: str = "product:1042") -> None:
    """Go as far as the question whether a tag is to be taken back."""
    looking.at("#take-back")
    looking["take-back-name"].fill(tag)
    looking["take-back-name"].press("Enter")
    expect(looking.page.get_by_role("dialog", name="Take back all with this tag?")).to_be_visible()


def say_yes(looking: Looking) -> None:
    looking.page.get_by_role("dialog").get_by_role("button", name="Take back").click()


def test_a_tag_is_taken_back_once_it_was_confirmed(looking: Looking) -> None:
    ask_for_tag(looking)
    expect(looking["dialog-name"]).to_have_text("product:1042")
    assert looking.operated.orders == []
    say_yes(looking)
    expect(looking["dialog-result"]).to_have_text("Done: it is taken back.")
    assert looking.operated.orders == [{"tags": ["product:1042"], "urls": [], "all": False, "soft": False}]
    looking.page.get_by_role("button", name="Close").click()
    expect(looking["taken"].locator("li")).to_have_text(
        [re.compile(r"^\d\d:\d\d:\d\d\s*the tag product:1042\s*Done: it is taken back\.$")]
    )


def test_a_url_is_taken_back_softly_if_that_is_wanted(looking: Looking) -> None:
    page = looking.at("#take-back")
    looking["take-back-kind"].select_option("url")
    looking["take-back-name"].fill("https://shop.example/?a=1&b=2")
    page.get_by_role("button", name="Take back…").click()
    page.get_by_role("checkbox", name=re.compile("^Softly")).check()
    say_yes(looking)
    expect(looking["dialog-result"]).to_have_text("Done: it is taken back.")
    assert looking.operated.orders == [
        {"tags": [], "urls": ["https://shop.example/?a=1&b=2"], "all": False, "soft": True}
    ]


def test_softly_is_not_kept_for_the_next_one(looking: Looking) -> None:
    ask_for_tag(looking)
    looking["dialog-soft"].check()
    looking.page.keyboard.press("Escape")
    looking["take-back-name"].press("Enter")
    expect(looking["dialog-soft"]).not_to_be_checked()


def test_everything_needs_a_word(looking: Looking) -> None:
    page = looking.at("#take-back")
    page.get_by_role("button", name="Take back everything…").click()
    yes = page.get_by_role("dialog").get_by_role("button", name="Take back")
    expect(looking["dialog-typed"]).to_be_focused()
    expect(yes).to_be_disabled()
    looking["dialog-typed"].fill("everythin")
    looking["dialog-typed"].press("Enter")
    expect(yes).to_be_disabled()
    assert looking.operated.orders == []
    looking["dialog-typed"].fill("everything")
    looking["dialog-typed"].press("Enter")
    expect(looking["dialog-result"]).to_have_text("Done: it is taken back.")
    assert looking.operated.orders == [{"tags": [], "urls": [], "all": True, "soft": False}]


@pytest.mark.parametrize("way", ["Escape", "Enter"])
def test_a_question_that_is_left_takes_nothing_back_and_gives_the_focus_back(looking: Looking, way: str) -> None:
    ask_for_tag(looking)
    expect(looking.page.get_by_role("button", name="Keep it")).to_be_focused()
    looking.page.keyboard.press(way)
    expect(looking["dialog"]).to_be_hidden()
    expect(looking["take-back-name"]).to_be_focused()
    assert looking.operated.orders == []
    expect(looking["taken-none"]).to_be_visible()


def test_no_name_is_no_question(looking: Looking) -> None:
    page = looking.at("#take-back")
    page.get_by_role("button", name="Take back…").click()
    expect(looking["dialog"]).to_be_hidden()
    expect(looking["take-back-name"]).to_be_focused()


def test_what_is_being_repeated_is_told_with_the_reason(looking: Looking) -> None:
    looking.operated.instead["invalidate"] = (202, {"done": False, "reason": "Redis is away"})
    ask_for_tag(looking)
    say_yes(looking)
    expect(looking["dialog-result"]).to_have_text("Not everywhere yet; it is being repeated: Redis is away")
    expect(looking.page.get_by_role("button", name="Close")).to_be_focused()


@pytest.mark.parametrize(
    ("status", "content", "told"),
    [
        (400, {"error": "tags[0]: a tag is not empty"}, "It failed: Tags[0]: a tag is not empty."),
        (403, {}, "It failed: You may not do this, or are not signed in any more."),
        (500, {"done": False, "error": "not all is taken back, send it again"}, "It failed: Not all is taken back"),
        (502, "<html>", "The server failed (502): its log has why. Nobody knows whether it is taken back: do it again"),
    ],
)
def test_what_fails_is_told_and_can_be_tried_again(looking: Looking, status: int, content: object, told: str) -> None:
    looking.operated.instead["invalidate"] = (status, content)
    ask_for_tag(looking)
    say_yes(looking)
    expect(looking["dialog-result"]).to_contain_text(told)
    looking.operated.instead.clear()
    say_yes(looking)
    expect(looking["dialog-result"]).to_have_text("Done: it is taken back.")
    expect(looking["taken"].locator("li")).to_have_count(2)


def test_an_answer_that_is_lost_is_not_taken_for_a_failure(looking: Looking) -> None:
    ask_for_tag(looking)
    looking.page.route("**/invalidate", lambda route: route.abort("connectionreset"))
    say_yes(looking)
    expect(looking["dialog-result"]).to_contain_text("Nobody knows whether it is taken back: do it again")


def test_it_is_sent_once_however_often_somebody_says_yes(looking: Looking) -> None:
    ask_for_tag(looking)
    with looking.operated.holding("invalidate"):
        say_yes(looking)
        expect(looking["dialog-result"]).to_have_text("Taking back…")
        expect(looking["dialog-go"]).to_be_disabled()
        expect(looking["dialog-soft"]).to_be_disabled()
    expect(looking["dialog-result"]).to_have_text("Done: it is taken back.")
    assert len(looking.operated.orders) == 1


def test_what_came_of_it_is_told_even_if_the_question_is_closed_meanwhile(looking: Looking) -> None:
    ask_for_tag(looking, "a")
    with looking.operated.holding("invalidate"):
        say_yes(looking)
        expect(looking["dialog-result"]).to_have_text("Taking back…")
        looking.page.keyboard.press("Escape")
        expect(looking["taken"].locator("li")).to_contain_text("Taking back…")
        looking["take-back-name"].fill("b")
        looking["take-back-name"].press("Enter")
    expect(looking["taken"].locator("li")).to_contain_text("Done: it is taken back.")
    expect(looking["dialog-name"]).to_have_text("b")
    expect(looking["dialog-result"]).to_have_text("")


def test_entries_are_listed_anew_once_they_were_taken_back(looking: Looking) -> None:
    page = looking.at("#entries?tag=catalogue")
    expect(looking["entries"].locator("tr")).to_have_count(100)
    page.get_by_role("button", name="Take back…").click()
    expect(looking["dialog-name"]).to_have_text("catalogue")
    looking.operated.entries = [entry(tags=["catalogue"])]
    say_yes(looking)
    expect(looking["entries"].locator("tr")).to_have_count(1)


def test_a_url_is_taken_back_from_its_story(looking: Looking) -> None:
    page = looking.at("#story?url=https%3A%2F%2Fshop.example%2Fproducts%2F7")
    expect(looking["variants"].locator("article")).to_have_count(1)
    page.get_by_role("button", name="Take back…").click()
    expect(looking["dialog-name"]).to_have_text("https://shop.example/products/7")
    looking.operated.entries = []
    say_yes(looking)
    expect(looking["variants"].locator("article")).to_have_count(0)


def test_figures_are_asked_for_as_soon_as_something_was_taken_back(looking: Looking) -> None:
    ask_for_tag(looking)
    assert looking.operated.times_asked("figures") == 1
    with looking.page.expect_response("**/figures"):
        say_yes(looking)


def test_it_can_all_be_done_by_keyboard(looking: Looking) -> None:
    page = looking.at()
    for key in ("Tab", "Enter"):  # the link over the navigation
        page.keyboard.press(key)
    expect(page.locator("main")).to_be_focused()
    page.get_by_role("link", name="Take back", exact=True).focus()
    page.keyboard.press("Enter")
    expect(looking["take-back-title"]).to_be_focused()
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.type("product:1")
    page.keyboard.press("Enter")
    expect(looking["dialog-close"]).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(looking["dialog-result"]).to_have_text("Done: it is taken back.")
    page.keyboard.press("Enter")
    expect(looking["dialog"]).to_be_hidden()
    assert looking.operated.orders[0]["tags"] == ["product:1"]
