"""Methods: what HEAD takes and gives, what POST may leave for GET, and what passes untouched."""

from __future__ import annotations

from typing import Any

from tests.conformance.case import Case, Exchange, Line, asks, cc, date, given, reuses, validates

HOUR = cc("max-age=3600")
MINUTE = cc("max-age=60")
STRONG = ("etag", '"v1"')
LENGTH = ("content-length", "8")
MODIFIED = ("last-modified", date(-86400))
NOW = ("date", date())


def head(*lines: Line, **more: Any) -> Exchange:
    return asks(*lines, method="HEAD", **more)


HEADS = [
    Case(
        "head-is-answered",
        "HEAD is answered from a stored GET, with the same fields and no content.",
        "RFC 9110 §9.3.2",
        (
            asks(HOUR, STRONG, LENGTH, ("x-kept", "1")),
            reuses(method="HEAD", has={"x-kept": "1", "etag": '"v1"', "content-length": "8"}),
        ),
    ),
    Case(
        "head-of-another-status",
        "HEAD gets the status that is stored.",
        "RFC 9110 §9.3.2",
        (asks(HOUR, status=404), reuses(method="HEAD", gets=404)),
    ),
    Case(
        "head-fills-nothing",
        "What HEAD brings is no response to GET.",
        "RFC 9110 §9.3.2",
        (head(HOUR, STRONG), asks(HOUR, STRONG), reuses(of=2)),
    ),
    Case(
        "head-answers-no-head",
        "What HEAD brings is not stored.",
        "RFC 9111 §3",
        (head(HOUR, STRONG), head(HOUR, STRONG)),
    ),
    Case(
        "head-passes-a-stale-one",
        "HEAD goes to the application where what is stored is stale.",
        "RFC 9111 §4.2",
        (asks(MINUTE), head(MINUTE, ("x", "2"), after=60, has={"x": "2"})),
    ),
]

FRESHENED = [
    Case(
        "head-makes-fresh",
        "A HEAD whose ETag is that of the stored GET makes it fresh.",
        "RFC 9111 §4.3.5",
        (
            asks(MINUTE, STRONG, LENGTH),
            head(HOUR, STRONG, LENGTH, after=60),
            reuses(after=3599, has={"cache-control": "max-age=3600"}),
            validates(STRONG, after=1),
        ),
    ),
    Case(
        "head-updates",
        "A HEAD whose ETag is that of the stored GET brings it new fields, and leaves the others.",
        "RFC 9111 §4.3.5",
        (
            asks(MINUTE, STRONG, LENGTH, ("x-new", "1"), ("x-kept", "1")),
            head(MINUTE, STRONG, LENGTH, ("x-new", "2"), after=60),
            reuses(has={"x-new": "2", "x-kept": "1"}),
        ),
    ),
    Case(
        "head-by-last-modified",
        "A HEAD whose Last-Modified is that of the stored GET makes it fresh.",
        "RFC 9111 §4.3.5",
        (
            asks(MINUTE, MODIFIED, NOW, LENGTH),
            head(HOUR, MODIFIED, ("date", date(60)), LENGTH, after=60),
            reuses(after=60),
        ),
    ),
    Case(
        "head-by-length-alone",
        "A HEAD without a validator proves too little, and makes nothing fresh.",
        "a safety choice",
        (asks(MINUTE, LENGTH), head(HOUR, LENGTH, after=60), asks(MINUTE, LENGTH)),
    ),
    Case(
        "head-without-length",
        "A HEAD needs no Content-Length to make the stored GET fresh by its ETag.",
        "RFC 9111 §4.3.5",
        (asks(MINUTE, STRONG, LENGTH), head(HOUR, STRONG, after=60), reuses(after=60, has={"content-length": "8"})),
    ),
    *[
        Case(
            f"head-with-another-{name}",
            f"A HEAD whose {name.replace('-', ' ')} differs makes the stored GET stale.",
            "RFC 9111 §4.3.5",
            (
                asks(MINUTE, STRONG, MODIFIED, NOW, LENGTH),
                head(HOUR, *lines, after=60),
                asks(HOUR, ("etag", '"v2"')),
                reuses(of=3),
            ),
        )
        for name, lines in [
            ("etag", (("etag", '"v2"'), MODIFIED, LENGTH)),
            ("last-modified", (("etag", '"v1"'), ("last-modified", date(-5)), LENGTH)),
            ("content-length", (STRONG, MODIFIED, ("content-length", "9"))),
        ]
    ],
    *[
        Case(
            f"head-ends-{name}",
            f"A HEAD whose length differs ends the use of {what}.",
            "RFC 9111 §4.3.5",
            (
                asks(cc("max-age=9000"), LENGTH, *lines),
                head(HOUR, ("content-length", "9"), fields=(cc("no-cache"),)),
                asks(HOUR, LENGTH, ("etag", '"v2"')),
            ),
            {"obey_request_directives": True},
        )
        for name, what, lines in [
            ("the-fresh", "what is fresh", (STRONG,)),
            ("without-validator", "what cannot be validated", ()),
            ("the-old", "what came from a cache, hours old", (STRONG, ("age", "5000"))),
        ]
    ],
    *[
        Case(
            f"{method.lower()}-by-{name}-updates-nothing-unsaid",
            f"What {what} for somebody with {name} is stored only if that answer itself is for shared caches.",
            "a safety choice",
            (
                asks(cc("s-maxage=60, must-revalidate"), STRONG),
                Exchange(
                    method=method,
                    fields=((name, "alice"),),
                    after=60,
                    status=status,
                    answer=(STRONG, ("x-user", "alice")),
                    asked="before",
                    gets=200,
                    of=of,
                    has={"x-user": "alice"},
                ),
                validates(STRONG, has={"x-user": None}),
                validates(STRONG, cc("public, max-age=60"), ("x-all", "1"), fields=((name, "alice"),), after=60),
                reuses(has={"x-all": "1", "x-user": None}),
            ),
        )
        for name in ("cookie", "authorization")
        for method, status, what, of in [("HEAD", 200, "a HEAD brings", None), ("GET", 304, "a 304 brings", 1)]
    ],
    Case(
        "head-with-no-store",
        "A HEAD with no-store makes nothing fresh.",
        "RFC 9111 §5.2.2.5",
        (asks(MINUTE, STRONG, LENGTH), head(cc("no-store"), STRONG, LENGTH, after=60), asks(HOUR, STRONG)),
    ),
    Case(
        "head-with-set-cookie",
        "The Set-Cookie of a HEAD is not stored.",
        "a safety choice",
        (
            asks(MINUTE, STRONG, LENGTH),
            head(HOUR, STRONG, LENGTH, ("set-cookie", "a=1"), after=60, has={"set-cookie": "a=1"}),
            reuses(asked="maybe", content=b"answer 1", has={"set-cookie": None}),
        ),
    ),
    Case(
        "head-that-fails",
        "A HEAD with an error makes nothing fresh.",
        "RFC 9111 §4.3.5",
        (asks(MINUTE, STRONG, LENGTH), head(HOUR, STRONG, LENGTH, after=60, status=500), asks(HOUR, STRONG)),
    ),
    Case(
        "head-of-another-variant",
        "A HEAD makes the variant fresh that it selects, and no other.",
        "RFC 9111 §4.3.5",
        (
            asks(MINUTE, STRONG, ("vary", "foo"), fields=(("foo", "1"),)),
            asks(MINUTE, ("etag", '"w1"'), ("vary", "foo"), fields=(("foo", "2"),)),
            head(HOUR, STRONG, ("vary", "foo"), fields=(("foo", "1"),), after=60),
            reuses(fields=(("foo", "1"),)),
            validates(("etag", '"w1"'), fields=(("foo", "2"),), of=2),
        ),
    ),
]

TARGET = ("content-location", "/a")

POSTS = (
    [
        Case(
            f"post-not-left-for-get-{name}",
            "What a POST leaves was begun before what it takes back itself: it answers no GET.",
            "a safety choice",
            (
                asks(line, ("content-location", value), method="POST", url="/a?x=1", body=b"12345"),
                asks(HOUR, url="/a?x=1"),
                asks(HOUR, method="POST", url="/a?x=1", body=b"12345"),
            ),
        )
        for name, line, value in [
            ("by-max-age", HOUR, "/a?x=1"),
            ("by-s-maxage", cc("s-maxage=60"), "/a?x=1"),
            ("by-expires", ("expires", date(3600)), "/a?x=1"),
            ("absolute", HOUR, "https://example.org/a?x=1"),
            ("relative", HOUR, "a?x=1"),
        ]
    ]
    + [
        Case(
            f"post-leaves-nothing-{name}",
            f"A POST {what} leaves nothing for GET.",
            "RFC 9110 §9.3.3",
            (asks(*lines, method="POST", url="/a", body=b"12345", **more), asks(HOUR, url="/a")),
        )
        for name, what, lines, more in [
            ("no-content-location", "without Content-Location", (HOUR,), given()),
            ("no-freshness", "without explicit freshness", (TARGET,), given()),
            ("another-path", "with another Content-Location", (HOUR, ("content-location", "/b")), given()),
            (
                "another-query",
                "with another query in its Content-Location",
                (HOUR, ("content-location", "/a?x=1")),
                given(),
            ),
            (
                "another-host",
                "with a Content-Location of another host",
                (HOUR, ("content-location", "https://other.example/a")),
                given(),
            ),
            (
                "another-scheme",
                "with a Content-Location of another scheme",
                (HOUR, ("content-location", "http://example.org/a")),
                given(),
            ),
            (
                "two-content-locations",
                "with two Content-Locations",
                (HOUR, TARGET, ("content-location", "/b")),
                given(),
            ),
            ("no-store", "with no-store", (cc("no-store, max-age=60"), TARGET), given()),
            ("private", "with private", (cc("private, max-age=60"), TARGET), given()),
            ("no-cache", "with no-cache", (cc("no-cache, max-age=60"), TARGET), given()),
            ("set-cookie", "with Set-Cookie", (HOUR, TARGET, ("set-cookie", "a=1")), given()),
            ("vary-star", "that varies on everything", (HOUR, TARGET, ("vary", "*")), given()),
            ("error", "that failed", (HOUR, TARGET), given(status=500)),
            ("not-found", "that found nothing", (HOUR, TARGET), given(status=404)),
            ("cut-off", "that was cut off", (HOUR, TARGET), given(fails="half way", gets=None)),
            ("shorter", "that is shorter than its length", (HOUR, TARGET, ("content-length", "100")), given()),
            ("cookie", "with a Cookie and a mere max-age", (HOUR, TARGET), given(fields=(("cookie", "a=1"),))),
            (
                "authorization",
                "with Authorization and a mere max-age",
                (HOUR, TARGET),
                given(fields=(("authorization", "x"),)),
            ),
        ]
    ]
    + [
        Case(
            f"{method}-leaves-nothing",
            f"{method} leaves nothing for GET.",
            "RFC 9110 §9.3.4",
            (asks(HOUR, TARGET, method=method, url="/a", body=b"12345"), asks(HOUR, url="/a")),
        )
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "REPORT")
    ]
    + [
        Case(
            "post-takes-back-what-it-leaves",
            "What a POST leaves is not stored, and what was stored before is taken back.",
            "a safety choice",
            (asks(HOUR, url="/a"), asks(HOUR, TARGET, method="POST", url="/a"), asks(HOUR, url="/a")),
        ),
    ]
)

PASSED = (
    [
        Case(
            f"{method}-is-not-stored",
            f"What answers {method} answers no other request.",
            "RFC 9111 §3",
            (asks(HOUR, method=method), asks(HOUR, method=method), asks(HOUR)),
        )
        for method in ("OPTIONS", "TRACE", "POST", "PUT", "DELETE", "PROPFIND")
    ]
    + [
        Case(
            f"{method}-is-not-answered",
            f"What is stored for GET answers no {method}.",
            "RFC 9111 §4",
            (asks(HOUR), asks(method=method)),
        )
        for method in ("OPTIONS", "TRACE", "POST", "PUT", "DELETE", "PATCH", "get")
    ]
    + [
        Case(
            "get-with-content",
            "A GET with a content is neither answered nor stored.",
            "a safety choice",
            (
                asks(HOUR, fields=(("content-length", "3"),), body=b"abc"),
                asks(HOUR),
                asks(HOUR, fields=(("content-length", "3"),), body=b"abc"),
                reuses(of=2),
            ),
        ),
        Case(
            "upgrade",
            "A request for another protocol is neither answered nor stored.",
            "RFC 9110 §7.8",
            (
                asks(HOUR, fields=(("connection", "upgrade"), ("upgrade", "websocket"))),
                asks(HOUR),
                asks(HOUR, fields=(("connection", "upgrade"), ("upgrade", "websocket")), sees={"upgrade": "websocket"}),
            ),
        ),
    ]
)

CASES = HEADS + FRESHENED + POSTS + PASSED
