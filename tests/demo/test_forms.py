from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator.demo.forms import LARGEST_FORM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

pytestmark = pytest.mark.anyio

EMPTY = "Write something first."
UNSEEN = "There is a character in it that cannot be shown."
NOBODY = "Choose somebody from the list."


@pytest.mark.parametrize(
    ("form", "fields", "problem"),
    [
        pytest.param("status", {}, EMPTY, id="no text"),
        pytest.param("name", {"text": " \r\n "}, EMPTY, id="only blanks"),
        pytest.param("name", {"text": "\u200b\u202e"}, EMPTY, id="only characters nobody sees"),
        pytest.param("name", {"text": "A\x00da"}, UNSEEN, id="NUL"),
        pytest.param("wall", {"text": "Ding\x07", "person": "ben"}, UNSEEN, id="control character"),
        pytest.param("name", {"text": "x" * 41}, "Up to 40 characters, please: these are 41.", id="long name"),
        pytest.param("status", {"text": "x" * 81}, "Up to 80 characters, please: these are 81.", id="long status"),
        pytest.param(
            "wall", {"text": "x" * 281, "person": "ben"}, "Up to 280 characters, please: these are 281.", id="long post"
        ),
        pytest.param("wall", {"text": "Hello"}, NOBODY, id="post of nobody"),
        pytest.param("wall", {"text": "Hello", "person": "zoe"}, NOBODY, id="post of a stranger"),
        pytest.param("friends", {"person": "ada"}, NOBODY, id="friend of oneself"),
        pytest.param("friends", {"person": "zoe"}, NOBODY, id="friend who is not here"),
        pytest.param("visits", {"person": "ada"}, NOBODY, id="visit to oneself"),
    ],
)
async def test_bad_input_is_refused_with_a_reason_and_changes_nothing(
    browser: httpx.AsyncClient, form: str, fields: dict[str, str], problem: str
) -> None:
    before = await browser.get("/people/ada")
    answer = await browser.post(f"/people/ada/{form}", data=fields)
    assert answer.status_code == 422
    assert f'role="alert" id="{form}-note">{problem}</p>' in answer.text
    after = await browser.get("/people/ada")
    assert ("; hit" in after.headers["cache-status"], after.content) == (True, before.content)


async def test_a_refused_form_comes_back_as_it_was_filled_in(browser: httpx.AsyncClient) -> None:
    text = "</textarea><b>" + "x" * 300
    answer = await browser.post("/people/ada/wall", data={"text": text, "person": "eli"})
    assert f"\n&lt;/textarea&gt;&lt;b&gt;{'x' * 300}</textarea>" in answer.text
    assert "<option selected>eli</option>" in answer.text


async def test_a_refused_line_comes_back_as_it_was_filled_in(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/people/ada/name", data={"text": '"' + "x" * 50})
    assert f'value="&#34;{"x" * 50}"' in answer.text


@pytest.mark.parametrize("text", ["x" * 280, "\U0001f469\u200d\U0001f373 bread, 面包 & خبز", "two\r\nlines"])
async def test_what_can_be_shown_is_taken(browser: httpx.AsyncClient, text: str) -> None:
    assert (await browser.post("/people/ada/wall", data={"text": text, "person": "ben"})).status_code == 303


async def test_markup_is_shown_as_text_wherever_it_stands(browser: httpx.AsyncClient) -> None:
    markup = "<script>alert(1)</script>"
    await browser.post("/people/ada/name", data={"text": markup})
    await browser.post("/people/ada/status", data={"text": markup})
    await browser.post("/people/ben/wall", data={"text": markup, "person": "ada"})
    for path in ("/", "/people/ada", "/people/ben", "/people/cleo"):
        page = (await browser.get(path)).text
        assert markup not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


async def test_a_long_form_is_refused_before_it_is_read(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/people/ada/wall", data={"text": "x" * LARGEST_FORM, "person": "ben"})
    assert answer.status_code == 413
    assert f'id="error">A form has up to {LARGEST_FORM} bytes here.' in answer.text


async def test_a_form_of_unknown_length_is_refused(browser: httpx.AsyncClient) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"text=Hello&person=ben"

    assert (await browser.post("/people/ada/wall", content=body())).status_code == 411


def part(disposition: str, content: bytes, **parameters: str) -> tuple[dict[str, str], bytes]:
    """Return the header and the body of a form with one part."""
    kind = "; ".join(["multipart/form-data", "boundary=b", *(f"{name}={value}" for name, value in parameters.items())])
    body = b"--b\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n--b--\r\n" % (disposition.encode(), content)
    return {"content-type": kind}, body


async def test_files_are_refused(browser: httpx.AsyncClient) -> None:
    headers, body = part('name="text"; filename="x.txt"', b"Hello")
    assert (await browser.post("/people/ada/status", content=body, headers=headers)).status_code == 400


async def test_what_no_page_can_carry_becomes_question_marks(browser: httpx.AsyncClient) -> None:
    headers, body = part('name="text"', b"A \\ud800", charset="unicode_escape")
    assert (await browser.post("/people/ada/status", content=body, headers=headers)).status_code == 303
    assert "<bdi>A ?</bdi>" in (await browser.get("/people/ada")).text
