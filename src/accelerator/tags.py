"""The names of tags: which are valid, and the library's own tags for URLs and cache groups."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Final, TypeGuard
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

MAX_TAG_BYTES: Final = 1024
MAX_TAGS: Final = 1000
MAX_TAGS_BYTES: Final = 16 * 1024

ALL: Final = "@all"
"""The tag that every entry carries. Its invalidation clears a store."""

_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_NOT_URI = re.compile(r"[^\x21-\x7e]|[\"<>\\^`{|}]")
_NORMAL_HOST = re.compile(r"[0-9a-z.-]*[0-9a-z-]")
_TO_NORMALISE = re.compile(rf"%|{_NOT_URI.pattern}")


class InvalidTagError(ValueError):
    """A name is not valid for a tag: it is empty, too long, has control characters, or is one of the library's own."""


def valid_tag(name: object) -> str:
    """Return `name` if the application may use it as a tag.

    Raises:
        TypeError: it is not a `str`.
        InvalidTagError: it is not 1 to 1024 bytes of UTF-8 without control characters, or begins with `@`.
    """
    if not isinstance(name, str):
        raise TypeError(f"a tag is a str, not {type(name).__name__}: {name!r:.80}")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise InvalidTagError(f"a tag has to be encodable as UTF-8: {name!r:.80}") from None
    if not 1 <= size <= MAX_TAG_BYTES:
        raise InvalidTagError(f"a tag has 1 to {MAX_TAG_BYTES} bytes of UTF-8, not {size}: {name!r:.80}")
    if name[0] == "@":
        raise InvalidTagError(f"names that begin with @ are the library's own: {name!r:.80}")
    if not name.isprintable() and any(unicodedata.category(character) == "Cc" for character in name):
        raise InvalidTagError(f"a tag has no control characters: {name!r:.80}")
    return name


def is_valid_tag(name: str) -> bool:
    """Tell whether the application may use `name` as a tag."""
    try:
        return bool(valid_tag(name))
    except InvalidTagError:
        return False


def flattened(names: Iterable[str | Iterable[str]], what: str = "a tag") -> list[str]:
    """Return the names as one list, whether a function was called as `f("a", "b")` or as `f(["a", "b"])`.

    Args:
        names: names, or iterables of names.
        what: what each of them names, for the message of the exception.

    Raises:
        TypeError: something among them is neither a `str` nor an iterable of `str`.
    """
    flat: list[str] = []
    for name in names:
        if not isinstance(name, str | bytes) and isinstance(name, Iterable):
            flat.extend(name)
        else:
            flat.append(name)
    for name in flat:
        if not isinstance(name, str):
            raise TypeError(f"{what} is a str, not {type(name).__name__}: {name!r:.80}")
    return flat


def entry_tags(names: Iterable[object]) -> frozenset[str]:
    """Return the tags of one entry, each once.

    Raises:
        TypeError, InvalidTagError: as `valid_tag`.
        InvalidTagError: there are more than 1000 tags, or they have more than 16 KiB in all.
    """
    given = [*names]
    tags = frozenset(given if _are_plain(given) else [valid_tag(name) for name in given])
    may_be_too_long = 4 * sum(map(len, tags)) > MAX_TAGS_BYTES  # UTF-8 has four bytes for a character, at most
    if len(tags) > MAX_TAGS or (may_be_too_long and sum([len(tag.encode()) for tag in tags]) > MAX_TAGS_BYTES):
        raise InvalidTagError(f"{len(tags)} tags: an entry has at most {MAX_TAGS}, of {MAX_TAGS_BYTES} bytes in all")
    return tags


def _are_plain(names: list[object]) -> TypeGuard[list[str]]:
    """Tell of most lists of valid tags that they are, all at once: that takes a quarter of `valid_tag` for each."""
    try:
        text = "".join(names)  # type: ignore[arg-type]  # what is not a str raises the TypeError
    except TypeError:
        return False
    return len(text) <= MAX_TAG_BYTES and text.isascii() and text.isprintable() and "@" not in text and "" not in names


def url_tag(host: str, path: str, query: str) -> str:
    """Return the library's own tag of a URL, which all variants of its response carry.

    It has the URL normalised by RFC 3986 §6.2.2, without its scheme. If that is too long for a tag, it has a digest.
    """
    target = f"{path}?{query}" if query else path
    if _NORMAL_HOST.fullmatch(host) and path[:1] == "/" and "/." not in path and not _TO_NORMALISE.search(target):
        url = host + target  # as most are
    else:
        url = f"{_normal_host(host)}{_without_dot_segments(_normal_escapes(path)) or '/'}"
        url += f"?{_normal_escapes(query)}" if query else ""
    if len(url) + len("@url:") > MAX_TAG_BYTES:
        url = f"sha256:{hashlib.sha256(url.encode()).hexdigest()}"
    return f"@url:{url}"


def group_tag(host: str, name: str) -> str:
    """Return the library's own tag of a cache group, which is distinct for each host (RFC 9875 §2.1).

    As in the tag of a URL, the scheme is left out, so that it does not matter where TLS is terminated. If host and name
    are too long for a tag, it has a digest.
    """
    group = f"{_normal_host(host)}/{name}"
    if len(group) + len("@group:") > MAX_TAG_BYTES:
        group = f"sha256:{hashlib.sha256(group.encode()).hexdigest()}"
    return f"@group:{group}"


def tag_of_url(url: str) -> str:
    """Return the `url_tag` of an absolute http(s) URL.

    Raises:
        TypeError: it is not a `str`.
        ValueError: it is not an absolute http or https URL.
    """
    if not isinstance(url, str):
        raise TypeError(f"a URL is a str, not {type(url).__name__}: {url!r:.80}")
    parts = urlsplit(url)
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"not an absolute http(s) URL such as https://example.org/p: {url!r:.80}")
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode("ascii")
    host = f"[{host}]" if ":" in host else host
    return url_tag(f"{host}:{parts.port}" if parts.port is not None else host, parts.path, parts.query)


def tag_of_reference(base: str, reference: str, without_ignored: Callable[[str], str] = str) -> str | None:
    """Return the `url_tag` of a reference in a response, None if it is invalid or of another origin (RFC 9111 §4.4).

    Args:
        base: the absolute URL of the request, against which the reference is resolved.
        reference: the value of a field such as Location.
        without_ignored: removes ignored query parameters from a URL.
    """
    try:
        target = urljoin(base, reference)
        one, other = urlsplit(base), urlsplit(target)
        ports = {"http": 80, "https": 443}
        same = (
            one.scheme == other.scheme
            and one.hostname == other.hostname
            and (one.port or ports.get(one.scheme)) == (other.port or ports.get(other.scheme))
        )
        return tag_of_url(without_ignored(target)) if same else None
    except ValueError:
        return None


def _normal_host(host: str) -> str:
    """Return host and port in lower case, without a trailing dot and a default port (RFC 3986 §6.2.2.1, §6.2.3)."""
    name, colon, port = _normal_escapes(host).lower().rpartition(":")
    if not colon or not ((port.isascii() and port.isdigit()) or not port):
        name, port = name + colon + port, ""
    port = port.lstrip("0")
    return name.removesuffix(".") + (f":{port}" if port not in {"", "80", "443"} else "")


def _normal_escapes(text: str) -> str:
    """Normalise percent-encoding (RFC 3986 §6.2.2.1, §6.2.2.2).

    Escapes of unreserved characters are decoded, other escapes are put in upper case, and characters that no URI may
    have are escaped.
    """

    def normal(match: re.Match[str]) -> str:
        byte = unquote_to_bytes(match[0])
        return byte.decode("ascii") if byte[0] in _UNRESERVED else match[0].upper()

    def escaped(match: re.Match[str]) -> str:
        return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape"))

    return _ENCODED.sub(normal, _NOT_URI.sub(escaped, text))


def _without_dot_segments(path: str) -> str:
    """Return a path with its segments `.` and `..` resolved (RFC 3986 §5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/".join(kept)
