"""Directives of a request: advice, which is heard only where that was asked for."""

from __future__ import annotations

from typing import Any

from tests.conformance.case import Case, asks, cc, date, refreshes, reuses, validates

HOUR = cc("max-age=3600")
STRONG = ("etag", '"v1"')
OBEYING = {"obey_request_directives": True}


def asked(value: str) -> dict[str, Any]:
    return {"fields": (cc(value),)}


UNHEARD = [
    Case(
        f"unheard-{name}",
        f"{value} in a request is not obeyed, unless that was asked for.",
        "RFC 9111 §5.2.1",
        (asks(HOUR), reuses(after=10, **asked(value))),
    )
    for name, value in [
        ("no-cache", "no-cache"),
        ("no-store", "no-store"),
        ("max-age-0", "max-age=0"),
        ("max-age-5", "max-age=5"),
        ("min-fresh", "min-fresh=99999"),
        ("only-if-cached", "only-if-cached"),
    ]
] + [
    Case(
        "unheard-no-store-miss",
        "No-store in a request does not keep its answer from being stored, unless that was asked for.",
        "RFC 9111 §5.2.1",
        (asks(HOUR, **asked("no-store")), reuses()),
    ),
    Case(
        "unheard-max-stale",
        "Max-stale in a request brings nothing stale, unless that was asked for.",
        "RFC 9111 §5.2.1",
        (asks(cc("max-age=1")), asks(after=10, **asked("max-stale=1000"))),
    ),
    Case(
        "unheard-only-if-cached-miss",
        "Only-if-cached in a request is not obeyed, unless that was asked for.",
        "RFC 9111 §5.2.1",
        (asks(HOUR, **asked("only-if-cached")), reuses()),
    ),
    Case(
        "pragma-no-cache",
        "Pragma in a request means nothing to a cache that does not obey requests.",
        "RFC 9111 §5.4",
        (asks(HOUR), reuses(fields=(("pragma", "no-cache"),))),
    ),
    Case(
        "pragma-extension",
        "An unknown Pragma in a request means nothing.",
        "RFC 9111 §5.4",
        (asks(HOUR), reuses(fields=(("pragma", "foo"),))),
        OBEYING,
    ),
    *[
        Case(
            f"pragma-beside-cache-control-{name}",
            "Pragma in a request means nothing beside Cache-Control.",
            "RFC 9111 §5.4",
            (asks(HOUR), reuses(fields=(("pragma", "no-cache"), cc(value)))),
            OBEYING,
        )
        for name, value in [("max-age", "max-age=3600"), ("extension", "foo")]
    ],
]

FORWARD = [
    Case(
        f"forward-{name}",
        sentence,
        section,
        (asks(*lines), asks(HOUR, after=after, **asked(value)), reuses(of=2)),
        OBEYING,
    )
    for name, sentence, section, lines, after, value in [
        ("no-cache", "No-cache asks for an answer of the application.", "RFC 9111 §5.2.1.4", (HOUR,), 0, "no-cache"),
        ("no-cache-in-capitals", "The case of a directive does not matter.", "RFC 9111 §5.2", (HOUR,), 0, "No-CACHE"),
        ("no-cache-with-argument", "No-cache with an argument is no-cache.", "RFC 9111 §5.2", (HOUR,), 0, "no-cache=x"),
        (
            "no-cache-among-others",
            "No-cache counts beside others.",
            "RFC 9111 §5.2.1.4",
            (HOUR,),
            0,
            "max-age=60, no-cache",
        ),
        (
            "max-age-0",
            "A max-age of 0 asks for an answer of this moment.",
            "RFC 9111 §5.2.1.1",
            (HOUR,),
            1,
            "max-age=0",
        ),
        ("max-age", "A max-age asks for nothing that is older.", "RFC 9111 §5.2.1.1", (HOUR,), 61, "max-age=60"),
        (
            "max-age-of-age",
            "A max-age counts the age on arrival.",
            "RFC 9111 §5.2.1.1",
            (HOUR, ("age", "1800")),
            0,
            "max-age=600",
        ),
        (
            "max-age-malformed",
            "A max-age that is no number asks for an answer of this moment.",
            "a safety choice",
            (HOUR,),
            10,
            "max-age=x",
        ),
        (
            "min-fresh",
            "A min-fresh asks for what stays fresh that long.",
            "RFC 9111 §5.2.1.3",
            (HOUR,),
            3000,
            "min-fresh=601",
        ),
        (
            "min-fresh-of-age",
            "A min-fresh counts the age on arrival.",
            "RFC 9111 §5.2.1.3",
            (cc("max-age=1500"), ("age", "1000")),
            0,
            "min-fresh=1000",
        ),
        (
            "min-fresh-too-long",
            "A min-fresh may ask for more than any response has.",
            "RFC 9111 §5.2.1.3",
            (HOUR,),
            0,
            "min-fresh=9999",
        ),
        (
            "max-stale-too-short",
            "A max-stale asks for nothing that is more stale.",
            "RFC 9111 §5.2.1.2",
            (cc("max-age=10"),),
            21,
            "max-stale=10",
        ),
        (
            "max-stale-malformed",
            "A max-stale that is no number allows nothing.",
            "a safety choice",
            (cc("max-age=10"),),
            11,
            "max-stale=x",
        ),
        (
            "max-stale-and-max-age",
            "A max-age binds beside a max-stale.",
            "RFC 9111 §5.2.1.1",
            (cc("max-age=10"),),
            15,
            "max-age=12, max-stale=1",
        ),
    ]
] + [
    Case(
        "pragma-without-cache-control",
        "Pragma in a request means nothing any more, to a cache that obeys requests either.",
        "RFC 9111 §5.4",
        (asks(HOUR), reuses(fields=(("pragma", "no-cache"),))),
        OBEYING,
    ),
    *[
        Case(
            f"forward-{name}-validates",
            f"{value} is satisfied by a validation.",
            section,
            (asks(HOUR, *lines), validates(*lines, after=1, **asked(value), sees=sees), reuses()),
            OBEYING,
        )
        for name, value, section, lines, sees in [
            ("no-cache", "no-cache", "RFC 9111 §5.2.1.4", (STRONG,), {"if-none-match": '"v1"'}),
            (
                "no-cache-by-date",
                "no-cache",
                "RFC 9111 §5.2.1.4",
                (("last-modified", date(-9000)), ("date", date())),
                {"if-modified-since": date(-9000)},
            ),
            ("max-age", "max-age=0", "RFC 9111 §5.2.1.1", (STRONG,), {"if-none-match": '"v1"'}),
        ]
    ],
    Case(
        "forward-no-store",
        "What answers a request with no-store is not stored.",
        "RFC 9111 §5.2.1.5",
        (asks(HOUR, **asked("no-store")), asks(HOUR), reuses(of=2)),
        OBEYING,
    ),
    Case(
        "forward-no-store-head",
        "What answers a HEAD with no-store makes nothing fresh, and updates nothing.",
        "RFC 9111 §5.2.1.5",
        (
            asks(cc("max-age=60"), STRONG),
            asks(HOUR, STRONG, method="HEAD", after=60, **asked("no-store")),
            validates(HOUR, STRONG),
        ),
        OBEYING,
    ),
    Case(
        "forward-no-cache-not-while-revalidating",
        "No-cache brings nothing stale.",
        "RFC 9111 §5.2.1.4",
        (asks(cc("max-age=10, stale-while-revalidate=600")), asks(HOUR, after=20, **asked("no-cache"))),
        OBEYING,
    ),
]

FROM_STORE = (
    [
        Case(
            f"answered-{name}",
            sentence,
            section,
            (asks(*lines), reuses(after=after, **asked(value))),
            OBEYING,
        )
        for name, sentence, section, lines, after, value in [
            ("max-age", "A max-age is satisfied by what is no older.", "RFC 9111 §5.2.1.1", (HOUR,), 60, "max-age=60"),
            (
                "max-age-long",
                "A max-age makes nothing stale that is young.",
                "RFC 9111 §5.2.1.1",
                (HOUR,),
                60,
                "max-age=99999",
            ),
            (
                "min-fresh",
                "A min-fresh is satisfied by what stays fresh that long.",
                "RFC 9111 §5.2.1.3",
                (HOUR,),
                3000,
                "min-fresh=599",
            ),
            (
                "max-stale",
                "A max-stale lets what is stale be served that long.",
                "RFC 9111 §5.2.1.2",
                (cc("max-age=10"),),
                20,
                "max-stale=10",
            ),
            (
                "max-stale-any",
                "A max-stale without a number lets anything stale be served.",
                "RFC 9111 §5.2.1.2",
                (cc("max-age=10"),),
                99999,
                "max-stale",
            ),
            (
                "max-stale-of-age",
                "A max-stale counts the age on arrival.",
                "RFC 9111 §5.2.1.2",
                (cc("max-age=1500, stale-if-error=1000"), ("age", "2000")),
                0,
                "max-stale=1000",
            ),
            (
                "only-if-cached",
                "Only-if-cached is satisfied by what is stored.",
                "RFC 9111 §5.2.1.7",
                (HOUR,),
                60,
                "only-if-cached",
            ),
            (
                "no-transform",
                "No-transform asks for nothing that the cache would do.",
                "RFC 9111 §5.2.1.6",
                (HOUR,),
                60,
                "no-transform",
            ),
            ("extension", "An unknown directive asks for nothing.", "RFC 9111 §5.2.3", (HOUR,), 60, "foo, bar=1"),
            ("s-maxage", "S-maxage is no directive of requests.", "RFC 9111 §5.2.2.10", (HOUR,), 60, "s-maxage=0"),
        ]
    ]
    + [
        Case(
            f"forbidden-{name}",
            f"A max-stale does not lift {name}.",
            section,
            (asks(cc(f"max-age=10, {name}"), STRONG), validates(STRONG, after=20, **asked("max-stale=1000"))),
            OBEYING,
        )
        for name, section in [
            ("must-revalidate", "RFC 9111 §5.2.2.2"),
            ("proxy-revalidate", "RFC 9111 §5.2.2.8"),
            ("no-cache", "RFC 9111 §5.2.2.4"),
        ]
    ]
    + [
        Case(
            "forbidden-s-maxage",
            "A max-stale does not lift s-maxage.",
            "RFC 9111 §5.2.2.10",
            (asks(cc("s-maxage=10"), STRONG), validates(STRONG, after=20, **asked("max-stale=1000"))),
            OBEYING,
        ),
    ]
)


def timeout(**more: Any) -> Any:
    return reuses(gets=504, of=None, text=b"", **more)


ONLY = [
    Case(
        "only-if-cached-miss",
        "Only-if-cached gets a 504 where nothing is stored.",
        "RFC 9111 §5.2.1.7",
        (timeout(**asked("only-if-cached")), asks(HOUR), reuses(of=2)),
        OBEYING,
    ),
    Case(
        "only-if-cached-stale",
        "Only-if-cached gets a 504 where what is stored is stale.",
        "RFC 9111 §5.2.1.7",
        (asks(cc("max-age=10")), timeout(after=20, **asked("only-if-cached"))),
        OBEYING,
    ),
    Case(
        "only-if-cached-variant",
        "Only-if-cached gets a 504 where another variant is stored.",
        "RFC 9111 §5.2.1.7",
        (asks(HOUR, ("vary", "foo"), fields=(("foo", "1"),)), timeout(fields=(("foo", "2"), cc("only-if-cached")))),
        OBEYING,
    ),
    Case(
        "only-if-cached-head",
        "Only-if-cached gets a 504 for HEAD as well.",
        "RFC 9111 §5.2.1.7",
        (timeout(method="HEAD", **asked("only-if-cached")),),
        OBEYING,
    ),
    Case(
        "only-if-cached-and-max-stale",
        "Only-if-cached gets what is stale, if it allows that.",
        "RFC 9111 §5.2.1.7",
        (asks(cc("max-age=10")), reuses(after=20, **asked("only-if-cached, max-stale=60"))),
        OBEYING,
    ),
    Case(
        "only-if-cached-and-no-cache",
        "Only-if-cached with no-cache gets a 504.",
        "RFC 9111 §5.2.1.7",
        (asks(HOUR), timeout(**asked("only-if-cached, no-cache"))),
        OBEYING,
    ),
    Case(
        "only-if-cached-while-revalidating",
        "Only-if-cached gets what may be served while it is made anew.",
        "RFC 9111 §5.2.1.7",
        (
            asks(cc("max-age=10, stale-while-revalidate=60")),
            refreshes(HOUR, asked="maybe", after=20, **asked("only-if-cached")),
        ),
        OBEYING,
    ),
    Case(
        "only-if-cached-post",
        "Only-if-cached does not keep an unsafe request from the application.",
        "a safety choice",
        (asks(HOUR), asks(method="POST", **asked("only-if-cached")), asks()),
        OBEYING,
    ),
]

CASES = UNHEARD + FORWARD + FROM_STORE + ONLY
