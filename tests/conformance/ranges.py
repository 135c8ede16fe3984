"""Parts of what is stored, and what partial responses and requests for parts do not do."""

from __future__ import annotations

from typing import Any

from tests.conformance.case import Case, Line, asctime, asks, cc, date, reuses, rfc850

HOUR = cc("max-age=3600")
STRONG = ("etag", '"v1"')
WEAK = ("etag", 'W/"v1"')
MODIFIED = ("last-modified", date(-86400))
NOW = ("date", date())
TEXT = b"0123456789"


def part(value: str, *more: Line) -> dict[str, Any]:
    return {"fields": (("range", value), *more)}


def stored(*lines: Line, content: bytes = TEXT, **more: Any) -> Any:
    return asks(HOUR, *lines, content=content, **more)


SATISFIED = [
    Case(
        f"part-{name}",
        f"{what} of a stored response is a 206.",
        "RFC 9110 §14.1.2",
        (
            stored(("content-length", "10")),
            reuses(
                **part(value),
                gets=206,
                of=None,
                text=text,
                has={"content-range": f"bytes {span}/10", "content-length": str(len(text))},
            ),
        ),
    )
    for name, what, value, span, text in [
        ("first-two", "A first part", "bytes=0-1", "0-1", b"01"),
        ("one-byte", "A single byte", "bytes=4-4", "4-4", b"4"),
        ("middle", "A part in the middle", "bytes=3-6", "3-6", b"3456"),
        ("last-byte", "The last byte", "bytes=9-9", "9-9", b"9"),
        ("all", "All", "bytes=0-9", "0-9", TEXT),
        ("open", "A part without an end", "bytes=1-", "1-9", TEXT[1:]),
        ("open-from-0", "All without an end", "bytes=0-", "0-9", TEXT),
        ("suffix", "A part from the end", "bytes=-3", "7-9", b"789"),
        ("suffix-of-1", "The last byte from the end", "bytes=-1", "9-9", b"9"),
        ("suffix-too-long", "More from the end than there is", "bytes=-100", "0-9", TEXT),
        ("end-beyond", "A part that ends beyond the end", "bytes=8-100", "8-9", b"89"),
        ("huge-end", "A part that ends far beyond the end", "bytes=8-99999999999999999999", "8-9", b"89"),
        ("huge-suffix", "Far more from the end than there is", "bytes=-99999999999999999999", "0-9", TEXT),
        ("unit-in-capitals", "A part in BYTES", "BYTES=0-1", "0-1", b"01"),
        ("leading-zeros", "A part with leading zeros", "bytes=000-001", "0-1", b"01"),
    ]
] + [
    Case(
        "part-has-the-fields-of-the-whole",
        "A part has the fields of the stored response.",
        "RFC 9110 §15.3.7",
        (
            stored(STRONG, MODIFIED, NOW, ("content-type", "text/plain"), ("vary", "foo"), ("x-kept", "1")),
            reuses(
                after=5,
                **part("bytes=0-1"),
                gets=206,
                of=None,
                text=b"01",
                has={
                    "etag": '"v1"',
                    "last-modified": date(-86400),
                    "content-type": "text/plain",
                    "cache-control": "max-age=3600",
                    "date": date(),
                    "age": "5",
                    "vary": "foo",
                    "x-kept": "1",
                },
            ),
        ),
    ),
    Case(
        "part-leaves-the-whole",
        "A part that was served leaves the whole stored.",
        "RFC 9110 §14.2",
        (stored(), reuses(**part("bytes=0-1"), gets=206, of=None, text=b"01"), reuses()),
    ),
    Case(
        "part-of-what-varies",
        "A part is of the variant that the request selects.",
        "RFC 9111 §4.1",
        (
            stored(("vary", "foo"), fields=(("foo", "1"),)),
            stored(("vary", "foo"), fields=(("foo", "2"),), content=b"abcdefghij"),
            reuses(fields=(("foo", "2"), ("range", "bytes=0-1")), gets=206, of=None, text=b"ab"),
        ),
    ),
]

UNSATISFIABLE = [
    Case(
        f"unsatisfiable-{name}",
        f"A range that {what} cannot be satisfied.",
        "RFC 9110 §15.5.17",
        (
            stored(content=content),
            reuses(**part(value), gets=416, of=None, text=b"", has={"content-range": f"bytes */{len(content)}"}),
        ),
    )
    for name, what, value, content in [
        ("at-the-end", "begins at the end", "bytes=10-", TEXT),
        ("beyond-the-end", "begins beyond the end", "bytes=10-20", TEXT),
        ("far-beyond", "begins far beyond the end", "bytes=99999999999999999999-", TEXT),
        ("suffix-of-0", "is nothing from the end", "bytes=-0", TEXT),
        ("of-nothing", "is of an empty content", "bytes=0-", b""),
    ]
] + [
    Case(
        "unsatisfiable-leaves-the-whole",
        "What cannot be satisfied leaves the whole stored.",
        "RFC 9110 §15.5.17",
        (stored(), reuses(**part("bytes=10-"), gets=416, of=None, text=b""), reuses()),
    ),
    Case(
        "unsatisfiable-is-not-for-other-caches",
        "A 416 says nothing of how long it may be kept: another cache could answer a GET of the whole with it.",
        "a safety choice",
        (
            stored(("expires", date(3600)), ("cdn-cache-control", "max-age=3600")),
            reuses(
                **part("bytes=10-"),
                gets=416,
                of=None,
                text=b"",
                has={"cache-control": "no-store", "expires": None, "cdn-cache-control": None},
            ),
        ),
    ),
]

IGNORED = [
    Case(
        f"ignored-{name}",
        f"A Range {what} is ignored, and the whole is sent.",
        "RFC 9110 §14.2",
        (stored(), reuses(fields=tuple(("range", value) for value in values))),
    )
    for name, what, values in [
        ("several", "of several parts", ("bytes=0-1,3-4",)),
        ("several-with-blanks", "of several parts with blanks", ("bytes=0-1, 3-4",)),
        ("overlapping", "of parts that overlap", ("bytes=0-5,2-8,1-9",)),
        ("a-thousand", "of a thousand parts", ("bytes=" + ",".join(["0-"] * 1000),)),
        ("a-thousand-suffixes", "of a thousand parts from the end", ("bytes=" + ",".join(["-1"] * 1000),)),
        ("several-unsatisfiable", "of several parts, of which none is there", ("bytes=20-,30-",)),
        ("backwards", "that ends before it begins", ("bytes=5-3",)),
        ("another-unit", "of another unit", ("seconds=0-1",)),
        ("no-unit", "without a unit", ("0-1",)),
        ("no-numbers", "without numbers", ("bytes=-",)),
        ("empty", "of nothing", ("bytes=",)),
        ("empty-value", "that is empty", ("",)),
        ("word", "of words", ("bytes=a-b",)),
        ("negative", "with two signs", ("bytes=--1",)),
        ("decimal", "of fractions", ("bytes=0.5-1",)),
        ("spaces-inside", "with blanks in its part", ("bytes=0 - 1",)),
        ("space-before-equals", "with a blank before its equals sign", ("bytes =0-1",)),
        ("underscore", "with underscores", ("bytes=0-1_0",)),
        ("sign", "with a sign", ("bytes=+0-1",)),
        ("superscript", "of superscript digits", ("bytes=\xb9-\xb2",)),
        ("obs-text", "with bytes that are no ASCII", ("bytes=0-1\xff",)),
        ("two-lines", "on two lines", ("bytes=0-1", "bytes=3-4")),
    ]
] + [
    Case(
        "ignored-on-head",
        "A Range with HEAD is ignored.",
        "RFC 9110 §14.2",
        (stored(), reuses(method="HEAD", **part("bytes=0-1"), has={"content-range": None})),
    ),
    Case(
        "ignored-on-head-unsatisfiable",
        "A Range with HEAD that could not be satisfied is ignored as well.",
        "RFC 9110 §14.2",
        (stored(), reuses(method="HEAD", **part("bytes=100-"), has={"content-range": None})),
    ),
    *[
        Case(
            f"ignored-of-a-{status}",
            "Only a 200 has parts.",
            "RFC 9110 §14.2",
            (stored(status=status), reuses(**part("bytes=0-1"), gets=status)),
        )
        for status in (203, 301, 404)
    ],
]

CONDITIONAL = (
    [
        Case(
            f"if-range-{name}",
            sentence,
            "RFC 9110 §13.1.5",
            (
                stored(*lines),
                reuses(**part("bytes=0-1", ("if-range", value)), gets=206, of=None, text=b"01"),
            ),
        )
        for name, sentence, lines, value in [
            ("etag", "If-Range with the strong ETag lets the part be sent.", (STRONG,), '"v1"'),
            ("etag-with-comma", "If-Range has one ETag, which may have a comma.", (("etag", '"a,b"'),), '"a,b"'),
            ("date", "If-Range with the date of Last-Modified lets the part be sent.", (MODIFIED, NOW), date(-86400)),
            ("date-rfc850", "The date of If-Range may have the form of RFC 850.", (MODIFIED, NOW), rfc850(-86400)),
            ("date-asctime", "The date of If-Range may have the form of asctime().", (MODIFIED, NOW), asctime(-86400)),
        ]
    ]
    + [
        Case(
            f"if-range-other-{name}",
            sentence,
            "RFC 9110 §13.1.5",
            (stored(*lines), reuses(**part("bytes=0-1", ("if-range", value)))),
        )
        for name, sentence, lines, value in [
            ("etag", "If-Range with another ETag has the whole sent.", (STRONG,), '"v2"'),
            ("weak-both", "A weak ETag never matches in If-Range.", (WEAK,), 'W/"v1"'),
            ("weak-asked", "A weak ETag in If-Range does not match the strong one.", (STRONG,), 'W/"v1"'),
            ("weak-stored", "A weak ETag that is stored does not match a strong one in If-Range.", (WEAK,), '"v1"'),
            ("no-etag", "If-Range with an ETag has the whole sent where none is stored.", (), '"v1"'),
            ("list", "If-Range is no list.", (STRONG,), '"v1", "v2"'),
            ("star", "If-Range knows no star.", (STRONG,), "*"),
            ("malformed", "If-Range that is neither ETag nor date has the whole sent.", (STRONG, MODIFIED, NOW), "v1"),
            ("empty", "An empty If-Range has the whole sent.", (STRONG, MODIFIED, NOW), ""),
            ("earlier-date", "If-Range with an earlier date has the whole sent.", (MODIFIED, NOW), date(-86401)),
            (
                "later-date",
                "If-Range with a later date has the whole sent: it has to be the same.",
                (MODIFIED, NOW),
                date(-86399),
            ),
            ("no-date", "If-Range with a date has the whole sent where no Last-Modified is stored.", (NOW,), date()),
            (
                "fresh-date",
                "If-Range with a date has the whole sent where it is too young to be strong.",
                (("last-modified", date(0)), NOW),
                date(0),
            ),
        ]
    ]
    + [
        Case(
            "if-range-without-range",
            "If-Range without Range is ignored.",
            "RFC 9110 §13.1.5",
            (stored(STRONG), reuses(fields=(("if-range", '"v1"'),))),
        ),
        Case(
            "condition-before-range",
            "A condition that makes a 304 counts before the range.",
            "RFC 9110 §13.2.2",
            (stored(STRONG), reuses(**part("bytes=0-1", ("if-none-match", '"v1"')), gets=304, of=None)),
        ),
        Case(
            "condition-before-unsatisfiable-range",
            "A condition that makes a 304 counts before a range that cannot be satisfied.",
            "RFC 9110 §13.2.2",
            (stored(STRONG), reuses(**part("bytes=10-", ("if-none-match", '"v1"')), gets=304, of=None)),
        ),
        Case(
            "range-after-condition",
            "After a condition that makes no 304 the range counts.",
            "RFC 9110 §13.2.2",
            (
                stored(STRONG),
                reuses(**part("bytes=0-1", ("if-none-match", '"v0"')), gets=206, of=None, text=b"01"),
            ),
        ),
    ]
)

PASSED = [
    Case(
        "a-range-that-misses",
        "A Range that nothing stored answers is passed on as it is, and what comes back is not stored.",
        "RFC 9111 §3.3",
        (
            asks(
                HOUR,
                ("content-range", "bytes 0-1/10"),
                status=206,
                content=b"01",
                **part("bytes=0-1", ("if-range", '"v1"')),
                sees={"range": "bytes=0-1", "if-range": '"v1"'},
                has={"content-range": "bytes 0-1/10"},
            ),
            asks(HOUR, content=TEXT),
            reuses(of=2),
        ),
    ),
    Case(
        "a-206-answers-no-part",
        "A 206 answers no later request for the same part.",
        "RFC 9111 §3.3",
        (
            asks(HOUR, ("content-range", "bytes 0-1/10"), status=206, content=b"01", **part("bytes=0-1")),
            asks(HOUR, ("content-range", "bytes 0-1/10"), status=206, content=b"01", **part("bytes=0-1")),
        ),
    ),
    Case(
        "a-200-to-a-range-is-not-stored",
        "A whole that answers a Range which missed is passed on, and not stored.",
        "a safety choice",
        (asks(HOUR, content=TEXT, **part("bytes=0-1")), asks(HOUR, content=TEXT)),
    ),
    Case(
        "a-206-does-not-replace",
        "A 206 does not take the place of the whole that was stored.",
        "RFC 9111 §3.4",
        (
            asks(cc("max-age=60"), STRONG, content=TEXT),
            asks(
                HOUR,
                STRONG,
                ("content-range", "bytes 0-1/10"),
                after=60,
                status=206,
                content=b"01",
                **part("bytes=0-1"),
            ),
            asks(HOUR, content=TEXT, after=1),
        ),
    ),
]

CASES = SATISFIED + UNSATISFIABLE + IGNORED + CONDITIONAL + PASSED
