"""What of a request a gateway hands on, what it says itself, and which requests it answers without the origin."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias
from urllib.parse import quote

from accelerator.http import fields
from accelerator.http.credentials import IDENTITIES
from accelerator.http.request_fields import CLIENTS, FAMILIES, TARGETS, dashed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from accelerator.asgi_types import Scope

Lines: TypeAlias = list[tuple[bytes, bytes]]
# RFC 9110 §7.6.1; Expect is answered by the server that the gateway runs in
_HOP_BY_HOP: Final = frozenset(
    b"connection expect http2-settings keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer"
    b" transfer-encoding upgrade".split()
)
_WRITTEN: Final = frozenset(b"forwarded x-forwarded-for x-forwarded-proto".split())
_OF_PROXIES: Final = frozenset({*TARGETS, *CLIENTS, *(name.lower().encode() for name in IDENTITIES)})
_PLAIN_NAME: Final = re.compile(rb"[0-9A-Za-z_-]+")
_PATH: Final = "/:@!$&'()*+,;="  # RFC 3986 §3.3
_ORIGIN_FORM: Final = re.compile(rb'/[!"$-~]*')  # visible, and no fragment (RFC 9112 §3.2.1)
_HOST: Final = re.compile(  # RFC 9110 §7.2, RFC 3986 §3.2.2
    rb"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]*)?"
)
_HOPS: Final = re.compile(rb"[0-9]{1,9}")
_ALLOW: Final = (b"allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY")
_UNFORWARDED: Final = frozenset({"CONNECT", "TRACE"})


# --- what is not forwarded --------------------------------------------------------------------------------------------


class Reply(NamedTuple):
    """What a gateway answers itself.

    Attributes:
        status: the status code.
        words: the content.
        lines: header lines beyond those of all such answers.
    """

    status: int
    words: bytes = b""
    lines: tuple[tuple[bytes, bytes], ...] = ()


def own_reply(scope: Scope) -> Reply | None:
    """Return what is answered to a request that is not forwarded, None for one that is.

    A tunnel and a loop back are no business of a gateway (RFC 9110 §9.3.6, §9.3.8). A target other than a path names
    an authority of its own, which the origin may take for the one to go to; only a proxy's clients send it.
    """
    if scope["method"].upper() in _UNFORWARDED:
        return Reply(405, b"this method is not forwarded", (_ALLOW,))
    if not (_ORIGIN_FORM.fullmatch(target(scope)) or (target(scope) == b"*" and scope["method"] == "OPTIONS")):
        return Reply(400, b"the target is not a path")
    if not _has_host(scope):
        return Reply(400, b"there is no Host, or not one that can be")
    if _hops_left(scope) == 0:  # the last to get it answers (RFC 9110 §7.6.2)
        return Reply(204, lines=(_ALLOW,))
    return None


def target(scope: Scope) -> bytes:
    """Return the target of a request as it was received (RFC 9112 §3.2)."""
    path: bytes = scope.get("raw_path") or quote(scope["path"], safe=_PATH).encode()
    return path + b"?" + scope["query_string"] if scope["query_string"] else path


def _has_host(scope: Scope) -> bool:
    """Tell whether a request says its host once, and as one can be; only HTTP/1.1 has to say it (RFC 9112 §3.2)."""
    hosts = fields.lines(scope["headers"], b"host")
    if not hosts:
        return bool(scope["http_version"] != "1.1")
    match = _HOST.fullmatch(hosts[0])
    return len(hosts) == 1 and match is not None and (match["address"] is None or _is_ipv6(match["address"]))


def _is_ipv6(address: bytes) -> bool:
    try:
        IPv6Address(address.decode())
    except AddressValueError:
        return False
    return True


def _hops_left(scope: Scope) -> int | None:
    """Return how often an OPTIONS may be forwarded (RFC 9110 §7.6.2), None if it does not say so."""
    value = fields.combined(scope["headers"], b"max-forwards") if scope["method"] == "OPTIONS" else None
    return int(value) if value is not None and _HOPS.fullmatch(value) else None


# --- what is handed on ------------------------------------------------------------------------------------------------


def request_lines(scope: Scope, authority: bytes, trusted: frozenset[bytes], *, is_empty: bool) -> Lines:
    """Return the header lines of a forwarded request.

    Args:
        scope: the request.
        authority: host and port of the origin, for a request that names none.
        trusted: names of fields, in lower case, that a proxy in front says, and no client.
        is_empty: the request has no content.
    """
    lines = [
        *_framed(_of_client(end_to_end(scope["headers"]), trusted), scope, is_empty=is_empty),
        (b"via", b"%s accelerator" % scope["http_version"].encode()),
        *_forwarded(scope),
    ]
    hops = _hops_left(scope)
    if hops is not None:
        lines = [*(line for line in lines if line[0].lower() != b"max-forwards"), (b"max-forwards", b"%d" % (hops - 1))]
    return lines if fields.lines(lines, b"host") else [(b"host", authority), *lines]


def end_to_end(lines: Iterable[tuple[bytes, bytes]]) -> Lines:
    """Leave out what concerns one connection only, and the blanks around values, which not every parser leaves out."""
    lines = list(lines)
    left_out = _HOP_BY_HOP | connection_names(lines)
    return [(name, value.strip(fields.BLANKS)) for name, value in lines if dashed(name) not in left_out]


def connection_names(lines: Iterable[tuple[bytes, bytes]]) -> set[bytes]:
    """Return the names of fields that Connection names, beyond those that never go on (RFC 9110 §7.6.1)."""
    return set(fields.field_names(fields.combined(lines, b"connection") or b"")) - _HOP_BY_HOP


def loses_own(lines: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether leaving out what Connection names leaves out a field that is there."""
    return not connection_names(lines).isdisjoint(dashed(name) for name, _ in lines)


def respelled(lines: Iterable[tuple[bytes, bytes]]) -> set[bytes]:
    """Return the names, with dashes, as which programs called by CGI read fields that are spelled otherwise."""
    return {dashed(name) for name, _ in lines if dashed(name) != name.lower()}


def trusted_names(names: tuple[str, ...]) -> frozenset[bytes]:
    """Return the names of trusted fields in lower case.

    Raises:
        TypeError: it is no tuple of str.
        ValueError: one is not the name of a field, or is that of one which each connection says anew.
    """
    if type(names) is not tuple or not all(isinstance(name, str) for name in names):
        raise TypeError(f"trusted_fields is a tuple of field names, not {names!r}")
    if not all(fields.is_token(name) for name in names):
        raise ValueError(f"trusted_fields are names of fields (RFC 9110 §5.1), not {names!r}")
    found = frozenset(name.lower().encode() for name in names)
    if own := sorted(name.decode() for name in found & (_WRITTEN | _HOP_BY_HOP)):
        raise ValueError(f"the gateway says {', '.join(own)} itself, whatever is sent: no trusted_fields can be that")
    return found


def _of_client(lines: Lines, trusted: frozenset[bytes]) -> Lines:
    """Leave out what only proxies can know, but what one in front says in its own spelling."""
    return [line for line in lines if line[0].lower() in trusted or _may_be_of_client(line[0])]


def _may_be_of_client(name: bytes) -> bool:
    """Tell whether a client may say this.

    Programs called by CGI read all but letters and digits alike. The cache in front knows `_` for `-`. A name with
    anything else is as good as never meant in earnest, and would be in nobody's key.
    """
    as_read = dashed(name)
    return bool(_PLAIN_NAME.fullmatch(name)) and as_read not in _OF_PROXIES and not as_read.startswith(FAMILIES)


def _framed(lines: Lines, scope: Scope, *, is_empty: bool) -> Lines:
    """Say how the content ends: chunks decide before Content-Length (RFC 9112 §6.3), HTTP/2 may have neither."""
    is_chunked = bool(fields.lines(scope["headers"], b"transfer-encoding"))
    if not is_chunked and (is_empty or fields.lines(lines, b"content-length")):
        return lines
    return [line for line in lines if line[0] != b"content-length"] + [(b"transfer-encoding", b"chunked")]


def _forwarded(scope: Scope) -> Lines:
    """Say for whom the request is forwarded (RFC 7239 §4), also in the older words that most applications read."""
    client, scheme = (scope.get("client") or [""])[0].encode(), scope["scheme"].encode()
    node = b"[%s]" % client if b":" in client else client or b"unknown"
    if not fields.is_token(node.decode("latin-1")):
        node = b'"%s"' % node.replace(b"\\", b"").replace(b'"', b"")
    pairs = [
        b"for=" + node,
        *(b'host="%s"' % host for host in fields.lines(scope["headers"], b"host")),
        b"proto=" + scheme,
    ]
    lines = [(b"forwarded", b";".join(pairs)), (b"x-forwarded-proto", scheme)]
    return [*lines, (b"x-forwarded-for", client)] if client else lines
