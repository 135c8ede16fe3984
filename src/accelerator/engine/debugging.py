"""The option `debug`: which requests are told their reasoning, and how.

The response says it in a field, for that is where who asks can see it: in a browser, by curl, behind proxies. A field
goes out before the end of a streamed response is known; what the end adds is logged.
"""

from __future__ import annotations

import logging
from hmac import compare_digest
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Protocol

from accelerator.engine.reasoning import Reasoning
from accelerator.http.fields import combined
from accelerator.http.response import Response

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from accelerator.asgi_types import Message, Receive, Scope, Send
    from accelerator.engine.report import Reporter
    from accelerator.http.ignored import Ignored
    from accelerator.options import Options

logger = logging.getLogger("accelerator")

_name_of_line: Final = itemgetter(0)

FIELD: Final = b"accelerator-debug"
"""The request field that carries the token, and the response field that has the reasoning."""

_ON_FOR_ALL: Final = (
    "debug=True: every response says in Accelerator-Debug how it came about, and no hit is answered the short way. That"
    " is for development. With a token in place of True, only requests that carry it are told."
)
_FOR_CACHES: Final = frozenset({b"expires", b"surrogate-control", b"x-accel-expires"})
"""What tells caches how long to keep a response, beside all fields whose names end with Cache-Control."""


class Handle(Protocol):
    """Answers a request, and tells the reasoning to what takes it."""

    def __call__(
        self, scope: Scope, receive: Receive, send: Send, reasoning: Reasoning | None
    ) -> Coroutine[Any, Any, None]:
        """Answer a request."""
        ...


class Debugging:
    """Tells requests their reasoning, as the option `debug` says.

    Args:
        options: the options of the middleware; `debug` is True or a token.
        ignored: removes ignored query parameters and cookies.
        reporter: logs once that every request is told.
    """

    def __init__(self, options: Options, ignored: Ignored, reporter: Reporter) -> None:
        self._options = options
        self._ignored = ignored
        self._token = options.debug.encode("ascii") if isinstance(options.debug, str) else None
        if self._token is None:
            reporter.warn_once("debug", _ON_FOR_ALL)

    async def answer(self, handle: Handle, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request by `handle`, which does not see the token, and say in the response how it came about."""
        lines = scope["headers"]
        # a quick look at all names at once: requests that are not told anything pay for no more
        given = combined(lines, FIELD) if FIELD in b"\n".join(map(_name_of_line, lines)).lower() else None
        if given is not None:
            scope["headers"] = [line for line in lines if line[0].lower() != FIELD]
        try:
            if self._token is None or (given is not None and compare_digest(given, self._token)):
                reasoning = Reasoning(scope, self._ignored, self._options)
                told = _Told(reasoning, send, is_private=self._token is not None)
                try:
                    await handle(scope, receive, told.send, reasoning)
                finally:
                    told.log_end()
            else:
                await handle(scope, receive, send, None)
        finally:
            scope["headers"] = lines  # outer middlewares use the same scope


class _Told:
    """The client of a request that is told its reasoning.

    Args:
        reasoning: the reasoning.
        send: sends a message to the client.
        is_private: whether the response is for this client only, so that no cache in front may store it.
    """

    def __init__(self, reasoning: Reasoning, send: Send, *, is_private: bool) -> None:
        self._reasoning = reasoning
        self._send = send
        self._is_private = is_private
        self._said: bytes | None = None

    async def send(self, message: Message) -> None:
        """Send a message to the client; the start of a response says what is known by now."""
        field = self._reasoning.field if message.get("type") == "http.response.start" else None
        if field is not None and Response.read(message, 0, 0) is not None:  # a malformed one is the server's to judge
            self._said = field
            lines = [line for line in message["headers"] if not self._is_dropped(line[0].lower())]
            private = [(b"cache-control", b"no-store")] if self._is_private else []
            message = {**message, "headers": [*lines, *private, (FIELD, field)]}
        await self._send(message)

    def log_end(self) -> None:
        """Log the reasoning if the response could not say all of it, because it had started before."""
        field = self._reasoning.field
        if field is not None and field != self._said:
            logger.info("what became of a response after its start: %s", field.decode("ascii"))

    def _is_dropped(self, name: bytes) -> bool:
        """Tell whether a field of the response goes: that of another cache, and what lets caches in front store it."""
        return name == FIELD or (self._is_private and (name.endswith(b"cache-control") or name in _FOR_CACHES))
