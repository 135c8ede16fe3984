"""What operators are shown of an entry, and what a call takes for a cursor."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator.http.credentials import CREDENTIALS
from accelerator.stores.listing import HIDDEN, EntryFacts, facts_of, likely_keys, numbers_in
from accelerator.tags import tag_of_url
from accelerator.testing import make_entry, make_request

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = ["a", "x1", "example.org", "example.org:8080", "EXAMPLE.org.", "[::1]"]


def told(url: str = "https://example.org/", headers: Any = (), **more: Any) -> EntryFacts:
    """The facts of the response to a request."""
    vary = tuple(sorted(name.encode() for name, _ in headers))
    request = make_request(url, headers, **more)
    return facts_of(make_entry(request, None, vary=vary), 5, is_usable=True, is_fresh=True)


@given(st.sampled_from(NAMES), st.binary(max_size=30), st.binary(max_size=30))
def test_taking_back_the_url_that_is_shown_takes_back_the_entry(host: str, path: bytes, query: bytes) -> None:
    """Whatever bytes are in it, but for those that end a path before a server sees it."""
    path = b"/" + path.replace(b"?", b"").replace(b"#", b"")
    query = query.replace(b"#", b"")
    request = make_request("https://h/", [("host", host)], raw_path=path, path="/", query_string=query)
    facts = facts_of(make_entry(request, None), 5, is_usable=True, is_fresh=True)
    assert facts.url.isascii()
    assert facts.url.isprintable()
    assert tag_of_url(facts.url) == request.url_tag


@pytest.mark.parametrize("name", ["Cookie", "Authorization", *CREDENTIALS, "X-Unheard-Of", "Set-Cookie"])
@pytest.mark.parametrize("spelled", [str.lower, lambda name: name.lower().replace("-", "_")], ids=["-", "_"])
def test_no_value_is_shown_that_may_be_a_credential(name: str, spelled: Any) -> None:
    facts = told(headers=[(spelled(name), "s3cr3t")])
    assert facts.selected_by == (HIDDEN,)
    assert "s3cr3t" not in json.dumps(facts)


@pytest.mark.parametrize("name", ["accept", "accept-encoding", "user-agent", "hx-request", "x-forwarded-proto"])
def test_values_that_are_none_are_shown(name: str) -> None:
    assert told(headers=[(name, "value")]).selected_by == ("value",)


@given(st.lists(st.binary(max_size=600), min_size=2, max_size=2), st.none() | st.binary(max_size=600))
def test_whatever_bytes_there_are_can_be_shown_and_sent(values: list[bytes], etag: bytes | None) -> None:
    headers = [("accept", values[0].decode("latin-1")), ("user-agent", values[1].decode("latin-1"))]
    request = make_request(headers=headers)
    entry = make_entry(request, None, vary=(b"accept", b"user-agent"), etag=etag)
    facts = facts_of(entry, 5, is_usable=True, is_fresh=True)
    for text in (*facts.selected_by, facts.etag or ""):
        assert text.isprintable()
        assert len(text) <= 256
    assert json.loads(json.dumps(facts)) == [list(part) if isinstance(part, tuple) else part for part in facts]


def test_what_is_not_usable_is_not_fresh() -> None:
    facts = facts_of(make_entry(make_request(), None), 5, is_usable=False, is_fresh=True)
    assert (facts.is_usable, facts.is_fresh) == (False, False)


@pytest.mark.parametrize(
    "url", ["https://example.org/", "http://example.org/", "https://example.org/a%20b/c?d=e", "http://[::1]:80/?"]
)
def test_requests_with_nothing_else_in_their_key_have_a_likely_key(url: str) -> None:
    assert make_request(url).key in likely_keys(url)


def test_likely_keys_are_those_of_clients_whatever_an_operator_writes() -> None:
    assert make_request("https://example.org/").key in likely_keys("http://EXAMPLE.org")


@pytest.mark.parametrize("cursor", ["0", "7", str(2**64 - 1)])
def test_a_cursor_has_numbers(cursor: str) -> None:
    assert numbers_in(cursor, 1) == (int(cursor),)
    assert numbers_in(f"{cursor}.1", 2) == (int(cursor), 1)
    assert numbers_in(None, 2) == (0, 0)


@given(texts.filter(lambda text: not (text.isascii() and text.isdigit())))
def test_what_is_none_is_an_error_of_one_short_line(text: str) -> None:
    for more in (text, text * 1000):
        with pytest.raises(ValueError, match="a cursor is what the call before has returned") as raised:
            numbers_in(more, 1)
        assert str(raised.value).isprintable()
        assert len(str(raised.value)) < 200
