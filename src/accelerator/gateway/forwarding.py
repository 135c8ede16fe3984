"""The fields of forwarded requests, and the requests that a gateway answers without the origin."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias
from urllib.parse import quote

from accelerator.http import fields
from accelerator.http.credentials import IDENTITIES
from accelerator.http.request_fields import CLIENT_ADDRESS_FIELDS, FAMILIES, TARGET_FIELDS, cgi_form

if TYPE_CHECKING:
    from collections.abc import Iterable

    from accelerator.asgi_types import Scope

Lines: TypeAlias = list[tuple[bytes, bytes]]
# RFC 9110 §7.6.1; Expect is answered by the server that runs the gateway
_HOP_BY_HOP: Final = frozenset(
    b"connection expect http2-settings keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer"
    b" transfer-encoding upgrade".split()
)
_WRITTEN: Final = frozenset(b"forwarded x-forwarded-for x-forwarded-proto".split())
_OF_PROXIES: Final = frozenset(
    {*TARGET_FIELDS, *CLIENT_ADDRESS_FIELDS, *(name.lower().encode() for name in IDENTITIES)}
)
_PLAIN_NAME: Final = re.compile(rb"[0-9A-Za-z_-]+")
_PATH: Final = "/:@!$&'()*+,;="  # RFC 3986 §3.3
_ORIGIN_FORM: Final = re.compile(rb'/[!"$-~]*')  # visible, and no fragment (RFC 9112 §3.2.1)
_HOST: Final = re.compile(  # RFC 9110 §7.2, RFC 3986 §3.2.2
    rb"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]*)?"
)
_HOPS: Final = re.compile(rb"[0-9]{1,9}")
_ALLOW: Final = (b"allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY")
_UNFORWARDED: Final = frozenset({"CONNECT", "TRACE"})


# --- requests that are not forwarded ----------------------------------------------------------------------------------


class Reply(NamedTuple):
    """A response that the gateway makes itself.

    Attributes:
        status: the status code.
        words: the content.
        lines: header lines beyond those of all such responses.
    """

    status: int
    words: bytes = b""
    lines: tuple[tuple[bytes, bytes], ...] = ()


def own_reply(scope: Scope) -> Reply | None:
    """Return the gateway's own response to a request that is not forwarded, None if it is to be forwarded.

    CONNECT and TRACE are not for a gateway (RFC 9110 §9.3.6, §9.3.8). A target that is not a path names an authority of
    its own, which the origin may take for the one to go to; only clients of a forward proxy send that.
    """
    if scope["method"].upper() in _UNFORWARDED:
        return Reply(405, b"this method is not forwarded", (_ALLOW,))
    if not (_ORIGIN_FORM.fullmatch(target(scope)) or (target(scope) == b"*" and scope["method"] == "OPTIONS")):
        return Reply(400, b"the target is not a path")
    if not _has_host(scope):
        return Reply(400, b"there is no Host, or not one that can be")
    if _hops_left(scope) == 0:  # the final recipient answers (RFC 9110 §7.6.2)
        return Reply(204, lines=(_ALLOW,))
    return None


def target(scope: Scope) -> bytes:
    """Return the target of a request as it was received (RFC 9112 §3.2)."""
    path: bytes = scope.get("raw_path") or quote(scope["path"], safe=_PATH).encode()
    return path + b"?" + scope["query_string"] if scope["query_string"] else path


def _has_host(scope: Scope) -> bool:
    """Tell whether a request has exactly one valid Host. Only HTTP/1.1 requires one (RFC 9112 §3.2)."""
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
    """Return how often an OPTIONS request may be forwarded (RFC 9110 §7.6.2), None if it sets no limit."""
    value = fields.combined(scope["headers"], b"max-forwards") if scope["method"] == "OPTIONS" else None
    return int(value) if value is not None and _HOPS.fullmatch(value) else None


# --- requests that are forwarded --------------------------------------------------------------------------------------


def request_lines(scope: Scope, authority: bytes, trusted: frozenset[bytes], *, is_empty: bool) -> Lines:
    """Return the header lines of the forwarded request.

    Args:
        scope: the request.
        authority: host and port of the origin, used if the request has no Host.
        trusted: lower-case names of fields that a proxy in front sets, and no client can.
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
    """Return header lines without hop-by-hop fields, and without blanks around values, which some parsers keep."""
    lines = list(lines)
    left_out = _HOP_BY_HOP | connection_names(lines)
    return [(name, value.strip(fields.BLANKS)) for name, value in lines if cgi_form(name) not in left_out]


def connection_names(lines: Iterable[tuple[bytes, bytes]]) -> set[bytes]:
    """Return the names that Connection lists, except those that are always hop-by-hop (RFC 9110 §7.6.1)."""
    return set(fields.field_names(fields.combined(lines, b"connection") or b"")) - _HOP_BY_HOP


def loses_own(lines: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether a field is left out because Connection lists it."""
    return not connection_names(lines).isdisjoint(cgi_form(name) for name, _ in lines)


def respelled(lines: Iterable[tuple[bytes, bytes]]) -> set[bytes]:
    """Return the names, with dashes, as which CGI-like programs read fields whose own names are spelled differently."""
    return {cgi_form(name) for name, _ in lines if cgi_form(name) != name.lower()}


def trusted_names(names: tuple[str, ...]) -> frozenset[bytes]:
    """Return the names of trusted fields in lower case.

    Raises:
        TypeError: it is no tuple of str.
        ValueError: one is not a field name, or is that of a field which the gateway sets itself.
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
    """Return the header lines without those that only proxies can know. Trusted ones stay, in their own spelling."""
    return [line for line in lines if line[0].lower() in trusted or _may_be_of_client(line[0])]


def _may_be_of_client(name: bytes) -> bool:
    """Tell whether a client may send a field of this name.

    CGI-like programs read all characters but letters and digits as the same one. The cache in front knows only `_` as
    another spelling of `-`. Other characters have no honest use, and such a field would not be in the key.
    """
    as_read = cgi_form(name)
    return bool(_PLAIN_NAME.fullmatch(name)) and as_read not in _OF_PROXIES and not as_read.startswith(FAMILIES)


def _framed(lines: Lines, scope: Scope, *, is_empty: bool) -> Lines:
    """Return the lines with the field that shows where the content ends.

    Chunks take precedence over Content-Length (RFC 9112 §6.3). A request by HTTP/2 may have neither.
    """
    is_chunked = bool(fields.lines(scope["headers"], b"transfer-encoding"))
    if not is_chunked and (is_empty or fields.lines(lines, b"content-length")):
        return lines
    return [line for line in lines if line[0] != b"content-length"] + [(b"transfer-encoding", b"chunked")]


def _forwarded(scope: Scope) -> Lines:
    """Return the fields that name the client (RFC 7239 §4), also in the older forms that most applications read."""
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
