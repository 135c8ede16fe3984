"""An address of its own for operators of a gateway: whoever knows it may come in, and nobody can guess it."""

from __future__ import annotations

import secrets
from hmac import compare_digest
from ipaddress import ip_address
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse

from accelerator.ops.answers import RequestError, error_answer
from accelerator.ops.app import OpsApp

if TYPE_CHECKING:
    from accelerator.asgi import ASGIAccelerator
    from accelerator.asgi_types import Application, Receive, Scope, Send

_NOT_HERE = RequestError(403, "this is open only at the whole address that was printed at the start")
_NO_NAME = RequestError(403, "ask for this by its IP address or as localhost: a name may be another site's")


class Listener:
    """A site, and on a port of its own the application for its operators.

    That is at a path with a random word in it, which is the key: browsers neither send it along by themselves, as they
    do with cookies, nor tell it to others. Its Host has to be an IP address, localhost, or the name that the operator
    gave, so that no page of a site that lets its own name mean this machine gets an answer.

    Args:
        site: the site.
        accelerator: its cache.
        host: the name or address on which operators are listened to.
        port: their port, which is not that of the site.

    Attributes:
        path: the path of the page.
    """

    def __init__(self, site: Application, accelerator: ASGIAccelerator, host: str, port: int) -> None:
        self._site = site
        self._host = host.lower()
        self._port = port
        self._key = f"/{secrets.token_urlsafe(32)}"
        self._ops = OpsApp(accelerator, authorize=lambda _: "who has the address")
        self.path = f"{self._key}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the port on which a request came in, which its client cannot make up.

        On that of operators a WebSocket is refused.
        """
        if scope["type"] == "lifespan" or (scope["server"] or ("", None))[1] != self._port:
            await self._site(scope, receive, send)
        elif scope["type"] == "http":
            await self._operate(scope, receive, send)
        else:
            await self._ops(scope, receive, send)

    async def _operate(self, scope: Scope, receive: Receive, send: Send) -> None:
        first, slash, _ = scope["path"].removeprefix("/").partition("/")
        if not self._is_named(Headers(scope=scope).getlist("host")):
            answer: Application = error_answer(_NO_NAME)
        elif not compare_digest(f"/{first}".encode("utf-8", "surrogateescape"), self._key.encode()):
            answer = error_answer(_NOT_HERE)
        elif not slash:
            answer = RedirectResponse(self.path)
        else:
            scope, answer = {**scope, "root_path": self._key}, self._ops
        await answer(scope, receive, send)

    def _is_named(self, hosts: list[str]) -> bool:
        """Tell whether a request names this machine by an address, by localhost, or by the operator's name for it."""
        if len(hosts) != 1:
            return False
        name = hosts[0].lower()
        if not name.endswith("]"):
            name = name.rpartition(":")[0] or name
        return name in {"localhost", self._host} or _is_address(name.removeprefix("[").removesuffix("]"))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
