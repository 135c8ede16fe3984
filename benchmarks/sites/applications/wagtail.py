"""What `wagtail start` makes, with some pages, a document, users, and Whitenoise for the static files."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

SETTINGS: Final = """\
from .base import *

ALLOWED_HOSTS = ["*"]
MIDDLEWARE.insert(1, "whitenoise.middleware.WhiteNoiseMiddleware")
SECRET_KEY = "for the site only"
TIME_ZONE = "UTC"
WAGTAILADMIN_BASE_URL = "http://site.example"
WHITENOISE_USE_FINDERS = True
"""

PAGE: Final = """\
{% extends "base.html" %}
{% load wagtailcore_tags %}
{% block content %}
<h1>{{ page.title }}</h1>
<a href="/search/">search</a> <a href="/documents/1/words.txt">words</a> <a href="/admin/">admin</a>
{% for child in page.get_children.live %}<a href="{% pageurl child %}">{{ child.title }}</a>{% endfor %}
{% if page.slug == "contact" %}<form method="post">{% csrf_token %}<textarea name="words"></textarea></form>{% endif %}
{% endblock %}
"""

TITLES: Final = ("About us", "Contact", "News", "Products", "Gr\u00f6\u00dfen")


def prepare(home: Path) -> None:
    """Start a project, and fill it."""
    command = [str(Path(sys.executable).with_name("wagtail")), "start", "mysite", str(home)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - Wagtail's own
    (home / "mysite" / "settings" / "served.py").write_text(SETTINGS)
    (home / "home" / "templates" / "home" / "home_page.html").write_text(PAGE)
    _set_up(home)
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    _add_users()
    _add_pages()


def application(home: Path) -> Any:
    """Return the site."""
    _set_up(home)
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def _set_up(home: Path) -> None:
    import django

    sys.path.insert(0, str(home))
    os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings.served"
    django.setup()


def _add_users() -> None:
    from django.contrib.auth.models import Group, User

    User.objects.create_superuser("ann", "ann@site.example", "of ann", first_name="Ann")
    bob = User.objects.create_user("bob", "bob@site.example", "of bob", first_name="Bob")
    bob.groups.add(Group.objects.get(name="Editors"))


def _add_pages() -> None:
    from django.core.files.base import ContentFile
    from home.models import HomePage
    from wagtail.documents.models import Document

    root = HomePage.objects.get()
    for title in TITLES:
        child = root.add_child(instance=HomePage(title=title))
        for number in range(3):
            child.add_child(instance=HomePage(title=f"{title}, page {number}"))
    Document.objects.create(title="words", file=ContentFile(b"words and words\n" * 500, "words.txt"))
    Document.objects.update(created_at=datetime(2020, 2, 29, tzinfo=UTC))  # it is the document's Last-Modified
