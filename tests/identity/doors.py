"""One application behind the cache of either door, so that a rule is tested once for ASGI and WSGI."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from accelerator import ASGIAccelerator, WSGIAccelerator
from tests import support
from tests.wsgi import support as wsgi_support

if TYPE_CHECKING:
    from collections.abc import Mapping

    from accelerator import Store

Field: TypeAlias = tuple[str, str]


class Page(NamedTuple):
    """What an application answers."""

    body: str
    fields: Sequence[Field] = ()
    status: int = 200


@dataclass(frozen=True)
class Seen:
    """What an application is shown of a request.

    `fields` are the request's, by name in lower case; `world` is the scope or the environ.
    """

    method: str
    path: str
    query: str
    fields: Mapping[str, str]
    world: Mapping[str, Any]

    def get(self, name: str) -> str | None:
        return self.fields.get(name.lower())


Handle: TypeAlias = Callable[[Seen], Page]


@dataclass(frozen=True)
class Answer:
    """What a client got."""

    status: int
    fields: Sequence[Field]
    body: str

    def get(self, name: str) -> str | None:
        """The lines of a field, joined; None if there is none."""
        found = [value for line, value in self.fields if line.lower() == name]
        return ", ".join(found) if found else None

    @property
    def is_hit(self) -> bool:
        return "; hit" in str(self.get("cache-status"))

    @property
    def detail(self) -> str | None:
        """Why it was not stored, as Cache-Status says it."""
        _, is_said, detail = str(self.get("cache-status")).partition('; detail="')
        return detail.removesuffix('"') if is_said else None


class ASGIDoor:
    """An ASGI application behind its cache."""

    def __init__(self, handle: Handle, store: Store | None = None, **options: Any) -> None:
        self.calls = 0
        self._handle = handle
        self.cache = ASGIAccelerator(self._app, store=store, **options)

    async def _app(self, scope: support.Scope, receive: support.Receive, send: support.Send) -> None:
        self.calls += 1
        fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        seen = Seen(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), fields, scope)
        page = self._handle(seen)
        await send(support.start(*page.fields, status=page.status))
        await send(support.chunk(page.body.encode()))

    def ask(self, url: str = "/", *, method: str = "GET", headers: Sequence[Field] = (), **world: Any) -> Answer:
        """Send a request; `world` are keys of its scope."""
        lines = [(name.lower(), value) for name, value in headers]
        answer = support.drive(support.ask(self.cache, url, method=method, headers=lines, **world))
        return Answer(answer.status, [(n.decode(), v.decode()) for n, v in answer.headers], answer.body.decode())


class WSGIDoor:
    """A WSGI application behind its cache."""

    def __init__(self, handle: Handle, store: Store | None = None, **options: Any) -> None:
        self.calls = 0
        self._handle = handle
        self.cache = WSGIAccelerator(self._app, store=store, **options)

    def _app(self, environ: Any, start_response: Any) -> list[bytes]:
        self.calls += 1
        fields = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
        seen = Seen(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"], fields, environ)
        page = self._handle(seen)
        start_response(f"{page.status} As it is", [*page.fields])
        return [page.body.encode()]

    def ask(self, url: str = "/", *, method: str = "GET", headers: Sequence[Field] = (), **world: Any) -> Answer:
        """Send a request; `world` are keys of its environ."""
        environ = wsgi_support.environ_of(url, method=method, headers=headers) | world
        reply = wsgi_support.Exchange(self.cache, environ).finish()
        return Answer(reply.code, reply.headers, reply.body.decode())


Door: TypeAlias = type[ASGIDoor] | type[WSGIDoor]
Cached: TypeAlias = ASGIDoor | WSGIDoor
