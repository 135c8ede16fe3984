"""The table of request fields that say more than the URL does, and its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from accelerator import identity
from accelerator.request_fields import CLIENTS, CREDENTIALS, METHODS, PARTS, TARGETS, spellings, without_nodes

PAGE = (Path(__file__).parents[2] / "docs" / "request-fields.md").read_text()
TABLES = {"credentials": [name.lower().encode() for name in CREDENTIALS],
    "targets": [*TARGETS], "clients": [*CLIENTS], "methods": [*METHODS], "parts": [*PARTS]
}  # fmt: skip


def test_the_page_has_every_field_of_the_table_and_no_other() -> None:
    written = [name.lower().encode() for name in re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)]
    assert sorted(written) == sorted(name for names in TABLES.values() for name in names)


def test_the_page_names_every_key_of_scope_and_environ_that_says_who_asks() -> None:
    scope, environ = (
        set(re.findall(r"`([^`]+)`", line))
        for line in PAGE.splitlines()
        if line.startswith(("| the ASGI", "| the WSGI"))
    )
    assert scope == {"state", *identity.OUTER, *identity._STATE}
    assert environ == {*identity._ENVIRON}


def test_a_field_is_of_one_kind() -> None:
    names = [name for names in TABLES.values() for name in names]
    assert len(names) == len(set(names))


def test_names_are_in_lower_case_as_requests_are_read() -> None:
    assert all(name == name.lower() for names in TABLES.values() for name in names)


@pytest.mark.parametrize("name", [b"x-a-b", b"x_a_b", b"x-a_b"])
def test_a_name_is_spelled_with_each_dash_and_underscore_as_either(name: bytes) -> None:
    assert spellings([name, b"c"]) == {b"x-a-b", b"x_a-b", b"x-a_b", b"x_a_b", b"c"}


@pytest.mark.parametrize(
    ("forwarded", "kept"),
    [
        (b"", b""),
        (b"for=192.0.2.1", b""),
        (b'for="[2001:db8::1]:4711";by=203.0.113.43', b""),
        (b"for=192.0.2.1;host=a.example;proto=https", b"host=a.example;proto=https"),
        (b'For=unknown; Host="a.example:80" , for=192.0.2.2', b'host="a.example:80"'),
        (b"for=_hidden, host=evil", b"host=evil"),
        # what may be read in more than one way stays whole
        (b'host="x;for=evil"', b'host="x;for=evil"'),
        (b'for="a;host=evil"', b'for="a;host=evil"'),
        (b'for="a\\";host=evil"', b'for="a\\";host=evil"'),
        (b"for=192.0.2.1;host", b"for=192.0.2.1;host"),
        (b"for=192.0.2.1 host=evil", b"for=192.0.2.1 host=evil"),
    ],
)
def test_of_forwarded_only_the_addresses_do_not_count(forwarded: bytes, kept: bytes) -> None:
    assert without_nodes(forwarded) == kept
