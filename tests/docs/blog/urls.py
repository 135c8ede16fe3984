from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template import engines
from django.urls import path
from django.utils.translation import get_language

from tests.docs.blog.models import Post

LIST = """{% for message in messages %}<em>{{ message }}</em>{% endfor %}
{% for post in posts %}<li>{{ post }}</li>{% endfor %}"""


def page(template: str, request: HttpRequest, **context: object) -> HttpResponse:
    return HttpResponse(engines["django"].from_string(template).render(context, request))


def show(request: HttpRequest) -> HttpResponse:
    return page(LIST, request, posts=Post.objects.all())


def count_messages(request: HttpRequest) -> HttpResponse:
    """Tell of the messages without showing them, so that Django neither says Vary nor takes back its cookie."""
    return page("{{ messages|length }} messages", request)


def write(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return page("<form>{% csrf_token %}</form>", request)
    with transaction.atomic():
        Post.objects.create(title=request.POST["title"])
        if request.POST["title"] == "half done":
            raise RuntimeError("rolled back")
    messages.success(request, "Thank you")
    return HttpResponseRedirect("/write/")


def greet(request: HttpRequest) -> HttpResponse:
    return page("Hello {{ user.username|default:'stranger' }}", request)


def speak(request: HttpRequest) -> HttpResponse:
    return HttpResponse(get_language())


def link(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.build_absolute_uri("/there"))


urlpatterns = [
    path("", show),
    path("admin/", admin.site.urls),
    path("greeting/", greet),
    path("language/", speak),
    path("link/", link),
    path("messages/", count_messages),
    path("write/", write),
]
