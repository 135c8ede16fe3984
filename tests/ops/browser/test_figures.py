"""What the page says of the figures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest
from playwright.sync_api import expect

from accelerator.cures import cure_of
from accelerator.ops.app import cures
from tests.ops.browser.figures import LATEST, NOW, figures

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from tests.ops.browser.looking import Looking


def figure(looking: Looking, name: str) -> Locator:
    return looking.page.locator(f"[data-figure={name}]")


NOTHING: Final[dict[str, Any]] = {
    "requests": {},
    "refreshes": {},
    "traffic": [],
    "latest": [],
    "urls": [],
    "tags": [],
    "unstored": [],
    "bytes_served": 0,
    "seconds_saved": 0.0,
}


def test_the_ratio_now_is_that_of_the_last_complete_minute(looking: Looking) -> None:
    before, minute, unfinished = [NOW - 65, 0, 900], [NOW - 40, 3, 1], [NOW, 0, 50]
    looking.at(traffic=[before, minute, unfinished])
    expect(figure(looking, "ratio")).to_have_text("75 %")
    expect(figure(looking, "rate")).to_have_text("0.067")  # 4 in 60 seconds


def test_the_ratio_since_the_start_is_told_with_and_without_what_passes_by(looking: Looking) -> None:
    looking.at(requests={"hit": {"": 30}, "stale": {"": 6}, "miss": {"stored": 12}, "pass": {"method": 52}})
    expect(figure(looking, "ratio-more")).to_have_text("36 % since the start; 75 % without what passes by")


def test_a_ratio_of_almost_all_is_not_all(looking: Looking) -> None:
    looking.at(traffic=[[NOW - 40, 99_999, 1]])
    expect(figure(looking, "ratio")).to_have_text("99.99 %")


def test_savings_and_sizes_are_told_in_units(looking: Looking) -> None:
    looking.at(bytes_served=3 * 2**30, seconds_saved=7_200.0, filling=2, collapsed=7)
    expect(figure(looking, "served")).to_have_text("3 GiB")
    expect(figure(looking, "saved")).to_have_text("2 h")
    expect(figure(looking, "filling")).to_have_text("2")
    expect(figure(looking, "filling-more")).to_have_text("7 waited for another’s")


def test_a_cache_that_nobody_has_asked_says_so(looking: Looking) -> None:
    page = looking.at(**NOTHING)
    expect(figure(looking, "ratio")).to_have_text("–")
    expect(looking["ratio-chart"].locator(".readout")).to_have_text("no requests in ten minutes")
    page.goto(f"{looking.operated.address}#reasons")
    expect(looking["reasons-lead"]).to_have_text("No requests yet.")
    assert looking.complaints == []


def test_each_outcome_has_its_number_its_share_and_its_reasons(looking: Looking) -> None:
    looking.at(requests={"hit": {"": 60}, "miss": {"stored": 30, "Set-Cookie": 10}}, refreshes={"stored": 2})
    expect(looking["outcomes"].locator("> li")).to_have_count(2)
    expect(looking["outcomes"].locator("> li").nth(1)).to_have_text(
        re.compile(r"^miss\s*from the application\s*40\s*40 %\s*stored\s*30\s*Set-Cookie\s*10$")
    )
    expect(looking["refreshes"]).to_contain_text("2 pages were made anew in the background, 2 of them stored")


def test_the_latest_requests_have_outcome_reason_age_and_number(looking: Looking) -> None:
    looking.at()
    rows = looking["latest"].locator("tr")
    expect(rows).to_have_count(len(LATEST))
    expect(rows.first).to_have_text(re.compile(r"hit\s*GET https://shop.example/products/1042\s*41 s\s*× 17$"))
    expect(rows.nth(1)).to_contain_text("no explicit time")


def test_a_hot_url_leads_to_its_story_and_a_hot_tag_to_its_entries(looking: Looking) -> None:
    page = looking.at(urls=[["https://shop.example/?a=b&c=#d", 5]], tags=[["a&b", 4]])
    looking["urls"].get_by_role("link").click()
    expect(looking["story-url"]).to_have_text("https://shop.example/?a=b&c=#d")
    page.go_back()
    looking["tags"].get_by_role("link").click()
    expect(looking["entries-name"]).to_have_value("a&b")


def test_a_name_that_was_cut_leads_nowhere(looking: Looking) -> None:
    looking.at(urls=[["https://shop.example/" + "x" * 235, 5]])
    expect(looking["urls"].locator(".cut")).to_have_count(1)
    expect(looking["urls"].get_by_role("link")).to_have_count(0)


# --- charts -----------------------------------------------------------------------------------------------------------


def test_a_chart_tells_of_the_moment_that_is_pointed_at(looking: Looking) -> None:
    looking.at(traffic=[[NOW - 5 * (120 - step), step, 100 - step] for step in range(100)])
    chart = looking["ratio-chart"]
    svg = chart.locator("svg")
    box = svg.bounding_box()
    assert box is not None
    svg.hover(position={"x": box["width"] * 50.5 / 120, "y": 5})
    expect(chart.locator(".readout")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d\s+50 % of 100$"))
    looking.page.mouse.move(0, 0)
    expect(chart.locator(".readout")).to_contain_text("in ten minutes")


def test_a_chart_says_in_words_what_it_shows(looking: Looking) -> None:
    page = looking.at(traffic=[[NOW - 40, 3, 1], [NOW - 20, 1, 3]])
    expect(page.get_by_role("img", name="50 % in ten minutes, never below 25 %")).to_be_visible()


def test_each_minute_can_be_read(looking: Looking) -> None:
    looking.at(traffic=[[NOW - 40, 3, 1]])
    looking.page.get_by_text("Minute by minute").click()
    expect(looking["minutes"].locator("tr")).to_have_count(10)
    expect(looking["minutes"].locator("tr").first).to_have_text(re.compile(r"^\d\d:\d\d:\d\d\s*4\s*3\s*75 %$"))


# --- why not ----------------------------------------------------------------------------------------------------------


def test_reasons_are_grouped_with_their_cure_and_their_urls_most_often_first(looking: Looking) -> None:
    looking.at(
        "#reasons",
        requests={"hit": {"": 50}, "miss": {"Set-Cookie": 10, "stored": 5}, "pass": {"method": 35}},
        refreshes={"Set-Cookie": 1},
        unstored=[["Set-Cookie", "https://a.example/", 2], ["Set-Cookie", "https://b.example/", 9]],
    )
    groups = looking["reasons"].locator("article")
    expect(groups).to_have_count(2)
    expect(groups.first).to_contain_text("method")
    expect(groups.nth(1).locator(".counted")).to_have_text(re.compile(r"^11\s*11 %$"))
    expect(groups.nth(1).locator(".cure")).to_contain_text("The response sets a cookie")
    expect(groups.nth(1).get_by_role("link")).to_have_text(["https://b.example/", "https://a.example/"])


@pytest.mark.parametrize("reason", ["status 503", "a request with X-API-Key needs public", "no explicit time"])
def test_a_reason_leads_to_its_cure(looking: Looking, reason: str) -> None:
    looking.at()
    looking["latest"].get_by_role("link", name=reason).first.click()
    group = looking["reasons"].locator(".looked-at")
    expect(group.locator("h3")).to_have_text(reason)
    expect(group.locator("h3")).to_be_focused()
    cure = cure_of(reason)
    assert cure is not None
    expect(group.locator(".cure")).to_have_text(f"{cure.why} {cure.cure} {cure.rule}".replace("`", "").rstrip())


def test_what_a_view_or_an_option_says_is_seen_to_be_code(looking: Looking) -> None:
    looking.at("#reasons", requests={"miss": {"body too large": 1}}, refreshes={}, unstored=[])
    expect(looking["reasons"].locator(".cure code")).to_have_text("max_body_bytes")


def test_all_cures_are_there_and_asked_for_once(looking: Looking) -> None:
    page = looking.at("#reasons")
    looking.see(2)
    page.goto(f"{looking.operated.address}#story?url=https%3A%2F%2Fshop.example%2Fproducts%2F1")
    expect(looking["story-told"]).to_contain_text("1 variant stored")
    assert looking["cures"].locator("dt").all_text_contents() == [*cures()]
    assert looking.operated.times_asked("cures") == 1


def test_cures_that_did_not_come_are_asked_for_again(looking: Looking) -> None:
    looking.operated.instead["cures"] = (503, {"error": "away"})
    looking.page.clock.install(time=NOW - 1)
    looking.page.clock.pause_at(NOW)
    looking.page.goto(f"{looking.operated.address}#reasons")
    expect(looking["lost"]).to_have_text("Away. There are no figures yet.")
    del looking.operated.instead["cures"]
    looking.wait(2)
    expect(looking["state"]).to_have_text("Live")
    expect(looking["reasons"].locator(".cure").first).to_contain_text("The method is not one")


def test_a_reason_that_is_new_leads_to_where_all_are_explained(looking: Looking) -> None:
    looking.at("#reasons", requests={"miss": {"a reason of tomorrow": 1}}, refreshes={}, unstored=[])
    expect(looking["reasons"].locator(".cure")).to_contain_text("Why was this not cached?")


# --- the store --------------------------------------------------------------------------------------------------------


def test_the_store_tells_what_it_keeps_and_how_it_does(looking: Looking) -> None:
    looking.at("#store")
    expect(looking["kept"]).to_contain_text("184,220")
    expect(looking["kept"]).to_contain_text("1.8 GiB (44 %)")
    expect(looking["health"]).to_have_text(re.compile(r"the store is\s*asked\s*failed: lookup\s*4"))
    expect(looking["near"]).to_have_text(
        re.compile(r"^entries\s*12,400\s*size\s*118 MiB \(46 %\)\s*at most\s*256 MiB\s*may answer for\s*1.6 s\s*lacks")
    )
    expect(looking["near"]).to_contain_text(re.compile(r"heartbeat took\s*0.7 ms"))
    expect(looking["fanout"]).to_have_text(re.compile(r"Fastly\s*8,702\s*2\s*0"))
    expect(looking["invalidations"].locator("tr").first).to_have_text(re.compile(r"a tag\s*8,211\s*430"))
    expect(looking["ages"].locator(".readout")).to_have_text("half below 16 s, 99 % below 2.1 min, 22 s on average")


def test_a_lease_is_told_in_seconds_however_short_it_is(looking: Looking) -> None:
    near = {**figures()["store"]["near"], "lease": 0.31, "heartbeat": None}
    looking.at("#store", store={**figures()["store"], "near": near})
    expect(looking["near"]).to_contain_text(re.compile(r"may answer for\s*0.3 s"))
    expect(looking["near"]).not_to_contain_text("heartbeat")


def test_entries_that_the_far_store_does_not_count_are_those_of_the_near_one(looking: Looking) -> None:
    page = looking.at(store={"kind": "TieredStore", "shared": True, "near": figures()["store"]["near"]})
    expect(page.locator("[data-figure=entries]")).to_have_text("12,400")
    expect(page.locator("[data-figure=entries-more]")).to_have_text("118 MiB of 256 MiB, in the near store")
    looking.see(2, store={"kind": "RedisStore", "shared": True})
    expect(page.locator("[data-figure=entries]")).to_have_text("–")
    expect(page.locator("[data-figure=entries-more]")).to_have_text("RedisStore")


def test_what_a_store_does_not_know_is_not_shown(looking: Looking) -> None:
    looking.at("#store", store={"kind": "MyStore", "shared": False})
    expect(looking["kept"]).to_have_text(re.compile(r"^kind\s*MyStore\s*shared by the workers\s*no, each has its own$"))
    expect(looking["health"].locator("div")).to_have_count(0)
    expect(looking["near"]).to_be_hidden()
    expect(looking["fanout"]).to_be_hidden()
    assert looking.complaints == []


def test_what_needs_attention_is_told_in_each_view_and_goes_when_it_is_over(looking: Looking) -> None:
    store = figures()["store"]
    looking.at("#take-back", store={**store, "breaker_open": True}, complete=False)
    expect(looking["attention"].locator("li")).to_have_count(2)
    expect(looking["attention"]).to_contain_text("Requests go to the application")
    looking.see(2)
    expect(looking["attention"]).to_be_hidden()


def test_errors_need_attention_for_a_minute(looking: Looking) -> None:
    store = figures()["store"]
    looking.at()
    expect(looking["attention"]).to_be_hidden()
    failed = {**store, "errors": {"lookup": 6, "commit": 1}}
    looking.see(2, store=failed, invalidations_failed=1)
    expect(looking["attention"].locator("li")).to_have_text(
        [
            re.compile("^3 requests could not use the store"),
            re.compile("^1 invalidation failed .* It is being repeated"),
        ]
    )
    looking.see(64, store=failed, invalidations_failed=1)
    expect(looking["attention"]).to_be_hidden()


def test_what_waits_to_be_told_to_those_in_front_needs_attention(looking: Looking) -> None:
    near = {**figures()["store"]["near"], "lease": 0.0, "behind": 3}
    fanout = {"Fastly": {"sent": 1, "failed": 2, "waiting": 2}}
    looking.at(store={**figures()["store"], "near": near, "fanout": fanout})
    expect(looking["attention"].locator("li")).to_have_text(
        [
            re.compile("^The near store is not used"),
            re.compile("^The near store still lacks 3"),
            re.compile("^2 invalidations wait to be told to Fastly"),
        ]
    )
