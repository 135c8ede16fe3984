"""A fresh Django project with the lines of docs/whole-site.md, as behind a proxy that ends TLS."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.support import append, code_of, is_hit, log_in, send_form
from tests.wsgi.servers import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

SETTINGS = """
DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS += ["tests.docs.blog"]
MIDDLEWARE.insert(2, "django.middleware.locale.LocaleMiddleware")
ROOT_URLCONF = "tests.docs.blog.urls"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The project, served; the lines of the page stand where it says."""
    folder = tmp_path_factory.mktemp("django")
    command = [sys.executable, "-m", "django", "startproject", "yourproject", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603 - Django's own
    lines, receiver = code_of("Django")
    append(folder / "yourproject" / "wsgi.py", lines)
    append(folder / "yourproject" / "signals.py", receiver)
    append(folder / "yourproject" / "settings.py", SETTINGS + code_of("Behind a proxy")[1])
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {"PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "yourproject.settings"}
    with Server("cheroot", "tests.docs.django_site:application", **environment) as server:
        yield server


def visitor(site: Server, **options: Any) -> httpx.Client:
    """A client of the proxy."""
    proxy = {"x-forwarded-proto": "https", "x-forwarded-host": "example.org", "x-forwarded-for": "192.0.2.1"}
    headers = {**proxy, "referer": "https://example.org/", **options.pop("headers", {})}
    return site.client(headers=headers, **options)


@pytest.mark.parametrize("page", ["/", "/language/", "/link/", "/greeting/"])
def test_a_page_without_a_form_is_a_hit_for_a_second_visitor_with_other_cookies(page: str, site: Server) -> None:
    with (
        visitor(site, cookies={"_ga": "1", "csrftoken": "a" * 32}) as one,
        visitor(site, cookies={"_ga": "2", "csrftoken": "b" * 32}) as two,
    ):
        made, again = one.get(page), two.get(page)
    assert (again.status_code, again.text, is_hit(again)) == (200, made.text, True)


def test_a_page_with_a_form_is_made_anew_for_each(site: Server) -> None:
    with visitor(site) as client:
        forms = [client.get("/write/") for _ in range(2)]
    assert [form.headers["cache-status"] for form in forms] == ['accelerator; fwd=uri-miss; detail="Set-Cookie"'] * 2


def test_a_page_that_greets_its_user_is_for_that_user_alone(site: Server) -> None:
    with visitor(site) as ada, visitor(site) as bob, visitor(site) as nobody:
        log_in(ada, "ada")
        log_in(bob, "bob")
        for visitors in ((ada, bob, nobody), (nobody, bob, ada)):
            shown = [client.get("/greeting/") for client in visitors]
            names = {ada: "ada", bob: "bob", nobody: "stranger"}
            assert [page.text for page in shown] == [f"Hello {names[client]}" for client in visitors]
        assert [is_hit(page) for page in shown] == [True, True, True]


def test_a_user_shares_the_pages_that_did_not_look_who_asks(site: Server) -> None:
    with visitor(site) as ada, visitor(site) as nobody:
        log_in(ada, "ada")
        nobody.get("/link/")
        assert is_hit(ada.get("/link/"))


def test_no_page_of_the_admin_ever_is_a_hit(site: Server) -> None:
    with visitor(site) as ada, visitor(site) as nobody:
        log_in(ada, "ada")
        for page in ("/admin/", "/admin/auth/user/", "/admin/auth/user/1/change/", "/admin/login/"):
            assert not any(is_hit(client.get(page)) for client in (ada, ada, nobody, nobody))


def test_a_message_is_shown_once_and_to_nobody_else(site: Server) -> None:
    with visitor(site) as writer, visitor(site) as other:
        other.get("/")
        send_form(writer, "/write/", title="a post")
        assert "messages" in writer.cookies
        assert [client.get("/messages/").text for client in (writer, other)] == ["1 messages", "0 messages"]
        assert ["Thank you" in client.get("/").text for client in (other, writer, writer)] == [False, True, False]
        assert is_hit(writer.get("/"))


def test_a_language_by_cookie_is_not_shown_to_others(site: Server) -> None:
    german, english = {"cookies": {"django_language": "de"}}, {"cookies": {"django_language": "en"}}
    french = {"headers": {"accept-language": "fr"}}
    for _ in range(2):
        shown = []
        for options in (german, english, french):
            with visitor(site, **options) as client:
                shown.append(client.get("/language/"))
    assert [(page.text, is_hit(page)) for page in shown] == [("de", True), ("en", True), ("fr", True)]


def test_what_is_saved_is_on_the_pages_at_once(site: Server) -> None:
    with visitor(site) as writer, visitor(site) as reader:
        reader.get("/")
        assert is_hit(reader.get("/"))
        send_form(writer, "/write/", title="brand new")
        after = [reader.get("/") for _ in range(2)]
    assert [("brand new" in page.text, is_hit(page)) for page in after] == [(True, False), (True, True)]


def test_what_is_rolled_back_takes_nothing_back(site: Server) -> None:
    with visitor(site) as writer, visitor(site) as reader:
        reader.get("/")
        assert send_form(writer, "/write/", title="half done").status_code == 500
        assert is_hit(reader.get("/"))


def test_one_who_comes_without_tls_is_sent_to_it_and_who_has_it_is_not(site: Server) -> None:
    with visitor(site, headers={"x-forwarded-proto": "http"}) as plain, visitor(site) as secure:
        answers = [client.get("/link/") for _ in range(2) for client in (plain, secure)]
    assert [answer.status_code for answer in answers] == [301, 200, 301, 200]
    assert [answer.headers.get("location") for answer in answers[:2]] == ["https://example.org/link/", None]
    assert [is_hit(answer) for answer in answers[2:]] == [True, True]


def test_a_host_that_a_stranger_makes_up_is_in_no_others_page(site: Server) -> None:
    with visitor(site, headers={"x-forwarded-host": "evil.example"}) as stranger, visitor(site) as other:
        texts = [client.get("/link/").text for client in (stranger, other)]
    assert texts == ["https://evil.example/there", "https://example.org/there"]
