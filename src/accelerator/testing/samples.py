"""Requests and entries for tests of stores."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from accelerator.http.request import Request
from accelerator.rules.entry import Entry
from accelerator.tags import ALL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from accelerator.rules.entry import Mark


def make_request(
    url: str = "https://example.org/", headers: Iterable[tuple[str, str]] = (), *, partition: str = "", **scope: Any
) -> Request:
    """Return a GET request for an absolute URL, as the cache sees it.

    Args:
        url: the URL.
        headers: its header lines, names in lower case. Host comes from the URL unless it is among them.
        partition: its partition.
        scope: keys of the ASGI scope to add or replace.
    """
    parts = urlsplit(url)
    lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if all(name != b"host" for name, _ in lines):
        lines.insert(0, (b"host", parts.netloc.encode("ascii")))
    return Request(
        {
            "type": "http",
            "method": "GET",
            "scheme": parts.scheme,
            "path": unquote(parts.path),
            "raw_path": parts.path.encode("ascii"),
            "query_string": parts.query.encode("ascii"),
            "headers": lines,
            **scope,
        },
        partition,
    )


def make_entry(request: Request, mark: Mark, tags: Iterable[str] = (), **more: Any) -> Entry:
    """Return the entry of a response to a request, received now and fresh for an hour.

    Args:
        request: the request.
        mark: the mark that the lookup before the response returned.
        tags: the tags of the response; the library's own are added.
        more: other attributes of `Entry`, except `key` and `selected_by`, which follow from the request and `vary`.
    """
    attributes: dict[str, Any] = {
        "vary": (),
        "status": 200,
        "headers": ((b"content-type", b"text/plain"),),
        "added": (),
        "body": b"hello",
        "received": time.time(),
        "initial_age": 0.0,
        "lifetime": 3600.0,
        "stale_while_revalidate": 0.0,
        "stale_if_error": 0.0,
        "never_stale": False,
        "for_cookies": True,
        "for_credentials": False,
        "for_codings": True,
        "etag": None,
        "validator": None,
        "last_modified": None,
        **more,
    }
    return Entry(
        key=request.key,
        selected_by=request.selecting_values(attributes["vary"]),
        tags=frozenset(tags) | {request.url_tag, ALL},
        mark=mark,
        **attributes,
    )
