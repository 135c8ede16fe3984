"""Django, set up once in this process, and sites of it with settings of their own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from django.apps import apps
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.test.utils import override_settings
from django.urls import path
from django.utils.translation import gettext

if TYPE_CHECKING:
    from collections.abc import Iterator
    from wsgiref.types import WSGIApplication

    from django.http import HttpRequest

SETTINGS: dict[str, Any] = {
    "SECRET_KEY": "for tests only",
    "ALLOWED_HOSTS": ["*"],
    "ROOT_URLCONF": __name__,
    "MIDDLEWARE": [],
    "LANGUAGES": [("en", "English"), ("de", "German")],
    "SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies",
    "LOGGING_CONFIG": None,
}


def index(request: HttpRequest) -> HttpResponse:
    """Link to this page."""
    return HttpResponse(request.build_absolute_uri())


def language(request: HttpRequest) -> HttpResponse:
    """Say a word in the visitor's language."""
    return HttpResponse(gettext("Monday"))


def login(request: HttpRequest) -> HttpResponse:
    """Keep a name in the session."""
    request.session["name"] = request.GET["name"]
    return HttpResponse("welcome")


def greet(request: HttpRequest) -> HttpResponse:
    """Greet whom the session names."""
    return HttpResponse(f"hello {request.session.get('name')}")


urlpatterns = [path("", index), path("language", language), path("login", login), path("greet", greet)]


@contextmanager
def django(**changes: Any) -> Iterator[WSGIApplication]:
    """Give a site that has these settings as long as the context lasts."""
    if not settings.configured:
        settings.configure(**SETTINGS)
        apps.populate([])
    with override_settings(**SETTINGS | changes):
        yield cast("WSGIApplication", WSGIHandler())
