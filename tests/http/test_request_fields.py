"""The table of request fields that say more than the URL does, and its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from accelerator.http import identity
from accelerator.http.credentials import CREDENTIALS, IDENTITIES, TOKENS
from accelerator.http.request_fields import (
    CLIENT_ADDRESS_FIELDS,
    FAMILIES,
    METHOD_OVERRIDE_FIELDS,
    PARTIAL_PAGE_FIELDS,
    TARGET_FIELDS,
    cgi_form,
    spellings,
    unlisted,
    without_nodes,
)

PAGE = (Path(__file__).parents[2] / "docs" / "request-fields.md").read_text()
TABLES = {
    "tokens": [name.lower().encode() for name in TOKENS],
    "identities": [name.lower().encode() for name in IDENTITIES],
    "targets": [*TARGET_FIELDS],
    "clients": [*CLIENT_ADDRESS_FIELDS],
    "methods": [*METHOD_OVERRIDE_FIELDS],
    "parts": [*PARTIAL_PAGE_FIELDS],
    "families": [prefix + b"*" for prefix in FAMILIES],
}


def test_the_page_has_every_field_of_the_table_and_no_other() -> None:
    written = [name.lower().encode() for name in re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)]
    assert sorted(written) == sorted(name for names in TABLES.values() for name in names)


def test_the_page_names_every_key_of_scope_and_environ_that_says_who_asks() -> None:
    scope, environ = (
        set(re.findall(r"`([^`]+)`", line))
        for line in PAGE.splitlines()
        if line.startswith(("| the ASGI", "| the WSGI"))
    )
    assert scope == {"state", *identity.SCOPE_IDENTITIES, *identity._STATE.values()}
    assert environ == {*identity._ENVIRON}


def test_a_field_is_of_one_kind() -> None:
    names = [name for names in TABLES.values() for name in names]
    assert len(names) == len(set(names))


def test_names_are_in_lower_case_as_requests_are_read() -> None:
    assert all(name == name.lower() for names in TABLES.values() for name in names)


def test_what_says_who_asks_is_what_clients_send_and_what_proxies_say() -> None:
    assert {*CREDENTIALS} == {*TOKENS, *IDENTITIES}


@pytest.mark.parametrize("kind", ["tokens", "methods", "parts"])
def test_no_family_of_proxies_takes_what_clients_send_by_themselves(kind: str) -> None:
    assert [name for name in TABLES[kind] if name.startswith(FAMILIES)] == []


@pytest.mark.parametrize(
    ("name", "read"),
    [
        (b"x-forwarded-host", b"x-forwarded-host"),
        (b"X_Forwarded.Host", b"x-forwarded-host"),
        (b"x!forwarded~host", b"x-forwarded-host"),
        (b"X1", b"x1"),
        (b"caf\xc9", b"caf-"),
    ],
)
def test_programs_called_by_cgi_read_all_but_letters_and_digits_alike(name: bytes, read: bytes) -> None:
    assert cgi_form(name) == read


@pytest.mark.parametrize(
    ("name", "credentials", "vary"),
    [
        ("Cookie", (), ()),
        ("Authorization", (), ()),
        ("X-Forwarded-Host", (), ()),
        ("CF-Connecting-IP", (), ()),
        ("X-Forwarded-User", (), ()),
        ("X-API-Key", (), ()),
        ("HX-Request", (), ()),
        ("X-HTTP-Method", (), ()),
        ("X-Forwarded-Tenant", (), ("X-Forwarded-Tenant",)),
        ("CF-IPCountry", (), ("CF-IPCountry",)),
        ("X-AppEngine-Country", (), ("X-AppEngine-Country",)),
        ("X-AppEngine-User-Organization", ("X-AppEngine-User-Organization",), ()),
        ("X-Authentik-Name", ("X-Authentik-Name",), ()),
        ("X-Mine", ("X-Mine",), ()),
    ],
)
def test_what_the_table_does_not_have_counts_as_its_family_does_and_else_says_who_asks(
    name: str, credentials: tuple[str, ...], vary: tuple[str, ...]
) -> None:
    assert unlisted([name]) == (credentials, vary)


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
        (b"for=1 ; By=2;\tfor=3", b""),
        # what stands together, and how it is written, may mean something
        (b'For=unknown; Host="a.example:80" , for=192.0.2.2', b'Host="a.example:80",'),
        (b"for=_hidden, host=evil", b",host=evil"),
        (b"for=1;proto=https,host=a;for=2", b"proto=https,host=a"),
        # what may be read in more than one way stays whole
        (b'host="x;for=evil"', b'host="x;for=evil"'),
        (b'for="a;host=evil"', b'for="a;host=evil"'),
        (b'for="a\\";host=evil"', b'for="a\\";host=evil"'),
        (b"for=192.0.2.1;host", b"for=192.0.2.1;host"),
        (b"for=192.0.2.1 host=evil", b"for=192.0.2.1 host=evil"),
        (b'for=1;host="a b"', b'for=1;host="a b"'),
        (b"for=1,,host=a", b"for=1,,host=a"),
    ],
)
def test_of_forwarded_only_the_addresses_do_not_count(forwarded: bytes, kept: bytes) -> None:
    assert without_nodes(forwarded) == kept
