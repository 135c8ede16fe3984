"""Requests with Authorization or Cookie: what a shared cache may keep of their answers, and give to them."""

from __future__ import annotations

from tests.conformance.case import Case, asks, cc, date, reuses

LOGIN = (("authorization", "Basic eDp5"),)
OTHER = (("authorization", "Basic eDp6"),)
COOKIE = (("cookie", "session=1"),)
EXPIRES = (("expires", date(3600)), ("date", date()))

CASES = (
    [
        Case(
            f"authorization-closed-{name}",
            "What answers a request with Authorization is not reused, unless one of three words allows it.",
            "RFC 9111 §3.5",
            (asks(*lines, fields=LOGIN, sees=dict(LOGIN)), asks(*lines, fields=LOGIN), asks()),
        )
        for name, lines in [
            ("max-age", (cc("max-age=3600"),)),
            ("expires", EXPIRES),
            ("proxy-revalidate", (cc("max-age=3600, proxy-revalidate"),)),
            ("immutable", (cc("max-age=3600, immutable"),)),
            ("public-in-a-string", (cc('max-age=3600, x="public"'),)),
            ("private-of-public", (cc("private, public, max-age=3600"),)),
            ("no-store-of-public", (cc("no-store, public, max-age=3600"),)),
            ("no-time-of-public", (cc("public"),)),
        ]
    ]
    + [
        Case(
            f"authorization-open-{name}",
            "What answers a request with Authorization is reused where one of three words allows it.",
            "RFC 9111 §3.5",
            (asks(*lines, fields=LOGIN, sees=dict(LOGIN)), reuses(fields=LOGIN), reuses(fields=OTHER), reuses()),
        )
        for name, lines in [
            ("public", (cc("max-age=3600, public"),)),
            ("public-and-expires", (cc("public"), *EXPIRES)),
            ("public-in-capitals", (cc("max-age=3600, PUBLIC"),)),
            ("s-maxage", (cc("s-maxage=3600"),)),
            ("must-revalidate", (cc("max-age=3600, must-revalidate"),)),
        ]
    ]
    + [
        Case(
            "authorization-not-answered",
            "What is stored for anyone does not answer a request with Authorization on a mere max-age.",
            "a safety choice",
            (asks(cc("max-age=3600")), asks(cc("max-age=3600"), fields=LOGIN, sees=dict(LOGIN)), reuses()),
        ),
        *[
            Case(
                f"authorization-answered-{name}",
                "What is stored for anyone answers a request with Authorization on a word for shared caches.",
                "RFC 9111 §3.5",
                (asks(cc(value)), reuses(fields=LOGIN)),
            )
            for name, value in [("public", "max-age=3600, public"), ("s-maxage", "s-maxage=3600")]
        ],
        Case(
            "authorization-varies",
            "Users are kept apart where the response varies on Authorization.",
            "RFC 9111 §4.1",
            (
                asks(cc("s-maxage=60"), ("vary", "authorization"), fields=LOGIN),
                asks(cc("s-maxage=60"), ("vary", "authorization"), fields=OTHER),
                reuses(fields=LOGIN),
                reuses(fields=OTHER, of=2),
            ),
        ),
        Case(
            "authorization-no-error-hidden",
            "A failure is not hidden behind what a request with Authorization may not have.",
            "RFC 9111 §3.5",
            (asks(cc("max-age=60, stale-if-error=600")), asks(after=60, status=503, fields=LOGIN)),
        ),
        Case(
            "authorization-targeted",
            "Public in a targeted field is the same word.",
            "RFC 9213 §2.2",
            (asks(("cdn-cache-control", "max-age=3600, public"), fields=LOGIN), reuses(fields=LOGIN)),
        ),
    ]
    + [
        Case(
            f"cookie-closed-{name}",
            "What answers a request with Cookie is not reused on a word that so far spoke to browsers only.",
            "a safety choice",
            (asks(*lines, fields=COOKIE, sees=dict(COOKIE)), asks(*lines, fields=COOKIE), asks()),
        )
        for name, lines in [
            ("max-age", (cc("max-age=3600"),)),
            ("expires", EXPIRES),
            ("must-revalidate", (cc("max-age=3600, must-revalidate"),)),
        ]
    ]
    + [
        Case(
            f"cookie-not-answered-{name}",
            "What is stored for anyone does not answer a request with Cookie on a word that spoke to browsers only.",
            "a safety choice",
            (asks(*lines), asks(*lines, fields=COOKIE), reuses()),
        )
        for name, lines in [("max-age", (cc("max-age=3600"),)), ("expires", EXPIRES)]
    ]
    + [
        Case(
            f"cookie-open-{name}",
            "What answers a request with Cookie is reused on a word for shared caches.",
            "RFC 9111 §3",
            (asks(*lines, fields=COOKIE, sees=dict(COOKIE)), reuses(fields=(("cookie", "session=2"),)), reuses()),
        )
        for name, lines in [
            ("public", (cc("max-age=3600, public"),)),
            ("s-maxage", (cc("s-maxage=3600"),)),
            ("targeted", (("cdn-cache-control", "max-age=3600"),)),
        ]
    ]
    + [
        Case(
            "cookie-varies",
            "Cookies are kept apart where the response varies on them.",
            "RFC 9111 §4.1",
            (
                asks(cc("s-maxage=60"), ("vary", "cookie"), fields=COOKIE),
                asks(cc("s-maxage=60"), ("vary", "cookie"), fields=(("cookie", "session=2"),)),
                reuses(fields=COOKIE),
            ),
        ),
        Case(
            "cookie-and-authorization",
            "A request with both needs a word for each.",
            "RFC 9111 §3.5",
            (
                asks(("cdn-cache-control", "max-age=3600"), fields=(*COOKIE, *LOGIN)),
                asks(cc("max-age=3600, must-revalidate"), fields=(*COOKIE, *LOGIN)),
                asks(cc("s-maxage=3600"), fields=(*COOKIE, *LOGIN)),
                reuses(fields=(*COOKIE, *LOGIN), of=3),
            ),
        ),
    ]
)
