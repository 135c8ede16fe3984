"""A guest book by Django, in one file.

    gunicorn --threads 8 examples.django_site:application

The list of messages is cached until a transaction that changes it is committed. In a project of yours, the last two
lines belong into `wsgi.py`, `from yourproject.wsgi import application` is how other code finds the cache, and nothing
else changes.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import django
from django.conf import settings

settings.configure(
    SECRET_KEY=os.environ.get("SECRET_KEY", "for the example only"),
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ.get("GUESTBOOK", Path(tempfile.gettempdir()) / "guestbook.sqlite3"),
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402 - Django wants its settings first
from django.db import connection, models, transaction  # noqa: E402
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect  # noqa: E402
from django.template import engines  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.http import require_GET  # noqa: E402

from accelerator import WSGIAccelerator, cached  # noqa: E402

LIST = """<h1>{{ messages|length }} messages</h1>
<ul>{% for message in messages %}<li>{{ message.name }}: {{ message.text }}</li>{% endfor %}</ul>
<a href="/sign">Sign</a>"""

FORM = """<form method="post">{% csrf_token %}<input name="name"><input name="text"><button>Sign</button></form>"""


class Message(models.Model):
    """What somebody wrote."""

    name = models.CharField(max_length=100)
    text = models.TextField()

    class Meta:
        """This file is the whole site, so there is no app to belong to."""

        app_label = "guestbook"

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


def page(template: str, request: HttpRequest, **context: object) -> HttpResponse:
    """Make a page of a template."""
    return HttpResponse(engines["django"].from_string(template).render(context, request))


@require_GET
@cached(600, tags=["messages"])
def show(request: HttpRequest) -> HttpResponse:
    """Show all messages."""
    return page(LIST, request, messages=list(Message.objects.order_by("id")))


def sign(request: HttpRequest) -> HttpResponse:
    """Show the form, which sets a cookie and so is not stored, or take a message."""
    if request.method != "POST":
        return page(FORM, request)
    with transaction.atomic():
        message = Message.objects.create(name=request.POST["name"], text=request.POST["text"])
        transaction.on_commit(lambda: application.invalidate_tag("messages"))
        if not message.text:
            raise ValueError("nothing was written")  # the transaction is rolled back, and nothing is taken back
    return HttpResponseRedirect("/", status=303)


urlpatterns = [path("", show), path("sign", sign)]

if Message._meta.db_table not in connection.introspection.table_names():  # noqa: SLF001 - Django documents it
    with connection.schema_editor() as editor:
        editor.create_model(Message)
connection.close()  # what a worker is forked from has no open connection

application = WSGIAccelerator(get_wsgi_application())
