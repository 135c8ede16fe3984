"""Which fields of a response are stored, and come back as they were sent."""

from __future__ import annotations

from tests.conformance.case import Case, asks, cc, date, reuses

HOUR = cc("max-age=3600")

KEPT = [
    Case(
        f"kept-{name}",
        f"{name.title()} is stored.",
        "RFC 9111 §3.1",
        (asks(HOUR, (name, value), has={name: value}), reuses(has={name: value})),
    )
    for name, value in [
        ("test-header", "a"),
        ("x-test-header", "b"),
        ("content-foo", "c"),
        ("x-content-foo", "d"),
        ("content-encoding", "gzip"),
        ("content-language", "de"),
        ("content-length", "8"),
        ("content-location", "/bar"),
        ("content-md5", "N7UdGUp1E+RbVvZSTy1R8g=="),
        ("content-range", "bytes 0-7/100"),
        ("content-security-policy", "default-src 'self' cdn.example.com"),
        ("content-type", "text/plain;charset=utf-8"),
        ("clear-site-data", '"cookies"'),
        ("date", date(-5)),
        ("etag", '"ghijkl"'),
        ("expires", date(60)),
        ("last-modified", date(-60)),
        ("link", "</a>; rel=preload"),
        ("location", "/foo"),
        ("pragma", "no-cache"),
        ("public-key-pins", 'pin-sha256="x"'),
        ("set-cookie2", "a=c"),
        ("server", "x/1"),
        ("strict-transport-security", "max-age=1"),
        ("via", "1.1 a"),
        ("warning", '199 - "x"'),
        ("x-frame-options", "sameorigin"),
        ("x-xss-protection", "1; mode=block"),
        ("cdn-cache-control", "max-age=60"),
        ("x-obs-text", "caf\xe9 \xff"),
        ("x-empty", ""),
    ]
] + [
    Case(
        "kept-cache-control",
        "Cache-Control is stored as it was sent.",
        "RFC 9111 §3.1",
        (
            asks(cc("max-age=3600,  FOO=1"), has={"cache-control": "max-age=3600,  FOO=1"}),
            reuses(has={"cache-control": "max-age=3600,  FOO=1"}),
        ),
    ),
    Case(
        "kept-lines",
        "Several lines of a field come back as several, in their order.",
        "RFC 9110 §5.3",
        (
            asks(HOUR, ("link", "<a>"), ("x-a", "1"), ("link", "<b>"), ("link", "<a>")),
            reuses(has={"link": ("<a>", "<b>", "<a>"), "x-a": "1"}),
        ),
    ),
]

DROPPED = [
    Case(
        f"dropped-{name}",
        f"{name.title()} is of one connection, and is not stored.",
        section,
        (asks(HOUR, (name, value), ("x-kept", "1")), reuses(has={name: None, "x-kept": "1"})),
    )
    for name, value, section in [
        ("connection", "close", "RFC 9111 §3.1"),
        ("keep-alive", "timeout=5", "RFC 9111 §3.1"),
        ("proxy-connection", "keep-alive", "RFC 9111 §3.1"),
        ("te", "trailers", "RFC 9111 §3.1"),
        ("upgrade", "websocket", "RFC 9111 §3.1"),
        ("proxy-authenticate", "Basic", "RFC 9111 §3.1"),
        ("proxy-authentication-info", "x=1", "RFC 9111 §3.1"),
        ("proxy-authorization", "Basic x", "RFC 9111 §3.1"),
    ]
] + [
    Case(
        f"dropped-listed-in-connection-{name}",
        "Fields that Connection lists are of one connection, and are not stored.",
        "RFC 9111 §3.1",
        (
            asks(HOUR, *(("connection", value) for value in values), ("a", "1"), ("b", "2"), ("c", "3"), ("a", "4")),
            reuses(has={"a": None, "b": None, "c": "3", "connection": None}),
        ),
    )
    for name, values in [
        ("once", ("a, b",)),
        ("on-two-lines", ("a", "b")),
        ("in-capitals", ("A,B",)),
        ("among-others", ("close, a,, b, keep-alive",)),
    ]
]

CASES = KEPT + DROPPED
