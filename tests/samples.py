"""Requests, responses and entries to try rules on; each field has a plain default."""

from __future__ import annotations

from dataclasses import replace
from email.utils import formatdate
from typing import Any

from accelerator.http.request import Request
from accelerator.http.response import Response
from accelerator.notes import Notes
from accelerator.rules.entry import Entry
from tests.support import http_scope, raw

NOW = 1_800_000_000.0
"""15 January 2027, 08:00:00 UTC."""

Line = tuple[str | bytes, str | bytes]


def imf(seconds: float) -> str:
    """An HTTP date as it is written today."""
    return formatdate(seconds, usegmt=True)


def request(*headers: Line, url: str = "/", method: str = "GET", partition: str = "", **scope: Any) -> Request:
    return Request(http_scope(url, method=method, headers=headers, **scope), partition)


def response(*headers: Line, status: int = 200, requested: float = NOW, received: float = NOW) -> Response:
    return Response(status, tuple(raw(headers)), requested, received)


def notes(ttl: float | None = None, *, public: bool = False, no_store: bool = False, **windows: float) -> Notes:
    made = Notes()
    made.ttl = ttl
    made.public = public
    made.no_store = no_store
    for name, value in windows.items():
        setattr(made, name, value)
    return made


ENTRY = Entry(
    key=request().key,
    vary=(),
    selected_by=(),
    status=200,
    headers=(),
    added=(),
    body=b"stored",
    tags=frozenset({"@all", "@url:example.org/"}),
    mark=1,
    received=NOW,
    initial_age=0.0,
    lifetime=60.0,
    stale_while_revalidate=0.0,
    stale_if_error=0.0,
    never_stale=False,
    for_cookies=True,
    for_credentials=True,
    for_codings=True,
    etag=None,
    validator=None,
    last_modified=None,
)
"""Received at `NOW`, fresh for 60 s, for everybody; nothing but that."""


def entry(**fields: Any) -> Entry:
    return replace(ENTRY, **fields)
