"""A request as the cache reads it: its key, its credentials, and whether it bypasses the cache."""

from __future__ import annotations

from copy import copy
from functools import lru_cache
from hashlib import blake2b
from operator import itemgetter
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar
from urllib.parse import quote

from accelerator.http import identity
from accelerator.http.canonical import FORMS, canonical, prefers_gzip
from accelerator.http.cookies import called, names_of, naming
from accelerator.http.credentials import CREDENTIALS
from accelerator.http.fields import BLANKS, COMMA, joined
from accelerator.http.globs import matching
from accelerator.http.request_fields import (
    METHOD_OVERRIDE_FIELDS,
    ORDINARY,
    PARTIAL_PAGE_FIELDS,
    TARGET_FIELDS,
    UNSAFE_METHODS,
    spellings,
    without_nodes,
)
from accelerator.tags import group_tag, url_tag

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from accelerator.asgi_types import Scope


Key: TypeAlias = tuple[str, bytes, bytes, str, bytes, str, str, bytes]
"""What selects the stored responses for a request, before Vary does.

Scheme, host, path as received, path as routed, query, mount point, partition, and the request fields and cookies that
select a response although Vary does not name them.
"""

FieldT = TypeVar("FieldT")

Vary: TypeAlias = tuple[bytes, ...]
"""The names of the selecting header fields of a response, in lower case, sorted."""

CONDITIONS: Final = frozenset({b"if-none-match", b"if-modified-since", b"if-range"})
"""The conditions that the cache evaluates itself. A request that fills reaches the application without them."""

COOKIE: Final = "Cookie"
AUTHORIZATION: Final = "Authorization"
_NOT_ASKING: Final = frozenset({b"upgrade", b"if-match", b"if-unmodified-since"})
_BYPASS: Final = _NOT_ASKING | {b"transfer-encoding"}
_METHODS: Final = spellings(METHOD_OVERRIDE_FIELDS)
_NOT_KEYED_BY_CONTENT: Final = _NOT_ASKING | _METHODS
_FORWARDED: Final = b"forwarded"
_KEY_FIELDS: Final = spellings((*TARGET_FIELDS, *PARTIAL_PAGE_FIELDS))
_UNDERSCORE: Final = ord("_")
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
_CONTENT: Final = b"content:"
_DIGEST_BYTES: Final = 32
_CONTENT_FIELDS: Final = (b"content-type", b"content-encoding", b"content-language")
_RAW: Final = _KEY_FIELDS.union(_CONTENT_FIELDS)  # in the key as they are


class RequestRules:
    """The options that decide how requests are read.

    Args:
        credentials: names of fields with credentials, besides Cookie and Authorization.
        vary_cookies: names of cookies that are part of the key.
        renewed_cookies: names of cookies that `Vary: Cookie` does not select a stored response by.
        cacheable_posts: globs of the paths where every POST is a safe request.

    Attributes:
        credentials: the given names of the fields with credentials, by each spelling in lower case.
        ordinary: names of fields that change neither key, audience nor bypass. A request with no others is read fast.
        keyed: names of fields that are part of the key, and mean nothing else to the cache.
        is_cacheable_post: a function that tells whether a POST to a path is a safe request.
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
        self.ordinary = ORDINARY.difference(plain, _BYPASS, _METHODS, _KEY_FIELDS, self.credentials)
        self.keyed = _KEY_FIELDS.difference(plain, _BYPASS, _METHODS, self.credentials)

    def selecting_cookies(self, cookies: bytes | None) -> bytes | None:
        """Return a Cookie field as it selects a stored response: without renewed cookies, None if no other is left."""
        if cookies is None or self._renewed_cookies is None:
            return cookies
        return self._renewed_cookies.sub(b"", cookies).strip(b"; \t") or None

    def key_cookies(self, cookies: bytes) -> list[tuple[bytes, bytes]]:
        """Return the cookies of a Cookie field that are part of the key, each as a Cookie field of its own."""
        return [(b"cookie", pair) for pair in naming(cookies, self._vary_cookies)]


@lru_cache(64)  # the default has over a hundred names, which middlewares share
def _spelled(names: tuple[str, ...]) -> Mapping[bytes, str]:
    return {spelled: name for name in names for spelled in spellings([name.lower().encode("ascii")])}


PLAIN_RULES: Final = RequestRules()


class Request:
    """An HTTP request as the cache reads it.

    Args:
        scope: the ASGI scope of the request, without ignored query parameters and cookies.
        partition: the partition of the request, `""` for none.
        rules: the options that decide how the request is read.

    Attributes:
        method: the request method.
        key: what selects the stored responses for the request, before Vary does.
        is_bypass: whether the request bypasses the cache: for its method or a field that overrides it, for its body,
            for an upgrade, or for a condition that only the origin can evaluate.
        wants_content: whether the method is not HEAD.
        is_unsafe: whether the request may change something (RFC 9110 §9.2.1).
        has_range: whether the request is a GET for a range (RFC 9110 §14.2).
        content: the content that is part of the key, for a QUERY or a safe POST; None for other requests.
        audience: for whom an answer may be meant: empty for everybody. Else it contains `COOKIE` if the request has
            cookies, then the first credential if there is one, such as `X-API-Key` or `a session`.
        outer_identity: what identifies a user in the scope or environ, such as `a session`; `""` for nothing.
    """

    __slots__ = (
        "_fields",
        "_rules",
        "audience",
        "content",
        "has_range",
        "is_bypass",
        "is_unsafe",
        "key",
        "method",
        "outer_identity",
        "wants_content",
    )

    def __init__(self, scope: Scope, partition: str = "", rules: RequestRules = PLAIN_RULES) -> None:
        lines = scope["headers"]
        self._fields = fields = dict(lines)
        self._rules = rules
        self.method = method = scope["method"]
        self.wants_content = method != "HEAD"
        self.is_bypass = self.wants_content and method != "GET"
        self.is_unsafe = self.is_bypass and not (method in _SAFE or self._is_cacheable_post(scope["path"]))
        self.has_range = False
        self.content: bytes | None = None
        self.audience: tuple[str, ...] = ()
        key_fields = b""
        environ = scope.get("wsgi.environ")
        if environ is not None:
            key_fields = scope.get("wsgi.target", b"")
        self.outer_identity = identity.of_scope(scope) if environ is None else identity.of_environ(environ)
        if self.outer_identity and not partition:
            self.audience = (self.outer_identity,)
        if len(fields) != len(lines) or not rules.ordinary.issuperset(fields):
            self._fields = fields = joined(lines)
            key_fields += self._read_special(partition)
        path = scope["path"]
        self.key: Key = (
            scope.get("scheme", "http"),
            fields[b"host"].strip(BLANKS) if b"host" in fields else _server(scope),
            scope.get("raw_path") or quote(path).encode("ascii"),
            path,
            scope.get("query_string", b""),
            scope.get("root_path", ""),
            partition,
            key_fields,
        )

    def _read_special(self, partition: str) -> bytes:
        """Read the fields that plain requests do not have. Return those that are part of the key, as bytes."""
        fields, rules = self._fields, self._rules
        special = [name for name in fields if name not in rules.ordinary]
        self.has_range = b"range" in fields and self.method == "GET"
        if not _METHODS.isdisjoint(fields):
            self.is_bypass = True
            self.is_unsafe = self.is_unsafe or not UNSAFE_METHODS.isdisjoint(_overrides(fields))
        if not _BYPASS.isdisjoint(fields) or fields.get(b"content-length", b"0") != b"0":
            self.is_bypass = True
        if not partition:
            asks = [AUTHORIZATION] if b"authorization" in fields else list(self.audience)
            asks += [rules.credentials[name] for name in special if name in rules.credentials]
            self.audience = tuple(asks[:1])
        key_fields = [(name, fields[name]) for name in special if _is_key_field(name)]
        if b"cookie" in fields:
            self.audience = (COOKIE, *self.audience)
            key_fields += rules.key_cookies(fields[b"cookie"])
        return joined_key_fields(key_fields)

    def _is_cacheable_post(self, path: str) -> bool:
        return self.method == "POST" and self._rules.is_cacheable_post(path)

    @property
    def bypassed_by(self) -> list[str]:
        """What lets the request bypass the cache: its method, and the names of fields; empty if nothing does."""
        if not self.is_bypass:
            return []
        decisive = (
            _BYPASS | _METHODS | ({b"content-length"} if self._fields.get(b"content-length", b"0") != b"0" else set())
        )
        method = [] if self.method in {"GET", "HEAD"} else [self.method]
        return method + [name.decode("latin-1") for name in self._fields if name in decisive]

    @property
    def keyed_by(self) -> list[str]:
        """The names of what is part of the key beside the URL: fields, and each cookie as `cookie` with its name."""
        names = [name.decode("latin-1") for name in self._fields if _is_key_field(name)]
        keyed = names_of([pair for _, pair in self._rules.key_cookies(self._fields.get(b"cookie", b""))])
        return names + [f"cookie {name}" for name in keyed]

    @property
    def may_key_by_content(self) -> bool:
        """Whether the content of the request may become part of its key.

        It may for a QUERY or POST without upgrade, method override, or a condition that only the origin can evaluate.
        For a POST that is every condition, because it is about what the POST does (RFC 9110 §13.2.1). For a QUERY the
        cache evaluates `CONDITIONS` itself.
        """
        fields = self._fields
        if self.method not in {"POST", "QUERY"} or not _NOT_KEYED_BY_CONTENT.isdisjoint(fields):
            return False
        return self.method == "QUERY" or CONDITIONS.isdisjoint(fields)

    def with_content(self, content: bytes) -> Request:
        """Return the request with its key extended by a digest of method, content, and the fields about the content."""
        digest = blake2b(digest_size=_DIGEST_BYTES)
        for part in (self.method.encode(), *map(self.get, _CONTENT_FIELDS), content):
            digest.update(b"-" if part is None else b"%d:%b" % (len(part), part))
        asking = copy(self)
        asking.content, asking.is_bypass = content, False
        asking.key = (*self.key[:7], self.key[7] + _CONTENT + digest.digest())
        return asking

    @property
    def credential(self) -> str:
        """The first credential of the request besides Cookie, such as `X-API-Key` or `a session`; `""` for none."""
        return self.audience[-1] if self.audience and self.audience[-1] != COOKIE else ""

    @property
    def prefers_gzip(self) -> bool:
        """Whether the request accepts gzip no less than uncompressed content."""
        return prefers_gzip(self.get(b"accept-encoding"))

    @property
    def url(self) -> str:
        """The absolute URL of the request, without ignored query parameters."""
        return url_of(self.key)

    @property
    def query(self) -> bytes:
        """The query string, without ignored parameters."""
        return self.key[4]

    @property
    def partition(self) -> str:
        """The partition of the request, `""` for none."""
        return self.key[6]

    @property
    def url_tag(self) -> str:
        """The library's own tag of the URL, which every variant of its response carries."""
        _, host, path, _, query, *_ = self.key
        return url_tag(*[part.decode("utf-8", "surrogateescape") for part in (host, path, query)])

    def group_tag(self, name: str) -> str:
        """Return the library's own tag of the cache group `name` of this host (RFC 9875)."""
        return group_tag(self.key[1].decode("utf-8", "surrogateescape"), name)

    def read_again(self, scope: Scope) -> Request:
        """Return the request of another scope, with the partition, the options and the content of this one."""
        request = Request(scope, self.partition, self._rules)
        return request if self.content is None else request.with_content(self.content)

    def get(self, name: bytes) -> bytes | None:
        """Return the value of a field, its lines joined (RFC 9110 §5.3), None if it is absent."""
        value = self._fields.get(name)
        return None if value is None else value.strip(BLANKS)

    def lines(self) -> list[tuple[bytes, bytes]]:
        """Return the header lines for the application. Values that the cache compares as equal are the same in them."""
        fields = [(name, value.strip(BLANKS)) for name, value in self._fields.items()]
        return [(name, _shown(name, value) if COMMA in value or name in FORMS else value) for name, value in fields]

    def selecting_values(self, vary: Vary) -> tuple[bytes | None, ...]:
        """Return the values of the fields in `vary` that select a variant."""
        return tuple([selecting_value(name, field_named(name, self._fields), self._rules) for name in vary])


def url_of(key: Key) -> str:
    """Return the absolute URL of the requests with a key, without ignored query parameters."""
    scheme, host, path, _, query, *_ = key
    return f"{scheme}://" + (host + path + (b"?" + query if query else b"")).decode("utf-8", "surrogateescape")


def has_content(key: Key) -> bool:
    """Tell whether a key looks as if the content of the request were part of it."""
    return key[7][:-_DIGEST_BYTES].endswith(_CONTENT)


def field_named(name: bytes, fields: Mapping[bytes, FieldT]) -> FieldT | None:
    """Return what a table of request fields has for a name in Vary, in which WSGI writes `-` and `_` alike."""
    found = fields.get(name)
    return fields.get(name.replace(b"_", b"-")) if found is None and b"_" in name else found


def selecting_value(name: bytes, value: bytes | None, rules: RequestRules) -> bytes | None:
    """Return the value that selects a variant: None for an absent field, which equals only None (RFC 9111 §4.1).

    Args:
        name: the name of the field in Vary, in lower case.
        value: the field of the request, its lines joined, None if it is absent.
        rules: the options that decide how the request is read.
    """
    value = None if value is None else value.strip(BLANKS)
    if name == b"cookie":
        return rules.selecting_cookies(value)
    return None if value is None else canonical(name, value)


def _shown(name: bytes, value: bytes) -> bytes:
    """Return the value of a field for the application: as it is in the key if that has it, else as it is compared."""
    return value if name in _RAW or _UNDERSCORE in name else canonical(name, value)


def _overrides(fields: dict[bytes, bytes]) -> list[bytes]:
    """Return the methods, in upper case, that fields such as X-HTTP-Method-Override name."""
    named = b",".join([value for name, value in fields.items() if name in _METHODS])
    return named.upper().translate(None, BLANKS).split(b",")


def _is_key_field(name: bytes) -> bool:
    """Tell whether a field is part of the key: it is a known one, or has a `_`, which CGI cannot tell from a `-`."""
    return name in _KEY_FIELDS or _UNDERSCORE in name


def joined_key_fields(lines: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the fields and cookies that are part of the key as one text, in the order of their names."""
    parts = [
        (name, without_nodes(value) if name == _FORWARDED else value)
        for name, value in sorted(lines, key=itemgetter(0))
    ]
    return b"".join([b"%b:%d:%b" % (name, len(value), value) for name, value in parts])


def _server(scope: Scope) -> bytes:
    """Return the server's own host and port, for an HTTP/1.0 request without Host."""
    host, port = scope.get("server") or ("", None)
    return f"{host}:{port}".encode() if port else str(host).encode()
