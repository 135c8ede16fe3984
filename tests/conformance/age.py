"""How old a response is: its Age and Date on arrival, the time it took, and the time since."""

from __future__ import annotations

from tests.conformance.case import Case, asks, cc, date, reuses, rfc850

HOUR = cc("max-age=3600")


ADDED = [
    Case(
        "on-every-reuse",
        "An answer from the store has one Age, of the whole seconds since it was made.",
        "RFC 9111 §4",
        (asks(HOUR, has={"age": None}), reuses(has={"age": "0"}), reuses(after=12.7, has={"age": "12"})),
    ),
    Case(
        "of-expires",
        "Age is counted wherever the time of freshness comes from.",
        "RFC 9111 §5.1",
        (asks(("expires", date(3600)), ("date", date())), reuses(after=9, has={"age": "9"})),
    ),
    Case(
        "upstream-age-is-updated",
        "The Age that came with a response is counted on, and replaced by the sum.",
        "RFC 9111 §4",
        (asks(HOUR, ("age", "30"), has={"age": "30"}), reuses(after=5, has={"age": "35"})),
    ),
    Case(
        "date-stays",
        "A reuse does not change Date.",
        "RFC 9110 §6.6.1",
        (asks(HOUR, ("date", date())), reuses(after=60, has={"date": date()})),
    ),
    Case(
        "on-a-304",
        "A 304 from the store has an Age, too.",
        "RFC 9111 §5.1",
        (
            asks(HOUR, ("etag", '"v1"')),
            reuses(after=60, fields=(("if-none-match", '"v1"'),), gets=304, has={"age": "60"}),
        ),
    ),
    Case(
        "on-a-head",
        "An answer to HEAD from the store has an Age, too.",
        "RFC 9111 §5.1",
        (asks(HOUR), reuses(after=60, method="HEAD", has={"age": "60"})),
    ),
    Case(
        "not-on-what-is-not-stored",
        "What comes from the application gets no Age of this cache.",
        "RFC 9111 §5.1",
        (
            asks(has={"age": None}),
            asks(cc("no-store"), after=5, has={"age": None}),
            asks(HOUR, has={"age": None}),
            reuses(of=3),
        ),
    ),
    Case(
        "never-negative",
        "A clock that goes back makes no Age negative.",
        "RFC 9111 §1.2.2",
        (asks(HOUR), reuses(after=-100, has={"age": "0"})),
    ),
]

COUNTED = [
    Case(
        "age-over-max-age",
        "A response that is older than its max-age on arrival is stale.",
        "RFC 9111 §4.2",
        (asks(HOUR, ("age", "7200")), asks()),
    ),
    Case(
        "age-to-the-second",
        "The Age on arrival takes away from the time of freshness.",
        "RFC 9111 §4.2.3",
        (asks(cc("max-age=60"), ("age", "20")), reuses(after=39), asks(after=1)),
    ),
    Case(
        "age-of-s-maxage",
        "The Age on arrival counts for s-maxage as well.",
        "RFC 9111 §4.2.3",
        (asks(cc("s-maxage=60"), ("age", "60")), asks()),
    ),
    Case(
        "age-with-expires-and-slow-date",
        "The Age on arrival counts for Expires, with a Date that is slow.",
        "RFC 9111 §4.2.3",
        (asks(("date", date(-10)), ("expires", date(10)), ("age", "25")), asks()),
    ),
    Case(
        "age-with-expires-and-fast-date",
        "The Age on arrival counts for Expires, with a Date that is fast.",
        "RFC 9111 §4.2.3",
        (asks(("date", date(10)), ("expires", date(20)), ("age", "15")), asks()),
    ),
    Case(
        "apparent-age",
        "A Date in the past makes a response as old as that.",
        "RFC 9111 §4.2.3",
        (asks(cc("max-age=60"), ("date", date(-20))), reuses(after=39, has={"age": "59"}), asks(after=1)),
    ),
    Case(
        "apparent-age-over-max-age",
        "A Date that is further in the past than max-age makes a response stale.",
        "RFC 9111 §4.2.3",
        (asks(HOUR, ("date", date(-7200))), asks()),
    ),
    Case(
        "apparent-age-of-rfc850",
        "A Date may have an obsolete form.",
        "RFC 9110 §5.6.7",
        (asks(cc("max-age=60"), ("date", rfc850(-60))), asks()),
    ),
    Case(
        "date-in-the-future",
        "A Date in the future makes no response younger.",
        "RFC 9111 §4.2.3",
        (asks(cc("max-age=60"), ("date", date(500))), reuses(after=59, has={"age": "59"}), asks(after=1)),
    ),
    Case(
        "malformed-date",
        "A Date that is no date is no age.",
        "RFC 9110 §6.6.1",
        (asks(cc("max-age=60"), ("date", "long ago")), reuses(after=59, has={"age": "59"}), asks(after=1)),
    ),
    Case(
        "age-over-apparent-age",
        "Of Age and the age by Date the larger counts: Age.",
        "RFC 9111 §4.2.3",
        (asks(HOUR, ("date", date(-10)), ("age", "30")), reuses(has={"age": "30"})),
    ),
    Case(
        "apparent-age-over-age",
        "Of Age and the age by Date the larger counts: Date.",
        "RFC 9111 §4.2.3",
        (asks(HOUR, ("date", date(-30)), ("age", "10")), reuses(has={"age": "30"})),
    ),
    Case(
        "response-delay",
        "The time from request to answer counts to the Age that came with it.",
        "RFC 9111 §4.2.3",
        (asks(HOUR, ("age", "10"), takes=5), reuses(after=1, has={"age": "16"})),
    ),
    Case(
        "response-delay-over-max-age",
        "A response that took longer than it may be kept is stale.",
        "RFC 9111 §4.2.3",
        (asks(cc("max-age=4"), ("age", "1"), takes=5), asks()),
    ),
]

PARSED = (
    [
        Case(
            f"first-of-{name}",
            "Of several Ages the first counts.",
            "RFC 9111 §5.1",
            (asks(HOUR, *(("age", value) for value in values)), reuses(has={"age": age})),
        )
        for name, values, age in [
            ("a-list", ("10, 7200",), "10"),
            ("a-list-without-blanks", ("10,7200",), "10"),
            ("two-lines", ("10", "7200"), "10"),
            ("equal-members", ("10, 10",), "10"),
            ("zeros", ("0, 0",), "0"),
            ("two-lines-of-zeros", ("0", "0"), "0"),
            ("a-number-and-a-word", ("10, x",), "10"),
            ("leading-zeros", ("0010",), "10"),
        ]
    ]
    + [
        Case(
            f"first-is-old-in-{name}",
            "Of several Ages the first counts, and it is stale.",
            "RFC 9111 §5.1",
            (asks(HOUR, *(("age", value) for value in values)), asks()),
        )
        for name, values in [
            ("a-list", ("7200, 0",)),
            ("a-list-without-blanks", ("7200,0",)),
            ("two-lines", ("7200", "0")),
            ("equal-members", ("3600, 3600",)),
        ]
    ]
    + [
        Case(
            f"malformed-{name}",
            f"An Age that {what} is ignored.",
            "RFC 9111 §5.1",
            (asks(HOUR, ("age", value)), reuses(has={"age": "0"})),
        )
        for name, what, value in [
            ("word", "is a word", "abc"),
            ("negative", "is negative", "-7200"),
            ("negative-and-young", "is negative and small", "-1"),
            ("sign", "has a sign", "+10"),
            ("decimal", "has a fraction", "10.0"),
            ("exponent", "has an exponent", "1e1"),
            ("empty", "is empty", ""),
            ("empty-first-member", "has an empty first member", ", 10"),
            ("word-first", "has a word for its first member", "abc, 10"),
            ("parameter", "has a parameter", "10;foo=bar"),
            ("number-parameter", "has a number for a parameter", "10;foo=111"),
            ("quoted", "is quoted", '"10"'),
            ("two-numbers", "is two numbers", "10 20"),
            ("hexadecimal", "is hexadecimal", "0x10"),
            ("underscore", "has an underscore", "1_0"),
            ("superscript", "has superscript digits", "\xb9\xb2"),
        ]
    ]
    + [
        Case(
            f"huge-{name}",
            f"An Age of {what} is an Age, and old.",
            "RFC 9111 §1.2.2",
            (asks(HOUR, ("age", value)), asks()),
        )
        for name, what, value in [
            ("32-bits", "32 bits", "4294967296"),
            ("64-bits", "64 bits", "18446744073709551616"),
            ("400-digits", "400 digits", "9" * 400),
            ("5000-digits", "5000 digits", "9" * 5000),
        ]
    ]
)

CASES = ADDED + COUNTED + PARSED
