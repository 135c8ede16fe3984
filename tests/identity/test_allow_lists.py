"""What of a query and of cookies counts, named by what is kept: nothing else counts, and nothing else is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from accelerator import cache_for
from accelerator.http import ignored
from accelerator.http.ignored import Ignored
from tests.identity.doors import Page
from tests.support import http_scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.identity.doors import Door, Field, Seen


def echo(seen: Seen) -> Page:
    """Show what is seen of query and cookies."""
    cache_for(60)
    return Page(f"{seen.query} | {seen.get('Cookie')}", [("Vary", "Cookie")])


@pytest.mark.parametrize(
    ("options", "first", "second", "shown"),
    [
        (
            {"keep_query": ("page", "q")},
            ("/p?q=a&utm_id=1&page=2&_=99", []),
            ("/p?fbclid=x&q=a&page=2", []),
            "q=a&page=2 | None",
        ),
        ({"keep_query": ()}, ("/p?a=1", []), ("/p?b=2", []), " | None"),
        (
            {"keep_cookies": ("sessionid", "lang")},
            ("/p?a=1", [("Cookie", "_ga=1; sessionid=s; x=2; lang=de")]),
            ("/p?a=1", [("Cookie", "sessionid=s; lang=de; _gid=3")]),
            "a=1 | sessionid=s; lang=de",
        ),
        ({"keep_cookies": ()}, ("/p?a=1", [("Cookie", "a=1")]), ("/p?a=1", []), "a=1 | None"),
    ],
    ids=["keep_query", "no parameter", "keep_cookies", "no cookie"],
)
def test_what_is_not_kept_does_not_count_and_is_not_shown(
    door: Door,
    options: dict[str, Any],
    first: tuple[str, Sequence[Field]],
    second: tuple[str, Sequence[Field]],
    shown: str,
) -> None:
    app = door(echo, **options)
    answers = [app.ask(url, headers=headers) for url, headers in (first, second)]
    assert [(answer.body.replace(";lang", "; lang"), answer.is_hit) for answer in answers] == [
        (shown, False),
        (shown, True),
    ]


@pytest.mark.parametrize(
    ("options", "requests"),
    [
        ({"keep_query": ("q",)}, [("/?q=a", []), ("/?q=b", []), ("/?Q=a", [])]),
        (
            {"keep_cookies": ("lang",)},
            [("/", [("Cookie", "lang=de")]), ("/", [("Cookie", "lang=en")]), ("/", [("Cookie", "Lang=de")])],
        ),
    ],
    ids=["keep_query", "keep_cookies"],
)
def test_what_is_kept_tells_apart(
    door: Door, options: dict[str, Any], requests: list[tuple[str, Sequence[Field]]]
) -> None:
    app = door(echo, **options)
    assert [app.ask(url, headers=headers).is_hit for url, headers in requests * 2] == [False] * 3 + [True] * 3


def test_vary_on_cookie_with_analytics_cookies_costs_one_copy_and_not_one_for_each_visitor(door: Door) -> None:
    app = door(echo, keep_cookies=("sessionid",))
    visitors = [f"_ga=GA1.{number}; _gid={number}; _fbp=fb.{number}; __utma={number}" for number in range(20)]
    answers = [app.ask(headers=[("Cookie", cookies)]) for cookies in visitors]
    assert app.calls == 1
    assert {answer.body for answer in answers} == {" | None"}
    members = [app.ask(headers=[("Cookie", f"{cookies}; sessionid=ada")]) for cookies in visitors]
    assert app.calls == 2
    assert {answer.body for answer in members} == {" | sessionid=ada"}


def test_a_session_among_analytics_cookies_chooses_still(door: Door) -> None:
    app = door(echo, keep_cookies=("sessionid",))
    names = ("ada", "bob")
    bodies = [app.ask(headers=[("Cookie", f"_ga=1; sessionid={name}")]).body for name in names * 2]
    assert bodies == [" | sessionid=ada", " | sessionid=bob"] * 2


@pytest.mark.parametrize("what", ["query", "cookies"])
def test_naming_both_for_the_same_thing_is_an_error(door: Door, what: str) -> None:
    options: dict[str, Any] = {f"keep_{what}": ("a",), f"ignore_{what}": ("b",)}
    with pytest.raises(ValueError, match=f"keep_{what} names all that counts"):
        door(echo, **options)


def test_a_url_is_taken_back_as_what_is_kept_names_it(door: Door) -> None:
    app = door(echo, keep_query=("q",))
    app.ask("/p?q=a&utm_id=1")
    app.ask("/p?q=a&token=2", method="POST")
    assert not app.ask("/p?q=a").is_hit


# --- what a stranger may make of it -----------------------------------------------------------------------------------


class Counted:
    """A function that counts how often it is asked."""

    def __init__(self, of: Any) -> None:
        self.calls = 0
        self._of = of

    def __call__(self, *arguments: Any) -> Any:
        self.calls += 1
        return self._of(*arguments)


@pytest.mark.parametrize("options", [{"query": ("utm_*",)}, {"keep_query": ("page",)}], ids=["ignored", "kept"])
@pytest.mark.parametrize(
    ("query", "names"),
    [
        pytest.param(b"&" * 60_000, 0, id="nothing but &"),
        pytest.param(b"a&" * 30_000, 1, id="one name"),
        pytest.param(b"%61=1&a=2&" * 5_000, 2, id="two spellings"),
    ],
)
def test_60_kb_of_ampersands_cost_one_look_at_each_name(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], query: bytes, names: int
) -> None:
    looked = Counted(ignored._parameter_name)
    monkeypatch.setattr(ignored, "_parameter_name", looked)
    Ignored(**options).query(query)
    assert looked.calls == names


def test_60_kb_of_semicolons_cost_one_look_at_each_cookie(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = Counted(ignored._text)
    monkeypatch.setattr(ignored, "_text", looked)
    for cookies in (b";" * 60_000, b"a=1;" * 15_000):
        Ignored(cookies=("_ga*",)).scope(http_scope(headers=[("cookie", cookies)]))
    assert looked.calls == 1
