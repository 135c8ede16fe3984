"""The page is kept up to date, says when it is not, and lets those who read it read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from playwright.sync_api import expect

from tests.ops.browser.figures import NOW, figures

if TYPE_CHECKING:
    from tests.ops.browser.looking import Looking

URLS: Final[list[Any]] = [[f"https://shop.example/{number}", 100 - number] for number in range(50)]


def line(number: int) -> dict[str, Any]:
    url = f"https://shop.example/{number}"
    return {
        "time": NOW + number,
        "outcome": "hit",
        "reason": "",
        "method": "GET",
        "url": url,
        "age": 1.0,
        "number": 1,
    }


def test_figures_are_asked_for_every_two_seconds(looking: Looking) -> None:
    looking.at()
    for step in (2, 4, 6):
        looking.see(step, filling=step)
        expect(looking.page.locator("[data-figure=filling]")).to_have_text(str(step))
    assert looking.operated.times_asked("figures") == 4


def test_figures_are_not_asked_for_while_nobody_sees_them_and_at_once_when_somebody_does(looking: Looking) -> None:
    looking.at()
    looking.hide(is_hidden=True)
    looking.wait(600)
    assert looking.operated.times_asked("figures") == 1
    looking.operated.figures = figures(until=NOW + 600, filling=42)
    looking.hide(is_hidden=False)
    expect(looking.page.locator("[data-figure=filling]")).to_have_text("42")
    expect(looking["state"]).to_have_text("Live")


def test_a_pause_holds_the_figures_and_says_how_old_they_are(looking: Looking) -> None:
    page = looking.at()
    page.get_by_role("button", name="Pause").click()
    looking.wait(30)
    expect(looking["state"]).to_have_text("Paused. The figures are 30 s old.")
    assert looking.operated.times_asked("figures") == 1
    looking.operated.figures = figures(until=NOW + 31)
    page.get_by_role("button", name="Pause", pressed=True).click()
    expect(looking["state"]).to_have_text("Live")


def test_a_lost_connection_is_said_with_the_age_of_the_figures_and_so_is_its_return(looking: Looking) -> None:
    page = looking.at()
    page.route("**/figures", lambda route: route.abort("connectionrefused"))
    looking.wait(2)
    expect(looking["state"]).to_have_text("Connection lost")
    expect(looking["lost"]).to_have_text("The server does not answer. The figures are 2 s old.")
    looking.wait(1)
    expect(looking["lost"]).to_have_text("The server does not answer. The figures are 3 s old.")
    page.unroute("**/figures")
    looking.see(3)
    expect(looking["state"]).to_have_text("Live")
    expect(looking["lost"]).to_be_hidden()


def test_an_answer_that_takes_its_time_makes_figures_old(looking: Looking) -> None:
    looking.at()
    with looking.operated.holding("figures"):
        looking.wait(8)
        expect(looking["state"]).to_have_text("Figures are old")
        expect(looking["lost"]).to_have_text("The server takes its time. The figures are 8 s old.")


def test_figures_that_do_not_move_are_old(looking: Looking) -> None:
    looking.at()
    for _ in range(8):
        looking.wait(1)
    expect(looking["state"]).to_have_text("Figures are old")
    expect(looking["lost"]).to_contain_text("its figures do not move")


def test_what_the_server_refuses_is_told_in_its_own_words(looking: Looking) -> None:
    looking.at()
    looking.operated.instead["figures"] = (503, {"error": "the store did not answer: ask again later"})
    looking.wait(2)
    expect(looking["state"]).to_have_text("No new figures")
    expect(looking["lost"]).to_have_text("The store did not answer: ask again later. The figures are 2 s old.")


def test_who_may_not_see_it_any_more_is_told_what_to_do(looking: Looking) -> None:
    looking.at()
    looking.operated.instead["figures"] = (401, {})
    looking.wait(2)
    expect(looking["lost"]).to_contain_text("sign in, then load this page anew")


def test_an_answer_of_somebody_else_is_not_taken_for_figures(looking: Looking) -> None:
    looking.at()
    looking.operated.instead["figures"] = (200, "<html>")
    looking.wait(2)
    expect(looking["lost"]).to_contain_text("something else may answer in the server’s place")


# --- those who read are not disturbed ---------------------------------------------------------------------------------


def test_the_focus_stays_on_a_row_that_moves(looking: Looking) -> None:
    looking.at(urls=URLS)
    link = looking["urls"].get_by_role("link", name="https://shop.example/7", exact=True)
    link.focus()
    looking.see(2, urls=[["https://shop.example/7", 500], ["https://new.example/", 400], *URLS[:7], *URLS[8:]])
    expect(looking["urls"].locator("li").first).to_contain_text("https://shop.example/7")
    expect(link).to_be_focused()


def test_a_row_that_has_the_focus_stays_until_it_loses_it(looking: Looking) -> None:
    looking.at(urls=URLS)
    link = looking["urls"].get_by_role("link", name="https://shop.example/7", exact=True)
    link.focus()
    looking.see(2, urls=URLS[10:])
    expect(link).to_be_focused()
    looking["pause"].focus()
    looking.see(4, urls=URLS[10:])
    expect(link).to_have_count(0)


def test_a_list_in_which_something_is_selected_is_left_as_it_is(looking: Looking) -> None:
    page = looking.at(latest=[line(1)])
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#latest .name'))")
    looking.see(2, latest=[line(2), line(1)])
    assert page.evaluate("getSelection().toString()") == "https://shop.example/1"
    expect(looking["latest"].locator("tr")).to_have_count(1)
    page.evaluate("getSelection().removeAllRanges()")
    looking.see(4, latest=[line(2), line(1)])
    expect(looking["latest"].locator("tr")).to_have_count(2)


def test_what_is_selected_elsewhere_stays_selected(looking: Looking) -> None:
    page = looking.at(filling=3)
    page.evaluate("getSelection().selectAllChildren(document.querySelector('[data-figure=filling]'))")
    looking.see(2, filling=3)
    assert page.evaluate("getSelection().toString()") == "3"


def test_scrolling_stays_where_it_is(looking: Looking) -> None:
    page = looking.at(urls=URLS)
    page.evaluate("document.querySelector('#urls').parentNode.scrollTop = 300")
    page.evaluate("scrollTo(0, 200)")
    looking.see(2, urls=[[url, number + 1] for url, number in URLS])
    assert page.evaluate("[document.querySelector('#urls').parentNode.scrollTop, scrollY]") == [300, 200]


def test_what_is_typed_stays(looking: Looking) -> None:
    looking.at("#take-back")
    looking["take-back-name"].fill("product:1")
    looking.see(2)
    expect(looking["take-back-name"]).to_have_value("product:1")
    expect(looking["take-back-name"]).to_be_focused()


def test_new_figures_are_not_said_aloud(looking: Looking) -> None:
    looking.at()
    for step in (2, 4):
        looking.see(step, filling=step)
    expect(looking["announcement"]).to_have_text("")
    assert looking.page.locator("[aria-live], [role=status], [role=alert], [role=log]").evaluate_all(
        "nodes => nodes.map(node => node.id)"
    ) == ["announcement", "entries-told", "story-told", "dialog-result"]


def test_what_needs_attention_is_said_aloud_once(looking: Looking) -> None:
    looking.at()
    looking.page.evaluate(
        """() => {
            window.said = [];
            const node = document.querySelector("#announcement");
            new MutationObserver(() => said.push(node.textContent)).observe(node, {childList: true});
        }"""
    )
    broken = {**figures()["store"], "breaker_open": True}
    for step in (2, 4, 6):
        looking.see(step, store=broken)
    (said,) = looking.page.evaluate("said")
    assert said.startswith("The store is not asked for now")


# --- views ------------------------------------------------------------------------------------------------------------


def test_each_view_has_an_address_and_a_title_and_its_heading_gets_the_focus(looking: Looking) -> None:
    page = looking.at()
    expect(page).to_have_title("Overview · accelerator")
    for name, title in (
        ("Not cached", "Not cached, and why"),
        ("Entries", "Entries"),
        ("Store", "Store"),
        ("Take back", "Take back"),
    ):
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page).to_have_title(f"{title} · accelerator")
        expect(page.get_by_role("heading", name=title, exact=True, level=2)).to_be_focused()
        expect(page.locator("[aria-current=page]")).to_have_text(name)
    page.go_back()
    expect(page).to_have_title("Store · accelerator")


def test_an_address_that_is_none_is_that_of_the_overview(looking: Looking) -> None:
    expect(looking.at("#constructor")).to_have_title("Overview · accelerator")


def test_the_page_asks_for_nothing_outside_of_where_it_is_mounted(looking: Looking) -> None:
    asked: list[str] = []
    looking.page.on("request", lambda request: asked.append(request.url))
    looking.at("#entries")
    expect(looking["entries"].locator("tr")).to_have_count(100)
    assert [url for url in asked if not url.startswith(looking.operated.address)] == []
    assert looking.complaints == []
