"""Under one URL there are pages and parts of pages, and answers to scripts of other sites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask_cors import CORS
from starlette.middleware.cors import CORSMiddleware

from accelerator import ASGIAccelerator, WSGIAccelerator, cache_for
from accelerator.http.request_fields import PARTIAL_PAGE_FIELDS
from tests.identity.doors import Page
from tests.support import app_saying
from tests.support import ask as ask_asgi
from tests.wsgi.support import ask as ask_wsgi

if TYPE_CHECKING:
    from tests.identity.doors import Door, Seen

VALUES = {
    "HX-Request": "true",
    "X-Requested-With": "XMLHttpRequest",
    "Turbo-Frame": "messages",
    "X-PJAX": "true",
    "X-Inertia": "true",
    "RSC": "1",
}


@pytest.mark.parametrize("name", [name.decode() for name in PARTIAL_PAGE_FIELDS])
@pytest.mark.parametrize("first", ["the fragment", "the page"])
def test_a_fragment_is_not_given_for_a_page_nor_a_page_for_a_fragment(door: Door, name: str, first: str) -> None:
    def handle(seen: Seen) -> Page:
        cache_for(60)
        return Page("the page" if seen.get(name) is None else "the fragment")

    app = door(handle)
    asks_for = {"the fragment": [(name, "true")], "the page": []}
    order = [first, *(asks_for.keys() - {first})]
    answers = [app.ask(headers=asks_for[what]) for what in order * 2]
    assert [answer.body for answer in answers] == order * 2
    assert [answer.is_hit for answer in answers] == [False, False, True, True]


@pytest.mark.parametrize("name", VALUES)
def test_another_value_asks_for_another_part(door: Door, name: str) -> None:
    def handle(seen: Seen) -> Page:
        cache_for(60)
        return Page(str(seen.get(name)))

    app = door(handle)
    values = [VALUES[name], "another", VALUES[name]]
    assert [app.ask(headers=[(name, value)]).body for value in values] == values
    assert app.calls == 2


# --- CORS inside of the cache -----------------------------------------------------------------------------------------

FRONT_END, EVIL = "https://front.example", "https://evil.example"


def flask_with_cors(**options: Any) -> WSGIAccelerator:
    app = Flask(__name__)
    CORS(app, **options)

    @app.route("/")
    def index() -> str:
        cache_for(60, public=True)
        return "data"

    return WSGIAccelerator(app)


def test_a_strangers_origin_does_not_break_the_front_end_behind_flask_cors() -> None:
    app = flask_with_cors(origins=[FRONT_END])
    origins = [EVIL, FRONT_END, EVIL, FRONT_END]
    allowed = [ask_wsgi(app, headers=[("Origin", origin)]).get("access-control-allow-origin") for origin in origins]
    assert allowed == [None, FRONT_END, None, FRONT_END]
    assert ask_wsgi(app, headers=[("Origin", FRONT_END)]).is_hit


@pytest.mark.anyio
async def test_a_strangers_origin_does_not_break_the_front_end_behind_starlettes_cors() -> None:
    app = ASGIAccelerator(CORSMiddleware(app_saying(("cache-control", "s-maxage=60")), allow_origins=[FRONT_END]))
    allowed = [
        (await ask_asgi(app, headers=[("origin", origin)])).get("access-control-allow-origin")
        for origin in [EVIL, FRONT_END, EVIL, FRONT_END]
    ]
    assert allowed == [None, FRONT_END, None, FRONT_END]


def test_each_origin_has_an_answer_of_its_own_though_vary_does_not_say_so(door: Door) -> None:
    """As Starlette 0.45 and 0.46 do: a refused origin, and one that may send credentials, get no Vary."""

    def handle(seen: Seen) -> Page:
        cache_for(60, public=True)
        origin = seen.get("origin")
        allowed = [("Access-Control-Allow-Origin", FRONT_END)] if origin == FRONT_END else []
        return Page("data", allowed)

    app = door(handle)
    origins = [EVIL, FRONT_END, EVIL, FRONT_END]
    allowed = [app.ask(headers=[("Origin", origin)]).get("access-control-allow-origin") for origin in origins]
    assert allowed == [None, FRONT_END, None, FRONT_END]
    assert not app.ask().is_hit, "a request without Origin is no request of a script"


def test_flask_cors_with_credentials_allows_each_origin_by_its_name() -> None:
    app = flask_with_cors(origins="*", supports_credentials=True)
    requests = [[("Origin", origin), ("Cookie", "a=1")] for origin in (EVIL, FRONT_END)]
    allowed = [ask_wsgi(app, headers=headers).get("access-control-allow-origin") for headers in requests * 2]
    assert allowed == [EVIL, FRONT_END] * 2
