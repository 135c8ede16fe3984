"""An ASGI application that forwards requests to an HTTP origin, so that the cache can be in front of any web server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, cast

import anyio

from accelerator.http import fields

try:
    import httpx
except ImportError as error:
    raise ImportError('the gateway needs an extra: pip install "asgi-accelerator[gateway]"') from error

from accelerator.gateway import forwarding
from accelerator.notes import no_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from accelerator.asgi_types import Message, Receive, Scope, Send

logger = logging.getLogger("accelerator")
_SCHEMES: Final = frozenset({"http", "https"})
_WITHOUT_CONTENT: Final = frozenset({204, 304})
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "QUERY"})
_OF_CONNECTION: Final = frozenset({b"forwarded", b"via", b"x-forwarded-for"})
# response fields that decide whether, for how long and for whom a response may be stored
_DECISIVE: Final = frozenset(
    b"age cache-control cache-groups cache-tag cdn-cache-control content-encoding content-range date expires set-cookie"
    b" surrogate-control surrogate-key vary xkey".split()
)


class Gateway:
    """Forwards each request to an origin, and the response back, chunk by chunk and unchanged.

    Redirects are not followed, content is not decoded, and repeated field lines are not joined. Hop-by-hop fields are
    left out (RFC 9110 §7.6.1), and `Via` is added (§7.6.3). Fields by which proxies describe the client are not taken
    from a client: the gateway sends `Forwarded` (RFC 7239), `X-Forwarded-For` and `X-Forwarded-Proto` with what its
    server knows.

    It answers 400 if the target is not a path or the Host is invalid, 405 to CONNECT and TRACE, 502 if the origin
    cannot be reached, and 504 if the origin takes too long. If a response breaks off, it raises, so that the server
    breaks off, too.

    Args:
        origin: the origin's scheme, host and port: `http://127.0.0.1:9000`.
        trusted_fields: request fields that a proxy in front of the gateway sets or removes in every request, such as
            `("X-Forwarded-User",)`: they are forwarded, in this spelling. Clients must then reach the gateway only
            through that proxy.
        connect_timeout: seconds that connecting may take.
        timeout: seconds for which the origin may send or take nothing.

    Raises:
        TypeError: `trusted_fields` is no tuple of str.
        ValueError: the origin is not an http or https URL without a path, or a name is not allowed in `trusted_fields`.
    """

    def __init__(
        self,
        origin: str,
        *,
        trusted_fields: tuple[str, ...] = (),
        connect_timeout: float = 5.0,
        timeout: float = 60.0,
    ) -> None:
        self._origin = _checked(origin)
        self._trusted = forwarding.trusted_names(trusted_fields)
        self._timeouts = {"connect": connect_timeout, "read": timeout, "write": timeout}
        tls = httpx.create_ssl_context()  # it uses SSL_CERT_FILE or SSL_CERT_DIR if set
        limits = httpx.Limits(max_connections=None)
        self._transport = httpx.AsyncHTTPTransport(verify=tls, limits=limits)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._unused = httpx.AsyncHTTPTransport(verify=tls, limits=limits)  # it makes a new connection for each request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. A WebSocket is refused."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close"})
        else:
            await self._respond(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._transport.aclose()
        await self._unused.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = await receive()
        if first["type"] == "http.disconnect":
            return
        reply = forwarding.own_reply(scope)
        if reply is None:
            await self._forward(scope, _Content(first, receive), send)
        else:
            await _say(send, reply)

    async def _forward(self, scope: Scope, content: _Content, send: Send) -> None:
        """Forward one request. If the client leaves, close the connection to the origin."""
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:

            async def until_client_leaves() -> None:
                await content.wait_for_disconnect()
                tasks.cancel_scope.cancel()

            tasks.start_soon(until_client_leaves)
            try:
                await self._relay(self._request(scope, content), content, send)
            except Exception as error:  # noqa: BLE001 - raised below, outside of the task group, which would wrap it
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def _request(self, scope: Scope, content: _Content) -> httpx.Request:
        if forwarding.loses_own(scope["headers"]):
            no_store()  # the origin does not get fields that are in the cache's key
        lines = forwarding.request_lines(scope, self._origin.netloc, self._trusted, is_empty=content.is_empty)
        extensions = {"target": forwarding.target(scope), "timeout": self._timeouts}
        request = httpx.Request("GET", self._origin, headers=lines, stream=content, extensions=extensions)
        request.method = scope["method"]  # methods are case-sensitive (RFC 9110 §9.1), and httpx changes the case
        return request

    async def _relay(self, request: httpx.Request, content: _Content, send: Send) -> None:
        try:
            response = await self._exchange(request, is_repeatable=request.method in _SAFE and content.is_whole)
        except _ClientLeftError:
            return
        except httpx.TimeoutException as error:
            await _refuse(send, 504, b"the origin takes too long", error)
            return
        except httpx.LocalProtocolError as error:
            await _refuse(send, 400, b"the request cannot be forwarded", error)
            return
        except httpx.TransportError as error:
            await _refuse(send, 502, b"the origin cannot be reached", error)
            return
        content.drop_rest()
        if not 200 <= response.status_code <= 599:  # RFC 9110 §15
            await response.aclose()
            await _refuse(send, 502, b"the origin answers with no status", ValueError(response.status_code))
            return
        if not forwarding.connection_names(response.headers.raw).isdisjoint(_DECISIVE) or _varies_unseen(
            response, request
        ):
            no_store()  # the cache does not see all fields of the response, or of the request as the origin read it
        if request.url.scheme == "https" and _ends_with_connection(response):
            no_store()  # httpx does not tell if TLS was closed or cut off (RFC 9112 §8)
        try:
            await _answer(response, send)
        finally:
            _drop_surplus(response)
            await response.aclose()

    async def _exchange(self, request: httpx.Request, *, is_repeatable: bool) -> httpx.Response:
        """Send a request, and repeat it on a new connection if the origin has closed the idle one (RFC 9110 §9.2.2)."""
        is_reused = True

        async def trace(event: str, _: dict[str, Any]) -> None:
            nonlocal is_reused
            if event == "connection.connect_tcp.started":
                is_reused = False

        request.extensions["trace"] = trace
        try:
            return await self._transport.handle_async_request(request)
        except (httpx.ReadError, httpx.RemoteProtocolError):
            if not (is_reused and is_repeatable):
                raise
        return await self._unused.handle_async_request(request)


class _ClientLeftError(Exception):
    """The client left before its request was complete."""


class _Content(httpx.AsyncByteStream):
    """The content of a request, read as the client sends it; after it, the message that the client has left.

    Args:
        first: the first message of the request, which shows whether there is any content.
        receive: returns the following messages.

    Attributes:
        is_whole: the first message has the whole content, so it can be read again.
        is_empty: there is no content.
    """

    def __init__(self, first: Message, receive: Receive) -> None:
        self.is_whole = not first.get("more_body", False)
        self.is_empty = self.is_whole and not first.get("body")
        self._first = first
        self._receive = receive
        self._is_begun = self.is_empty
        self._is_done = anyio.Event()
        if self.is_whole:
            self._is_done.set()

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return this object, reset to the start. Content in several messages can be read only once."""
        self._is_begun = self.is_empty
        return self

    async def __anext__(self) -> bytes:
        """Return the next chunk."""
        if self._is_begun and self._is_done.is_set():
            raise StopAsyncIteration
        message = await self._receive() if self._is_begun else self._first
        self._is_begun = True
        if message["type"] == "http.disconnect":
            raise _ClientLeftError
        if not message.get("more_body", False):
            self._is_done.set()
        chunk: bytes = message.get("body", b"")
        return chunk

    def drop_rest(self) -> None:
        """Stop reading the content, because the origin does not want more, so that a disconnect is noticed."""
        self._is_done.set()

    async def wait_for_disconnect(self) -> None:
        """Return when the client has left."""
        await self._is_done.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _checked(origin: str) -> httpx.URL:
    try:
        url = httpx.URL(origin)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in _SCHEMES or not url.host or url.raw_path != b"/" or url.userinfo or url.fragment:
        raise ValueError(f"an origin is such as http://127.0.0.1:9000, without a path, not {origin!r}")
    return url


async def _answer(response: httpx.Response, send: Send) -> None:
    lines = [(name.lower(), value) for name, value in forwarding.end_to_end(response.headers.raw)]
    if _is_chunked(response) or response.status_code in _WITHOUT_CONTENT:
        # chunks take precedence (RFC 9112 §6.3), and servers wait for content of the declared length
        lines = [line for line in lines if line[0] != b"content-length"]
    await send({"type": "http.response.start", "status": response.status_code, "headers": lines})
    stream = cast("httpx.AsyncByteStream", response.stream)  # an async transport makes no other
    async for chunk in stream:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _drop_surplus(response: httpx.Response) -> None:
    """Have the connection closed if bytes came after the response: they are not the next one (RFC 9112 §6.3)."""
    stream: Any = response.stream
    received = stream._httpcore_stream._stream._connection._h11_state  # noqa: SLF001 - no public name shows these bytes
    if received.trailing_data[0]:
        received.send_failed()


def _is_chunked(response: httpx.Response) -> bool:
    return "transfer-encoding" in response.headers


def _varies_unseen(response: httpx.Response, request: httpx.Request) -> bool:
    """Tell whether a response varies on fields that the cache in front does not see as the origin does (RFC 9111 §4.1).

    These are the fields that the gateway sets from the client's connection, and fields whose names the origin may have
    read in another spelling.
    """
    varies = fields.field_names(fields.combined(response.headers.raw, b"vary") or b"")
    return not (_OF_CONNECTION | forwarding.respelled(request.headers.raw)).isdisjoint(varies)


def _ends_with_connection(response: httpx.Response) -> bool:
    """Tell whether the end of the content is the end of the connection (RFC 9112 §6.3)."""
    has_length = "content-length" in response.headers or response.status_code in _WITHOUT_CONTENT
    return not (has_length or _is_chunked(response))


async def _refuse(send: Send, status: int, words: bytes, error: Exception) -> None:
    cause: BaseException | None = error
    while cause is not None and not str(cause):  # some errors without a message wrap the one that has it
        cause = cause.__cause__ or cause.__context__
    logger.warning("%s: %r", words.decode(), cause or error)
    await _say(send, forwarding.Reply(status, words))


async def _say(send: Send, reply: forwarding.Reply) -> None:
    """Answer without the origin. The response is for this request only, so nobody may store it (RFC 9111 §5.2.2.5)."""
    headers = [(b"cache-control", b"no-store"), *reply.lines]
    if reply.words:
        headers += [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(reply.words))]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.words})
