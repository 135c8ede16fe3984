"""Conversion of a WSGI environ to an ASGI scope, and of changes of the scope back to the environ."""

from __future__ import annotations

import sys
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_from_bytes

from accelerator.wsgi.content import shown_again

if TYPE_CHECKING:
    from collections.abc import Mapping
    from wsgiref.types import WSGIEnvironment

    from accelerator.asgi_types import Scope
    from accelerator.http.ignored import Ignored
    from accelerator.wsgi.answer import ServerResponse


CACHE_FOR: Final = "accelerator.cache_for"
"""The key by which an application says what `cache_for` says."""

TAGS: Final = "accelerator.tags"
"""The key of the list of tags that the application may add to."""

MAX_FIELD_NAMES: Final = 1024
"""Number of request field names that are remembered. Clients may invent names, so it is limited."""

MAX_FIELD_NAME: Final = 128
"""Length of the longest environ key that is remembered."""

_CONTENT_FIELDS: Final = {"CONTENT_TYPE": b"content-type", "CONTENT_LENGTH": b"content-length"}
_ASGI: Final = {"version": "3.0", "spec_version": "2.4"}

_TARGETS: Final = ("REQUEST_URI", "RAW_URI")
"""The keys in which servers give the request target as the client sent it."""

_PATH_CHARACTERS: Final = "/:@!$&'()*+,;=~"
"""Characters that are not percent-encoded in a path (RFC 3986 §3.3), besides those that `quote` never encodes."""


class WSGIScope(dict[str, Any]):
    """The scope of a request for which a server waits. For a refresh the engine copies it to a plain dict.

    Attributes:
        answer: the response to the server.
    """

    __slots__ = ("answer",)

    answer: ServerResponse


def scope_of(environ: WSGIEnvironment, answer: ServerResponse) -> WSGIScope:
    """Return the ASGI scope of a request, with the environ as `wsgi.environ`."""
    root = environ.get("SCRIPT_NAME", "")
    path = _bytes(root + environ.get("PATH_INFO", ""))
    port = environ.get("SERVER_PORT", "")
    target = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
    scope = WSGIScope(
        type="http",
        asgi=_ASGI,
        http_version=environ.get("SERVER_PROTOCOL", "HTTP/1.1")[5:],
        method=environ["REQUEST_METHOD"],
        scheme=environ["wsgi.url_scheme"],
        path=path.decode("utf-8", "surrogateescape"),
        raw_path=_raw_path(target, path),
        query_string=_query(environ),
        root_path=root,
        headers=fields_of(environ),
        server=(environ.get("SERVER_NAME", ""), int(port) if port.isdecimal() else None),
        client=(environ["REMOTE_ADDR"], int(environ.get("REMOTE_PORT") or 0)) if environ.get("REMOTE_ADDR") else None,
    )
    scope["wsgi.environ"] = environ
    if unusual := _target_beyond_path(environ, target):
        scope["wsgi.target"] = unusual
    scope.answer = answer
    return scope


def _raw_path(target: str, path: bytes) -> bytes:
    """Return the path as the client sent it if the server gives the target, else the decoded path, encoded again."""
    if not target:
        return quote_from_bytes(path, safe=_PATH_CHARACTERS).encode("ascii")
    sent = target.partition("?")[0]
    if sent[:1] != "/":  # RFC 9112 §3.2.2: it is a whole URL
        sent = "/" + sent.partition("://")[2].partition("/")[2]
    return _bytes(sent)


def _target_beyond_path(environ: WSGIEnvironment, target: str) -> bytes:
    """Return the targets that the application can see, if one has more than path and query, such as a fragment."""
    is_only_one = (environ.get("RAW_URI") or target) == target
    if not target or (is_only_one and _is_usual(target, environ.get("QUERY_STRING", ""))):
        return b""
    shown = [_bytes(environ[key]) for key in _TARGETS if environ.get(key)]
    return b"".join([b"target:%d:%b" % (len(target), target) for target in shown])


def _is_usual(target: str, query: str) -> bool:
    """Tell whether a target is a path with this query. The path itself is not compared: `_raw_path` returns it."""
    path, mark, sent_query = target.partition("?")
    return path[:1] == "/" and sent_query == query and bool(mark) == bool(query)


def _query(environ: WSGIEnvironment) -> bytes:
    return _bytes(environ.get("QUERY_STRING", ""))


def _bytes(text: str) -> bytes:
    """Return the bytes of an environ string (PEP 3333). Characters not allowed there are escaped, so none are lost."""
    return text.encode("latin-1", "backslashreplace")


def fields_of(environ: WSGIEnvironment) -> list[tuple[bytes, bytes]]:
    """Return the request's fields. The server has joined the lines of each."""
    fields = [
        (name, value.encode("latin-1", "backslashreplace"))
        for key, value in environ.items()
        if (name := _field_names[key])
    ]
    for key, name in _CONTENT_FIELDS.items():
        if value := environ.get(key):  # some servers always set them
            fields.append((name, _bytes(value)))
    return fields


class _FieldNames(dict[str, bytes]):
    """The field names for environ keys with `HTTP_`, in lower case; `b""` for any other key."""

    def __missing__(self, key: str) -> bytes:
        name = key[5:] if key.startswith("HTTP_") and key[5:] not in _CONTENT_FIELDS else ""
        found = _bytes(name.replace("_", "-").lower())
        if len(key) <= MAX_FIELD_NAME:
            if len(self) >= MAX_FIELD_NAMES:
                self.clear()
            self[key] = found
        return found


_field_names: Final = _FieldNames()


def changes_of(environ: WSGIEnvironment, scope: Scope, ignored: Ignored) -> dict[str, Any]:
    """Return the changes that make the environ equal to the scope as the engine has changed it; None removes a key."""
    before, now = dict(fields_of(environ)), dict(scope["headers"])
    changed = {name for name, _ in before.items() ^ now.items()}
    changes = {_key(name): now[name].decode("latin-1") if name in now else None for name in changed}
    if scope["query_string"] != _query(environ):
        changes["QUERY_STRING"] = scope["query_string"].decode("latin-1")
        changes |= {key: _without_ignored(environ[key], ignored) for key in _TARGETS if key in environ}
    if content := scope.get("wsgi.content"):
        changes["wsgi.input"] = shown_again(content, environ)
    return {**changes, "accelerator": scope["accelerator"], TAGS: scope.get(TAGS, [])}


def _without_ignored(target: str, ignored: Ignored) -> str:
    """Return a request target without ignored query parameters."""
    url = _bytes(target).decode("utf-8", "surrogateescape")
    return ignored.url(url).encode("utf-8", "surrogateescape").decode("latin-1")


def _key(field: bytes) -> str:
    """Return the environ key of a request field."""
    name = field.decode("latin-1").upper().replace("-", "_")
    return name if name in _CONTENT_FIELDS else f"HTTP_{name}"


def update(environ: WSGIEnvironment, values: Mapping[str, Any]) -> None:
    """Set the keys that have a value, and remove those whose value is None."""
    for key, value in values.items():
        if value is None:
            environ.pop(key, None)
        else:
            environ[key] = value


def refresh_environ(scope: Scope) -> WSGIEnvironment:
    """Make an environ for a refresh, without the streams of the request; store it in the scope, and return it."""
    untouched: WSGIEnvironment = scope.get("wsgi.untouched") or scope["wsgi.environ"]
    mine = {**untouched, "REQUEST_METHOD": scope["method"], "wsgi.input": BytesIO(), "wsgi.errors": sys.stderr}
    mine.pop("wsgi.file_wrapper", None)
    scope.update({"wsgi.untouched": untouched, "wsgi.environ": mine})
    return mine
