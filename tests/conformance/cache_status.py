"""Cache-Status: what the cache says of what it did."""

from __future__ import annotations

from typing import Any

from tests.conformance.case import Case, asks, cc, refreshes, reuses, validates

MINUTE = cc("max-age=60")
STRONG = ("etag", '"v1"')
NEITHER: dict[str, Any] = {"hit": None, "stored": None}

CASES = [
    Case(
        "miss-and-hit",
        "A miss says why it went forward and that it was stored, a hit for how long it is fresh.",
        "RFC 9211 §2.2",
        (
            asks(MINUTE, says={"hit": None, "fwd": "uri-miss", "stored": True}),
            reuses(after=20, says={"hit": True, "ttl": 40, "fwd": None, "stored": None}),
        ),
    ),
    Case(
        "not-stored",
        "What was not stored does not say that it was.",
        "RFC 9211 §2.5",
        (
            asks(says={**NEITHER, "fwd": "uri-miss"}),
            asks(cc("no-store"), says={**NEITHER, "fwd": "uri-miss"}),
            asks(MINUTE, ("set-cookie", "a=1"), says={**NEITHER, "fwd": "uri-miss"}),
        ),
    ),
    Case(
        "ttl-of-age",
        "The time that is left counts the age on arrival.",
        "RFC 9211 §2.4",
        (asks(MINUTE, ("age", "20")), reuses(after=10, says={"hit": True, "ttl": 30})),
    ),
    Case(
        "vary-miss",
        "A request for another variant says so.",
        "RFC 9211 §2.2",
        (
            asks(MINUTE, ("vary", "foo"), fields=(("foo", "1"),), says={"fwd": "uri-miss"}),
            asks(MINUTE, ("vary", "foo"), fields=(("foo", "2"),), says={"fwd": "vary-miss", "stored": True}),
        ),
    ),
    Case(
        "stale",
        "What was stale says so.",
        "RFC 9211 §2.2",
        (asks(MINUTE), asks(MINUTE, after=60, says={"hit": None, "fwd": "stale", "stored": True})),
    ),
    Case(
        "validated",
        "A validation says that it went forward, and what came back.",
        "RFC 9211 §2.3",
        (asks(MINUTE, STRONG), validates(STRONG, after=60, says={"hit": None, "fwd": "stale", "fwd-status": 304})),
    ),
    Case(
        "served-stale",
        "A stale answer from the store is a hit whose time is over.",
        "RFC 9211 §2.4",
        (
            asks(cc("max-age=60, stale-while-revalidate=600")),
            refreshes(MINUTE, after=70, says={"hit": True, "ttl": -10, "fwd": None}),
        ),
    ),
    Case(
        "hidden-error",
        "What stands in for an error went forward, and says what came back.",
        "RFC 9211 §2.3",
        (
            asks(cc("max-age=60, stale-if-error=600")),
            reuses(asked="before", status=503, after=60, says={"hit": None, "fwd": "stale", "fwd-status": 503}),
        ),
    ),
    *[
        Case(
            f"method-{method}",
            f"{method} went forward because of its method.",
            "RFC 9211 §2.2",
            (asks(MINUTE), asks(method=method, says={**NEITHER, "fwd": "method"})),
        )
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "FOO")
    ],
    Case(
        "head",
        "A HEAD that nothing answers went forward, and was not stored.",
        "RFC 9211 §2.2",
        (asks(MINUTE, method="HEAD", says={**NEITHER, "fwd": "uri-miss"}),),
    ),
    Case(
        "head-hit",
        "A HEAD that is answered is a hit.",
        "RFC 9211 §2.1",
        (asks(MINUTE), reuses(method="HEAD", says={"hit": True, "ttl": 60})),
    ),
    Case(
        "304-hit",
        "A 304 from the store is a hit.",
        "RFC 9211 §2.1",
        (asks(MINUTE, STRONG), reuses(fields=(("if-none-match", '"v1"'),), gets=304, says={"hit": True, "ttl": 60})),
    ),
    Case(
        "range-hit",
        "A part from the store is a hit.",
        "RFC 9211 §2.1",
        (
            asks(MINUTE, content=b"0123456789"),
            reuses(fields=(("range", "bytes=0-1"),), gets=206, of=None, text=b"01", says={"hit": True, "ttl": 60}),
        ),
    ),
    Case(
        "range-miss",
        "A part that nothing answers went forward, and was not stored.",
        "RFC 9211 §2.2",
        (
            asks(
                MINUTE,
                ("content-range", "bytes 0-1/10"),
                status=206,
                content=b"01",
                fields=(("range", "bytes=0-1"),),
                says={**NEITHER, "fwd": "uri-miss"},
            ),
        ),
    ),
    Case(
        "request",
        "What the request's own directives sent forward says so.",
        "RFC 9211 §2.2",
        (
            asks(MINUTE),
            asks(MINUTE, fields=(("cache-control", "no-cache"),), says={"hit": None, "fwd": "request", "stored": True}),
        ),
        {"obey_request_directives": True},
    ),
    Case(
        "bypass",
        "What is no matter of the cache says so.",
        "RFC 9211 §2.2",
        (asks(MINUTE, says={**NEITHER, "fwd": "bypass"}),),
        {"partition": lambda scope: None},
    ),
    Case(
        "credentials",
        "A request that may not be answered from the store does not say that it was.",
        "RFC 9211 §2.1",
        (asks(MINUTE), asks(MINUTE, fields=(("cookie", "a=1"),), says=NEITHER)),
    ),
    Case(
        "appended",
        "This cache's member comes after those of the caches behind it.",
        "RFC 9211 §2",
        (
            asks(
                MINUTE,
                ("cache-status", "origin; hit"),
                has={"cache-status": ("origin; hit", "accelerator; fwd=uri-miss; stored")},
            ),
            reuses(has={"cache-status": ("origin; hit", "accelerator; hit; ttl=60")}),
        ),
    ),
    Case(
        "appended-on-each-hit",
        "Hits do not pile up.",
        "RFC 9211 §2",
        (
            asks(MINUTE),
            reuses(has={"cache-status": "accelerator; hit; ttl=60"}),
            reuses(has={"cache-status": "accelerator; hit; ttl=60"}),
        ),
    ),
    Case(
        "another-name",
        "The name is the operator's.",
        "RFC 9211 §2",
        (asks(MINUTE), reuses(has={"cache-status": "edge; hit; ttl=60"})),
        {"cache_status": "edge"},
    ),
    Case(
        "silent",
        "It may be left out.",
        "RFC 9211 §2",
        (asks(MINUTE, has={"cache-status": None}), reuses(has={"cache-status": None})),
        {"cache_status": None},
    ),
    Case(
        "not-to-the-application",
        "The application sees none.",
        "RFC 9211 §2",
        (asks(MINUTE, sees={"cache-status": None}), reuses(says={"hit": True})),
    ),
]
