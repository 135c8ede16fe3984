"""Stale answers: who allows them, who forbids them, and when an error counts as no answer at all."""

from __future__ import annotations

from typing import Any

from tests.conformance.case import Case, Exchange, asks, cc, date, refreshes, reuses, validates

STRONG = ("etag", '"v1"')
WHILE = cc("max-age=60, stale-while-revalidate=30")
IF_ERROR = cc("max-age=60, stale-if-error=600")
FAILURES: dict[str, dict[str, Any]] = {
    "exception": {"fails": "at once"},
    "500": {"status": 500},
    "502": {"status": 502},
    "503": {"status": 503},
    "504": {"status": 504},
}


def hidden(**failure: Any) -> Exchange:
    """The application is asked and fails, and the client gets what is stored."""
    return Exchange(**{"asked": "before", "gets": 200, "of": 1, **failure})


def shown(**failure: Any) -> Exchange:
    """The application is asked and fails, and the client gets that."""
    return Exchange(**{"asked": "before", "gets": failure.get("status"), **failure})


REVALIDATING = [
    Case(
        "while-revalidate",
        "Within stale-while-revalidate the client is answered from the store, and then the response is made anew.",
        "RFC 5861 §3",
        (asks(WHILE), refreshes(WHILE, after=60, has={"age": "60"}), reuses(after=59, of=2, has={"age": "59"})),
    ),
    Case(
        "while-revalidate-to-the-second",
        "Stale-while-revalidate counts from the end of freshness.",
        "RFC 5861 §3",
        (asks(WHILE), refreshes(cc("no-store"), after=89), asks(after=1)),
    ),
    Case(
        "while-revalidate-over",
        "After stale-while-revalidate the client waits for the new response.",
        "RFC 5861 §3",
        (asks(WHILE), asks(WHILE, after=90), reuses(of=2)),
    ),
    Case(
        "while-revalidate-validates",
        "Making anew is a validation where there is a validator.",
        "RFC 5861 §3",
        (
            asks(WHILE, STRONG),
            refreshes(WHILE, STRONG, status=304, after=60, sees={"if-none-match": '"v1"'}),
            reuses(after=59),
        ),
    ),
    Case(
        "while-revalidate-of-a-failure",
        "A failure behind the client's back leaves what is stored, and the next request asks by itself.",
        "RFC 5861 §3",
        (asks(WHILE), refreshes(status=500, after=60), asks(WHILE, after=1), reuses(of=3)),
    ),
    Case(
        "while-revalidate-head",
        "A HEAD is answered within the window, too.",
        "RFC 5861 §3",
        (asks(WHILE), refreshes(WHILE, method="HEAD", after=60), reuses(of=2)),
    ),
    Case(
        "while-revalidate-304",
        "The client's own condition is answered within the window.",
        "RFC 5861 §3",
        (
            asks(WHILE, STRONG),
            refreshes(WHILE, STRONG, status=304, after=60, fields=(("if-none-match", '"v1"'),), gets=304, of=None),
        ),
    ),
    Case(
        "while-revalidate-by-age",
        "The age on arrival counts for the window.",
        "RFC 5861 §3",
        (asks(WHILE, ("age", "70")), refreshes(WHILE, after=19), reuses(of=2)),
    ),
    Case(
        "while-revalidate-old-on-arrival",
        "What arrives older than freshness and window together is not served.",
        "RFC 5861 §3",
        (asks(WHILE, ("age", "90")), asks()),
    ),
    Case(
        "while-revalidate-by-option",
        "The window may be an option.",
        "RFC 5861 §3",
        (asks(cc("max-age=60")), refreshes(after=89)),
        {"stale_while_revalidate": 30},
    ),
    Case(
        "while-revalidate-0-over-option",
        "A window of 0 in the response counts before the option.",
        "RFC 5861 §3",
        (asks(cc("max-age=60, stale-while-revalidate=0")), asks(after=60)),
        {"stale_while_revalidate": 30},
    ),
    *[
        Case(
            f"while-revalidate-{name}",
            f"A stale-while-revalidate with {what} is none.",
            "RFC 9111 §4.2.1",
            (asks(cc(f"max-age=60, {value}")), asks(after=60)),
            {"stale_while_revalidate": 600},
        )
        for name, what, value in [
            ("word", "a word", "stale-while-revalidate=x"),
            ("negative", "a negative number", "stale-while-revalidate=-1"),
            ("decimal", "a fraction", "stale-while-revalidate=30.5"),
            ("no-argument", "no argument", "stale-while-revalidate"),
        ]
    ],
    *[
        Case(
            f"while-revalidate-{name}",
            f"{name} forbids to serve what is stale while it is made anew.",
            section,
            (asks(cc(f"max-age=60, stale-while-revalidate=600, {name}")), asks(after=60)),
            {"stale_while_revalidate": 600},
        )
        for name, section in [
            ("must-revalidate", "RFC 9111 §5.2.2.2"),
            ("proxy-revalidate", "RFC 9111 §5.2.2.8"),
            ("no-cache", "RFC 9111 §5.2.2.4"),
            ("MUST-revalidate", "RFC 9111 §5.2"),
        ]
    ],
    Case(
        "while-revalidate-s-maxage-by-option",
        "An s-maxage forbids stale answers that the response does not itself allow.",
        "RFC 9111 §5.2.2.10",
        (asks(cc("s-maxage=60")), asks(after=60)),
        {"stale_while_revalidate": 600},
    ),
    Case(
        "while-revalidate-s-maxage",
        "A window that stands beside s-maxage was meant by who said both.",
        "RFC 5861 §3",
        (asks(cc("s-maxage=60, stale-while-revalidate=30")), refreshes(after=60)),
    ),
    Case(
        "while-revalidate-of-404",
        "What is stored may be served within its window, whatever its status.",
        "RFC 5861 §3",
        (asks(WHILE, status=404), refreshes(WHILE, after=60, gets=404)),
    ),
    Case(
        "without-a-word",
        "Nobody allowed a stale answer.",
        "RFC 9111 §4.2.4",
        (asks(cc("max-age=60")), asks(after=60)),
    ),
]

FAILING = (
    [
        Case(
            f"if-error-{name}",
            "Within stale-if-error a failure is hidden behind what is stored.",
            "RFC 5861 §4",
            (
                asks(IF_ERROR),
                hidden(after=60, has={"age": "60"}, **failure),
                hidden(after=599, **failure),
                shown(after=1, **failure),
            ),
        )
        for name, failure in FAILURES.items()
    ]
    + [
        Case(
            f"error-{name}",
            "Where nothing allows stale answers, a failure reaches the client.",
            "RFC 9111 §4.2.4",
            (asks(cc("max-age=60")), shown(after=60, **failure)),
        )
        for name, failure in FAILURES.items()
    ]
    + [
        Case(
            f"if-error-option-{name}",
            "The time for which failures are hidden may be an option.",
            "RFC 5861 §4",
            (asks(cc("max-age=60")), hidden(after=659, **failure), shown(after=1, **failure)),
            {"stale_if_error": 600},
        )
        for name, failure in FAILURES.items()
    ]
    + [
        Case(
            f"if-error-{directive.replace('=', '-')}-{name}",
            f"{directive} forbids to serve what is stale, whatever happens.",
            section,
            (asks(cc(f"max-age=60, {directive}"), STRONG), shown(after=60, **FAILURES[name])),
            {"stale_if_error": 600},
        )
        for directive, section in [
            ("must-revalidate", "RFC 9111 §5.2.2.2"),
            ("proxy-revalidate", "RFC 9111 §5.2.2.8"),
            ("no-cache", "RFC 9111 §5.2.2.4"),
            ("s-maxage=60", "RFC 9111 §5.2.2.10"),
        ]
        for name in ("exception", "503")
    ]
    + [
        Case(
            f"if-error-beside-{name}",
            f"{name} counts before a stale-if-error beside it.",
            section,
            (asks(cc(f"max-age=60, stale-if-error=600, {name}"), STRONG), shown(after=60, status=503)),
        )
        for name, section in [
            ("must-revalidate", "RFC 9111 §5.2.2.2"),
            ("proxy-revalidate", "RFC 9111 §5.2.2.8"),
            ("no-cache", "RFC 9111 §5.2.2.4"),
        ]
    ]
    + [
        Case(
            "if-error-s-maxage",
            "A stale-if-error that stands beside s-maxage was meant by who said both.",
            "RFC 5861 §4",
            (asks(cc("s-maxage=60, stale-if-error=600")), hidden(after=60, status=503)),
        ),
        Case(
            "if-error-0-over-option",
            "A stale-if-error of 0 counts before the option.",
            "RFC 5861 §4",
            (asks(cc("max-age=60, stale-if-error=0")), shown(after=60, status=503)),
            {"stale_if_error": 600},
        ),
        *[
            Case(
                f"if-error-malformed-{name}",
                f"A stale-if-error with {what} is none.",
                "RFC 9111 §4.2.1",
                (asks(cc(f"max-age=60, {value}")), shown(after=60, status=503)),
                {"stale_if_error": 600},
            )
            for name, what, value in [
                ("word", "a word", "stale-if-error=x"),
                ("negative", "a negative number", "stale-if-error=-1"),
                ("decimal", "a fraction", "stale-if-error=30.5"),
                ("no-argument", "no argument", "stale-if-error"),
            ]
        ],
        *[
            Case(
                f"if-error-status-{status}",
                "An answer that is no failure of the server is not hidden.",
                "RFC 5861 §4",
                (asks(IF_ERROR), asks(after=60, status=status)),
            )
            for status in (400, 401, 403, 404, 410, 429, 501, 505, 599)
        ],
        Case(
            "if-error-fresh",
            "Nobody is asked while a response is fresh.",
            "RFC 9111 §4.2",
            (asks(IF_ERROR), reuses(after=59, status=503)),
        ),
        Case(
            "if-error-nothing-stored",
            "Where nothing is stored nothing can be hidden.",
            "RFC 5861 §4",
            (shown(status=503), asks(IF_ERROR), hidden(after=60, status=503, of=2)),
        ),
        Case(
            "if-error-another-variant",
            "Another variant does not stand in.",
            "RFC 9111 §4.1",
            (
                asks(IF_ERROR, ("vary", "foo"), fields=(("foo", "1"),)),
                shown(after=60, status=503, fields=(("foo", "2"),)),
            ),
        ),
        Case(
            "if-error-half-way",
            "A failure after the first byte cannot be hidden.",
            "RFC 5861 §4",
            (asks(IF_ERROR), shown(after=60, fails="half way")),
        ),
        Case(
            "if-error-leaves-what-is-stored",
            "A failure leaves what is stored: the next success takes its place.",
            "RFC 5861 §4",
            (asks(IF_ERROR), hidden(after=60, status=503), asks(IF_ERROR), reuses(of=3)),
        ),
        Case(
            "if-error-validation",
            "A failing validation is a failure like any.",
            "RFC 9111 §4.3.3",
            (asks(IF_ERROR, STRONG), hidden(after=60, status=503, sees={"if-none-match": '"v1"'}), validates(STRONG)),
        ),
        Case(
            "if-error-304",
            "The client's own condition is answered from what stands in.",
            "RFC 5861 §4",
            (
                asks(IF_ERROR, STRONG),
                hidden(after=60, status=503, fields=(("if-none-match", '"v1"'),), gets=304, of=None),
            ),
        ),
        Case(
            "if-error-by-expires",
            "Stale-if-error counts from the end of freshness by Expires.",
            "RFC 5861 §4",
            (
                asks(cc("stale-if-error=600"), ("expires", date(60)), ("date", date())),
                hidden(after=659, status=503),
                shown(after=1, status=503),
            ),
        ),
        Case(
            "no-warning",
            "A stale answer has no Warning: it was abolished.",
            "RFC 9111 §5.5",
            (asks(IF_ERROR), hidden(after=60, status=503, has={"warning": None})),
        ),
    ]
)

CASES = REVALIDATING + FAILING
