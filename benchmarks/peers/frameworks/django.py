"""The page under Django."""

from __future__ import annotations

import time
from types import ModuleType
from typing import TYPE_CHECKING, Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

from benchmarks.peers.site import as_it_is

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from wsgiref.types import WSGIApplication

    from benchmarks.peers.site import Pages

IS_ASGI = False
COMMON = "django.middleware.common.CommonMiddleware"


def build(
    pages: Pages, decorate: Callable[[Any], Any] = as_it_is, middlewares: Sequence[str] = (COMMON,), **more: Any
) -> WSGIApplication:
    """Return the application; `more` are settings."""

    def page(_: HttpRequest, size: int, milliseconds: int, number: int) -> HttpResponse:
        text = pages.show(size, number)
        if milliseconds:
            time.sleep(milliseconds / 1000)
        return HttpResponse(text, content_type="text/plain; charset=utf-8")

    route = path("page/<int:size>/<int:milliseconds>/<int:number>", decorate(page))
    urls: Any = ModuleType("urls")  # Django wants something that can be hashed
    urls.urlpatterns = [route]
    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=urls, MIDDLEWARE=list(middlewares), **more)
    django.setup()
    application: WSGIApplication = get_wsgi_application()
    return application
