"""uvicorn's protocol on httptools, with a door: a plain hit is answered as soon as its header section is parsed.

No task, coroutine or cycle is made for it. Everything else goes uvicorn's own way, and so does a hit that would have to
wait, or after which the connection would be closed.
"""

from __future__ import annotations

import asyncio
import logging
import urllib.parse
from contextlib import suppress
from contextvars import copy_context
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import httptools
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import get_client_addr, get_path_with_query_string

from accelerator.asgi import ASGIAccelerator
from accelerator.servers.framing import framed

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from accelerator.asgi_types import Message, Receive, Scope, Send

logger = logging.getLogger("accelerator")

_FORWARDED: Final = frozenset({b"x-forwarded-for", b"x-forwarded-proto"})
"""The fields that uvicorn's middleware for proxies reads."""

_AT_ONCE: Final = 16
"""As many pipelined hits are answered before the loop has another turn; a packet may have thousands."""

_JOINED: Final = 65536
"""Up to this many bytes of content are cheaper to copy than to write on their own."""


class _Answered(RequestResponseCycle):
    """What stands for the cycle of a request that was answered without one."""

    def __init__(self) -> None:
        self.response_complete = True
        self.message_event = asyncio.Event()  # it may be set from any loop: nobody waits for it


class _Forwarded(ProxyHeadersMiddleware):
    """What a middleware of uvicorn makes of a request's scope, without the application behind it."""

    def __init__(self, middleware: ProxyHeadersMiddleware) -> None:
        self.app: Any = _nothing
        self.trusted_hosts = middleware.trusted_hosts

    def seen(self, scope: Scope) -> Scope:
        """Return the scope as the application would see it; the one that is given stays as it is."""
        seen: Scope = dict(scope)
        unused: Any = None
        with suppress(StopIteration):  # nothing in it waits
            self(seen, unused, unused).send(None)  # type: ignore[arg-type]  # uvicorn has types of its own for scopes
        return seen


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Stand where an application would."""


class _Front:
    """The accelerator that is the outermost application of a server, with what uvicorn has put around it.

    Args:
        accelerator: the accelerator.
        forwarded: the middleware for the fields of proxies; None if there is none.
    """

    def __init__(self, accelerator: ASGIAccelerator, forwarded: _Forwarded | None) -> None:
        self.answer = accelerator.answer_at_once
        self.forwarded = forwarded

    @classmethod
    def of(cls, app: Any) -> _Front | None:
        """Return the front that this application is, None if another application would see a request first."""
        forwarded = None
        if type(app) is ProxyHeadersMiddleware:
            forwarded, app = _Forwarded(app), app.app
        if isinstance(app, ASGIAccelerator) and type(app).__call__ is ASGIAccelerator.__call__:
            return cls(app, forwarded)
        logger.warning(
            "AcceleratedProtocol is off, hits take the ordinary way: uvicorn serves a %s. Have it serve the accelerator"
            " itself: site = ASGIAccelerator(app, store=store), in place of app.add_middleware(ASGIAccelerator, …).",
            type(app).__name__,
        )
        return None


_ANSWERED: Final = _Answered()
_fronts: WeakKeyDictionary[Config, _Front | None] = WeakKeyDictionary()


def _front_of(config: Config) -> _Front | None:
    """Return the front of a server; it is looked for once."""
    if config not in _fronts:
        _fronts[config] = _Front.of(config.loaded_app)
    return _fronts[config]


class HitsFirstProtocol(HttpToolsProtocol):
    """What uvicorn makes for each connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._front = _front_of(config)
        self._hits_of_packet = 0
        self._is_idle = False
        self._idle_since = 0.0

    def data_received(self, data: bytes) -> None:
        """Parse a packet.

        The timer of an idle connection goes on while hits come: one for each would be a tenth of what a hit costs.
        """
        timer, self.timeout_keep_alive_task = self.timeout_keep_alive_task, None
        self._hits_of_packet, self._is_idle = 0, False
        super().data_received(data)
        if self._is_idle:
            self._unset_keepalive_if_required()  # of an answer before the hit, from a task that began and ended at once
            self._idle_since = self.loop.time()
            self.timeout_keep_alive_task = timer or self._timer(self.timeout_keep_alive)
        elif timer is not None:
            timer.cancel()

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it has been idle for as long as uvicorn allows."""
        seconds = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if seconds > 0:
            self.timeout_keep_alive_task = self._timer(seconds)
        else:
            super().timeout_keep_alive_handler()

    def _timer(self, seconds: float) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def on_headers_complete(self) -> None:
        """Answer a plain hit; begin what uvicorn begins for anything else."""
        self._is_idle = self._front is not None and self._is_next() and self._is_answered(self._front)
        if not self._is_idle:
            super().on_headers_complete()

    def _is_next(self) -> bool:
        """Tell whether the request's turn has come, and its answer would leave the connection open.

        A pipelined one waits for those before it (RFC 9112 §9.3.2), one whose answer would have to wait does so in a
        task, and uvicorn itself continues, upgrades, refuses and closes.
        """
        limit, parser = self.limit_concurrency, self.parser
        return (
            (self.cycle is None or self.cycle.response_complete)
            and self._hits_of_packet < _AT_ONCE
            and not self.flow.write_paused
            and not self.expect_100_continue
            and (limit is None or (len(self.connections) < limit and len(self.tasks) < limit))
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and parser.get_http_version() == "1.1"
        )

    def _is_answered(self, front: _Front) -> bool:
        """Answer a plain hit; tell whether it was one."""
        found = self._found(front)
        if found is None:
            return False
        written, count, report = found
        count()
        self._write(*written)
        self.cycle = _ANSWERED
        self._hits_of_packet += 1
        self.server_state.total_requests += 1
        if report is not None:  # in a context of its own, as a task has: what a listener sets there ends with it
            copy_context().run(report)
        return True

    def _found(self, front: _Front) -> tuple[tuple[bytes, bytes], Callable[[], None], Callable[[], None] | None] | None:
        """Find the answer to a plain hit, and log it; None for any other request.

        Returns:
            Its head and content, what counts it, and what then reports it, None if nobody listens.
        """
        scope = self._scope()
        try:
            if front.forwarded is not None and not _FORWARDED.isdisjoint(map(itemgetter(0), self.headers)):
                scope = front.forwarded.seen(scope)
            hit = front.answer(scope)
            if hit is None:
                return None
            start, body, count, report, _ = hit
            written = framed(self.server_state.default_headers, start, body["body"], scope["method"])
            if written is not None:
                self._log(scope, start)
        except Exception:  # noqa: BLE001 - the ordinary way meets it again, and there it is logged
            return None
        return None if written is None else (written, count, report)

    def _scope(self) -> Scope:
        """Return the scope that uvicorn would make. What it refuses raises here as it does there."""
        scope: Scope = self.scope  # type: ignore[assignment]  # uvicorn has types of its own for scopes
        parsed = httptools.parse_url(self.url)
        path = parsed.path.decode("ascii")
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["path"] = self.root_path + (urllib.parse.unquote(path) if "%" in path else path)
        scope["raw_path"] = self.root_path.encode("ascii") + parsed.path
        scope["query_string"] = parsed.query or b""
        return scope

    def _log(self, scope: Any, start: Message) -> None:
        """Write uvicorn's line into the access log."""
        if self.access_log and self.access_logger.isEnabledFor(logging.INFO):
            self.access_logger.info(
                '%s - "%s %s HTTP/%s" %d',
                get_client_addr(scope),
                scope["method"],
                get_path_with_query_string(scope),
                scope["http_version"],
                start["status"],
            )

    def _write(self, head: bytes, content: bytes) -> None:
        """Write an answer, with as few calls of the system as its length is worth."""
        if len(content) <= _JOINED:
            self.transport.write(head + content)
        else:
            self.transport.write(head)
            self.transport.write(content)
