"""Conditions of clients, answered from the store."""

from __future__ import annotations

from tests.conformance.case import Case, Lines, asctime, asks, cc, date, reuses, rfc850

HOUR = cc("max-age=3600")
STRONG = ("etag", '"abcdef"')
WEAK = ("etag", 'W/"abcdef"')
MODIFIED = ("last-modified", date(-3000))
NOW = ("date", date())


def unchanged(name: str, sentence: str, section: str, stored: Lines, fields: Lines, **has: str | None) -> Case:
    return Case(name, sentence, section, (asks(HOUR, *stored), reuses(after=60, fields=fields, gets=304, has=has)))


def changed(name: str, sentence: str, section: str, stored: Lines, fields: Lines) -> Case:
    return Case(name, sentence, section, (asks(HOUR, *stored), reuses(after=60, fields=fields)))


def none_match(*values: str) -> Lines:
    return tuple(("if-none-match", value) for value in values)


def since(value: str) -> Lines:
    return (("if-modified-since", value),)


ETAGS = (
    [
        unchanged(f"etag-{name}", sentence, "RFC 9110 §13.1.2", (etag,), none_match(*values), etag=etag[1])
        for name, sentence, etag, values in [
            ("strong", "A strong ETag matches itself.", STRONG, ('"abcdef"',)),
            ("weak", "A weak ETag matches itself.", WEAK, ('W/"abcdef"',)),
            ("weak-asks-strong", "A weak ETag in the condition matches a strong one.", STRONG, ('W/"abcdef"',)),
            ("strong-asks-weak", "A strong ETag in the condition matches a weak one.", WEAK, ('"abcdef"',)),
            ("first-of-three", "A list matches by its first member.", STRONG, ('"abcdef", "1234", "5678"',)),
            ("second-of-three", "A list matches by a member in the middle.", STRONG, ('"1234", "abcdef", "5678"',)),
            ("last-of-three", "A list matches by its last member.", STRONG, ('"1234", "5678", "abcdef"',)),
            ("without-blanks", "A list needs no blanks.", STRONG, ('"1234","abcdef"',)),
            ("empty-members", "Empty members of a list are none.", STRONG, (', ,"abcdef",',)),
            ("two-lines", "Several lines are one list.", STRONG, ('"1234"', '"abcdef"')),
            ("star", "A star matches whatever is there.", STRONG, ("*",)),
            ("obs-text", "An ETag may have bytes that are no ASCII.", ("etag", '"abc\xfc"'), ('"abc\xfc"',)),
            ("with-comma", "A comma inside of an ETag is no separator.", ("etag", '"a,b"'), ('"x", "a,b"',)),
            ("with-backslash", "A backslash in an ETag escapes nothing.", ("etag", '"a\\"'), ('"a\\", "x"',)),
            ("empty", "An empty ETag matches itself.", ("etag", '""'), ('""',)),
        ]
    ]
    + [
        changed(f"etag-other-{name}", sentence, "RFC 9110 §13.1.2", (etag,), none_match(value))
        for name, sentence, etag, value in [
            ("value", "Another ETag does not match.", STRONG, '"abcdeg"'),
            ("case", "The case of an ETag matters.", STRONG, '"ABCDEF"'),
            ("prefix", "The beginning of an ETag is another one.", STRONG, '"abc"'),
            ("part-of-a-comma", "A part between commas is no ETag.", ("etag", '"b"'), '"a,"b",c"x'),
            ("quoted-star", "A quoted star is an ETag like any.", STRONG, '"*"'),
            ("nothing", "An empty condition matches nothing.", STRONG, ""),
            ("lowercase-weak", "The sign of a weak ETag is a capital letter.", STRONG, 'w/"abcdef"'),
            ("weak-without-slash", "The sign of a weak ETag has a slash.", STRONG, 'W"abcdef"'),
            ("unquoted", "An ETag has quotes.", STRONG, "abcdef"),
            ("single-quoted", "An ETag has double quotes.", STRONG, "'abcdef'"),
        ]
    ]
    + [
        unchanged(
            "star-without-etag",
            "A star matches what has no ETag of its own.",
            "RFC 9110 §13.1.2",
            (),
            none_match("*"),
        ),
        unchanged(
            "etag-over-date",
            "If-None-Match that matches counts, and If-Modified-Since beside it does not.",
            "RFC 9110 §13.2.2",
            (STRONG, MODIFIED, NOW),
            none_match('"abcdef"') + since(date(-9000)),
        ),
        changed(
            "other-etag-over-date",
            "If-None-Match that does not match counts, and If-Modified-Since beside it does not.",
            "RFC 9110 §13.2.2",
            (STRONG, MODIFIED, NOW),
            none_match('"x"') + since(date(-1)),
        ),
        changed(
            "malformed-etag-over-date",
            "If-None-Match counts before If-Modified-Since, though it is malformed.",
            "RFC 9110 §13.2.2",
            (STRONG, MODIFIED, NOW),
            none_match("abcdef") + since(date(-1)),
        ),
    ]
)

DATES = (
    [
        unchanged(f"date-{name}", sentence, section, (MODIFIED, NOW), since(value))
        for name, sentence, section, value in [
            ("equal", "A response was not modified since its Last-Modified.", "RFC 9110 §13.1.3", date(-3000)),
            ("later", "A response was not modified since a later date.", "RFC 9110 §13.1.3", date(-2000)),
            (
                "in-the-future",
                "A response was not modified since a date in the future.",
                "RFC 9110 §13.1.3",
                date(5000),
            ),
            ("rfc850", "The date may have the form of RFC 850.", "RFC 9110 §5.6.7", rfc850(-3000)),
            ("asctime", "The date may have the form of asctime().", "RFC 9110 §5.6.7", asctime(-3000)),
        ]
    ]
    + [
        changed(f"date-{name}", sentence, "RFC 9110 §13.1.3", (MODIFIED, NOW), fields)
        for name, sentence, fields in [
            ("earlier", "A response was modified since a date before its Last-Modified.", since(date(-3001))),
            (
                "much-earlier",
                "A two-digit year of the last century is earlier.",
                since("Sunday, 06-Nov-94 08:49:37 GMT"),
            ),
            ("malformed", "A date that is none is ignored.", since("yesterday")),
            ("a-number", "A number is no date, and ignored.", since("2000000000")),
            ("empty", "An empty date is none, and ignored.", since("")),
            ("twice", "Two dates are none, and ignored.", since(date(0)) + since(date(0))),
            ("a-list", "A list is no date, and ignored.", since(f"{date(0)}, {date(0)}")),
        ]
    ]
    + [
        changed(
            "date-of-the-response",
            "Without Last-Modified nothing is sure: two responses may have the same Date.",
            "a safety choice",
            (NOW,),
            since(date(0)),
        ),
        changed(
            "date-before-the-response",
            "Without Last-Modified, a response was modified since a date before its Date.",
            "RFC 9111 §4.3.2",
            (NOW,),
            since(date(-1)),
        ),
        changed(
            "date-of-receipt",
            "Without Last-Modified and Date nothing is sure: two responses may come in the same second.",
            "a safety choice",
            (),
            since(date(1)),
        ),
        changed(
            "date-before-receipt",
            "Without Last-Modified and Date, a response was modified since a date before its receipt.",
            "RFC 9111 §4.3.2",
            (),
            since(date(-1)),
        ),
    ]
)

ANSWERS = [
    Case(
        "304-has-what-a-200-would",
        "A 304 has the fields that keep the client's own copy true.",
        "RFC 9110 §15.4.5",
        (
            asks(HOUR, STRONG, NOW, ("expires", date(60)), ("vary", "foo"), ("content-location", "/a")),
            reuses(
                fields=none_match('"abcdef"'),
                gets=304,
                has={
                    "cache-control": "max-age=3600",
                    "etag": '"abcdef"',
                    "date": date(),
                    "expires": date(60),
                    "vary": "foo",
                    "content-location": "/a",
                },
            ),
        ),
    ),
    Case(
        "304-has-no-content",
        "A 304 has neither content nor its length.",
        "RFC 9110 §15.4.5",
        (
            asks(HOUR, STRONG, ("content-length", "8"), ("content-type", "text/plain")),
            reuses(fields=none_match('"abcdef"'), gets=304, has={"content-length": None}),
        ),
    ),
    Case(
        "head-gets-304",
        "A HEAD with a condition gets the same.",
        "RFC 9110 §13.1.2",
        (asks(HOUR, STRONG), reuses(method="HEAD", fields=none_match('"abcdef"'), gets=304, has={"etag": '"abcdef"'})),
    ),
    Case(
        "miss-strips-the-condition",
        "A condition is not passed on where the answer is to be stored.",
        "RFC 9111 §4.3.1",
        (
            asks(HOUR, STRONG, fields=none_match('"x"'), sees={"if-none-match": None}),
            reuses(has={"etag": '"abcdef"'}),
        ),
    ),
    Case(
        "miss-answers-the-condition",
        "A client that has what a miss brings gets a 304.",
        "RFC 9110 §13.1.2",
        (asks(HOUR, STRONG, fields=none_match('"abcdef"'), gets=304), reuses()),
    ),
    Case(
        "no-304-for-a-404",
        "Only what would be a 200 becomes a 304.",
        "RFC 9110 §13.2.1",
        (
            asks(HOUR, STRONG, status=404),
            reuses(fields=none_match('"abcdef"'), gets=404),
        ),
    ),
    Case(
        "no-304-for-a-301",
        "A redirect does not become a 304.",
        "RFC 9110 §13.2.1",
        (
            asks(HOUR, STRONG, ("location", "/a"), status=301),
            reuses(fields=none_match('"abcdef"'), gets=301),
        ),
    ),
    *[
        Case(
            f"passes-{what}-{name}",
            f"{name.title()} is for the origin to judge by, and a cache passes it on.",
            "RFC 9111 §4.3.2",
            (asks(HOUR, STRONG, MODIFIED, NOW), asks(fields=((name, value),), sees={name: value})),
        )
        for name, what, value in [
            ("if-match", "true", '"abcdef"'),
            ("if-match", "false", '"x"'),
            ("if-unmodified-since", "true", date()),
            ("if-unmodified-since", "false", date(-9000)),
        ]
    ],
    Case(
        "own-etag-gets-304",
        "A condition on a response without ETag does not match by accident.",
        "RFC 9110 §13.1.2",
        (asks(HOUR), reuses(fields=none_match('"x"')), reuses(fields=none_match("*"), gets=304)),
    ),
]

CASES = ETAGS + DATES + ANSWERS
