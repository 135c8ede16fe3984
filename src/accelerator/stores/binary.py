"""The binary form of an entry: first the parts that Redis scripts read, at fixed places, then msgpack, then a checksum.

In this order: magic bytes, version, number of components; for each component its partition, incarnation and position;
the length of the tags, and the tags, one a line; all other attributes; CRC-32.
"""

from __future__ import annotations

import struct
from dataclasses import fields as fields_of
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from zlib import crc32

import msgpack

from accelerator.rules.entry import Entry

if TYPE_CHECKING:
    from accelerator.http.request import Key

VERSION: Final = 4
"""The version of the layout, raised with each change of it. Bytes of another version count as a miss."""

_FIELDS: Final = len(fields_of(Entry)) - 2  # mark and tags stand before them
_MAGIC: Final = b"ac"
_HEAD: Final = struct.Struct(">2sBB")
_COMPONENT: Final = struct.Struct(">H8sQ")
_LENGTH: Final = struct.Struct(">H")
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
        entry.body,
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
    head = b"".join([_HEAD.pack(_MAGIC, VERSION, len(mark)), *components, _LENGTH.pack(len(tags)), tags])
    packed = cast("bytes", msgpack.packb(fields, unicode_errors="surrogatepass"))
    return b"".join([head, packed, _SUM.pack(crc32(packed, crc32(head)))])


def unpack(value: bytes) -> Entry | None:
    """Return the entry that `pack` has made bytes of, None if they are damaged or of another version."""
    if len(value) < _HEAD.size + _SUM.size:
        return None
    magic, version, components = _HEAD.unpack_from(value)
    written = memoryview(value)[: -_SUM.size]
    if (magic, version) != (_MAGIC, VERSION) or _SUM.unpack_from(value, len(written)) != (crc32(written),):
        return None
    mark_end = _HEAD.size + components * _COMPONENT.size
    mark = tuple(Component(*found) for found in _COMPONENT.iter_unpack(written[_HEAD.size : mark_end]))
    tags = mark_end + _LENGTH.size
    tags_end = tags + _LENGTH.unpack_from(value, mark_end)[0]
    fields = msgpack.unpackb(written[tags_end:], unicode_errors="surrogatepass")
    return _entry(mark, str(written[tags:tags_end], "utf-8").split("\n"), fields) if len(fields) == _FIELDS else None


def _entry(mark: tuple[Component, ...], tags: list[str], fields: list[Any]) -> Entry:
    key, vary, selected_by, status, headers, added, body, *others = fields
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
