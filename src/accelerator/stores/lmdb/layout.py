"""The layout of the file: which records there are, under which keys, and their binary forms.

There is one table. A key is one letter, which tells the kind, and what follows:

    m                   the order of invalidations                             (`order.Order`)
    mq                  the state of the queues                                (`queues.Queues`)
    ms                  how far the sweep is                                   (`sweep.Progress`)
    t  hash of a tag    its last positions                                     (`order`)
    u  hash of a URL    the variants of its responses, with their numbers      (`entries.Variants`)
    e  number           when to drop an entry: times, mark, hashes of tags,
                        its place in a queue, and whether it was used          (`cards.Card`)
    e  number  part     a page of the entry in its binary form                 (`stores.binary`)
    q  queue  place     the number of the entry there
    g  hash of a place  the turn of a ghost
    h  turn             the hash of that ghost
    l  number           some leases                                            (`leases`)

Numbers of entries are never given twice in one incarnation. What replaces an entry has its number, and another version.
All integers are big-endian, so that keys sort by them.
What could be of harm if it were damaged has a checksum: an entry, a position, a state.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, cast
from zlib import crc32

import msgpack

from accelerator.tags import ALL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from accelerator.http.request import Key, Vary

FORMAT: Final = 1
"""The version of the layout, raised with each change of it. A file of another version is replaced by a new one."""

HASH_BYTES: Final = 16

MAX_KNOWN_TAGS: Final = 1024
"""Number of tags whose keys a process keeps in mind: to make one takes 1 µs, to find it 0.1."""

MAX_KNOWN_URLS: Final = 64
"""Number of URLs whose keys it keeps in mind: a miss asks for one when it looks up, looks up again, and commits."""

NUMBER: Final = struct.Struct(">Q")
_SUM: Final = struct.Struct(">I")


class DamagedError(Exception):
    """A record that everything depends on cannot be read."""


def with_sum(value: bytes) -> bytes:
    """Return a value with its checksum."""
    return value + _SUM.pack(crc32(value))


def without_sum(value: bytes | None) -> bytes | None:
    """Return a value without its checksum, None if it is damaged, or there is none."""
    if value is None:
        return None
    written = value[: -_SUM.size]
    return written if value[-_SUM.size :] == _SUM.pack(crc32(written)) else None


def sound(value: bytes | None, what: str) -> bytes:
    """Return a value without its checksum.

    Args:
        value: the value of a record that everything depends on.
        what: what the record says, for the message of the exception.

    Raises:
        DamagedError: it is damaged, or there is none.
    """
    found = without_sum(value)
    if found is None:
        raise DamagedError(f"{what} cannot be read")
    return found


@lru_cache(MAX_KNOWN_URLS)
def url_key(key: Key) -> bytes:
    """Return the key of the variants of a URL. An entry has the whole key, which is compared."""
    return b"u" + _hash(_packed(key))


def place_of(vary: Vary, selected_by: tuple[bytes | None, ...]) -> bytes:
    """Return the name of a variant of a URL."""
    return _hash(_packed((vary, selected_by))) if vary else b""


def tag_keys(tags: Iterable[str]) -> tuple[bytes, ...]:
    """Return the keys of the records of tags. `@all` has none: its positions are those of the order."""
    return tuple([_tag_key(tag) for tag in tags if tag != ALL])


@lru_cache(MAX_KNOWN_TAGS)
def _tag_key(tag: str) -> bytes:
    return b"t" + _hash(tag.encode())


def numbered(kind: bytes, number: int) -> bytes:
    """Return the key of a record of this kind."""
    return kind + NUMBER.pack(number)


def number_in(key: bytes) -> int:
    """Return the number in the key of a record."""
    return int(NUMBER.unpack_from(key, 1)[0])


def ghost_name(url: bytes, place: bytes) -> bytes:
    """Return the hash by which the ghost of an entry is known."""
    return _hash(url + place) if place else url[1:]


def _packed(value: object) -> bytes:
    return cast("bytes", msgpack.packb(value, unicode_errors="surrogatepass"))


def _hash(value: bytes) -> bytes:
    return blake2b(value, digest_size=HASH_BYTES).digest()
