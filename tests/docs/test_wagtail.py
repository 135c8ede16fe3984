"""A fresh Wagtail site with the lines of docs/whole-site.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.docs.support import TOKEN, append, code_of, is_hit, log_in, send_form
from tests.wsgi.servers import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

PAGES = ["/about/", "/blog/", *(f"/blog/{number}/" for number in range(1, 9)), "/blog/1/more/"]
OPEN = ["/", "/search/", "/search/?query=more", "/nowhere/", "/blog", *PAGES]
MEMBERS, SECRET = "/members/", "/secret/"
SEEN = 25
"""How many pages of the admin are looked at."""

LOCAL = """
DEBUG = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WAGTAILSEARCH_BACKENDS = {"default": {"BACKEND": "wagtail.search.backends.database.fallback"}}
"""

LINK = re.compile(r'(?:href|action|src)="(/(?:django-)?admin/[^"#?]*)"')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The project, served; the lines of the page stand where it says."""
    folder = tmp_path_factory.mktemp("wagtail")
    start(folder)
    lines, receiver = code_of("Wagtail")
    append(folder / "mysite" / "wsgi.py", lines)
    append(folder / "home" / "models.py", receiver)
    append(folder / "mysite" / "settings" / "local.py", LOCAL)
    environment = {
        "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "DJANGO_SETTINGS_MODULE": "mysite.settings.dev",
        "PAGES": " ".join(PAGES),
        "MEMBERS": MEMBERS,
        "SECRET": SECRET,
    }
    with Server("cheroot", "tests.docs.wagtail_site:application", **environment) as server:
        yield server


def start(folder: Path) -> None:
    """Make a project, as `wagtail start mysite` does."""
    script = "from wagtail.bin.wagtail import main; main()"
    command = [sys.executable, "-c", script, "start", "mysite", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603 - Wagtail's own


def test_every_page_without_a_form_is_a_hit_for_a_second_visitor_with_other_cookies(site: Server) -> None:
    first = {"_ga": "GA1.1.1", "consent": "all", "csrftoken": "a" * 32}
    second = {"_ga": "GA1.1.2", "_fbp": "fb.1", "csrftoken": "b" * 32}
    with site.client(cookies=first) as one, site.client(cookies=second) as two:
        made = [one.get(page) for page in OPEN]
        again = [two.get(page) for page in OPEN]
    assert {page.url.path: page.status_code for page in made if page.status_code != 200} == {
        "/nowhere/": 404,
        "/blog": 301,
    }
    assert [page.url.path for page in again if not is_hit(page)] == []
    assert [page.content for page in again] == [page.content for page in made]


def test_a_browser_that_has_seen_a_form_shares_all_other_pages(site: Server) -> None:
    with site.client() as client, site.client() as other:
        client.get(SECRET)
        assert "csrftoken" in client.cookies
        other.get("/about/")
        assert is_hit(client.get("/about/"))


def test_no_page_of_the_admin_ever_is_a_hit(site: Server) -> None:
    seen: dict[str, list[httpx.Response]] = {}
    with site.client() as nobody, site.client() as ada:
        log_in(ada, "ada")
        waiting = ["/admin/", "/django-admin/", "/admin/pages/", "/admin/login/"]
        while waiting and len(seen) < SEEN:
            url = waiting.pop(0)
            seen[url] = [ada.get(url), ada.get(url), nobody.get(url)]
            links = dict.fromkeys(LINK.findall(seen[url][0].text))
            waiting += [link for link in links if link not in {*seen, *waiting} and "logout" not in link]
    assert len(seen) == SEEN
    assert [url for url, answers in seen.items() if any(map(is_hit, answers))] == []


def test_a_page_with_the_bar_of_an_editor_is_never_given_to_another(site: Server) -> None:
    with site.client() as ada, site.client() as bob, site.client() as nobody:
        log_in(ada, "ada")
        log_in(bob, "bob")
        for visitors in ((ada, bob, nobody), (nobody, bob, ada)):
            shown = [visitor.get("/about/") for visitor in visitors]
            assert ["wagtail-userbar" in page.text for page in shown] == [visitor is ada for visitor in visitors]
        assert [is_hit(page) for page in shown] == [True, True, True]


@pytest.mark.parametrize("page", [MEMBERS, SECRET])
def test_a_page_for_some_is_never_a_hit(page: str, site: Server) -> None:
    with site.client() as ada, site.client() as nobody:
        log_in(ada, "ada")
        if page == SECRET:
            say_the_password(ada)
        shown, refused = [ada.get(page) for _ in range(2)], [nobody.get(page) for _ in range(2)]
    assert [(answer.status_code, "Welcome to your new" in answer.text) for answer in shown] == [(200, True)] * 2
    assert ["Welcome to your new" in answer.text for answer in refused] == [False, False]
    assert not any(map(is_hit, shown + refused))


def say_the_password(client: httpx.Client) -> None:
    form = client.get(SECRET).text
    action, token = re.search(r'action="([^"]+)"', form), TOKEN.search(form)
    assert action is not None
    assert token is not None
    fields = {"csrfmiddlewaretoken": token[1], "password": "open sesame", "return_url": SECRET}
    assert client.post(action[1], data=fields).status_code == 302


def test_what_an_editor_publishes_and_unpublishes_is_seen_at_once(site: Server) -> None:
    page = "/blog/8/"
    with site.client() as ada, site.client() as visitor:
        log_in(ada, "ada")
        visitor.get(page)
        assert is_hit(visitor.get(page))
        number = re.search(r"/admin/pages/(\d+)/edit/", ada.get(page).text)
        assert number is not None
        send_form(ada, f"/admin/pages/{number[1]}/unpublish/")
        gone = [visitor.get(page) for _ in range(2)]
        assert [(answer.status_code, is_hit(answer)) for answer in gone] == [(404, False), (404, True)]
        send_form(ada, f"/admin/bulk/wagtailcore/page/publish/?id={number[1]}&next=/admin/")
        assert [visitor.get(page).status_code for _ in range(2)] == [200, 200]
