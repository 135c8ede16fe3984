"""Parse and compare the values of header fields: lists, names, numbers, entity tags, structured fields."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import http_sf

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator


HeaderLines: TypeAlias = "tuple[tuple[bytes, bytes], ...]"

HeaderList: TypeAlias = "list[tuple[bytes, bytes]]"
"""Header lines in a message, which middlewares may change."""

BLANKS: Final = b" \t"
"""The whitespace around a field value, which is not a part of it (RFC 9110 §5.5)."""

COMMA: Final = ord(",")
"""The number of the character, since looking for a number in bytes takes a fifth of looking for bytes in bytes."""

MAX_SECONDS: Final = 2**31
"""The largest number of seconds; a larger one counts as this (RFC 9111 §1.2.2)."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
_QUOTED: Final = r'"(?:[^"\\]|\\.)*+"'
_LIST_MEMBER = re.compile(rf'(?:[^,"]|{_QUOTED})++', re.DOTALL)
_CLOSED = re.compile(rf'(?:[^"]|{_QUOTED})*+', re.DOTALL)
_UNCLOSED: Final = "\u201c"  # replaces a quote that is never closed; Latin-1 text cannot contain it
_ENTITY_TAG = re.compile(rb'[\s,]*+((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")\s*+(?:,|$)')


@lru_cache(64)
def lowered(names: tuple[str, ...]) -> tuple[bytes, ...]:
    """Return the field names of an option as they are compared with those of a message: in lower case."""
    return tuple([name.lower().encode("ascii") for name in names])


def joined(headers: Collection[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the fields by name in lower case, the lines of each joined (RFC 9110 §5.3, RFC 9113 §8.2.3)."""
    # ASGI demands names in lower case, but some applications, servers and middlewares send others
    fields = {name.lower(): value.strip(BLANKS) for name, value in headers}
    if len(fields) < len(headers):
        repeated: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            repeated.setdefault(name.lower(), []).append(value.strip(BLANKS))
        for name, values in repeated.items():  # joined once: adding to a value for each line would be quadratic
            fields[name] = (b"; " if name == b"cookie" else b", ").join(values).strip(BLANKS)
    return fields


def lines(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """Return the values of all lines of the field `name` (in lower case), without the blanks around them."""
    return [value.strip(BLANKS) for line, value in headers if line.lower() == name]


def combined(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """Return the lines of the field `name` (in lower case) as one value (RFC 9110 §5.3), None if there are none."""
    found = lines(headers, name)
    return b", ".join(found) if found else None


def members(value: bytes) -> Iterator[str]:
    """Yield the members of a comma-separated list (RFC 9110 §5.6.1); a comma inside of quotes separates nothing."""
    text = value.decode("latin-1")
    closed = cast("re.Match[str]", _CLOSED.match(text)).end()  # later quotes are never closed: trying each is quadratic
    for member in _LIST_MEMBER.findall(text[:closed] + text[closed:].replace('"', _UNCLOSED)):
        if stripped := member.strip(" \t"):
            yield stripped.replace(_UNCLOSED, '"')


def strings(value: bytes | None) -> list[str] | None:
    """Return the members of a List of Strings (RFC 9651 §3.1), None if the field is absent or anything else."""
    if value is None:
        return None
    try:
        items = [item for item, _ in cast("list[tuple[object, object]]", http_sf.parse(value, tltype="list"))]
    except ValueError:
        return None
    found = [item for item in items if isinstance(item, str)]
    return found if len(found) == len(items) else None


def delta_seconds(text: str | None) -> int | None:
    """Return a number of seconds (RFC 9111 §1.2.2), at most `MAX_SECONDS`, or None if the text is not such a number."""
    if text is None or not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0") or "0"
    return MAX_SECONDS if len(digits) > len(str(MAX_SECONDS)) else min(int(digits), MAX_SECONDS)


def entity_tags(value: bytes) -> list[bytes]:
    """Return the entity tags of an If-None-Match list, up to the first malformed one (RFC 9110 §13.1.2)."""
    tags: list[bytes] = []
    position = 0
    while match := _ENTITY_TAG.match(value, position):
        tags.append(match[1])
        position = match.end()
    return tags


def is_token(name: str) -> bool:
    """Tell whether `name` is a token, and so can be the name of a field (RFC 9110 §5.6.2)."""
    return _TOKEN.fullmatch(name.lower()) is not None


def is_entity_tag(value: bytes | None) -> bool:
    """Tell whether `value` is exactly one well-formed entity tag (RFC 9110 §8.8.3)."""
    return value is not None and entity_tags(value) == [value]


def is_strong(entity_tag: bytes | None) -> bool:
    """Tell whether `entity_tag` is a well-formed strong entity tag (RFC 9110 §8.8.1)."""
    return entity_tag is not None and entity_tag.startswith(b'"') and is_entity_tag(entity_tag)


def weakly_equal(one: bytes, other: bytes) -> bool:
    """Tell whether two entity tags are equal by weak comparison (RFC 9110 §8.8.3.2)."""
    return one.removeprefix(b"W/") == other.removeprefix(b"W/")


def field_names(value: bytes) -> tuple[bytes, ...]:
    """Return the names in Vary or Connection, in lower case, sorted, each once (RFC 9110 §12.5.5, §7.6.1)."""
    return tuple(sorted({name.strip(BLANKS).lower() for name in value.split(b",")} - {b""}))
