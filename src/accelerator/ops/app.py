"""The application for operators: a page, and what it asks by JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request
from starlette.routing import Router

from accelerator.cures import COUNTED, CURES, FORWARDED
from accelerator.ops.answers import RequestError, error_answer, file_answer, json_answer
from accelerator.ops.entrance import Authorize, Entrance
from accelerator.ops.entries import entries, figures, story
from accelerator.ops.operated import Operated
from accelerator.ops.orders import Order, order_of, url_in_target
from accelerator.ops.pages import page_files
from accelerator.ops.taking_back import TakingBack

if TYPE_CHECKING:
    from starlette.responses import Response

    from accelerator.asgi import ASGIAccelerator
    from accelerator.asgi_types import Receive, Scope, Send
    from accelerator.wsgi import WSGIAccelerator


class OpsApp:
    """An ASGI application for operators, to be mounted at a path: a page, a JSON API, and `PURGE` of URLs.

    It shows how the cache does and what is stored, and takes back tags, URLs or everything. Nobody comes in whom
    `authorize` does not let in. Bodies and credentials are never shown. It is not cached itself, wherever it is
    mounted.

    Args:
        accelerator: the `ASGIAccelerator` or `WSGIAccelerator` to operate; None for the one that is around the
            application in which this is mounted.
        authorize: takes the request, a `starlette.requests.Request`, and returns the name of who sends it, for the
            log, or True. Anything else refuses it, and so does an exception. It may be async. It is called for each
            request.

    Raises:
        TypeError: `accelerator` is none, or `authorize` cannot be called.
    """

    def __init__(self, accelerator: ASGIAccelerator | WSGIAccelerator | None = None, *, authorize: Authorize) -> None:
        self._operated = None if accelerator is None else Operated(accelerator)
        self._entrance = Entrance(authorize)
        self._files = page_files()
        self._not_http = Router()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an operator's request. A WebSocket is refused."""
        if scope["type"] != "http":
            await self._not_http(scope, receive, send)
            return
        try:
            answer = await self._answer(Request(scope, receive))
        except RequestError as error:
            answer = error_answer(error)
        except ClientDisconnect:  # within the content, so that nothing has begun
            return
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        who = await self._entrance.admit(request)
        operated = Operated.around(request.scope) if self._operated is None else self._operated
        if request.method == "PURGE":
            return await TakingBack(operated, _purged(request), who).run()
        match _name(request.scope):
            case "invalidate":
                _allow(request, "POST")
                return await TakingBack(operated, await order_of(request), who).run()
            case "figures":
                _allow(request, "GET", "HEAD")
                return json_answer(await figures(operated))
            case "entries":
                _allow(request, "GET", "HEAD")
                return json_answer(await entries(operated, request))
            case "story":
                _allow(request, "GET", "HEAD")
                return json_answer(await story(operated, request))
            case "cures":
                _allow(request, "GET", "HEAD")
                return json_answer(cures())
            case name if name in self._files:
                _allow(request, "GET", "HEAD")
                return file_answer(*self._files[name])
        raise RequestError(404, "there is nothing at this path: the page is where this is mounted, with a / at the end")


def cures() -> dict[str, dict[str, str]]:
    """Return each reason that figures may have, with what it means and what to do about it."""
    return {reason: cure._asdict() for reason, cure in {**FORWARDED, **CURES, **COUNTED}.items()}


def _name(scope: Scope) -> str:
    """Return the path of a request below the place where this is mounted, without the `/` before it."""
    path: str = scope["path"]
    below = path.removeprefix(scope.get("root_path", ""))
    return (below if below.startswith("/") else path).removeprefix("/")


def _purged(request: Request) -> Order:
    url = url_in_target(request)
    if url is None:
        raise RequestError(
            400, "behind PURGE and the address of this page stands a URL such as https://example.org/p?x=1"
        )
    return Order(urls=(url,))


def _allow(request: Request, *methods: str) -> None:
    """Check the method of a request.

    Raises:
        RequestError: the method is another one.
    """
    if request.method not in methods:
        raise RequestError(405, f"this path takes {methods[0]}", {"Allow": ", ".join(methods)})
