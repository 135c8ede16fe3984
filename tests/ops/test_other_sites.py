"""A page of another site, seen by an operator's browser, reads nothing and takes nothing back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ops.support import URL, Operators, said

if TYPE_CHECKING:
    from starlette.requests import Request

pytestmark = pytest.mark.anyio

OURS = [
    [],
    [("sec-fetch-site", "same-origin")],
    [("sec-fetch-site", "same-origin"), ("origin", "https://example.org")],
    [("sec-fetch-site", "same-origin"), ("origin", "https://the-proxy-has-changed-host.example")],
    [("origin", "https://example.org")],
    [("origin", "https://example.org:443")],
    [("origin", "http://example.org")],
    [("origin", "https://EXAMPLE.org")],
]
OTHERS = [
    [("sec-fetch-site", "cross-site")],
    [("sec-fetch-site", "same-site")],
    [("sec-fetch-site", "cross-site"), ("origin", "https://example.org")],
    [("sec-fetch-site", "same-origin, cross-site")],
    [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
    [("sec-fetch-site", "")],
    [("sec-fetch-site", "Same-Origin")],
    [("origin", "null")],
    [("origin", "")],
    [("origin", "https://evil.example")],
    [("origin", "https://example.org.evil.example")],
    [("origin", "https://evil.example/https://example.org")],
    [("origin", "https://example.org@evil.example")],
    [("origin", "https://example.org:8443")],
    [("origin", "https://sub.example.org")],
    [("origin", "chrome-extension://example.org")],
    [("origin", "example.org")],
    [("origin", "https://example.org"), ("origin", "https://evil.example")],
    [("origin", "https://example.org"), ("host", "example.org"), ("host", "evil.example")],
    [("origin", "https://example.org"), ("host", "")],
]
NAVIGATION = ("sec-fetch-mode", "navigate")


@pytest.mark.parametrize("headers", OURS, ids=repr)
async def test_the_page_and_what_is_no_browser_may_take_back(headers: list[tuple[str, str]]) -> None:
    operators = Operators()
    answer = await operators.order({"tags": ["a"]}, headers=[("content-type", "application/json"), *headers])
    assert (answer.status, operators.store.taken_back) == (200, [({"a"}, False)])


@pytest.mark.parametrize("mode", ["cors", "no-cors", "navigate"])
@pytest.mark.parametrize("headers", [*OTHERS, [("sec-fetch-site", "none")]], ids=repr)
async def test_a_page_of_another_site_takes_nothing_back(headers: list[tuple[str, str]], mode: str) -> None:
    operators = Operators()
    lines = [("content-type", "application/json"), ("sec-fetch-mode", mode), *headers]
    answers = [
        await operators.order({"tags": ["a"]}, headers=lines),
        await operators.get(f"/{URL}", method="PURGE", headers=lines),
    ]
    assert [answer.status for answer in answers] == [403, 403]
    assert "sent by a page of another site" in said(answers[0])["error"]
    assert operators.store.taken_back == []


@pytest.mark.parametrize("headers", OTHERS, ids=repr)
async def test_a_page_of_another_site_reads_nothing(headers: list[tuple[str, str]]) -> None:
    operators = Operators()
    for path in ("/figures", "/cures", "/entries", f"/story?url={URL}", "/"):
        assert (await operators.get(path, headers=[*headers, ("sec-fetch-mode", "cors")])).status == 403
    assert operators.store.asked == []


@pytest.mark.parametrize("headers", [[("sec-fetch-site", "none")], [("sec-fetch-site", "cross-site"), NAVIGATION]])
async def test_a_typed_address_and_a_link_from_elsewhere_show_the_page(headers: list[tuple[str, str]]) -> None:
    assert (await Operators().get("/", headers=headers)).status == 200


async def test_a_page_of_another_site_is_refused_before_anybody_is_asked() -> None:
    asked: list[Request] = []
    await Operators(asked.append).order({"all": True}, headers=[("sec-fetch-site", "cross-site")])
    assert asked == []


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "application/json-seq",
        "",
    ],
    ids=repr,
)
async def test_what_a_form_could_send_is_no_order(kind: str | None) -> None:
    operators = Operators()
    answer = await operators.order({"all": True}, headers=[] if kind is None else [("content-type", kind)])
    assert (answer.status, operators.store.taken_back) == (415, [])
    assert said(answer)["error"].startswith("say Content-Type: application/json")


async def test_two_content_types_are_none() -> None:
    lines = [("content-type", "application/json"), ("content-type", "text/plain")]
    assert (await Operators().order({"all": True}, headers=lines)).status == 415


async def test_no_answer_lets_a_page_of_another_site_read_it() -> None:
    lines = [("origin", "https://evil.example"), ("access-control-request-method", "PURGE")]
    answer = await Operators().get("/invalidate", method="OPTIONS", headers=lines)
    assert answer.status == 403
    assert not [name for name, _ in answer.headers if name.startswith(b"access-control-")]
