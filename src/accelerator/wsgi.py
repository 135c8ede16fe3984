"""The WSGI middleware: the same engine, driven by hand in the server's own thread.

The engine speaks ASGI. Here are both ends for it. Its client is the server: the scope is made of the environ, and what
the engine sends becomes a WSGI response. Its application is a callable that runs the WSGI application right there, in
the thread and with the environ that the server gave.
"""

from __future__ import annotations

import sys
from functools import partial
from http.client import responses
from io import BufferedReader, BytesIO, RawIOBase
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Unpack, cast
from urllib.parse import quote_from_bytes

from accelerator.engine import Engine
from accelerator.options import CacheEvent, OptionArguments, checked
from accelerator.policy import is_event_stream
from accelerator.question import MAX_QUESTION_BYTES
from accelerator.stores import checked_store
from accelerator.stores.memory import MemoryStore
from accelerator.stores.sync import BlockingStore, SyncStore, finish_now
from accelerator.tagging import flattened, listener, start_listening, stop_listening
from accelerator.threads import Driven, ThreadRuntime, outside, pause
from accelerator.undivided import Undivided

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import TypeAlias, TypeVar
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from _typeshed import WriteableBuffer

    from accelerator.asgi_types import Message, Receive, Scope, Send
    from accelerator.normalise import Ignored
    from accelerator.stores import Store

    T = TypeVar("T")
    ExceptionInfo: TypeAlias = (
        tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None] | None
    )

CACHE_FOR: Final = "accelerator.cache_for"
TAGS: Final = "accelerator.tags"

MAX_FIELD_NAMES: Final = 1024
MAX_FIELD_NAME: Final = 128
"""Names of request fields that are kept in mind, and their length: a stranger may make up others."""

_CONTENT_FIELDS: Final = {"CONTENT_TYPE": b"content-type", "CONTENT_LENGTH": b"content-length"}
_ASGI: Final = {"version": "3.0", "spec_version": "2.4"}

_TARGETS: Final = ("REQUEST_URI", "RAW_URI")
"""Where servers tell a request's target as the client sent it."""

_STATUS_LINE: Final = "wsgi.status"
"""The key of a start message under which the application's own status line goes through the engine."""

_PATH_CHARACTERS: Final = "/:@!$&'()*+,;=~"
"""What stands for itself in a path (RFC 3986 §3.3), besides letters, digits, and what `quote` spares anyway."""


class WSGIAccelerator(Undivided):
    """A cache in front of a WSGI application.

    Handlers find it in the environ as `accelerator`. Of several around one application, the outermost works, those
    further in pass everything through. That holds inside an `ASGIAccelerator`, too, where `a2wsgi.WSGIMiddleware` is
    between them: then this one lets the application speak to the other by the keys of the environ.

    Args:
        app: the application.
        store: where entries live; a `MemoryStore` of its own if none is given.
        options: see `accelerator.options.Options`.

    Raises:
        TypeError: there is no such option, or its value has the wrong type.
        ValueError: an option's value makes no sense.
    """

    def __init__(self, app: WSGIApplication, store: Store | None = None, **options: Unpack[OptionArguments]) -> None:
        self.app = app
        self.store: Store = MemoryStore() if store is None else checked_store(store)
        self._store = BlockingStore(self.store) if self.store.suspends else self.store
        self._engine = Engine(self._call, self._store, checked(options), self, ThreadRuntime())

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        if "accelerator" in environ:
            return self.app(environ, start_response)
        answer = _Answer(start_response)
        outer = environ.get("asgi.scope", ())
        if "accelerator" in outer:
            changes = {"accelerator": SyncStore(outer["accelerator"].store), TAGS: outer.get(TAGS, [])}
            work = _Call(self.app, environ, changes, outer, answer.send, answer).run()
        else:
            scope = _scope_of(environ, answer)
            work = self._engine.handle(scope, partial(_content, scope), answer.send)
        return _begun(answer, Driven(work))

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Be the application of the engine."""
        answer: _Answer | None = getattr(scope, "answer", None)
        if scope["method"] in {"GET", "HEAD"} and _may_have_content(scope["wsgi.environ"]):
            await receive()  # an answer to a content is not stored
        environ = answer.fresh(scope["wsgi.environ"]) if answer is not None else _detached(scope)
        await _Call(self.app, environ, _changes(environ, scope, self._engine.ignored), scope, send, answer).run()

    def invalidate_tag(self, *tags: str | Iterable[str], soft: bool = False) -> None:
        """Do what `Store.invalidate_tag` does, and report it to `on_event`. It returns when it is done."""
        names = flattened(tags)
        finish_now(self._store.invalidate_tag(names, soft=soft))
        self._engine.reporter.emit(CacheEvent("invalidate", detail="soft" if soft else "hard", tags=frozenset(names)))

    def invalidate_url(self, url: str, *, soft: bool = False) -> None:
        """Do what `Store.invalidate_url` does to the URL without what `ignore_query` names; report it to `on_event`.

        It returns when it is done.
        """
        url = self._engine.ignored.url(url)
        finish_now(self._store.invalidate_url(url, soft=soft))
        self._engine.reporter.emit(CacheEvent("invalidate", url=url, detail="soft" if soft else "hard"))

    def clear(self) -> None:
        """Do what `Store.clear` does, and report it to `on_event`. It returns when it is done."""
        finish_now(self._store.clear())
        self._engine.reporter.emit(CacheEvent("invalidate", detail="clear"))


# --- the server's end -------------------------------------------------------------------------------------------------


class _ClientLeftError(OSError):
    """The server takes no more of the response."""


class _Answer:
    """What the engine says to the server, on its way there.

    As long as only the engine is at work, it is collected: a hit is one pass. Once the application runs, each chunk
    goes out before the application goes on.

    Args:
        start_response: the server's.

    Attributes:
        chunk: what goes out next.
        is_last: nothing comes after it.
        gone: why the server takes nothing more.
        is_streamed: the application runs.
    """

    __slots__ = ("_start", "_start_response", "_untouched", "_write", "chunk", "gone", "is_last", "is_streamed")

    def __init__(self, start_response: StartResponse) -> None:
        self.chunk: bytes | None = None
        self.is_last = False
        self.gone: OSError | None = None
        self.is_streamed = False
        self._start: Message | None = None
        self._start_response = start_response
        self._write: Callable[[bytes], object] | None = None
        self._untouched: WSGIEnvironment | None = None

    async def send(self, message: Message) -> None:
        """Take a message of the engine."""
        self._refuse_if_gone()
        if message["type"] == "http.response.start":
            self._start = message
            return
        self.chunk, self.is_last = message["body"], not message.get("more_body", False)
        if self.is_streamed:
            await pause()
            if not self.is_last:
                self._refuse_if_gone()

    def _refuse_if_gone(self) -> None:
        if self.gone is not None:
            raise self.gone

    def start(self) -> Callable[[bytes], object]:
        """Start the response, if that is not done yet; return the server's `write`."""
        if self._write is None:
            assert self._start is not None  # noqa: S101 - the engine has answered
            self._write = self._start_response(*_status_and_headers(self._start))
        return self._write

    def take(self) -> bytes | None:
        """Return what goes out now, None if there is nothing."""
        chunk, self.chunk = self.chunk, None
        return chunk

    def write_out(self) -> None:
        """Pass it to the server's `write`, for an application that writes."""
        try:
            self.start()(self.take() or b"")
        except OSError as error:
            self.gone = error

    def fresh(self, environ: WSGIEnvironment) -> WSGIEnvironment:
        """Return the environ for a call of the application: as it was, even if that is the second call."""
        if self._untouched is None:
            self._untouched = environ.copy()
        else:
            environ.clear()
            environ.update(self._untouched)
        return environ


class _Body:
    """The body that the server gets: the application runs as the server asks for the next chunk.

    Nothing in the engine's coroutine knows it: if a server drops it unclosed, the coroutine ends at once.
    """

    __slots__ = ("_answer", "_driven")

    def __init__(self, answer: _Answer, driven: Driven) -> None:
        self._answer = answer
        self._driven = driven

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        answer = self._answer
        if answer.chunk is None and not answer.is_last:
            self._driven.resume()
        chunk = answer.take()
        if chunk is None or (answer.is_last and not chunk):
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Let the application clean up; if the client left, it goes on as long as its response is to be stored."""
        self._answer.gone = _ClientLeftError("the client has left")
        try:
            self._driven.resume()
        except _ClientLeftError:
            """That ended it."""


class _OnlyChunk(_Body):
    """A body that is known to be one chunk: its length tells servers the Content-Length, as PEP 3333 lets them."""

    __slots__ = ()

    def __len__(self) -> int:
        return 1


def _begun(answer: _Answer, driven: Driven) -> Iterable[bytes]:
    """Run until something is to go out, and return the body."""
    is_open = driven.resume()
    kind = _OnlyChunk if answer.is_last and answer.chunk else _Body
    body = kind(answer, driven)
    try:
        answer.start()
    except BaseException:
        body.close()
        raise
    if is_open:
        return body
    return [answer.chunk] if answer.chunk else []


class _Scope(dict[str, Any]):
    """The scope of a request that a server waits for. A copy of it, as the engine makes for a refresh, is a plain dict.

    Attributes:
        answer: what goes back to the server.
    """

    __slots__ = ("answer",)

    answer: _Answer


def _scope_of(environ: WSGIEnvironment, answer: _Answer) -> _Scope:
    """Return what ASGI says of a request, with the environ as `wsgi.environ`."""
    root = environ.get("SCRIPT_NAME", "")
    path = _bytes(root + environ.get("PATH_INFO", ""))
    port = environ.get("SERVER_PORT", "")
    target = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
    scope = _Scope(
        type="http",
        asgi=_ASGI,
        http_version=environ.get("SERVER_PROTOCOL", "HTTP/1.1")[5:],
        method=environ["REQUEST_METHOD"],
        scheme=environ["wsgi.url_scheme"],
        path=path.decode("utf-8", "surrogateescape"),
        raw_path=_raw_path(target, path),
        query_string=_query(environ),
        root_path=root,
        headers=_fields(environ),
        server=(environ.get("SERVER_NAME", ""), int(port) if port.isdecimal() else None),
        client=(environ["REMOTE_ADDR"], int(environ.get("REMOTE_PORT") or 0)) if environ.get("REMOTE_ADDR") else None,
    )
    scope["wsgi.environ"] = environ
    if unusual := _unusual_target(environ, target):
        scope["wsgi.target"] = unusual
    scope.answer = answer
    return scope


def _raw_path(target: str, path: bytes) -> bytes:
    """Return the path as the client sent it where the server tells the target, else the one it amounts to."""
    if not target:
        return quote_from_bytes(path, safe=_PATH_CHARACTERS).encode("ascii")
    sent = target.partition("?")[0]
    if sent[:1] != "/":  # RFC 9112 §3.2.2: the whole URL
        sent = "/" + sent.partition("://")[2].partition("/")[2]
    return _bytes(sent)


def _unusual_target(environ: WSGIEnvironment, target: str) -> bytes:
    """Return what the application is shown of a request's target beyond its path and query: a host, a fragment."""
    is_only_one = (environ.get("RAW_URI") or target) == target
    if not target or (is_only_one and _is_usual(target, environ.get("QUERY_STRING", ""))):
        return b""
    shown = [_bytes(environ[key]) for key in _TARGETS if environ.get(key)]
    return b"".join([b"target:%d:%b" % (len(target), target) for target in shown])


def _is_usual(target: str, query: str) -> bool:
    """Tell whether a target is a path and this query; which path that is, `_raw_path` says."""
    path, mark, sent_query = target.partition("?")
    return path[:1] == "/" and sent_query == query and bool(mark) == bool(query)


def _query(environ: WSGIEnvironment) -> bytes:
    return _bytes(environ.get("QUERY_STRING", ""))


def _bytes(text: str) -> bytes:
    """Return the bytes of a text of the environ (PEP 3333); what is wrongly in there stays apart from all else."""
    return text.encode("latin-1", "backslashreplace")


def _fields(environ: WSGIEnvironment) -> list[tuple[bytes, bytes]]:
    """Return the request's fields; servers have joined their lines."""
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
    """The fields that the keys of an environ with `HTTP_` stand for, in lower case; `b""` for any other key."""

    def __missing__(self, key: str) -> bytes:
        name = key[5:] if key.startswith("HTTP_") and key[5:] not in _CONTENT_FIELDS else ""
        found = _bytes(name.replace("_", "-").lower())
        if len(key) <= MAX_FIELD_NAME:
            if len(self) >= MAX_FIELD_NAMES:
                self.clear()
            self[key] = found
        return found


_field_names: Final = _FieldNames()


def _status_and_headers(start: Message) -> tuple[str, list[tuple[str, str]]]:
    """Return a start message as WSGI has it, with the application's own reason phrase where it is its own status."""
    status, line = start["status"], start.get(_STATUS_LINE)
    if line is None or int(line[:3]) != status:
        line = f"{status} {responses.get(status, '')}"
    return line, [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]


async def _content(scope: Scope) -> Message:
    """Read the content of a request, in the thread that the server gave.

    One whose end is not known, or that ends before it, ends as if the client had left.
    """
    size = None if "wsgi.content" in scope else _readable_size(scope["wsgi.environ"])
    if size is None:
        return {"type": "http.disconnect"}
    scope["wsgi.content"] = content = await outside(partial(scope["wsgi.environ"]["wsgi.input"].read, size))
    is_more = len(content) > MAX_QUESTION_BYTES or (_has_length(scope["wsgi.environ"]) and len(content) < size)
    return {"type": "http.request", "body": content, "more_body": is_more}


def _has_length(environ: WSGIEnvironment) -> bool:
    return bool(environ.get("CONTENT_LENGTH"))


def _readable_size(environ: WSGIEnvironment) -> int | None:
    """Return how many bytes may be asked for without waiting for ever; None if nothing tells."""
    if _has_length(environ):
        length: str = environ["CONTENT_LENGTH"]
        return int(length) if length.isdecimal() else None
    if environ.get("wsgi.input_terminated"):
        return MAX_QUESTION_BYTES + 1
    return None if "HTTP_TRANSFER_ENCODING" in environ else 0


def _may_have_content(environ: WSGIEnvironment) -> bool:
    """Tell whether a request without a declared content may have one, as in HTTP/2."""
    return bool(environ.get("wsgi.input_terminated")) and not _has_length(environ)


# --- the application's end --------------------------------------------------------------------------------------------


class _Call:
    """One call of a WSGI application.

    The application runs outside of the engine's coroutine, in the context of the server's thread: what it keeps in
    context variables (Django keeps its connections to caches there) is what it would keep without the cache.

    Args:
        app: the application.
        environ: its environ.
        changes: what the environ says differently while it runs; None takes a key off.
        scope: the scope that hears what the application says by keys.
        send: the engine's end.
        answer: what goes back to the server, None in a refresh.
    """

    def __init__(
        self,
        app: WSGIApplication,
        environ: WSGIEnvironment,
        changes: Mapping[str, Any],
        scope: Scope,
        send: Send,
        answer: _Answer | None,
    ) -> None:
        self._app = app
        self._environ = environ
        self._changes = changes
        self._scope = scope
        self._send = send
        self._answer = answer
        self._said = listener()
        self._start: Message | None = None
        self._told: Message | None = None  # the start that was passed on
        self._promised = -1  # the Content-Length
        self._has_started = False
        self._is_complete = False
        self._size = 0
        self._body: Iterable[bytes] = ()
        self._chunks: Iterator[bytes] = iter(())
        self._left: int | None = None  # chunks, if the application's iterable knows

    async def run(self) -> None:
        """Call the application, and pass on its response."""
        before = {key: self._environ.get(key) for key in (*self._changes, CACHE_FOR)}
        _update(self._environ, self._changes)
        if self._answer is not None:
            self._answer.is_streamed = True
        try:
            await self._pass_on()
        except GeneratorExit:  # the server dropped its iterable without closing it, and so does this
            del self._body, self._chunks
            raise
        except BaseException:
            await outside(partial(self._listened, self._close))
            raise
        else:
            await outside(partial(self._listened, self._close))
        finally:
            _update(self._environ, before)  # what stands around the cache finds its environ as it was

    async def _pass_on(self) -> None:
        await outside(partial(self._listened, self._begin))
        if self._start is not None and is_event_stream(self._start["headers"]):
            await self._tell_start(self._start)  # nobody is to wait for its first event
        while (chunk := await outside(partial(self._listened, self._next))) is not None:
            await self._tell(chunk)
        self._left = 0
        await self._tell(b"")

    async def _tell(self, chunk: bytes) -> None:
        """Pass on a chunk, with all that was said until now."""
        if self._is_complete:  # beyond its Content-Length a response has no content
            return
        if self._start is None:
            raise AssertionError("the application has to call start_response before its first chunk")
        await self._tell_start(self._start)
        self._has_started = True
        self._size += len(chunk)
        self._is_complete = self._left == 0 or self._size == self._promised
        await self._send({"type": "http.response.body", "body": chunk, "more_body": not self._is_complete})

    async def _tell_start(self, start: Message) -> None:
        """Pass on the start as it is now, with all that was said until now."""
        for key in (CACHE_FOR, TAGS):
            if key in self._environ:
                self._scope[key] = self._environ[key]
        if self._told is not start:
            self._told = start
            await self._send(start)

    # --- in the context of the server's thread ------------------------------------------------------------------------

    def _listened(self, work: Callable[[], T]) -> T:
        """Do a step of the application while somebody listens to what it says."""
        token = start_listening(self._said)
        try:
            return work()
        finally:
            stop_listening(token)

    def _begin(self) -> None:
        self._body = self._app(self._environ, self._start_response)
        self._chunks = iter(self._body)
        try:
            self._left = len(self._body)  # type: ignore[arg-type]  # whether it has one is what is tried
        except TypeError:
            self._left = None

    def _next(self) -> bytes | None:
        """Return the next chunk, None at the end. Empty ones before the first do not make a response start."""
        for chunk in self._chunks:
            if self._left is not None:
                self._left -= 1
            if chunk or self._has_started:
                return chunk
        return None

    def _close(self) -> None:
        if hasattr(self._body, "close"):
            self._body.close()

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExceptionInfo = None, /
    ) -> Callable[[bytes], object]:
        """Be `start_response` as in PEP 3333: nothing is sent before the first chunk, until then it may be replaced."""
        if exc_info:
            try:
                if self._has_started and exc_info[1] is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it would hold on to this frame
        elif self._start is not None:
            raise AssertionError("start_response was called before: a second call needs exc_info")
        self._start = {
            "type": "http.response.start",
            "status": int(status[:3]),
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
            _STATUS_LINE: status if status[3:] else f"{status} ",  # RFC 9112 §4: the blank is there without a phrase
        }
        self._promised = next((int(value) for name, value in headers if _is_length(name, value)), -1)
        return self._write

    def _write(self, chunk: bytes) -> None:
        """Be `write` as in PEP 3333: when it returns, the chunk is with the server."""
        telling = Driven(self._tell(chunk))
        while telling.resume():
            assert self._answer is not None, "a refresh sends nothing that would wait"  # noqa: S101 - an invariant
            self._answer.write_out()


def _is_length(name: str, value: str) -> bool:
    return name.lower() == "content-length" and value.isascii() and value.isdigit()


def _changes(environ: WSGIEnvironment, scope: Scope, ignored: Ignored) -> dict[str, Any]:
    """Return what the environ has to say differently, to be what the engine made of the scope; None takes a key off."""
    before, now = dict(_fields(environ)), dict(scope["headers"])
    changed = {name for name, _ in before.items() ^ now.items()}
    changes = {_key(name): now[name].decode("latin-1") if name in now else None for name in changed}
    if scope["query_string"] != _query(environ):
        changes["QUERY_STRING"] = scope["query_string"].decode("latin-1")
        changes |= {key: _narrowed(environ[key], ignored) for key in _TARGETS if key in environ}
    if content := scope.get("wsgi.content"):
        changes["wsgi.input"] = _shown(content, environ)
    return {**changes, "accelerator": scope["accelerator"], TAGS: scope.get(TAGS, [])}


def _shown(content: bytes, environ: WSGIEnvironment) -> BinaryIO:
    """Return a stream of what was read of the content, and of what is left of it where that is not all."""
    if len(content) <= MAX_QUESTION_BYTES:
        return BytesIO(content)
    return cast("BinaryIO", BufferedReader(_Chained(content, environ["wsgi.input"])))


class _Chained(RawIOBase):
    """Bytes, and the rest of a stream after them."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = BytesIO(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        chunk = self._head.read(len(view)) or self._rest.read(len(view))
        view[: len(chunk)] = chunk
        return len(chunk)


def _narrowed(target: str, ignored: Ignored) -> str:
    """Return a request's target without the parameters that do not count."""
    url = _bytes(target).decode("utf-8", "surrogateescape")
    return ignored.url(url).encode("utf-8", "surrogateescape").decode("latin-1")


def _key(field: bytes) -> str:
    """Return the key of an environ that stands for a request's field."""
    name = field.decode("latin-1").upper().replace("-", "_")
    return name if name in _CONTENT_FIELDS else f"HTTP_{name}"


def _update(environ: WSGIEnvironment, values: Mapping[str, Any]) -> None:
    """Set what has a value, and take off what is None."""
    for key, value in values.items():
        if value is None:
            environ.pop(key, None)
        else:
            environ[key] = value


def _detached(scope: Scope) -> WSGIEnvironment:
    """Put an environ for a refresh into its scope, when the server has done with the request and its streams."""
    untouched: WSGIEnvironment = scope.get("wsgi.untouched") or scope["wsgi.environ"]
    mine = {**untouched, "REQUEST_METHOD": scope["method"], "wsgi.input": BytesIO(), "wsgi.errors": sys.stderr}
    mine.pop("wsgi.file_wrapper", None)
    scope.update({"wsgi.untouched": untouched, "wsgi.environ": mine})
    return mine
