"""A fresh Wagtail site with its admin."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.sites.site import NEWCOMER, Site, Visitor

if TYPE_CHECKING:
    import httpx

ADMIN: Final = (
    "/admin/",
    "/admin/pages/",
    "/admin/pages/3/edit/",
    "/admin/users/",
    "/admin/account/",
    "/django-admin/",
)


def sign_in(name: str, client: httpx.Client) -> None:
    """Sign in by the form of the admin."""
    client.get("/admin/login/")
    said = {"username": name, "password": f"of {name}", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    assert client.post("/admin/login/", data=said).status_code == 302


def see_a_form(client: httpx.Client) -> None:
    """See a form, and get a cookie with its token."""
    client.get("/contact/")
    assert client.cookies["csrftoken"]


SITE = Site(
    name="wagtail",
    about="what `wagtail start` makes, with some pages, a document, a contact form and Whitenoise; ann is a superuser,"
    " bob an editor, and the newcomer has seen the form",
    requires=("wagtail==8.0.1", "whitenoise==6.12.0"),
    server="gunicorn",
    options={
        "default_ttl": 60,
        "cookies": "vary",
        "keep_cookies": ("sessionid", "csrftoken", "messages", "django_language"),
        "renewed_cookies": ("csrftoken",),
    },
    start=("/", "/search/", "/search/?query=page", "/documents/1/words.txt", "/missing/", "/contact/", *ADMIN),
    limit=22,
    visitors={
        "ann": Visitor(arrive=partial(sign_in, "ann")),
        "bob": Visitor(arrive=partial(sign_in, "bob"), uncounted="_ga=GA1.1.1"),
        NEWCOMER: Visitor(arrive=see_a_form, uncounted="_ga=GA1.1.7; _fbp=fb.1.7"),
    },
    never_hit=("/admin/*", "/django-admin/*"),
    must_keep=True,
)
