"""What unsafe requests take back."""

from __future__ import annotations

from tests.conformance.case import Case, asks, cc, given, reuses

HOUR = cc("max-age=3600")
SHARED = cc("s-maxage=3600")
UNSAFE = ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "PURGE", "FOO", "get"]
POINTERS = ["location", "content-location"]

TARGET = (
    [
        Case(
            f"{method}-success",
            "An unsafe request that succeeds takes back what is stored for its target.",
            "RFC 9111 §4.4",
            (asks(HOUR), asks(method=method, body=b"x"), asks(HOUR), reuses(of=3)),
        )
        for method in UNSAFE
    ]
    + [
        Case(
            f"status-{status}",
            "Success is any status of the classes 2 and 3.",
            "RFC 9111 §4.4",
            (asks(HOUR), asks(method="POST", status=status), asks(HOUR)),
        )
        for status in (200, 201, 202, 204, 299, 301, 302, 303, 307, 308)
    ]
    + [
        Case(
            f"{method}-failure",
            "An unsafe request that fails takes nothing back.",
            "RFC 9111 §4.4",
            (asks(HOUR), asks(method=method, body=b"x", status=500), reuses()),
        )
        for method in UNSAFE[:5]
    ]
    + [
        Case(
            f"status-{status}-failure",
            "Any status of the classes 4 and 5 is a failure.",
            "RFC 9111 §4.4",
            (asks(HOUR), asks(("location", "/"), method="POST", status=status), reuses()),
        )
        for status in (400, 401, 403, 404, 405, 409, 410, 412, 422, 429, 499, 500, 502, 503, 504, 599)
    ]
    + [
        Case(
            "an-exception-is-a-failure",
            "An unsafe request whose application raises takes nothing back.",
            "RFC 9111 §4.4",
            (asks(HOUR), asks(method="POST", fails="at once", gets=None), reuses()),
        ),
        *[
            Case(
                f"{method}-is-safe",
                f"{method} is safe, and takes nothing back.",
                "RFC 9110 §9.2.1",
                (asks(HOUR), asks(method=method), reuses()),
            )
            for method in ("OPTIONS", "TRACE")
        ],
        Case(
            "head-takes-nothing-back",
            "HEAD is safe, and takes nothing back.",
            "RFC 9110 §9.2.1",
            (asks(HOUR), reuses(method="HEAD"), reuses()),
        ),
        Case(
            "all-variants",
            "All variants of the target are taken back.",
            "RFC 9111 §4.4",
            (
                asks(HOUR, ("vary", "foo"), fields=(("foo", "1"),)),
                asks(HOUR, ("vary", "foo"), fields=(("foo", "2"),)),
                asks(method="POST"),
                asks(HOUR, ("vary", "foo"), fields=(("foo", "1"),)),
                asks(HOUR, ("vary", "foo"), fields=(("foo", "2"),)),
            ),
        ),
        Case(
            "no-validator-survives",
            "What was taken back is not asked about.",
            "RFC 9111 §4.4",
            (asks(HOUR, ("etag", '"v1"')), asks(method="POST"), asks(HOUR, sees={"if-none-match": None})),
        ),
        Case(
            "not-served-stale",
            "What was taken back does not stand in for an error.",
            "RFC 9111 §4.4",
            (asks(cc("max-age=60, stale-if-error=600")), asks(method="POST"), asks(status=503)),
        ),
        Case(
            "not-served-while-revalidating",
            "What was taken back is not served while it is made anew.",
            "RFC 9111 §4.4",
            (asks(cc("max-age=60, stale-while-revalidate=600")), asks(method="POST"), asks(HOUR)),
        ),
    ]
)

ELSEWHERE = (
    [
        Case(
            f"other-{name}",
            sentence,
            "RFC 9111 §4.4",
            (asks(SHARED, **kept), asks(method="POST", url="/a?x=1"), reuses(**kept)),
        )
        for name, sentence, kept in [
            ("path", "Another path is not taken back.", given(url="/b")),
            ("longer-path", "A path below the target is not taken back.", given(url="/a/b")),
            ("query", "Another query is not taken back.", given(url="/a?x=2")),
            ("no-query", "The target without its query is not taken back.", given(url="/a")),
            ("host", "Another host is not taken back.", given(url="/a?x=1", fields=(("host", "other.example"),))),
        ]
    ]
    + [
        Case(
            f"{name}-{how}",
            f"An unsafe request that succeeds takes back what {name.title()} names, {what}.",
            "RFC 9111 §4.4",
            (
                asks(HOUR, url="/dir/there?x=1"),
                asks((name, value), method=method, url="/dir/here", status=201),
                asks(HOUR, url="/dir/there?x=1"),
            ),
        )
        for name in POINTERS
        for method, how, what, value in [
            ("POST", "path", "a path", "/dir/there?x=1"),
            ("PUT", "by-put", "whatever the method", "/dir/there?x=1"),
            ("DELETE", "by-delete", "whatever the method", "/dir/there?x=1"),
            ("M-SEARCH", "by-m-search", "whatever the method", "/dir/there?x=1"),
            ("POST", "relative", "a relative one", "there?x=1"),
            ("POST", "dots", "with dots in its path", "../dir/./there?x=1"),
            ("POST", "absolute", "an absolute one", "https://example.org/dir/there?x=1"),
            ("POST", "network-path", "one without a scheme", "//example.org/dir/there?x=1"),
            ("POST", "with-port", "with the port that is the default", "https://example.org:443/dir/there?x=1"),
            ("POST", "host-in-capitals", "with a host in capitals", "https://EXAMPLE.org/dir/there?x=1"),
            ("POST", "with-fragment", "without its fragment", "/dir/there?x=1#part"),
        ]
    ]
    + [
        Case(
            f"{name}-of-another-{how}",
            f"{name.title()} of another origin takes nothing back.",
            "RFC 9111 §4.4",
            (
                asks(SHARED, url="/there", fields=(("host", host),)),
                asks((name, value), method="POST", url="/here", status=201),
                reuses(url="/there", fields=(("host", host),)),
            ),
        )
        for name in POINTERS
        for how, host, value in [
            ("host", "other.example", "https://other.example/there"),
            ("host-without-scheme", "other.example", "//other.example/there"),
            ("port", "example.org:8443", "https://example.org:8443/there"),
            ("subdomain", "www.example.org", "https://www.example.org/there"),
            ("scheme", "example.org", "http://example.org/there"),
        ]
    ]
    + [
        Case(
            f"{name}-after-failure",
            f"An unsafe request that fails takes nothing back that {name.title()} names.",
            "RFC 9111 §4.4",
            (
                asks(HOUR, url="/there"),
                asks((name, "/there"), method="POST", url="/here", status=400),
                reuses(url="/there"),
            ),
        )
        for name in POINTERS
    ]
    + [
        Case(
            f"{name}-of-a-get",
            f"{name.title()} in the answer to a safe request takes nothing back.",
            "RFC 9111 §4.4",
            (asks(HOUR, url="/there"), asks((name, "/there"), url="/here"), reuses(url="/there")),
        )
        for name in POINTERS
    ]
    + [
        Case(
            f"{name}-malformed-{how}",
            f"A {name.title()} that is no URL takes back nothing else, and harms nobody.",
            "RFC 9111 §4.4",
            (
                asks(HOUR, url="/there"),
                asks((name, value), method="POST", url="/here", status=201),
                reuses(url="/there"),
            ),
        )
        for name in POINTERS
        for how, value in [
            ("brackets", "http://[/there"),
            ("port", "https://example.org:x/there"),
            ("obs-text", "\xff\xfe"),
            ("empty", ""),
            ("null", "%00"),
        ]
    ]
    + [
        Case(
            "both-pointers",
            "The target and both that are named are taken back.",
            "RFC 9111 §4.4",
            (
                asks(HOUR, url="/here"),
                asks(HOUR, url="/a"),
                asks(HOUR, url="/b"),
                asks(("location", "/a"), ("content-location", "/b"), method="POST", url="/here", status=201),
                asks(HOUR, url="/here"),
                asks(HOUR, url="/a"),
                asks(HOUR, url="/b"),
            ),
        ),
        Case(
            "equivalent-url",
            "A target that is written otherwise is the same.",
            "RFC 9110 §4.2.3",
            (
                asks(HOUR, url="/a%7Eb"),
                asks(("location", "/a~b"), method="POST", url="/here", status=201),
                asks(HOUR, url="/a%7Eb"),
            ),
        ),
    ]
)

CASES = TARGET + ELSEWHERE
