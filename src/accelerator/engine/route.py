"""Which route of the application a response is from, and how a hit shows that to middlewares that measure outside.

Frameworks say in the scope which route they have taken, and measuring middlewares read it there once the response is
sent. On a hit no framework runs: the accelerator puts the same into the scope.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from copy import copy
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from wsgiref.types import WSGIEnvironment

    from accelerator.asgi_types import Scope

ROUTE: Final = "accelerator.route"
"""The key of the scope or environ for the template. An application may say it there, where its framework does not."""

MAX_ROUTE: Final = 256
"""Length of the longest template that is kept."""

MAX_ROUTES: Final = 4096
"""Number of templates for which it is remembered what a hit shows."""

_NOTHING: Final[Mapping[str, object]] = {}


def route_in_environ(environ: WSGIEnvironment) -> str:
    """Return the template of the route that answers a WSGI request, such as `/users/<int:id>`; `""` if nobody says.

    It is to be called in `start_response`: afterwards Flask and Django have forgotten it.
    """
    try:
        rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
        found = environ.get(ROUTE) or getattr(rule, "rule", None)
        path = environ.get("PATH_INFO", "")
        return _kept(found or _of_django(path.encode("latin-1").decode(errors="replace")))
    except Exception:  # noqa: BLE001 - objects of frameworks may raise anything
        return ""


class Routes:
    """Knows the routes of an application.

    Args:
        app: the application. If it is none of Starlette, FastAPI or Litestar, such a one may yet be behind it.
    """

    def __init__(self, app: object) -> None:
        self._router: Any = getattr(app, "router", None)
        self._is_litestar = hasattr(app, "asgi_router")
        self._shown: dict[tuple[str, str], dict[str, object]] = {}

    def read(self, scope: Scope) -> str:
        """Return the template of the route that answers a request, such as `/users/{id}`; `""` if nobody says.

        It is to be called when the response begins, in the context of the application. The scope has it afterwards.
        """
        self._router = self._router or scope.get("router")
        litestars = scope.get("path_template")
        self._is_litestar = self._is_litestar or litestars is not None
        try:
            found = scope.get(ROUTE) or litestars or _of_starlette(scope)
            route = _kept(found or _of_django(scope["path"].removeprefix(scope.get("root_path", ""))))
        except Exception:  # noqa: BLE001 - objects of frameworks may raise anything
            return ""
        if route:
            scope[ROUTE] = route
        return route

    def show(self, route: str, scope: Scope) -> None:
        """Put into the scope of a hit what the framework would have put there.

        Args:
            route: the template of the route that made the response, `""` if that is not known.
            scope: the scope of the request.
        """
        scope.update(self.shown(route, scope))
        if route and "wsgi.environ" in scope:
            scope["wsgi.environ"][ROUTE] = route

    def shown(self, route: str, scope: Scope) -> Mapping[str, object]:
        """Return what the scope of a hit is to have: it is the same for all hits of a route.

        Args:
            route: the template of the route that made the response, `""` if that is not known.
            scope: the scope of the request.
        """
        if not route:
            return _NOTHING
        name = route, "GET" if scope["method"] == "HEAD" else scope["method"]
        found = self._shown.get(name)
        if found is None:
            found = {
                ROUTE: route,
                **({"path_template": route} if self._is_litestar else self._of_starlette(*name, scope)),
            }
            if len(self._shown) >= MAX_ROUTES:
                self._shown.clear()
            self._shown[name] = found
        return found

    def _of_starlette(self, template: str, method: str, scope: Scope) -> dict[str, object]:
        """Return the keys of Starlette and FastAPI: their router, and the route and endpoint with this template."""
        with suppress(Exception):  # objects of frameworks may raise anything
            router = scope.get("router") or self._router or getattr(scope.get("app"), "router", None)
            for path, path_format, route in _leaves(getattr(router, "routes", ())):
                if path == template and method in (getattr(route, "methods", None) or {method}):
                    return {"router": router, **_selected(path, path_format, route)}
        return {}


def _kept(template: object) -> str:
    return template if isinstance(template, str) and len(template) <= MAX_ROUTE else ""


# --- Starlette and FastAPI --------------------------------------------------------------------------------------------


class _Leaf(NamedTuple):
    path: str
    path_format: str
    route: Any


def _of_starlette(scope: Scope) -> str:
    """Return the template of the selected route, with those of the mounts above it."""
    route, router = scope.get("route"), scope.get("router")
    if router is None or "endpoint" not in scope:
        return ""
    if route is None or "app_root_path" in scope:  # an older version, or a route in a mount, which has no prefix
        root = scope.get("app_root_path", scope.get("root_path", ""))
        return _matched(router.routes, {**scope, "root_path": root})
    included = scope.get("fastapi", {}).get("effective_route_context")  # it has the prefix of its router
    return _path(route if included is None else included)


def _matched(routes: Iterable[Any], scope: Scope) -> str:
    """Return the template of the first route that matches, as the router selects it."""
    for route in _plain(routes):
        match, child = route.matches(scope)
        if match.name == "FULL":
            return _path(route) + _matched(getattr(route, "routes", None) or (), {**scope, **child})
    return ""


def _plain(routes: Iterable[Any]) -> Iterator[Any]:
    """Return routes, with those of a router that FastAPI has included in its place."""
    for route in routes:
        included = getattr(route, "effective_route_contexts", None)
        if included is None:
            yield route
        else:
            for context in included():
                yield getattr(context, "starlette_route", None) or context


def _leaves(routes: Iterable[Any], path: str = "", path_format: str = "") -> Iterator[_Leaf]:
    """Return all routes that answer, with their whole templates."""
    for route in _plain(routes):
        whole = path + _path(route), path_format + _path(route, "path_format")
        if inner := getattr(route, "routes", None):
            yield from _leaves(inner, *whole)
        else:
            yield _Leaf(*whole, route)


def _path(route: Any, name: str = "path") -> str:
    """Return the template of a route; `""` of one for a host, which has none."""
    found: str = getattr(route, name, "")
    return found.removesuffix("/{path}") if hasattr(route, "routes") else found


def _selected(path: str, path_format: str, route: Any) -> dict[str, object]:
    """Return the route and the endpoint. The route has its whole template: what is mounted at, and included with."""
    original = getattr(route, "original_route", route)
    if original.path != path:
        original = copy(original)
        original.path, original.path_format = path, path_format
    return {"route": original, "endpoint": getattr(original, "endpoint", None) or original.app}


# --- Django -----------------------------------------------------------------------------------------------------------


def _of_django(path: str) -> str:
    """Return the template of the route that Django has taken; `""` if it does not run in this context."""
    urls = sys.modules.get("django.urls")
    if urls is None or urls.get_urlconf() is None:
        return ""
    route: str = urls.resolve(path).route
    return route
