"""Entries as bytes: what was packed comes back, and whatever else there may be is a miss."""

from __future__ import annotations

import struct
from dataclasses import fields, replace
from typing import Any
from zlib import crc32

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator.rules.entry import Entry
from accelerator.stores.binary import POSITION_OFFSET, VERSION, Component, Outline, outline, pack, unpack
from accelerator.tags import ALL
from accelerator.testing import make_entry, make_request

MARK = (Component(0, b"12345678", 7),)
ENTRY = make_entry(make_request(), MARK, ["a", "über", "b" * 1024], body=bytes(range(256)))

lines = st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=4).map(tuple)
seconds = st.floats(min_value=0, max_value=2.0**53)
texts = st.binary(max_size=20)
tags = st.frozensets(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=9), max_size=5)
components = st.builds(
    Component, st.integers(0, 2**16 - 1), st.binary(min_size=8, max_size=8), st.integers(0, 2**64 - 1)
)
entries: st.SearchStrategy[Entry] = st.builds(
    Entry,
    key=st.tuples(st.text(), texts, texts, st.text(), texts, st.text(), st.text(), st.booleans()),
    vary=st.lists(texts, max_size=3).map(tuple),
    selected_by=st.lists(st.none() | texts, max_size=3).map(tuple),
    status=st.integers(100, 999),
    headers=lines,
    added=lines,
    body=st.binary(max_size=300),
    tags=tags.map(lambda names: names | {ALL}),
    mark=st.lists(components, min_size=1, max_size=3).map(tuple),
    received=seconds,
    initial_age=seconds,
    lifetime=seconds,
    stale_while_revalidate=seconds | st.integers(0, 2**31),
    stale_if_error=seconds,
    never_stale=st.booleans(),
    for_cookies=st.booleans(),
    for_credentials=st.booleans(),
    for_codings=st.booleans(),
    etag=st.none() | texts,
    validator=st.none() | texts,
    last_modified=st.none() | texts,
    made_in=seconds,
    route=st.text(),
)


@given(entries)
def test_what_was_packed_comes_back(entry: Entry) -> None:
    assert unpack(pack(entry)) == entry


def test_a_path_that_is_no_utf_8_comes_back() -> None:
    entry = replace(ENTRY, key=make_request(path="/\udcff").key)
    assert unpack(pack(entry)) == entry


def test_a_thousand_tags_of_the_greatest_size_in_all_fit() -> None:
    entry = replace(ENTRY, tags=frozenset(f"{number:016}" for number in range(1000)) | {ALL, "@url:" + "x" * 1019})
    assert unpack(pack(entry)) == entry


def test_the_position_stands_where_scripts_look_for_it() -> None:
    assert struct.unpack_from(">Q", pack(ENTRY), POSITION_OFFSET) == (7,)


@given(st.data())
def test_damaged_bytes_are_a_miss(data: st.DataObject) -> None:
    value = bytearray(pack(ENTRY))
    places = st.integers(0, len(value) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4, unique=True)):
        value[place] ^= data.draw(st.integers(1, 255))
    assert unpack(bytes(value)) is None


@given(st.data())
def test_bytes_that_were_cut_off_are_a_miss(data: st.DataObject) -> None:
    value = pack(ENTRY)
    assert unpack(value[: data.draw(st.integers(0, len(value) - 1))]) is None


@given(st.binary(max_size=200))
def test_bytes_of_somebody_else_are_a_miss(value: bytes) -> None:
    assert unpack(value) is None


@pytest.mark.parametrize("version", [0, VERSION + 1, 255])
def test_another_version_is_a_miss_even_if_it_is_whole(version: int) -> None:
    value = bytearray(pack(ENTRY)[:-4])
    value[2] = version
    assert unpack(bytes(value) + struct.pack(">I", crc32(value))) is None


FIELDS: dict[str, Any] = {
    "status": 404,
    "body": b"",
    "tags": frozenset({ALL}),
    "mark": (Component(0, b"12345678", 8),),
    "etag": b'"x"',
}


@pytest.mark.parametrize("name", FIELDS)
def test_each_part_is_kept_apart(name: str) -> None:
    other = replace(ENTRY, **{name: FIELDS[name]})
    assert unpack(pack(other)) == other != ENTRY


def test_another_layout_of_entries_has_another_version() -> None:
    """Whoever adds an attribute to `Entry`, or moves one, raises `VERSION`: both kinds may share a server."""
    names = (
        "key vary selected_by status headers added body tags mark received initial_age lifetime stale_while_revalidate"
        " stale_if_error never_stale for_cookies for_credentials for_codings etag validator last_modified made_in route"
    )
    assert (VERSION, " ".join(field.name for field in fields(Entry))) == (4, names)


def test_an_entry_with_more_or_fewer_attributes_is_a_miss() -> None:
    value = pack(ENTRY)
    attributes = value.index(msgpack.packb(ENTRY.key, unicode_errors="surrogatepass")) - 3
    length, _ = struct.unpack_from(">II", value, attributes - 8)
    packed = msgpack.unpackb(value[attributes : attributes + length])

    def with_attributes(packed: list[Any]) -> bytes:
        changed: bytes = msgpack.packb(packed)
        start = value[: attributes - 8] + struct.pack(">II", len(changed), len(ENTRY.body)) + changed
        start += struct.pack(">I", crc32(start))
        return start + ENTRY.body + struct.pack(">I", crc32(start + ENTRY.body))

    for other in (packed[:-1], [*packed, None]):
        assert unpack(with_attributes(other)) is None
        assert outline(with_attributes(other)) is None
    assert unpack(with_attributes(packed)) == ENTRY


# --- the beginning ----------------------------------------------------------------------------------------------------


def start_of(entry: Entry) -> bytes:
    """The binary form without the body and what follows it."""
    return pack(entry)[: -len(entry.body) - 4]


@given(entries)
def test_the_beginning_tells_of_an_entry_all_but_its_body(entry: Entry) -> None:
    for start in (start_of(entry), pack(entry)):
        assert outline(start) == Outline(replace(entry, body=b""), len(entry.body))


@given(entries)
def test_it_is_told_how_much_of_the_beginning_is_needed(entry: Entry) -> None:
    """Who reads as much as is asked for, and no more, has the outline after four reads."""
    asked = []
    needed: Any = 0
    while isinstance(needed := outline(pack(entry)[:needed]), int):
        asked.append(needed)
    assert asked == sorted(set(asked))
    assert len(asked) == 4
    assert asked[-1] == len(start_of(entry))
    assert needed == Outline(replace(entry, body=b""), len(entry.body))


@given(st.data())
def test_of_a_damaged_beginning_nothing_is_told(data: st.DataObject) -> None:
    value = bytearray(start_of(ENTRY))
    value[data.draw(st.integers(0, len(value) - 1))] ^= data.draw(st.integers(1, 255))
    assert not isinstance(outline(bytes(value)), Outline)


@given(st.binary(min_size=4, max_size=200))
def test_of_the_bytes_of_somebody_else_nothing_is_told(value: bytes) -> None:
    assert outline(value) is None
