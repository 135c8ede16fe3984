"""The project of `wagtail start`, with a few pages and users; `PYTHONPATH` has its folder.

`PAGES` names the paths of pages, parents first, those for users alone in `MEMBERS`, those that ask for a password in
`SECRET`.
"""

from __future__ import annotations

import os

import django
from django.apps import apps
from django.conf import settings

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - Django wants its settings first
from django.core.management import call_command  # noqa: E402
from mysite.wsgi import application as application  # noqa: E402
from wagtail.models import Collection, Locale, Page, PageViewRestriction, Site  # noqa: E402


def make() -> None:
    """Make tables and what Wagtail's migrations put into them, without the half minute that these take."""
    settings.MIGRATION_MODULES = {app.label: None for app in apps.get_app_configs()}
    call_command("migrate", run_syncdb=True, verbosity=0)
    Locale.objects.create(language_code="en")
    Collection.add_root(name="Root")
    home = Page.add_root(instance=Page(title="Root", slug="root")).add_child(instance=page("Welcome", "home"))
    Site.objects.create(hostname="localhost", root_page=home, is_default_site=True)


def page(title: str, slug: str) -> Page:
    return apps.get_model("home", "HomePage")(title=title, slug=slug)


def grow(paths: list[str]) -> None:
    """Put a page at each path."""
    home = Site.objects.get().root_page
    for path in paths:
        parent, _, slug = path.strip("/").rpartition("/")
        url_path = f"{home.url_path}{parent}/" if parent else home.url_path
        Page.objects.get(url_path=url_path).add_child(instance=page(slug, slug))


def restrict(paths: list[str], restriction_type: str) -> None:
    for path in paths:
        restricted = Page.objects.get(url_path=Site.objects.get().root_page.url_path + path.lstrip("/"))
        PageViewRestriction.objects.create(page=restricted, restriction_type=restriction_type, password="open sesame")


make()
members, secret = os.environ["MEMBERS"].split(), os.environ["SECRET"].split()
grow([*os.environ["PAGES"].split(), *members, *secret])
restrict(members, PageViewRestriction.LOGIN)
restrict(secret, PageViewRestriction.PASSWORD)
get_user_model().objects.create_superuser("ada", password="ada's")
get_user_model().objects.create_user("bob", password="bob's")
