"""What may be stored at all: statuses, whole and partial contents, Set-Cookie, and what selects a stored response."""

from __future__ import annotations

from tests.conformance.case import Case, asks, cc, given, reuses

HOUR = cc("max-age=3600")
SHARED = cc("s-maxage=3600")
LOCATION = ("location", "/elsewhere")

BY_DEFAULT = (
    [
        Case(
            f"fresh-{status}",
            f"A {status} with explicit freshness is stored.",
            "RFC 9111 §3",
            (asks(HOUR, *more, status=status), reuses(gets=status, has=dict(more))),
        )
        for status, more in [
            (200, ()),
            (203, ()),
            (204, ()),
            (299, ()),
            (300, (LOCATION,)),
            (301, (LOCATION,)),
            (302, (LOCATION,)),
            (303, (LOCATION,)),
            (307, (LOCATION,)),
            (308, (LOCATION,)),
            (404, ()),
            (410, ()),
        ]
    ]
    + [
        Case(
            f"stale-{status}",
            f"A {status} whose time has passed is not reused.",
            "RFC 9111 §4.2",
            (asks(HOUR, status=status), asks(after=3600, status=status)),
        )
        for status in (200, 203, 204, 299, 301, 302, 303, 307, 308, 404, 410)
    ]
    + [
        Case(
            f"silent-{status}",
            f"A {status} that says nothing of its freshness is not stored.",
            "the opt-in",
            (asks(status=status), asks(status=status)),
        )
        for status in (200, 204, 301, 308, 404, 410)
    ]
)

ERRORS = [400, 401, 403, 405, 408, 414, 421, 429, 451, 499, 500, 501, 502, 503, 504, 599]

ASKED_FOR = (
    [
        Case(
            f"error-{status}",
            f"A {status} is not stored unless that was asked for.",
            "a safety choice",
            (asks(HOUR, status=status), asks(HOUR, status=status)),
        )
        for status in ERRORS
    ]
    + [
        Case(
            f"error-asked-for-{status}",
            f"A {status} with explicit freshness is stored where errors are asked for.",
            "RFC 9111 §3",
            (asks(HOUR, status=status), reuses(after=3599, gets=status), asks(after=1, status=status)),
            {"cacheable_errors": True},
        )
        for status in ERRORS
    ]
    + [
        Case(
            f"error-asked-for-silent-{status}",
            f"A {status} that says nothing of its freshness is not stored, though errors are asked for.",
            "the opt-in",
            (asks(status=status), asks(status=status)),
            {"cacheable_errors": True},
        )
        for status in (403, 500, 599)
    ]
)

NEVER = (
    [
        Case(
            f"{name}",
            sentence,
            section,
            (asks(HOUR, *lines, **more), asks(HOUR)),
        )
        for name, sentence, section, lines, more in [
            (
                "206",
                "A partial response is not stored.",
                "RFC 9111 §3.3",
                (("content-range", "bytes 0-7/100"),),
                given(status=206),
            ),
            (
                "206-without-content-range",
                "A 206 is not stored, whatever it is.",
                "RFC 9111 §3.3",
                (),
                given(status=206),
            ),
            (
                "304-unasked",
                "A 304 is an answer to a condition, and is not stored.",
                "RFC 9111 §3",
                (("etag", '"v1"'),),
                given(status=304, text=b""),
            ),
            (
                "set-cookie",
                "A response with Set-Cookie is not stored.",
                "a safety choice",
                (("set-cookie", "session=1"),),
                given(),
            ),
            (
                "set-cookie-empty",
                "A response with an empty Set-Cookie is not stored.",
                "a safety choice",
                (("set-cookie", ""),),
                given(),
            ),
            (
                "set-cookie-second",
                "A Set-Cookie on a later line counts.",
                "a safety choice",
                (("x", "1"), ("set-cookie", "a=1")),
                given(),
            ),
            (
                "shorter-than-said",
                "A response that is shorter than its Content-Length is not stored.",
                "RFC 9111 §3.3",
                (("content-length", "100"),),
                given(),
            ),
            (
                "longer-than-said",
                "A response that is longer than its Content-Length is not stored.",
                "RFC 9111 §3.3",
                (("content-length", "3"),),
                given(),
            ),
            (
                "two-lengths",
                "A response whose Content-Lengths differ is not stored.",
                "RFC 9110 §8.6",
                (("content-length", "8"), ("content-length", "9")),
                given(),
            ),
            (
                "cut-off",
                "A response that is cut off is not stored.",
                "RFC 9111 §3.3",
                (),
                given(fails="half way", gets=None),
            ),
            (
                "cut-off-with-a-length",
                "A response that is cut off is not stored, though its length was said.",
                "RFC 9111 §3.3",
                (("content-length", "8"),),
                given(fails="half way", gets=None),
            ),
        ]
    ]
    + [
        Case(
            f"set-cookie-beside-{name}",
            f"A response with Set-Cookie is not stored, though it is {what}.",
            "a safety choice",
            (asks(line, ("set-cookie", "a=1"), has={"set-cookie": "a=1"}), asks()),
        )
        for name, what, line in [
            ("public", "public", cc("public, max-age=3600")),
            ("s-maxage", "for shared caches", SHARED),
            ("targeted", "for this very kind of cache", ("cdn-cache-control", "max-age=3600")),
            ("no-cache-of-it", "said to be reusable without it", cc('max-age=3600, no-cache="set-cookie"')),
        ]
    ]
    + [
        Case(
            "too-long",
            "A content that is longer than may be kept is passed on and not stored.",
            "RFC 9111 §3",
            (asks(HOUR, content=b"12345678901"), asks()),
            {"max_body_bytes": 10},
        ),
        Case(
            "length-repeated",
            "Content-Lengths that agree are one.",
            "RFC 9110 §8.6",
            (asks(HOUR, ("content-length", "8"), ("content-length", "8")), reuses()),
        ),
        Case(
            "empty",
            "An empty content is a whole one.",
            "RFC 9111 §3.3",
            (asks(HOUR, ("content-length", "0"), content=b""), reuses()),
        ),
        Case(
            "content-range-of-a-200",
            "A Content-Range means nothing in a 200.",
            "RFC 9110 §14.4",
            (asks(HOUR, ("content-range", "bytes 0-7/100")), reuses(has={"content-range": "bytes 0-7/100"})),
        ),
        Case(
            "content-disposition",
            "A download is as good as a page.",
            "RFC 9111 §3",
            (asks(HOUR, ("content-disposition", "attachment; filename=a.txt")), reuses()),
        ),
    ]
)

KEYS = [
    Case(
        f"key-{name}",
        sentence,
        section,
        (asks(SHARED, **one), asks(SHARED, **other), reuses(**one), reuses(of=2, **other)),
    )
    for name, sentence, section, one, other in [
        ("path", "Another path is another response.", "RFC 9111 §2", given(url="/a"), given(url="/b")),
        ("path-case", "The case of a path matters.", "RFC 9110 §4.2.3", given(url="/a"), given(url="/A")),
        ("path-slash", "A slash at the end of a path matters.", "RFC 9111 §2", given(url="/a"), given(url="/a/")),
        ("query", "Another query is another response.", "RFC 9111 §2", given(url="/?a=1"), given(url="/?a=2")),
        ("query-order", "The order of a query matters.", "RFC 9111 §2", given(url="/?a=1&b=2"), given(url="/?b=2&a=1")),
        (
            "query-none",
            "A query where there was none is another response.",
            "RFC 9111 §2",
            given(url="/"),
            given(url="/?a"),
        ),
        (
            "host",
            "Another host is another response.",
            "RFC 9111 §2",
            given(fields=(("host", "a.example"),)),
            given(fields=(("host", "b.example"),)),
        ),
        (
            "port",
            "Another port is another response.",
            "RFC 9110 §4.2.3",
            given(fields=(("host", "a.example:8443"),)),
            given(fields=(("host", "a.example:9443"),)),
        ),
    ]
] + [
    Case(
        "key-query-same",
        "A query does not keep a response from being reused.",
        "RFC 9111 §2",
        (asks(HOUR, url="/?a=1"), reuses(url="/?a=1")),
    ),
    Case(
        "newest",
        "Of two responses to the same request the newer one is used.",
        "RFC 9111 §4",
        (asks(cc("max-age=10")), asks(HOUR, after=10), reuses(of=2)),
    ),
]

CASES = BY_DEFAULT + ASKED_FOR + NEVER + KEYS
