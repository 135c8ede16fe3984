"""The binary form of an entry: first the parts that Redis scripts read, at fixed places, then msgpack, then the body.

In this order: magic bytes, version, number of components; for each component its partition, incarnation and position;
the length of the tags, and the tags, one a line; the lengths of all other attributes and of the body; the attributes,
and CRC-32 of all so far; the body, and CRC-32 of all. So the beginning tells of an entry all but what it says.
"""

from __future__ import annotations

import struct
from dataclasses import fields as fields_of
from typing import TYPE_CHECKING, Final, NamedTuple, cast
from zlib import crc32

import msgpack

from accelerator.rules.entry import Entry

if TYPE_CHECKING:
    from accelerator.http.request import Key

VERSION: Final = 4
"""The version of the layout, raised with each change of it. Bytes of another version count as a miss."""

_FIELDS: Final = len(fields_of(Entry)) - 3  # mark and tags stand before them, the body after them
_MAGIC: Final = b"ac"
_HEAD: Final = struct.Struct(">2sBB")
_COMPONENT: Final = struct.Struct(">H8sQ")
_LENGTH: Final = struct.Struct(">H")
_LENGTHS: Final = struct.Struct(">II")
_SUM: Final = struct.Struct(">I")

POSITION_OFFSET: Final = _HEAD.size + 10
"""Offset in bytes of the position of the first component. Version and incarnation come before it."""


class Component(NamedTuple):
    """A position in the order of invalidations of one partition.

    Attributes:
        partition: the number of the partition, 0 on a single server.
        incarnation: 8 random bytes that name one order; positions of different incarnations cannot be compared.
        position: the position.
    """

    partition: int
    incarnation: bytes
    position: int


class Outline(NamedTuple):
    """What the beginning of the binary form of an entry tells.

    Attributes:
        entry: the entry without its body.
        size: the bytes of its body.
    """

    entry: Entry
    size: int


class _Parts(NamedTuple):
    """Where in the binary form the mark, the tags, and the attributes with their checksum end; the size of the body."""

    mark_end: int
    tags_end: int
    start_end: int
    body: int


def pack(entry: Entry) -> bytes:
    """Return the bytes of an entry, whose mark has to be a tuple of components."""
    mark = cast("tuple[Component, ...]", entry.mark)
    fields = (
        entry.key,
        entry.vary,
        entry.selected_by,
        entry.status,
        entry.headers,
        entry.added,
        entry.received,
        entry.initial_age,
        entry.lifetime,
        entry.stale_while_revalidate,
        entry.stale_if_error,
        entry.never_stale,
        entry.for_cookies,
        entry.for_credentials,
        entry.for_codings,
        entry.etag,
        entry.validator,
        entry.last_modified,
        entry.made_in,
        entry.route,
    )
    tags = "\n".join(sorted(entry.tags)).encode()
    components = [_COMPONENT.pack(*component) for component in mark]
    packed = cast("bytes", msgpack.packb(fields, unicode_errors="surrogatepass"))
    head = [_HEAD.pack(_MAGIC, VERSION, len(mark)), *components, _LENGTH.pack(len(tags)), tags]
    start = b"".join([*head, _LENGTHS.pack(len(packed), len(entry.body)), packed])
    start += _SUM.pack(crc32(start))
    return b"".join([start, entry.body, _SUM.pack(crc32(entry.body, crc32(start)))])


def unpack(value: bytes) -> Entry | None:
    """Return the entry that `pack` has made bytes of, None if they are damaged or of another version."""
    parts = _parts_of(value)
    if not isinstance(parts, _Parts) or len(value) != parts.start_end + parts.body + _SUM.size:
        return None
    written = memoryview(value)[: -_SUM.size]
    if _SUM.unpack_from(value, len(written)) != (crc32(written),):
        return None
    return _entry(value, parts, value[parts.start_end : -_SUM.size])


def outline(start: bytes) -> Outline | int | None:
    """Return what the beginning of the binary form of an entry tells, however much of it is there.

    Returns:
        The outline; or, if more of it is needed, how many bytes at least; None if it is damaged or of another version.
    """
    parts = _parts_of(start)
    if not isinstance(parts, _Parts):
        return parts
    attributes_end = parts.start_end - _SUM.size
    if _SUM.unpack_from(start, attributes_end) != (crc32(memoryview(start)[:attributes_end]),):
        return None
    entry = _entry(start, parts, b"")
    return Outline(entry, parts.body) if entry is not None else None


def _parts_of(start: bytes) -> _Parts | int | None:
    """Return where the parts are; or how many bytes are needed to tell, at least; None for another version."""
    if len(start) < _HEAD.size:
        return _HEAD.size
    magic, version, components = _HEAD.unpack_from(start)
    if (magic, version) != (_MAGIC, VERSION):
        return None
    mark_end: int = _HEAD.size + components * _COMPONENT.size
    tags = mark_end + _LENGTH.size
    if len(start) < tags:
        return tags
    tags_end: int = tags + _LENGTH.unpack_from(start, mark_end)[0]
    attributes = tags_end + _LENGTHS.size
    if len(start) < attributes:
        return attributes
    length, body = _LENGTHS.unpack_from(start, tags_end)
    start_end: int = attributes + length + _SUM.size
    return _Parts(mark_end, tags_end, start_end, body) if len(start) >= start_end else start_end


def _entry(value: bytes, parts: _Parts, body: bytes) -> Entry | None:
    """Return the entry with these parts, None if it has other attributes than entries of this version."""
    written = memoryview(value)
    mark = tuple(Component(*found) for found in _COMPONENT.iter_unpack(written[_HEAD.size : parts.mark_end]))
    tags = str(written[parts.mark_end + _LENGTH.size : parts.tags_end], "utf-8").split("\n")
    packed = written[parts.tags_end + _LENGTHS.size : parts.start_end - _SUM.size]
    fields = msgpack.unpackb(packed, unicode_errors="surrogatepass")
    if len(fields) != _FIELDS:
        return None
    key, vary, selected_by, status, headers, added, *others = fields
    return Entry(
        cast("Key", tuple(key)),
        tuple(vary),
        tuple(selected_by),
        status,
        tuple((name, line) for name, line in headers),
        tuple((name, line) for name, line in added),
        body,
        frozenset(tags),
        mark,
        *others,
    )
