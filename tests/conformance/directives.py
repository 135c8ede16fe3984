"""The directives of Cache-Control in a response, and every form their arguments may have or lack."""

from __future__ import annotations

from tests.conformance.case import Case, Line, asks, cc, date, reuses, validates

STRONG = ("etag", '"v1"')
HOUR = cc("max-age=3600")


def kept(name: str, sentence: str, section: str, *lines: Line, after: float = 60) -> Case:
    return Case(name, sentence, section, (asks(*lines), reuses(after=after)))


def not_kept(name: str, sentence: str, section: str, *lines: Line, after: float = 0) -> Case:
    return Case(name, sentence, section, (asks(*lines), asks(after=after)))


READ = [
    kept(f"max-age-{name}", f"A max-age with {what} is read.", section, cc(value))
    for name, what, section, value in [
        ("plain", "a number", "RFC 9111 §5.2.2.1", "max-age=3600"),
        ("quoted", "a quoted number", "RFC 9111 §5.2", 'max-age="3600"'),
        ("escaped", "a number in a quoted string with an escape", "RFC 9110 §5.6.4", 'max-age="36\\00"'),
        ("mixed-case", "a name in any case", "RFC 9111 §5.2", "MaX-aGe=3600"),
        ("leading-zeros", "leading zeros", "RFC 9111 §1.2.2", "max-age=003600"),
        ("31-bits", "the largest number of 31 bits", "RFC 9111 §1.2.2", "max-age=2147483647"),
        ("32-bits", "one more than 31 bits can hold", "RFC 9111 §1.2.2", "max-age=2147483648"),
        ("over-32-bits", "more than 32 bits can hold", "RFC 9111 §1.2.2", "max-age=99999999999"),
        ("over-64-bits", "more than 64 bits can hold", "RFC 9111 §1.2.2", "max-age=99999999999999999999"),
        ("400-digits", "more than a floating point number can hold", "RFC 9111 §1.2.2", "max-age=" + "9" * 400),
        ("5000-digits", "more digits than are read as a number", "RFC 9111 §1.2.2", "max-age=" + "9" * 5000),
        ("after-an-extension", "an unknown directive before it", "RFC 9111 §5.2.3", "foobar, max-age=3600"),
        (
            "after-an-extension-with-argument",
            "an unknown directive with an argument before it",
            "RFC 9111 §5.2.3",
            "foo=bar, max-age=3600",
        ),
        (
            "after-a-quoted-extension",
            "a comma in a quoted string before it",
            "RFC 9110 §5.6.4",
            'foo="a, b", max-age=3600',
        ),
        ("after-an-escaped-quote", "an escaped quote before it", "RFC 9110 §5.6.4", 'foo="a\\", b", max-age=3600'),
        ("among-empty-members", "empty members around it", "RFC 9110 §5.6.1", ", ,max-age=3600,,"),
        ("among-blanks", "blanks and tabs around it", "RFC 9110 §5.6.1", "public \t,\t max-age=3600 \t"),
        ("without-blanks", "no blanks around it", "RFC 9110 §5.6.1", "public,max-age=3600,foo"),
    ]
] + [
    kept(
        "max-age-on-a-second-line",
        "A max-age on a second line is read.",
        "RFC 9110 §5.3",
        cc("public"),
        cc("max-age=3600"),
    ),
    kept("s-maxage-quoted", "A quoted s-maxage is read.", "RFC 9111 §5.2", cc('s-maxage="3600"')),
    kept("s-maxage-mixed-case", "The name of s-maxage has no case.", "RFC 9111 §5.2", cc("S-MaxAge=3600")),
    kept(
        "immutable",
        "Immutable does not keep a fresh response from being reused.",
        "RFC 9111 §5.2.3",
        cc("max-age=3600, immutable"),
    ),
    not_kept(
        "immutable-stale",
        "Immutable makes no stale response fresh.",
        "RFC 9111 §4.2",
        cc("max-age=60, immutable"),
        after=60,
    ),
    kept(
        "no-transform", "No-transform does not forbid to store.", "RFC 9111 §5.2.2.6", cc("max-age=3600, no-transform")
    ),
    kept("public", "Public does not forbid what a max-age allows.", "RFC 9111 §5.2.2.9", cc("public, max-age=3600")),
]

UNREAD = (
    [
        not_kept(f"max-age-{name}", f"A max-age with {what} makes the response stale.", "RFC 9111 §4.2.1", cc(value))
        for name, what, value in [
            ("0", "the value 0", "max-age=0"),
            ("00", "the value 00", "max-age=00"),
            ("negative", "a negative number", "max-age=-3600"),
            ("with-a-sign", "a sign", "max-age=+3600"),
            ("single-quoted", "single quotes", "max-age='3600'"),
            ("decimal", "a fraction", "max-age=3600.5"),
            ("decimal-0", "a fraction of nothing", "max-age=3600.0"),
            ("exponent", "an exponent", "max-age=3e3"),
            ("hexadecimal", "a hexadecimal number", "max-age=0x3600"),
            ("underscore", "an underscore", "max-age=3_600"),
            ("leading-letter", "a letter before its number", "max-age=a3600"),
            ("trailing-letter", "a letter behind its number", "max-age=3600a"),
            ("two-words", "two words", "max-age=3600 60"),
            ("space-before-equals", "a space before its equals sign", "max-age =3600"),
            ("space-after-equals", "a space behind its equals sign", "max-age= 3600"),
            ("colon", "a colon for an equals sign", "max-age:3600"),
            ("semicolon", "a semicolon behind it", "max-age=3600;x=1"),
            ("no-argument", "no argument", "max-age"),
            ("empty-argument", "an empty argument", "max-age="),
            ("empty-string", "an empty quoted string", 'max-age=""'),
            ("unclosed-quote", "a quote that is not closed", 'max-age="3600'),
            ("quoted-blank", "blanks in its quotes", 'max-age=" 3600 "'),
            ("superscript", "superscript digits", "max-age=\xb9\xb2\xb3"),
            ("obs-text", "bytes that are no ASCII", "max-age=36\xff00"),
        ]
    ]
    + [
        not_kept(
            f"malformed-{name}",
            f"A malformed {name} is not made good by what counts after it.",
            "RFC 9111 §4.2.1",
            *lines,
        )
        for name, lines in [
            ("max-age", (cc("max-age=x"), ("expires", date(3600)), ("date", date()))),
            ("s-maxage", (cc("s-maxage=x, max-age=3600"),)),
        ]
    ]
    + [
        not_kept(f"s-maxage-{name}", f"An s-maxage with {what} makes the response stale.", "RFC 9111 §4.2.1", cc(value))
        for name, what, value in [
            ("negative", "a negative number", "s-maxage=-3600, max-age=3600"),
            ("decimal", "a fraction", "s-maxage=3600.5, max-age=3600"),
            ("no-argument", "no argument", "s-maxage, max-age=3600"),
            ("space-before-equals", "a space before its equals sign", "s-maxage =3600"),
        ]
    ]
    + [
        not_kept(
            f"max-age-in-a-string-{name}",
            "What stands in the quoted string of another directive is no max-age.",
            "RFC 9110 §5.6.4",
            cc(value),
            after=60,
        )
        for name, value in [
            ("before", 'extension="max-age=3600", max-age=1'),
            ("after", 'max-age=1, extension="max-age=3600"'),
            ("before-a-quoted", 'extension="max-age=3600", max-age="1"'),
            ("after-a-quoted", 'max-age="1", extension="max-age=3600"'),
            ("after-a-comma", 'extension="a, max-age=3600, b"'),
            ("after-an-escape", 'extension="\\", max-age=3600"'),
        ]
    ]
    + [
        not_kept(
            f"max-age-is-part-of-{name}",
            "A directive whose name contains another one is not that one.",
            "RFC 9111 §5.2.3",
            cc(value),
        )
        for name, value in [
            ("a-longer-name", "x-max-age=3600"),
            ("a-name-that-goes-on", "max-age-x=3600"),
            ("s-max-age", "s-max-age=3600"),
        ]
    ]
)

REPEATED = [
    not_kept(
        f"max-age-twice-{name}",
        "Of several max-age the first counts, or the response is stale.",
        "RFC 9111 §4.2.1",
        *lines,
        after=60,
    )
    for name, lines in [
        ("short-first", (cc("max-age=1, max-age=1800"),)),
        ("short-first-on-lines", (cc("max-age=1"), cc("max-age=1800"))),
        ("short-first-in-another-case", (cc("max-age=1, MAX-AGE=1800"),)),
        ("malformed-first", (cc("max-age=x, max-age=1800"),)),
    ]
] + [
    not_kept(
        f"max-age-twice-{name}",
        "Of several max-age the shortest counts, which is the first or stale.",
        "a safety choice",
        *lines,
        after=60,
    )
    for name, lines in [
        ("short-last", (cc("max-age=1800, max-age=1"),)),
        ("short-last-on-lines", (cc("max-age=1800"), cc("max-age=1"))),
        ("malformed-last", (cc("max-age=1800, max-age=x"),)),
    ]
]

FORBIDDING = (
    [
        not_kept(f"{name}", f"A response with {value} is not reused by a shared cache.", section, cc(value), *more)
        for name, value, section, more in [
            ("no-store", "no-store", "RFC 9111 §5.2.2.5", ()),
            ("no-store-mixed-case", "No-StOrE, max-age=3600", "RFC 9111 §5.2", ()),
            ("no-store-with-max-age", "max-age=3600, no-store", "RFC 9111 §5.2.2.5", ()),
            ("no-store-with-s-maxage", "no-store, s-maxage=3600", "RFC 9111 §5.2.2.5", ()),
            ("no-store-with-public", "no-store, public, max-age=3600", "RFC 9111 §5.2.2.5", ()),
            ("no-store-with-expires", "no-store", "RFC 9111 §5.2.2.5", (("expires", date(3600)), ("date", date()))),
            ("no-store-with-argument", "no-store=x, max-age=3600", "RFC 9111 §5.2", ()),
            ("no-store-with-string", 'no-store="x", max-age=3600', "RFC 9111 §5.2", ()),
            ("no-store-with-empty-argument", "no-store=, max-age=3600", "RFC 9111 §5.2", ()),
            ("no-store-among-blanks", "max-age=3600,\t no-store\t ", "RFC 9110 §5.6.1", ()),
            ("no-store-on-a-second-line", "max-age=3600", "RFC 9110 §5.3", (cc("no-store"),)),
            ("no-store-twice", "no-store, no-store, max-age=3600", "RFC 9111 §5.2.2.5", ()),
            ("no-store-after-an-unclosed-quote", 'max-age=3600, x="a, no-store', "a safety choice", ()),
            ("private", "private, max-age=3600", "RFC 9111 §5.2.2.7", ()),
            ("private-mixed-case", "PriVate, max-age=3600", "RFC 9111 §5.2", ()),
            ("private-with-s-maxage", "private, s-maxage=3600", "RFC 9111 §5.2.2.7", ()),
            ("private-with-public", "private, public, max-age=3600", "RFC 9111 §5.2.2.7", ()),
            ("private-with-expires", "private", "RFC 9111 §5.2.2.7", (("expires", date(3600)), ("date", date()))),
            ("private-of-a-field", 'private="set-cookie", max-age=3600', "RFC 9111 §5.2.2.7", ()),
            ("private-of-fields", 'max-age=3600, private="a, b"', "RFC 9111 §5.2.2.7", ()),
            ("private-of-a-token", "private=a, max-age=3600", "RFC 9111 §5.2.2.7", ()),
            ("private-of-nothing", 'private="", max-age=3600', "RFC 9111 §5.2.2.7", ()),
            ("no-cache", "no-cache, max-age=3600", "RFC 9111 §5.2.2.4", ()),
            ("no-cache-mixed-case", "max-age=3600, No-CaChE", "RFC 9111 §5.2", ()),
            ("no-cache-with-s-maxage", "no-cache, s-maxage=3600", "RFC 9111 §5.2.2.4", ()),
            ("no-cache-with-expires", "no-cache", "RFC 9111 §5.2.2.4", (("expires", date(3600)), ("date", date()))),
            ("no-cache-of-a-field", 'no-cache="set-cookie", max-age=3600', "RFC 9111 §5.2.2.4", ()),
            ("no-cache-of-fields", 'max-age=3600, no-cache="a, b"', "RFC 9111 §5.2.2.4", ()),
            ("no-cache-of-a-token", "no-cache=a, max-age=3600", "RFC 9111 §5.2.2.4", ()),
        ]
    ]
    + [
        Case(
            f"no-cache-is-validated-{name}",
            "A response with no-cache is stored where it can be validated, and validated each time.",
            "RFC 9111 §5.2.2.4",
            (
                asks(cc(value), STRONG),
                validates(STRONG, sees={"if-none-match": '"v1"'}),
                validates(STRONG, after=10, sees={"if-none-match": '"v1"'}),
            ),
        )
        for name, value in [
            ("alone", "no-cache"),
            ("with-max-age", "no-cache, max-age=3600"),
            ("of-a-field", 'no-cache="a", max-age=3600'),
        ]
    ]
    + [
        Case(
            "no-store-is-not-validated",
            "A response with no-store is not even kept for a validation.",
            "RFC 9111 §5.2.2.5",
            (asks(cc("no-store, max-age=3600"), STRONG), asks(sees={"if-none-match": None})),
        ),
        Case(
            "private-is-not-validated",
            "A response with private is not even kept for a validation.",
            "RFC 9111 §5.2.2.7",
            (asks(cc("private, max-age=3600"), STRONG), asks(sees={"if-none-match": None})),
        ),
        Case(
            "max-age-0-is-validated",
            "A response with a max-age of 0 may be stored, and is validated.",
            "RFC 9111 §4.3",
            (asks(cc("max-age=0"), STRONG), validates(STRONG, sees={"if-none-match": '"v1"'})),
        ),
        Case(
            "must-revalidate-fresh-and-stale",
            "Must-revalidate lets a fresh response be reused, and has a stale one validated.",
            "RFC 9111 §5.2.2.2",
            (
                asks(cc("max-age=60, must-revalidate"), STRONG),
                reuses(after=59),
                validates(STRONG, after=1, sees={"if-none-match": '"v1"'}),
            ),
        ),
        Case(
            "a-new-no-store-ends-reuse",
            "What says no-store does not leave what was stored before it in use.",
            "RFC 9111 §5.2.2.5",
            (asks(cc("max-age=60")), asks(cc("no-store"), after=60), asks()),
        ),
        *[
            not_kept(
                f"pragma-{name}",
                f"Pragma: {value} in a response gives no time of freshness.",
                "RFC 9111 §5.4",
                ("pragma", value),
            )
            for name, value in [("max-age", "max-age=3600"), ("public", "public")]
        ],
        kept(
            "pragma-no-cache",
            "Pragma in a response means nothing to a cache.",
            "RFC 9111 §5.4",
            HOUR,
            ("pragma", "no-cache"),
        ),
        kept(
            "pragma-extension",
            "An unknown Pragma in a response means nothing.",
            "RFC 9111 §5.4",
            HOUR,
            ("pragma", "foo"),
        ),
        kept(
            "warning",
            "Warning in a response means nothing to a cache.",
            "RFC 9111 §5.5",
            HOUR,
            ("warning", '110 - "stale"'),
        ),
    ]
)

UNDERSTANDING = [
    kept(
        "must-understand-200",
        "Must-understand does not forbid a status whose rules the cache knows.",
        "RFC 9111 §5.2.2.3",
        cc("must-understand, max-age=3600"),
    ),
    kept(
        "must-understand-lifts-no-store",
        "No-store beside must-understand is for those who know nothing of must-understand or of the status.",
        "RFC 9111 §5.2.2.3",
        cc("must-understand, no-store, max-age=3600"),
    ),
    not_kept(
        "must-understand-lifts-no-private",
        "Must-understand lifts no-store and nothing else.",
        "RFC 9111 §5.2.2.3",
        cc("must-understand, no-store, private, max-age=3600"),
    ),
    not_kept(
        "must-understand-is-no-time",
        "Must-understand alone is no time of freshness.",
        "RFC 9111 §5.2.2.3",
        cc("must-understand, no-store"),
    ),
] + [
    Case(
        f"must-understand-{status}",
        "Must-understand forbids to store a status whose rules the cache does not know.",
        "RFC 9111 §5.2.2.3",
        (asks(cc(f"{value}, max-age=3600"), status=status), asks()),
        {"cacheable_errors": True},
    )
    for status, value in [
        (299, "must-understand"),
        (399, "Must-Understand"),
        (599, "must-understand"),
        (499, "must-understand, public"),
    ]
]

CASES = READ + UNREAD + REPEATED + FORBIDDING + UNDERSTANDING
