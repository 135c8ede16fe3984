"""What a gateway answers itself, and what of a request it hands on, by tables."""

from __future__ import annotations

import pytest

from accelerator.gateway.forwarding import Reply, end_to_end, own_reply, request_lines, respelled, target, trusted_names
from tests.support import Scope, http_scope, raw

ALLOW = (b"allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY")
NO_PATH = Reply(400, b"the target is not a path")
NO_HOST = Reply(400, b"there is no Host, or not one that can be")
NOT_FORWARDED = Reply(405, b"this method is not forwarded", (ALLOW,))


def asked(target: bytes, method: str = "GET", **more: object) -> Scope:
    path, _, query = target.partition(b"?")
    return {
        **http_scope(method=method),
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        **more,
    }


@pytest.mark.parametrize(
    ("method", "target", "reply"),
    [
        ("GET", b"/", None),
        ("GET", b"/a?b=c?d", None),
        ("GET", b"//b/c", None),
        ("GET", b'/a|b"c\\d^{e}?[f]', None),  # browsers send them, whatever RFC 3986 says
        ("GET", b"/http://b", None),
        ("GET", b"http://b/c", NO_PATH),
        ("GET", b"HTTP://b", NO_PATH),
        ("GET", b"@b/c", NO_PATH),
        ("GET", b":22/c", NO_PATH),
        ("GET", b".b/c", NO_PATH),
        ("GET", b"b:80", NO_PATH),
        ("GET", b"*", NO_PATH),
        ("GET", b"?a", NO_PATH),
        ("GET", b"/a#b", NO_PATH),
        ("GET", b"/a?b#c", NO_PATH),
        ("GET", b"/a b", NO_PATH),
        ("GET", b"/a\tb", NO_PATH),
        ("GET", b"/a\r\nb", NO_PATH),
        ("GET", b"/a\n", NO_PATH),
        ("GET", b"/\x00", NO_PATH),
        ("GET", b"/\x7f", NO_PATH),
        ("GET", b"/\xe9", NO_PATH),
        ("OPTIONS", b"*", None),
        ("OPTIONS", b"*?a", NO_PATH),
        ("OPTIONS", b"**", NO_PATH),
        ("CONNECT", b"b:80", NOT_FORWARDED),
        ("CONNECT", b"/", NOT_FORWARDED),
        ("TRACE", b"/", NOT_FORWARDED),
        ("trace", b"/", NOT_FORWARDED),
        ("QUERY", b"/", None),
        ("PROPFIND", b"/", None),
    ],
)
def test_only_a_path_is_forwarded_and_no_tunnel_or_loop_back(method: str, target: bytes, reply: Reply | None) -> None:
    assert own_reply(asked(target, method)) == reply


@pytest.mark.parametrize(
    ("hosts", "version", "reply"),
    [
        (["example.org"], "1.1", None),
        (["EXAMPLE.org:8080"], "1.1", None),
        (["example.org:"], "1.1", None),
        (["192.0.2.1"], "1.1", None),
        (["[2001:db8::1]:80"], "1.1", None),
        (["[::ffff:192.0.2.1]"], "1.1", None),
        (["a_b-c~!$&'()*+,;=%C3%A9"], "1.1", None),  # RFC 3986 §3.2.2: a registered name
        (["b"], "1.0", None),
        ([], "1.0", None),
        ([], "2", None),
        ([], "1.1", NO_HOST),
        ([""], "1.1", NO_HOST),
        ([":80"], "1.1", NO_HOST),
        (["a", "b"], "1.1", NO_HOST),
        (["a", "a"], "1.0", NO_HOST),
        (["a:b"], "1.1", NO_HOST),
        (["a:80:90"], "1.1", NO_HOST),
        (["a b"], "1.1", NO_HOST),
        (["a/b"], "1.1", NO_HOST),
        (["a\\b"], "1.1", NO_HOST),
        (["a?b"], "1.1", NO_HOST),
        (["a#b"], "1.1", NO_HOST),
        (["u@a"], "1.1", NO_HOST),
        (["u:p@a"], "1.1", NO_HOST),
        (['a"b'], "1.1", NO_HOST),
        (["a%4"], "1.1", NO_HOST),
        (["a\n"], "1.1", NO_HOST),
        (["caf\xe9"], "1.1", NO_HOST),
        (["[::1"], "1.1", NO_HOST),
        (["::1"], "1.1", NO_HOST),
        (["[]"], "1.1", NO_HOST),
        (["[:::]"], "1.1", NO_HOST),
        (["[192.0.2.1]"], "1.1", NO_HOST),
        (["[::1%25a]"], "1.1", NO_HOST),
        (["[::1]a"], "1.1", NO_HOST),
        (["http://a"], "1.1", NO_HOST),
    ],
)
def test_a_host_is_said_once_and_can_be_one(hosts: list[str], version: str, reply: Reply | None) -> None:
    lines = raw(("host", host) for host in hosts)
    assert own_reply({**http_scope(), "headers": lines, "http_version": version}) == reply


@pytest.mark.parametrize(
    ("method", "sent", "handed_on"),
    [
        ("OPTIONS", ["0"], None),
        ("OPTIONS", ["000"], None),
        ("OPTIONS", ["1"], b"0"),
        ("OPTIONS", ["10"], b"9"),
        ("OPTIONS", ["-1"], b"-1"),  # what is no number says nothing
        ("OPTIONS", ["0, 0"], b"0, 0"),
        ("OPTIONS", [""], b""),
        ("OPTIONS", ["9" * 10], b"9" * 10),
        ("GET", ["0"], b"0"),  # RFC 9110 §7.6.2: it may be ignored there
    ],
)
def test_an_options_is_forwarded_as_often_as_it_says(method: str, sent: list[str], handed_on: bytes | None) -> None:
    scope = http_scope(method=method, headers=[("Max-Forwards", value) for value in sent])
    if handed_on is None:
        assert own_reply(scope) == Reply(204, lines=(ALLOW,))
    else:
        assert own_reply(scope) is None
        lines = request_lines(scope, b"origin", frozenset(), is_empty=True)
        assert [value for name, value in lines if name.lower() == b"max-forwards"] == [handed_on]


def test_a_target_is_that_which_was_received_or_else_made_of_the_path() -> None:
    assert target(asked(b"/a%2Fb?c")) == b"/a%2Fb?c"
    assert target({**http_scope("/"), "raw_path": None, "path": "/a b/\xe9?"}) == b"/a%20b/%C3%A9%3F"


@pytest.mark.parametrize(
    ("connection", "kept"),
    [
        (["close"], [b"x-a", b"x_b"]),
        (["X-A"], [b"x_b"]),
        (["x-b"], [b"x-a"]),  # an origin may read it as the field that is named
        (["close, x-a", "X-B"], []),
        (["te, upgrade"], [b"x-a", b"x_b"]),
    ],
)
def test_what_connection_names_is_of_one_connection(connection: list[str], kept: list[bytes]) -> None:
    sent = raw([*(("connection", value) for value in connection), ("te", "a"), ("x-a", "1"), ("x_b", "2")])
    assert [name for name, _ in end_to_end(sent)] == kept


def test_a_field_is_respelled_if_it_may_be_read_as_one_with_dashes() -> None:
    assert respelled(raw([("X-A", ""), ("x-b", ""), ("X_C", ""), ("x.d", "")])) == {b"x-c", b"x-d"}


def test_trusted_fields_are_compared_without_their_case() -> None:
    assert trusted_names(("X-Forwarded-User", "x-mine")) == {b"x-forwarded-user", b"x-mine"}
    assert trusted_names(()) == frozenset()


@pytest.mark.parametrize(
    ("names", "error", "words"),
    [
        ("X-Forwarded-User", TypeError, "trusted_fields is a tuple of field names"),
        (["X-Forwarded-User"], TypeError, "trusted_fields is a tuple of field names"),
        ((b"x-mine",), TypeError, "trusted_fields is a tuple of field names"),
        (("a b",), ValueError, "trusted_fields are names of fields"),
        (("",), ValueError, "trusted_fields are names of fields"),
        (("X-Forwarded-For", "Forwarded", "X-Mine"), ValueError, "the gateway says forwarded, x-forwarded-for itself"),
        (("Connection",), ValueError, "the gateway says connection itself"),
    ],
)
def test_what_can_be_no_trusted_field_is_named(names: tuple[str, ...], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        trusted_names(names)
