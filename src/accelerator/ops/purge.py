"""The method PURGE around a site: a request to take back the URL to which it is sent."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.requests import Request

from accelerator.http.request import Request as CachedRequest
from accelerator.ops.answers import RequestError, error_answer
from accelerator.ops.entrance import Authorize, Entrance
from accelerator.ops.operated import Operated
from accelerator.ops.orders import Order, checked_url, url_in_target
from accelerator.ops.taking_back import TakingBack

if TYPE_CHECKING:
    from starlette.responses import Response

    from accelerator.asgi import ASGIAccelerator
    from accelerator.asgi_types import Application, Receive, Scope, Send
    from accelerator.wsgi import WSGIAccelerator


class Purge:
    """ASGI middleware that lets `PURGE` of a URL of the site take back what is stored of that URL.

    Put it around the accelerator. It answers each PURGE itself; all other requests go on unchanged. Where an absolute
    URL stands in the path, as behind the address of an `OpsApp`, that one is taken back as well.

    Args:
        app: the site.
        accelerator: the accelerator that caches it.
        authorize: as that of `OpsApp`.

    Raises:
        TypeError: `accelerator` is none, or `authorize` cannot be called.
    """

    def __init__(
        self, app: Application, accelerator: ASGIAccelerator | WSGIAccelerator, *, authorize: Authorize
    ) -> None:
        self._app = app
        self._operated = Operated(accelerator)
        self._entrance = Entrance(authorize)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a PURGE, and hand on anything else."""
        if scope["type"] != "http" or scope["method"] != "PURGE":
            await self._app(scope, receive, send)
            return
        try:
            answer = await self._answer(Request(scope, receive))
        except RequestError as error:
            answer = error_answer(error)
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        who = await self._entrance.admit(request)
        urls = [checked_url(CachedRequest(request.scope).url, "the URL")]
        with suppress(RequestError):  # it may be for an OpsApp within the site
            urls += [url for url in (url_in_target(request),) if url is not None]
        return await TakingBack(self._operated, Order(urls=tuple(urls)), who).run()
