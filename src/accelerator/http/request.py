"""A request as the cache sees it: what it asks for, for whom, and what it may be answered with."""

from __future__ import annotations

from copy import copy
from functools import lru_cache
from hashlib import blake2b
from operator import itemgetter
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import quote

from accelerator.http import identity
from accelerator.http.canonical import canonical, takes_codings
from accelerator.http.cookies import called, naming
from accelerator.http.credentials import CREDENTIALS
from accelerator.http.fields import BLANKS
from accelerator.http.globs import matching
from accelerator.http.request_fields import METHODS, ORDINARY, PARTS, TARGETS, UNSAFE_METHODS, spellings, without_nodes
from accelerator.tags import group_tag, url_tag

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from accelerator.asgi_types import Scope


Key: TypeAlias = tuple[str, bytes, bytes, str, bytes, str, str, bytes]
"""Scheme, host, path as received, path as routed, query, mount point, partition, and what else tells apart."""

Vary: TypeAlias = tuple[bytes, ...]
"""The request fields that a response varies on, sorted."""

CONDITIONS: Final = frozenset({b"if-none-match", b"if-modified-since", b"if-range"})
"""Conditions that the cache answers itself, and takes off the request that fills."""

COOKIE: Final = "Cookie"
AUTHORIZATION: Final = "Authorization"
_NOT_ASKING: Final = frozenset({b"upgrade", b"if-match", b"if-unmodified-since"})
_BYPASS: Final = _NOT_ASKING | {b"transfer-encoding"}
_METHODS: Final = spellings(METHODS)
_FORWARDED: Final = b"forwarded"
_TELLING: Final = spellings((*TARGETS, *PARTS))
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
_CONTENT_FIELDS: Final = (b"content-type", b"content-encoding", b"content-language")


class RequestRules:
    """How requests are read: which fields and cookies of them tell responses apart, and which say who asks.

    Args:
        credentials: names of fields that say who asks, besides Cookie and Authorization.
        vary_cookies: names of cookies that tell responses apart by themselves.
        renewed_cookies: names of cookies that tell no stored responses apart.
        cacheable_posts: globs of the paths where a POST only asks.

    Attributes:
        credentials: the names as they were given, by each spelling in lower case.
        ordinary: fields that make a request no other than a plain one: with none but these it need not be looked at.
        is_cacheable_post: tells whether a POST to a path only asks.
    """

    def __init__(
        self,
        credentials: Iterable[str] = CREDENTIALS,
        vary_cookies: Iterable[str] = (),
        renewed_cookies: Collection[str] = (),
        cacheable_posts: Iterable[str] = (),
    ) -> None:
        self.credentials = _spelled(tuple(credentials))
        self._vary_cookies = tuple(name.encode() for name in vary_cookies)
        self._renewed_cookies = called([name.encode() for name in renewed_cookies]) if renewed_cookies else None
        self.is_cacheable_post = matching(cacheable_posts)
        plain = {b"cookie", b"authorization", b"content-length", b"range"}
        self.ordinary = ORDINARY.difference(plain, _BYPASS, _METHODS, _TELLING, self.credentials)

    def selecting_cookies(self, cookies: bytes | None) -> bytes | None:
        """Return a Cookie field without the cookies that tell no stored responses apart, None if that is nothing."""
        if cookies is None or self._renewed_cookies is None:
            return cookies
        return self._renewed_cookies.sub(b"", cookies).strip(b"; \t") or None

    def telling_cookies(self, cookies: bytes) -> list[tuple[bytes, bytes]]:
        """Return the cookies of a Cookie field that tell responses apart by themselves, in the form of fields."""
        return [(b"cookie", pair) for pair in naming(cookies, self._vary_cookies)]


@lru_cache(64)  # most middlewares of a process have the same names, over a hundred
def _spelled(names: tuple[str, ...]) -> Mapping[bytes, str]:
    return {spelled: name for name in names for spelled in spellings([name.lower().encode("ascii")])}


PLAIN_RULES: Final = RequestRules()


class Request:
    """An HTTP request as the cache sees it.

    Args:
        scope: its ASGI scope.
        partition: the partition it belongs to.
        reading: how it is read.

    Attributes:
        method: its method.
        key: what it asks for, whatever its other fields are.
        is_bypass: the cache has no business with it: another method, a body, a condition only the origin can judge.
        wants_content: it is no HEAD.
        is_unsafe: it may change something (RFC 9110 §9.2.1).
        has_range: it asks for a part (RFC 9110 §14.2).
        content: the content by which it asks, None for a request that asks by its URL and fields alone.
        audience: whose answer it would be: empty for anybody's, else `COOKIE` and the first thing that says who asks.
        outer: what a middleware further out has put into the scope that tells who asks, in words; `""` for nothing.
    """

    __slots__ = (
        "_fields",
        "_reading",
        "audience",
        "content",
        "has_range",
        "is_bypass",
        "is_unsafe",
        "key",
        "method",
        "outer",
        "wants_content",
    )

    def __init__(self, scope: Scope, partition: str = "", reading: RequestRules = PLAIN_RULES) -> None:
        lines = scope["headers"]
        self._fields = fields = dict(lines)
        self._reading = reading
        self.method = method = scope["method"]
        self.wants_content = method != "HEAD"
        self.is_bypass = self.wants_content and method != "GET"
        self.is_unsafe = self.is_bypass and not (method in _SAFE or self._is_cacheable_post(scope["path"]))
        self.has_range = False
        self.content: bytes | None = None
        self.audience: tuple[str, ...] = ()
        told = b""
        environ = scope.get("wsgi.environ")
        if environ is not None:
            told = scope.get("wsgi.target", b"")
        self.outer = identity.of_scope(scope) if environ is None else identity.of_environ(environ)
        if self.outer and not partition:
            self.audience = (self.outer,)
        if len(fields) != len(lines) or not reading.ordinary.issuperset(fields):
            self._fields = fields = _joined(lines)
            told += self._read_special(partition)
        path = scope["path"]
        self.key: Key = (
            scope.get("scheme", "http"),
            fields[b"host"].strip(BLANKS) if b"host" in fields else _server(scope),
            scope.get("raw_path") or quote(path).encode("ascii"),
            path,
            scope.get("query_string", b""),
            scope.get("root_path", ""),
            partition,
            told,
        )

    def _read_special(self, partition: str) -> bytes:
        """Read what is not in every request; return what of it tells responses apart beyond URL and Vary."""
        fields, reading = self._fields, self._reading
        self.has_range = b"range" in fields and self.method == "GET"
        if not _METHODS.isdisjoint(fields):
            self.is_bypass = True
            self.is_unsafe = self.is_unsafe or not UNSAFE_METHODS.isdisjoint(_overrides(fields))
        if not _BYPASS.isdisjoint(fields) or fields.get(b"content-length", b"0") != b"0":
            self.is_bypass = True
        if not partition:
            asks = [AUTHORIZATION] if b"authorization" in fields else list(self.audience)
            asks += [reading.credentials[name] for name in fields if name in reading.credentials]
            self.audience = tuple(asks[:1])
        told = [_telling(name, value) for name, value in fields.items() if _tells(name)]
        if b"cookie" in fields:
            self.audience = (COOKIE, *self.audience)
            told += reading.telling_cookies(fields[b"cookie"])
        return b"".join([b"%b:%d:%b" % (name, len(value), value) for name, value in sorted(told, key=itemgetter(0))])

    def _is_cacheable_post(self, path: str) -> bool:
        return self.method == "POST" and self._reading.is_cacheable_post(path)

    @property
    def may_ask_by_content(self) -> bool:
        """Whether it is of a kind that may ask by its content, with no condition that only the origin can judge.

        A condition on what a POST does is one (RFC 9110 §13.2.1), on what a QUERY finds it is none.
        """
        fields = self._fields
        if self.method not in {"POST", "QUERY"} or not (_NOT_ASKING | _METHODS).isdisjoint(fields):
            return False
        return self.method == "QUERY" or CONDITIONS.isdisjoint(fields)

    def with_content(self, content: bytes) -> Request:
        """Return the request as one that asks by its content: it joins the key with the fields that say what it is."""
        digest = blake2b(digest_size=32)
        for part in (self.method.encode(), *map(self.get, _CONTENT_FIELDS), content):
            digest.update(b"-" if part is None else b"%d:%b" % (len(part), part))
        asking = copy(self)
        asking.content, asking.is_bypass = content, False
        asking.key = (*self.key[:7], self.key[7] + b"content:" + digest.digest())
        return asking

    @property
    def credential(self) -> str:
        """What says who asks, besides Cookie, in words; `""` for nothing."""
        return self.audience[-1] if self.audience and self.audience[-1] != COOKIE else ""

    @property
    def takes_codings(self) -> bool:
        """Whether it would rather have content in a coding that every server knows."""
        return takes_codings(self.get(b"accept-encoding"))

    @property
    def url(self) -> str:
        """The absolute URL as it was asked for, without what does not count of its query."""
        scheme, host, path, _, query, *_ = self.key
        return f"{scheme}://" + (host + path + (b"?" + query if query else b"")).decode("utf-8", "surrogateescape")

    @property
    def query(self) -> bytes:
        """The query, without what does not count."""
        return self.key[4]

    @property
    def partition(self) -> str:
        """The partition it belongs to."""
        return self.key[6]

    @property
    def url_tag(self) -> str:
        """The library's own tag of every variant of this URL."""
        _, host, path, _, query, *_ = self.key
        return url_tag(*(part.decode("utf-8", "surrogateescape") for part in (host, path, query)))

    def group_tag(self, name: str) -> str:
        """Return the library's own tag of a cache group of this host."""
        return group_tag(self.key[1].decode("utf-8", "surrogateescape"), name)

    def read_again(self, scope: Scope) -> Request:
        """Return the request of another scope, read as this one was."""
        request = Request(scope, self.partition, self._reading)
        return request if self.content is None else request.with_content(self.content)

    def get(self, name: bytes) -> bytes | None:
        """Return a field, its lines joined (RFC 9110 §5.3), None if it is absent."""
        value = self._fields.get(name)
        return None if value is None else value.strip(BLANKS)

    def lines(self) -> list[tuple[bytes, bytes]]:
        """Return the fields as the application is shown them: those that are compared as equal look equal."""
        fields = ((name, value.strip(BLANKS)) for name, value in self._fields.items())
        return [(name, value if _is_raw(name) else canonical(name, value)) for name, value in fields]

    def selecting_values(self, vary: Vary) -> tuple[bytes | None, ...]:
        """Return the values by which a variant is chosen (RFC 9111 §4.1); absent is None and matches only absent."""
        return tuple([self._selecting_value(name) for name in vary]) if vary else ()

    def _selecting_value(self, name: bytes) -> bytes | None:
        value = self.get(name)
        if value is None and b"_" in name:  # WSGI has one spelling for both
            value = self.get(name.replace(b"_", b"-"))
        if name == b"cookie":
            return self._reading.selecting_cookies(value)
        return None if value is None else canonical(name, value)


def _joined(lines: Collection[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the fields by name, the lines of each joined (RFC 9110 §5.3, RFC 9113 §8.2.3)."""
    # ASGI says that names are in lower case, some servers and middlewares do not care
    fields = {name.lower(): value.strip(BLANKS) for name, value in lines}
    if len(fields) < len(lines):
        repeated: dict[bytes, list[bytes]] = {}
        for name, value in lines:
            repeated.setdefault(name.lower(), []).append(value.strip(BLANKS))
        for name, values in repeated.items():  # joined once: adding to a value for each line would be quadratic
            fields[name] = (b"; " if name == b"cookie" else b", ").join(values).strip(BLANKS)
    return fields


def _is_raw(name: bytes) -> bool:
    """Tell whether a field is in the key as it came."""
    return _tells(name) or name in _CONTENT_FIELDS


def _overrides(fields: dict[bytes, bytes]) -> list[bytes]:
    """Return the methods that fields name in place of the request's own."""
    named = b",".join([value for name, value in fields.items() if name in _METHODS])
    return named.upper().translate(None, BLANKS).split(b",")


def _tells(name: bytes) -> bool:
    """Tell whether a field tells responses apart: by what it is, or since CGI takes its name for another one's."""
    return name in _TELLING or b"_" in name


def _telling(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Return a field as it tells responses apart."""
    return name, without_nodes(value) if name == _FORWARDED else value


def _server(scope: Scope) -> bytes:
    """Stand in for a Host that an HTTP/1.0 client may leave out."""
    host, port = scope.get("server") or ("", None)
    return f"{host}:{port}".encode() if port else str(host).encode()
