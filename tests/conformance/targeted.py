"""Targeted fields: what is said to this kind of cache replaces what is said to all."""

from __future__ import annotations

from tests.conformance.case import Case, Line, asks, cc, date, refreshes, reuses, validates

LONG = cc("max-age=3600")
SHORT = cc("max-age=1")
FUTURE = (("expires", date(3600)), ("date", date()))
PAST = (("expires", date(-3600)), ("date", date()))


def cdn(value: str) -> Line:
    return ("cdn-cache-control", value)


USED = [
    Case(f"used-{name}", sentence, "RFC 9213 §2.2", (asks(*lines), reuses(after=60)))
    for name, sentence, lines in [
        ("max-age", "A targeted max-age is a time of freshness.", (cdn("max-age=3600"),)),
        ("max-age-huge", "A targeted max-age may be large.", (cdn("max-age=99999999999"),)),
        ("s-maxage", "A targeted s-maxage is one for a shared cache.", (cdn("s-maxage=3600"),)),
        (
            "s-maxage-over-max-age",
            "A targeted s-maxage counts before a targeted max-age.",
            (cdn("max-age=1, s-maxage=3600"),),
        ),
        ("extension", "An unknown directive is ignored.", (cdn("foobar, max-age=3600"),)),
        (
            "extension-with-string",
            "An unknown directive may have any value.",
            (cdn('foo="bar", max-age=3600, x=(1 2)'),),
        ),
        ("parameters", "Parameters are ignored.", (cdn("max-age=3600;x=1;y"),)),
        ("two-lines", "The lines of a targeted field are one dictionary.", (cdn("foo"), cdn("max-age=3600"))),
        ("last-of-two", "Of two directives of the same name the last counts.", (cdn("max-age=1, max-age=3600"),)),
        ("over-short-max-age", "A targeted max-age counts before a shorter one for all.", (SHORT, cdn("max-age=3600"))),
        (
            "over-max-age-0",
            "A targeted max-age counts before one of 0 for all.",
            (cc("max-age=0"), cdn("max-age=3600")),
        ),
        (
            "over-s-maxage",
            "A targeted max-age counts before an s-maxage for all.",
            (cc("s-maxage=1"), cdn("max-age=3600")),
        ),
        ("over-past-expires", "A targeted max-age counts before a past Expires.", (cdn("max-age=3600"), *PAST)),
        (
            "over-malformed-expires",
            "A targeted max-age counts before a malformed Expires.",
            (cdn("max-age=3600"), ("expires", "0")),
        ),
        ("over-no-store", "A targeted max-age replaces no-store for all.", (cc("no-store"), cdn("max-age=3600"))),
        ("over-private", "A targeted max-age replaces private for all.", (cc("private"), cdn("max-age=3600"))),
        ("over-no-cache", "A targeted max-age replaces no-cache for all.", (cc("no-cache"), cdn("max-age=3600"))),
        (
            "over-malformed",
            "A targeted max-age replaces a malformed one for all.",
            (cc("max-age=x"), cdn("max-age=3600")),
        ),
    ]
]

ENDING = [
    Case(f"unused-{name}", sentence, "RFC 9213 §2.2", (asks(*lines), asks(after=60)))
    for name, sentence, lines in [
        ("max-age-0", "A targeted max-age of 0 is no time of freshness.", (cdn("max-age=0"),)),
        ("max-age-negative", "A negative targeted max-age is no time of freshness.", (cdn("max-age=-3600"), LONG)),
        ("old", "A response that is older than its targeted max-age is stale.", (cdn("max-age=3600"), ("age", "7200"))),
        ("over-long-max-age", "A short targeted max-age counts before a longer one for all.", (LONG, cdn("max-age=1"))),
        (
            "over-long-s-maxage",
            "A short targeted max-age counts before a longer s-maxage for all.",
            (cc("s-maxage=3600"), cdn("max-age=1")),
        ),
        (
            "max-age-0-over-expires",
            "A targeted max-age of 0 counts before a future Expires.",
            (cdn("max-age=0"), *FUTURE),
        ),
        ("no-time-over-max-age", "A targeted field without a time replaces the time for all.", (cdn("foo"), LONG)),
        ("no-time-over-expires", "A targeted field without a time replaces Expires.", (cdn("foo"), *FUTURE)),
        ("private", "A targeted private forbids what is allowed for all.", (cdn("private"), LONG, *FUTURE)),
        ("private-and-max-age", "A targeted private forbids what stands beside it.", (cdn("private, max-age=3600"),)),
        ("private-of-fields", "A targeted private with fields is one.", (cdn('private="a", max-age=3600'),)),
        ("no-cache", "A targeted no-cache forbids what is allowed for all.", (cdn("no-cache"), LONG, *FUTURE)),
        (
            "no-cache-and-max-age",
            "A targeted no-cache forbids what stands beside it.",
            (cdn("no-cache, max-age=3600"),),
        ),
        ("no-store", "A targeted no-store forbids what is allowed for all.", (cdn("no-store"), LONG, *FUTURE)),
        (
            "no-store-and-max-age",
            "A targeted no-store forbids what stands beside it.",
            (cdn("no-store, max-age=3600"), LONG),
        ),
        (
            "no-store-with-parameters",
            "Parameters take nothing from a directive.",
            (cdn("max-age=3600, no-store;x=1"), LONG),
        ),
    ]
]

IGNORED = (
    [
        Case(
            f"ignored-{name}",
            f"A targeted field that {what} is as good as none.",
            "RFC 9213 §2.1",
            (asks(cc("max-age=60"), *(cdn(value) for value in values)), reuses(after=59), asks(after=1)),
        )
        for name, what, values in [
            ("empty", "is empty", ("",)),
            ("blank", "has blanks only", (" \t ",)),
            ("unknown-type", "has a value of no type", ("max-age=3600, &&&&&",)),
            ("capitals", "has a name in capitals", ("MaX-aGe=3600",)),
            ("trailing-comma", "ends with a comma", ("max-age=3600,",)),
            ("empty-member", "has an empty member", ("max-age=3600,,foo",)),
            ("empty-argument", "has an empty argument", ("max-age=",)),
            ("space-before-equals", "has a blank before an equals sign", ("max-age =3600",)),
            ("space-after-equals", "has a blank behind an equals sign", ("max-age= 3600",)),
            ("unclosed", "has a string that is not closed", ('x="a, max-age=3600',)),
            ("semicolons", "has semicolons for commas", ("max-age=3600;no-store=;",)),
            ("too-long-number", "has a number of more than 15 digits", ("max-age=9999999999999999",)),
            ("obs-text", "has bytes that are no ASCII", ("max-age=3600, caf\xe9",)),
            ("broken-second-line", "is broken on its second line", ("max-age=3600", "&&&")),
        ]
    ]
    + [
        Case(
            f"ignored-{name}-leaves-no-store",
            f"A targeted field that {what} lifts nothing.",
            "RFC 9213 §2.1",
            (asks(cc("no-store"), cdn(value)), asks()),
        )
        for name, what, value in [
            ("malformed", "is malformed", "max-age=10000, &&&&&"),
            ("wrong-type", "has a time of the wrong type", 'max-age="10000"'),
            ("empty", "is empty", ""),
        ]
    ]
    + [
        Case(
            f"wrong-type-{name}",
            f"A targeted max-age that is {what} is no time of freshness.",
            "RFC 9213 §2.1",
            (asks(cdn(value)), asks()),
        )
        for name, what, value in [
            ("string", "a string", 'max-age="3600"'),
            ("token", "a word", "max-age=x"),
            ("decimal", "a fraction", "max-age=3600.5"),
            ("boolean", "a flag", "max-age"),
            ("list", "a list", "max-age=(3600)"),
            ("date", "a date", "max-age=@3600"),
        ]
    ]
    + [
        Case(
            f"ignored-another-{name}",
            "A field that is not in the list of targeted fields is a field like any.",
            "RFC 9213 §2.2",
            (asks((field, "max-age=3600")), asks(LONG, (field, "no-store")), reuses(of=2)),
        )
        for name, field in [("surrogate-control", "surrogate-control"), ("vendor", "vendor-cdn-cache-control")]
    ]
)

LISTS = [
    Case(
        "first-in-the-list",
        "Of several targeted fields the first in the list counts, not the first in the response.",
        "RFC 9213 §2.2",
        (asks(cdn("max-age=1"), ("own-cache-control", "max-age=3600")), reuses(after=60)),
        {"targeted_fields": ("own-cache-control", "cdn-cache-control")},
    ),
    Case(
        "second-in-the-list",
        "Where the first targeted field is not there, the second counts.",
        "RFC 9213 §2.2",
        (asks(cdn("max-age=3600"), SHORT), reuses(after=60)),
        {"targeted_fields": ("own-cache-control", "cdn-cache-control")},
    ),
    *[
        Case(
            f"second-after-a-{name}-first",
            f"Where the first targeted field is {name}, the second counts.",
            "RFC 9213 §2.2",
            (asks(("own-cache-control", value), cdn("max-age=3600"), cc("no-store")), reuses(after=60)),
            {"targeted_fields": ("own-cache-control", "cdn-cache-control")},
        )
        for name, value in [("malformed", "max-age=1, &&&"), ("empty", "")]
    ],
    Case(
        "no-list",
        "Without targeted fields Cache-Control counts.",
        "RFC 9213 §2.2",
        (asks(cdn("max-age=3600"), cc("no-store")), asks()),
        {"targeted_fields": ()},
    ),
    Case(
        "another-list",
        "A list without CDN-Cache-Control does not hear it.",
        "RFC 9213 §2.2",
        (asks(cdn("no-store"), LONG), reuses()),
        {"targeted_fields": ("own-cache-control",)},
    ),
    Case(
        "list-in-capitals",
        "The case of a field's name does not matter.",
        "RFC 9110 §5.1",
        (asks(("own-cache-control", "max-age=3600"), cc("no-store")), reuses()),
        {"targeted_fields": ("Own-Cache-Control",)},
    ),
]

PASSED_ON = [
    Case(
        "passed-on",
        "A targeted field is passed on, with Cache-Control and Expires as they are.",
        "RFC 9213 §2.2",
        (
            asks(
                cdn("max-age=3600"),
                SHORT,
                *PAST,
                has={"cdn-cache-control": "max-age=3600", "cache-control": "max-age=1"},
            ),
            reuses(
                after=60,
                has={
                    "cdn-cache-control": "max-age=3600",
                    "cache-control": "max-age=1",
                    "expires": date(-3600),
                    "age": "60",
                },
            ),
        ),
    ),
    Case(
        "no-cache-is-validated",
        "A targeted no-cache lets a response be stored that can be validated.",
        "RFC 9213 §2.2",
        (asks(cdn("no-cache"), LONG, ("etag", '"v1"')), validates(("etag", '"v1"'), sees={"if-none-match": '"v1"'})),
    ),
    Case(
        "stale-while-revalidate",
        "A targeted field may allow stale answers.",
        "RFC 9213 §2.2",
        (
            asks(cdn("max-age=60, stale-while-revalidate=30"), cc("must-revalidate")),
            refreshes(cdn("max-age=60"), after=60),
        ),
    ),
    Case(
        "must-revalidate",
        "A targeted must-revalidate forbids stale answers that are allowed for all.",
        "RFC 9213 §2.2",
        (asks(cdn("max-age=60, must-revalidate"), cc("max-age=60, stale-while-revalidate=600")), asks(after=60)),
        {"stale_while_revalidate": 600},
    ),
    Case(
        "304-with-a-targeted-field",
        "A targeted field in a 304 takes the place of the stored one.",
        "RFC 9111 §3.2",
        (
            asks(cdn("max-age=60"), ("etag", '"v1"')),
            validates(cdn("max-age=600"), ("etag", '"v1"'), after=60),
            reuses(after=599),
            validates(("etag", '"v1"'), after=1),
        ),
    ),
]

CASES = USED + ENDING + IGNORED + LISTS + PASSED_ON
