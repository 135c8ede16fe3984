"""Asking the application whether what is stored still holds, and what its answer changes."""

from __future__ import annotations

from tests.conformance.case import Case, asks, cc, date, reuses, validates

MINUTE = cc("max-age=60")
STRONG = ("etag", '"v1"')
WEAK = ("etag", 'W/"v1"')
MODIFIED = ("last-modified", date(-86400))
NOW = ("date", date())

ASKED = [
    Case(
        f"condition-by-{name}",
        sentence,
        section,
        (asks(MINUTE, *lines), validates(*lines, after=60, sees=sees)),
    )
    for name, sentence, section, lines, sees in [
        (
            "strong-etag",
            "A stale response with a strong ETag is validated by it.",
            "RFC 9111 §4.3.1",
            (STRONG,),
            {"if-none-match": '"v1"', "if-modified-since": None},
        ),
        (
            "weak-etag",
            "A stale response with a weak ETag is validated by it, weak as it is.",
            "RFC 9111 §4.3.1",
            (WEAK,),
            {"if-none-match": 'W/"v1"'},
        ),
        (
            "obs-text",
            "An ETag may have bytes that are no ASCII.",
            "RFC 9110 §8.8.3",
            (("etag", '"caf\xe9"'),),
            {"if-none-match": '"caf\xe9"'},
        ),
        ("empty-etag", "An empty ETag is one.", "RFC 9110 §8.8.3", (("etag", '""'),), {"if-none-match": '""'}),
        (
            "last-modified",
            "A stale response with a Last-Modified is validated by it.",
            "RFC 9111 §4.3.1",
            (MODIFIED, NOW),
            {"if-modified-since": date(-86400), "if-none-match": None},
        ),
        (
            "both",
            "A stale response with both validators is validated by both.",
            "RFC 9111 §4.3.1",
            (STRONG, MODIFIED, NOW),
            {"if-none-match": '"v1"', "if-modified-since": date(-86400)},
        ),
    ]
] + [
    Case(
        "no-validator",
        "A stale response without a validator cannot be asked about.",
        "RFC 9111 §4.3.1",
        (asks(MINUTE), asks(MINUTE, after=60, sees={"if-none-match": None, "if-modified-since": None}), reuses(of=2)),
    ),
    *[
        Case(
            f"no-condition-by-{name}",
            f"An ETag {what} is malformed, and no validator.",
            "RFC 9110 §2.2",
            (asks(MINUTE, ("etag", value)), asks(after=60, sees={"if-none-match": None})),
        )
        for name, what, value in [
            ("unquoted-etag", "without quotes", "v1"),
            ("unclosed-etag", "with one quote", '"v1'),
            ("blank-etag", "of nothing", ""),
            ("lowercase-weak-etag", "with a small letter for its weakness", 'w/"v1"'),
            ("quote-in-etag", "with a quote inside", '"v"1"'),
            ("two-etags", "of two", '"v1", "v2"'),
        ]
    ],
    *[
        Case(
            f"no-condition-by-{name}",
            "A Last-Modified that is no date is no validator.",
            "RFC 9110 §2.2",
            (asks(MINUTE, ("last-modified", value)), asks(after=60, sees={"if-modified-since": None})),
        )
        for name, value in [
            ("last-modified-0", "0"),
            ("last-modified-of-a-word", "yesterday"),
            ("blank-last-modified", ""),
        ]
    ],
    Case(
        "fresh-is-not-asked-about",
        "A fresh response needs no validation.",
        "RFC 9111 §4.2",
        (asks(MINUTE, STRONG), reuses(after=59)),
    ),
    Case(
        "with-the-fields-of-vary",
        "A validation has the fields that select the response.",
        "RFC 9111 §4.3.1",
        (
            asks(MINUTE, STRONG, ("vary", "abc"), fields=(("abc", "123"),)),
            validates(STRONG, after=60, fields=(("abc", "123"),), sees={"abc": "123", "if-none-match": '"v1"'}),
        ),
    ),
    Case(
        "conditions-of-the-client-make-way",
        "The client's own condition is not what the cache asks with.",
        "RFC 9111 §4.3.1",
        (
            asks(MINUTE, STRONG),
            validates(STRONG, after=60, fields=(("if-none-match", '"v0"'),), sees={"if-none-match": '"v1"'}),
        ),
    ),
    Case(
        "the-client-gets-its-304",
        "After a validation the client's own condition is answered.",
        "RFC 9111 §4.3.2",
        (
            asks(MINUTE, STRONG),
            validates(STRONG, after=60, fields=(("if-none-match", '"v1"'),), gets=304, of=None),
        ),
    ),
    Case(
        "the-client-gets-its-304-by-date",
        "After a validation the client's own condition is answered, that of a date as well.",
        "RFC 9111 §4.3.2",
        (
            asks(MINUTE, MODIFIED, NOW),
            validates(MODIFIED, after=60, fields=(("if-modified-since", date(-86400)),), gets=304, of=None),
        ),
    ),
]

ANSWERED = [
    Case(
        "304-makes-fresh",
        "A 304 makes the stored response fresh for its time anew.",
        "RFC 9111 §4.3.4",
        (
            asks(MINUTE, STRONG),
            validates(MINUTE, STRONG, after=60, has={"age": "0"}),
            reuses(after=59, has={"age": "59"}),
            validates(STRONG, after=1),
        ),
    ),
    Case(
        "304-that-says-nothing",
        "A 304 that says nothing of freshness leaves what was stored.",
        "RFC 9111 §3.2",
        (asks(MINUTE, STRONG), validates(STRONG, after=60), reuses(after=59), validates(STRONG, after=1)),
    ),
    Case(
        "304-with-another-max-age",
        "The Cache-Control of a 304 takes the place of the stored one.",
        "RFC 9111 §3.2",
        (
            asks(MINUTE, STRONG),
            validates(cc("max-age=600"), STRONG, after=60, has={"cache-control": "max-age=600"}),
            reuses(after=599, has={"cache-control": "max-age=600"}),
            validates(STRONG, after=1),
        ),
    ),
    Case(
        "304-with-expires",
        "The Expires of a 304 counts from the Date of the 304.",
        "RFC 9111 §3.2",
        (
            asks(("expires", date(60)), NOW, STRONG),
            validates(("expires", date(120)), ("date", date(60)), STRONG, after=60),
            reuses(after=59, has={"expires": date(120), "date": date(60)}),
            validates(STRONG, after=1),
        ),
    ),
    Case(
        "304-with-age",
        "The Age of a 304 counts.",
        "RFC 9111 §4.3.4",
        (
            asks(MINUTE, STRONG),
            validates(STRONG, ("age", "20"), after=60, has={"age": "20"}),
            reuses(after=39, has={"age": "59"}),
            validates(STRONG, after=1),
        ),
    ),
    Case(
        "304-with-no-store",
        "A 304 with no-store ends the reuse of what was stored.",
        "RFC 9111 §3.2",
        (asks(MINUTE, STRONG), validates(cc("no-store"), STRONG, after=60), asks()),
    ),
    Case(
        "304-with-private",
        "A 304 with private ends the reuse of what was stored.",
        "RFC 9111 §3.2",
        (asks(MINUTE, STRONG), validates(cc("private, max-age=60"), STRONG, after=60), asks()),
    ),
    Case(
        "304-with-set-cookie",
        "The Set-Cookie of a 304 reaches its own client and is not stored.",
        "a safety choice",
        (
            asks(MINUTE, STRONG),
            validates(STRONG, ("set-cookie", "a=1"), after=60, has={"set-cookie": "a=1"}),
            asks(MINUTE, STRONG, after=60, has={"set-cookie": None}),
        ),
    ),
    Case(
        "304-of-a-weak-etag",
        "A 304 with the weak ETag is of the response that has it.",
        "RFC 9111 §4.3.4",
        (asks(MINUTE, WEAK), validates(WEAK, after=60), reuses(after=59)),
    ),
    Case(
        "304-without-validators",
        "A 304 without an ETag is of the one response that was asked about.",
        "RFC 9111 §4.3.4",
        (asks(MINUTE, STRONG), validates(after=60), reuses(after=59)),
    ),
    Case(
        "304-by-last-modified",
        "A 304 makes a response fresh that was asked about by its date.",
        "RFC 9111 §4.3.4",
        (asks(MINUTE, MODIFIED, NOW), validates(MODIFIED, ("date", date(60)), after=60), reuses(after=59)),
    ),
    Case(
        "200-takes-its-place",
        "An answer other than 304 takes the place of what was stored.",
        "RFC 9111 §4.3.3",
        (
            asks(MINUTE, STRONG),
            asks(MINUTE, ("etag", '"v2"'), after=60, has={"etag": '"v2"'}),
            reuses(of=2, has={"etag": '"v2"'}),
        ),
    ),
    Case(
        "404-takes-its-place",
        "An answer other than 304 takes the place of what was stored, whatever its status.",
        "RFC 9111 §4.3.3",
        (asks(MINUTE, STRONG), asks(MINUTE, after=60, status=404), reuses(of=2, gets=404)),
    ),
    Case(
        "500-reaches-the-client",
        "A server error in a validation reaches the client, where nothing allows stale answers.",
        "RFC 9111 §4.3.3",
        (asks(MINUTE, STRONG), asks(after=60, status=500), validates(STRONG)),
    ),
    Case(
        "304-validates-one-variant",
        "A 304 makes one variant fresh, and no other.",
        "RFC 9111 §4.3.4",
        (
            asks(MINUTE, STRONG, ("vary", "foo"), fields=(("foo", "1"),)),
            asks(MINUTE, ("etag", '"w1"'), ("vary", "foo"), fields=(("foo", "2"),)),
            validates(STRONG, after=60, fields=(("foo", "1"),)),
            reuses(fields=(("foo", "1"),)),
            validates(("etag", '"w1"'), fields=(("foo", "2"),), of=2, sees={"if-none-match": '"w1"'}),
        ),
    ),
]

OF_SOMETHING_ELSE = [
    Case(
        f"304-of-{name}",
        "A 304 whose ETag is not that of what is stored is of something else: the application is asked again.",
        "RFC 9111 §4.3.4",
        (
            asks(MINUTE, ("etag", stored), ("x-kept", "1")),
            asks(
                ("etag", sent),
                ("x-kept", "2"),
                after=60,
                status=304,
                asked="twice",
                gets=200,
                once_more=asks(MINUTE, ("etag", sent)),
                has={"etag": sent, "x-kept": None},
            ),
            reuses(of=2, has={"etag": sent, "x-kept": None}),
        ),
    )
    for name, stored, sent in [
        ("another-etag", '"v1"', '"v2"'),
        ("another-weak-etag", 'W/"v1"', 'W/"v2"'),
        ("another-case", '"v1"', '"V1"'),
    ]
]

UPDATED = (
    [
        Case(
            f"304-updates-{name}",
            f"A 304 that has {name.title()} replaces the stored one.",
            "RFC 9111 §3.2",
            (
                asks(MINUTE, STRONG, (name, before)),
                validates(MINUTE, STRONG, (name, after), after=60, has={name: after}),
                reuses(has={name: after}),
            ),
        )
        for name, before, after in [
            ("test-header", "a", "b"),
            ("x-test-header", "a", "b"),
            ("content-foo", "a", "b"),
            ("x-content-foo", "a", "b"),
            ("content-location", "/foo", "/bar"),
            ("content-security-policy", "default-src 'self'", "default-src 'none'"),
            ("content-language", "de", "fr"),
            ("clear-site-data", '"cache"', '"cookies"'),
            ("content-type", "text/plain", "text/plain;charset=utf-8"),
            ("expires", date(1000), date(2000)),
            ("link", "</a>", "</b>"),
            ("public-key-pins", "a", "b"),
            ("set-cookie2", "a=b", "a=c"),
            ("x-frame-options", "deny", "sameorigin"),
            ("x-xss-protection", "1", "1; mode=block"),
            ("x-obs-text", "\xe9", "\xe8"),
        ]
    ]
    + [
        Case(
            f"304-leaves-{name}",
            f"A 304 does not change {name.title()}, which tells of the stored content.",
            "RFC 9111 §3.2",
            (
                asks(MINUTE, STRONG, (name, before)),
                validates(MINUTE, STRONG, (name, after), after=60, has={name: before}),
                reuses(has={name: before}),
            ),
        )
        for name, before, after in [
            ("content-encoding", "gzip", "br"),
            ("content-length", "8", "10"),
            ("content-range", "a", "b"),
            ("content-md5", "rL0Y20zC+Fzt72VPzMSk2A==", "N7UdGUp1E+RbVvZSTy1R8g=="),
        ]
    ]
    + [
        Case(
            "304-keeps-what-it-omits",
            "A field that a 304 does not have stays as it is stored.",
            "RFC 9111 §3.2",
            (
                asks(MINUTE, STRONG, ("x-kept", "1")),
                validates(STRONG, after=60, has={"x-kept": "1"}),
                reuses(has={"x-kept": "1"}),
            ),
        ),
        Case(
            "304-by-date-keeps-what-it-omits",
            "A field that a 304 does not have stays as it is stored, after a question by date as well.",
            "RFC 9111 §3.2",
            (asks(MINUTE, MODIFIED, NOW, ("x-kept", "1")), validates(MODIFIED, after=60, has={"x-kept": "1"})),
        ),
        Case(
            "304-replaces-all-lines",
            "A field of a 304 replaces all stored lines of that name.",
            "RFC 9111 §3.2",
            (
                asks(MINUTE, STRONG, ("link", "<a>"), ("link", "<b>")),
                validates(STRONG, ("link", "<c>"), ("link", "<d>"), after=60, has={"link": ("<c>", "<d>")}),
                reuses(has={"link": ("<c>", "<d>")}),
            ),
        ),
        Case(
            "304-of-one-connection",
            "Fields of one connection in a 304 are not stored.",
            "RFC 9111 §3.1",
            (
                asks(MINUTE, STRONG, ("a", "1")),
                validates(STRONG, ("connection", "b"), ("b", "2"), after=60),
                reuses(has={"a": "1", "b": None, "connection": None}),
            ),
        ),
    ]
)

CASES = ASKED + ANSWERED + OF_SOMETHING_ELSE + UPDATED
