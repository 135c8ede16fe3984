"""The pages of the site."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    HttpResponseGone,
    HttpResponseNotModified,
    HttpResponsePermanentRedirect,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import path
from django.utils.http import http_date
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.vary import vary_on_headers

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERY_BYTE = bytes(range(256))
TEXT = "Grüße, 世界. " * 200
LONG_AGO = http_date(1_000_000_000)

shared = cache_control(public=True, s_maxage=600)


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"<!doctype html><title>{request.path}</title>" + TEXT)


def data(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"path": request.path, "query": sorted(request.GET.lists()), "text": TEXT})


def picture(_: HttpRequest) -> HttpResponse:
    return HttpResponse(EVERY_BYTE * 300, "image/png", headers={"Last-Modified": LONG_AGO})


def tagged(_: HttpRequest) -> HttpResponse:
    return HttpResponse("tagged", "text/plain", headers={"ETag": '"v1"', "Last-Modified": LONG_AGO})


def empty(_: HttpRequest) -> HttpResponse:
    return HttpResponse(b"", "text/plain")


def nothing(_: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


def streamed(_: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[bytes]:
        for number in range(50):
            yield b"part %d\n" % number * 20

    return StreamingHttpResponse(parts(), content_type="text/plain")


def attached(_: HttpRequest) -> FileResponse:
    return FileResponse(io.BytesIO(EVERY_BYTE * 1000), as_attachment=True, filename="Übersicht.bin")


def moved(_: HttpRequest) -> HttpResponse:
    return HttpResponsePermanentRedirect("/page/é")


def elsewhere(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(request.build_absolute_uri("/page/"))


def gone(_: HttpRequest) -> HttpResponse:
    return HttpResponseGone("gone")


def unchanged(_: HttpRequest) -> HttpResponse:
    return HttpResponseNotModified()


def varied(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        f"kind {request.headers.get('X-Kind')}", "text/plain", headers={"X-Name": "caf\xe9", "X-None": ""}
    )


def cookies(_: HttpRequest) -> HttpResponse:
    response = HttpResponse("biscuits", "text/plain")
    response.set_cookie("a", "1", httponly=True)
    response.set_cookie("b", "two words", path="/cookies/")
    return response


def targeted(_: HttpRequest) -> HttpResponse:
    return HttpResponse("targeted", "text/plain", headers={"CDN-Cache-Control": "max-age=300"})


def links(request: HttpRequest) -> HttpResponse:
    client = request.META.get("HTTP_X_FORWARDED_FOR", "nobody")
    return HttpResponse(request.build_absolute_uri("/"), "text/plain", headers={"X-Client": client})


def broken(_: HttpRequest) -> HttpResponse:
    return HttpResponse("broken", "text/plain", status=503, headers={"Retry-After": "1"})


urlpatterns = [
    path("", shared(page)),
    path("admin/", admin.site.urls),
    path("attached/", shared(attached)),
    path("broken/", shared(broken)),
    path("cookies/", shared(cookies)),
    path("data/", shared(data)),
    path("elsewhere/", shared(elsewhere)),
    path("empty/", shared(empty)),
    path("gone/", shared(gone)),
    path("links/", shared(links)),
    path("moved/", shared(moved)),
    path("never/", never_cache(page)),
    path("nothing/", shared(nothing)),
    path("page/", shared(page)),
    path("page/é", shared(page)),
    path("picture/", shared(picture)),
    path("private/", cache_control(private=True, max_age=600)(page)),
    path("silent/", page),
    path("static/<path:path>", shared(serve), {"insecure": True}),
    path("streamed/", shared(streamed)),
    path("tagged/", shared(tagged)),
    path("targeted/", targeted),
    path("unchanged/", shared(unchanged)),
    path("varied/", shared(vary_on_headers("X-Kind")(varied))),
]
