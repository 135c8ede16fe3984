"""Heuristic freshness, for those who ask for it: a tenth of the time since the last change."""

from __future__ import annotations

from typing import Any

from tests.conformance.case import Case, Lines, asks, cc, date, reuses

DAY = 86400
ON: dict[str, Any] = {"heuristic": True}
NOW = ("date", date())


def changed(seconds: float) -> Lines:
    """Last-Modified so many seconds before Date."""
    return (("last-modified", date(-seconds)), NOW)


CASES = [
    Case(
        "off",
        "There is no heuristic freshness unless it is asked for.",
        "the opt-in",
        (asks(*changed(DAY)), asks()),
    ),
    Case(
        "a-tenth",
        "A response is fresh for a tenth of the time from its Last-Modified to its Date.",
        "RFC 9111 §4.2.2",
        (asks(*changed(1000)), reuses(after=99, has={"age": "99"}), asks(after=1)),
        ON,
    ),
    Case(
        "without-date",
        "Without Date, the time to the receipt counts.",
        "RFC 9111 §4.2.2",
        (asks(("last-modified", date(-1000))), reuses(after=99), asks(after=1)),
        ON,
    ),
    Case(
        "age-counts",
        "The age on arrival counts.",
        "RFC 9111 §4.2.3",
        (asks(*changed(1000), ("age", "60")), reuses(after=39), asks(after=1)),
        ON,
    ),
    *[
        Case(
            f"status-{status}",
            f"A {status} may be fresh by a heuristic.",
            "RFC 9110 §15.1",
            (asks(*changed(DAY), status=status), reuses(after=60, gets=status)),
            {"heuristic": True, "cacheable_errors": True},
        )
        for status in (200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501)
    ],
    *[
        Case(
            f"status-{status}-not",
            f"A {status} is not fresh by a heuristic.",
            "RFC 9110 §15.1",
            (asks(*changed(DAY), status=status), asks(status=status)),
            {"heuristic": True, "cacheable_errors": True},
        )
        for status in (201, 202, 299, 302, 303, 307, 400, 403, 429, 500, 502, 503, 504, 599)
    ],
    Case(
        "206-not",
        "A 206 is not fresh by a heuristic either: it is not stored at all.",
        "RFC 9111 §3.3",
        (asks(*changed(DAY), ("content-range", "bytes 0-7/100"), status=206), asks()),
        ON,
    ),
    *[
        Case(
            f"public-{status}",
            f"A {status} with public may be fresh by a heuristic.",
            "RFC 9111 §4.2.2",
            (asks(cc("public"), *changed(DAY), status=status), reuses(after=60, gets=status)),
            {"heuristic": True, "cacheable_errors": True},
        )
        for status in (201, 302, 403, 599)
    ],
    *[
        Case(
            f"error-{status}-not-asked-for",
            "A heuristic does not have errors stored that were not asked for.",
            "a safety choice",
            (asks(*changed(DAY), status=status), asks(status=status)),
            ON,
        )
        for status in (405, 414, 501)
    ],
    *[
        Case(
            f"{name}-not",
            sentence,
            section,
            (asks(*lines), asks()),
            ON,
        )
        for name, sentence, section, lines in [
            ("no-last-modified", "Without Last-Modified there is no heuristic.", "RFC 9111 §4.2.2", (NOW,)),
            (
                "malformed-last-modified",
                "A Last-Modified that is no date is no heuristic.",
                "RFC 9111 §4.2.2",
                (("last-modified", "x"), NOW),
            ),
            (
                "last-modified-in-the-future",
                "A Last-Modified after Date is no heuristic.",
                "RFC 9110 §8.8.2.1",
                (("last-modified", date(DAY)), NOW),
            ),
            (
                "last-modified-now",
                "A change of this moment is no time.",
                "RFC 9111 §4.2.2",
                (("last-modified", date()), NOW),
            ),
            (
                "max-age-0",
                "A max-age of 0 is explicit, and counts.",
                "RFC 9111 §4.2.2",
                (cc("max-age=0"), *changed(DAY)),
            ),
            (
                "malformed-max-age",
                "A malformed max-age is explicit, and stale.",
                "RFC 9111 §4.2.1",
                (cc("max-age=x"), *changed(DAY)),
            ),
            (
                "s-maxage-0",
                "An s-maxage of 0 is explicit, and counts.",
                "RFC 9111 §4.2.2",
                (cc("s-maxage=0"), *changed(DAY)),
            ),
            (
                "expires-0",
                "An Expires that has passed is explicit, and counts.",
                "RFC 9111 §4.2.2",
                (("expires", "0"), *changed(DAY)),
            ),
            ("no-store", "No-store counts.", "RFC 9111 §5.2.2.5", (cc("no-store"), *changed(DAY))),
            ("private", "Private counts.", "RFC 9111 §5.2.2.7", (cc("private"), *changed(DAY))),
            ("no-cache", "No-cache counts.", "RFC 9111 §5.2.2.4", (cc("no-cache"), *changed(DAY))),
            ("set-cookie", "Set-Cookie counts.", "a safety choice", (("set-cookie", "a=1"), *changed(DAY))),
        ]
    ],
    Case(
        "explicit-time",
        "An explicit time counts before the heuristic.",
        "RFC 9111 §4.2.2",
        (asks(cc("max-age=60"), *changed(DAY)), asks(after=60)),
        ON,
    ),
    Case(
        "default-ttl",
        "A default time counts for what has no heuristic.",
        "the opt-in",
        (asks(), reuses(after=59), asks(after=1)),
        {"heuristic": True, "default_ttl": 60},
    ),
    Case(
        "pragma",
        "Pragma in a response means nothing to a cache.",
        "RFC 9111 §5.4",
        (asks(("pragma", "no-cache"), *changed(DAY)), reuses()),
        ON,
    ),
    Case(
        "content-disposition",
        "A download is as good as a page.",
        "RFC 9111 §4.2.2",
        (asks(("content-disposition", "attachment; filename=a.txt"), *changed(DAY)), reuses()),
        ON,
    ),
    Case(
        "query",
        "A query forbids no heuristic.",
        "RFC 9111 §4.2.2",
        (asks(*changed(DAY), url="/?a=1"), reuses(url="/?a=1")),
        ON,
    ),
    Case(
        "cookie-not",
        "A heuristic is no word for a request with Cookie.",
        "a safety choice",
        (asks(*changed(DAY), fields=(("cookie", "a=1"),)), asks()),
        ON,
    ),
    Case(
        "authorization-not",
        "A heuristic is no word for a request with Authorization.",
        "RFC 9111 §3.5",
        (asks(*changed(DAY), fields=(("authorization", "x"),)), asks()),
        ON,
    ),
    *[
        Case(
            f"delta-{seconds}",
            f"What was changed {seconds} seconds before is fresh for a tenth of that.",
            "RFC 9111 §4.2.2",
            (asks(*changed(seconds)), reuses(after=seconds / 10 - 0.25), asks(after=0.25)),
            ON,
        )
        for seconds in (5, 10, 30, 60, 300, 600, 1200, 1800, 3600, 43200, 86400)
    ],
]
