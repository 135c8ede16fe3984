"""Which requests may come in: those that `authorize` says yes to, and that no page of another site has sent."""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Final, TypeAlias

from starlette.concurrency import run_in_threadpool

from accelerator.notes import current_notes, no_store
from accelerator.ops.answers import RequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

Authorize: TypeAlias = "Callable[[Request], str | bool | Awaitable[str | bool | None] | None]"
"""Says who sends a request, or that its sender may come in. Whatever is neither a name nor True refuses it."""

logger = logging.getLogger("accelerator.ops")

UNNAMED: Final = "somebody"
"""Who asks where `authorize` says only that they may."""

_CLOSED: Final = "this is closed: the function that was given as authorize did not let this request in"
_FROM_ELSEWHERE: Final = (
    "this request was sent by a page of another site, or a proxy has changed its Host: let the proxy pass on the Host"
    " that the browser sent"
)
_SAFE: Final = frozenset({"GET", "HEAD"})
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


class Entrance:
    """Lets requests in, or not.

    Args:
        authorize: says of each request who sends it, or that its sender may come in. It may be async. A function that
            is not runs in a thread.

    Raises:
        TypeError: `authorize` cannot be called.
    """

    def __init__(self, authorize: Authorize) -> None:
        if not callable(authorize):
            raise TypeError(
                "authorize is a function that takes a request and returns the name of who may come in,"
                f" not {type(authorize).__name__}"
            )
        self._authorize = authorize
        self._is_async = any(map(inspect.iscoroutinefunction, (authorize, type(authorize).__call__)))

    async def admit(self, request: Request) -> str:
        """Return who sends a request.

        Raises:
            RequestError: it may not come in.
        """
        keep_out_of_the_cache(request.method)
        if _is_from_elsewhere(request):
            raise RequestError(403, _FROM_ELSEWHERE)
        try:
            said: object = await self._ask(request)
        except Exception as error:  # noqa: BLE001 - whatever it raises, nobody is let in
            _log_failure(error)
            said = None
        if isinstance(said, str) and said:
            return said
        if said is True:
            return UNNAMED
        if said is not None and not isinstance(said, str | bool):
            logger.error("authorize returned a %s, so that the request was refused", type(said).__name__)
        raise RequestError(403, _CLOSED)

    async def _ask(self, request: Request) -> object:
        if self._is_async:
            said: object = self._authorize(request)
        else:  # in a list, since trio lets no thread return an awaitable
            (said,) = await run_in_threadpool(lambda: [self._authorize(request)])
        return await said if inspect.isawaitable(said) else said


def _log_failure(error: Exception) -> None:
    """Log in one line why `authorize` failed: strangers may make it fail often."""
    logger.error("authorize failed, so that the request was refused: %r", error)
    logger.debug("where authorize failed", exc_info=error)


def keep_out_of_the_cache(method: str) -> None:
    """Let a cache around this neither store the response, nor take back the URL to which an operator's request goes."""
    no_store()
    if (notes := current_notes()) is not None:
        notes.allow_methods(frozenset({method}))
        notes.leave_uncounted()  # figures are those of the site, however often an operator looks at them


def _is_from_elsewhere(request: Request) -> bool:
    """Tell whether a browser sends a request for a page of another site (https://www.w3.org/TR/fetch-metadata/).

    To follow a link to here is no harm. What is no browser sends neither field.
    """
    sites = request.headers.getlist("sec-fetch-site")
    if sites == ["same-origin"]:
        return False
    if sites:
        is_asked_for = sites == ["none"] or request.headers.getlist("sec-fetch-mode") == ["navigate"]
        return not (is_asked_for and request.method in _SAFE)
    origins = request.headers.getlist("origin")
    return bool(origins) and not _is_own_origin(origins, request.headers.getlist("host"))


def _is_own_origin(origins: list[str], hosts: list[str]) -> bool:
    """Tell whether an Origin is that of this site. Its scheme is not compared: a proxy may have ended TLS."""
    if len(origins) != 1 or len(hosts) != 1:
        return False
    scheme, _, authority = origins[0].lower().partition("://")
    port = _DEFAULT_PORTS.get(scheme)
    return port is not None and authority.removesuffix(port) == hosts[0].lower().removesuffix(port)
